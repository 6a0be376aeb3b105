"""The command line as a user types it, on a small untrained model: files, exit codes, messages, replay."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart, small_model

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.acceptance_help import gate_help
from DiffusionSiblingsLib.metrics.measurement import measurement_keys

COMMANDS = ("generate", "perturb", "inpaint", "guide", "reconstruct", "measure", "replay", "models", "prepare", "train",
            "demo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a twin and a model, and a finished run of two ratios."""
    root = tmp_path_factory.mktemp("cli")
    small_model(root / "models" / "small")
    write_labelmap(ellipsoid_heart((40, 36, 44), 3.4, extra=True), root / "twin.seg.nrrd", "seg.nrrd")
    arguments = ["perturb", str(root / "twin.seg.nrrd"), "--ratio", "0.2", "0.5", "--count", "2", "--steps", "4",
                 "--model", str(root / "models" / "small"), "--device", "cpu", "--out", str(root / "run")]
    assert main(arguments) == 0
    return root


def run(folder: Path, *arguments: str) -> list[str]:
    return [*arguments, "--model", str(folder / "models" / "small"), "--device", "cpu"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"siblings {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["generate", "perturb", "guide"])
def test_the_checks_of_a_gate_are_explained(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = "".join(capsys.readouterr().out.split())  # lines break anywhere
    assert all(f"{name}:{''.join(words.split())}" in shown for name, words in gate_help().items())


def test_help_and_bad_input_do_not_load_torch() -> None:
    code = ("import sys; from DiffusionSiblingsLib.apps.cli.main import main\n"
            "assert main(['measure', 'nowhere.nii.gz']) == 2\nassert 'torch' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_run_leaves_siblings_record_metrics_and_overview(folder: Path) -> None:
    out = folder / "run"
    names = sorted(path.name for path in out.iterdir())
    siblings = [f"sibling_{k:04d}.seg.nrrd" for k in range(4)]
    assert names == ["metrics.csv", "overview.png", "record.json", *siblings]
    record = json.loads((out / "record.json").read_text())
    assert record["complete"]
    assert [run["request"]["ratio"] for run in record["runs"]] == [0.2, 0.5]
    assert record["twin"]["labels_sha256"]
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    assert [row["map"] for row in rows] == ["twin", *(name.split(".")[0] for name in siblings)]
    assert {key.title for key in measurement_keys(load_anatomy())} <= set(rows[0])  # 12 features, Ao, Myo
    assert "LV wall median thickness [mm]" in rows[0]  # the measures by name
    assert {row["voxels changed outside region"] for row in rows[1:]} == {"0"}


def test_a_sibling_keeps_names_colours_and_unknown_segments(folder: Path) -> None:
    anatomy = load_anatomy("heart")
    twin, sibling = (read_labelmap(folder / name, anatomy, whole=False)  # the small model may leave few voxels of one
                     for name in ("twin.seg.nrrd", "run/sibling_0001.seg.nrrd"))
    assert [(s.name, s.color, s.tags, s.identifier) for s in sibling.segments] == [
        (s.name, s.color, s.tags, s.identifier) for s in twin.segments]
    assert np.array_equal(sibling.labels == 9, twin.labels == 9)


def test_a_replay_of_no_siblings_is_no_success(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((folder / "run" / "record.json").read_text())
    for runs in ([], [{**record["runs"][0], "siblings": []}]):
        (folder / "empty.json").write_text(json.dumps({**record, "runs": runs}))
        assert main(["replay", str(folder / "empty.json"), "--device", "cpu"]) == 2
        assert "no sibling" in capsys.readouterr().err


def test_replay_says_identical_and_notices_a_change(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ["SIBLINGS_MODELS"] = str(folder / "models")
    try:
        assert main(["replay", str(folder / "run" / "record.json"), "--device", "cpu", "--json"]) == 0
        assert [row["verdict"] for row in json.loads(capsys.readouterr().out)] == ["identical"] * 4
        record = json.loads((folder / "run" / "record.json").read_text())
        record["runs"] = record["runs"][1:]
        record["runs"][0]["request"]["seed"] = 9
        (folder / "other.json").write_text(json.dumps(record))
        assert main(["replay", str(folder / "other.json"), "--device", "cpu", "--json"]) == 3
        assert {row["verdict"] for row in json.loads(capsys.readouterr().out)} == {"different"}
    finally:
        del os.environ["SIBLINGS_MODELS"]


def test_another_run_is_not_overwritten_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in (folder / "run").iterdir()}
    twin = str(folder / "twin.seg.nrrd")
    assert main(run(folder, "reconstruct", twin, "--out", str(folder / "run"))) == 2
    assert "--replace" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (folder / "run").iterdir()} == before


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha"])
def test_the_format_can_be_chosen_and_json_output_is_the_record(folder: Path, suffix: str, tmp_path: Path,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    twin = str(folder / "twin.seg.nrrd")
    assert main(run(folder, "reconstruct", twin, "--format", suffix, "--json", "--out", str(tmp_path))) == 0
    assert (tmp_path / f"sibling_0000.{suffix}").exists()
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "record.json").read_text())


def test_measure_reports_good_files_and_names_bad_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = folder / "bad.nii.gz"
    bad.write_bytes(b"not a label map")
    assert main(["measure", str(bad), str(folder / "twin.seg.nrrd"), "--json"]) == 2
    shown = capsys.readouterr()
    assert [Path(row["map"]).name for row in json.loads(shown.out)] == ["twin.seg.nrrd"]
    assert "bad.nii.gz" in shown.err


@pytest.mark.parametrize("arguments", [
    ["perturb", "nowhere.nii.gz"], ["perturb", "TWIN", "--ratio", "1.5"], ["perturb", "TWIN", "--count", "0"],
    ["inpaint", "TWIN"], ["inpaint", "TWIN", "--edit", "liver"], ["inpaint", "TWIN", "--box", "1,2,3"],
    ["inpaint", "TWIN", "--region", "nowhere.nii.gz"], ["perturb", "TWIN", "--labels", "LV=x"],
    ["perturb", "TWIN", "--device", "mps"],
])
def test_bad_input_ends_with_2_one_message_and_no_files(folder: Path, arguments: list[str], tmp_path: Path,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    named = [str(folder / "twin.seg.nrrd") if part == "TWIN" else part for part in arguments]
    model = ["--model", str(folder / "models" / "small")]
    device = [] if "--device" in named else ["--device", "cpu"]
    assert main([*named, *model, *device, "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr().err.strip()
    assert shown.startswith("siblings: ")
    assert len(shown.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_leaves_finished_siblings_and_a_valid_record(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    twin = str(folder / "twin.seg.nrrd")
    arguments = run(folder, "perturb", twin, "--count", "500", "--steps", "4", "--out", str(out))
    def hear_ctrl_c() -> None:  # a test run in the background of a shell has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen([sys.executable, "-m", "DiffusionSiblingsLib", *arguments], preexec_fn=hear_ctrl_c,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (out / "sibling_0001.seg.nrrd").exists():
            break
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    shown, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    record = json.loads((out / "record.json").read_text())
    made = record["runs"][0]["siblings"]
    assert not record["complete"]
    assert 2 <= len(made) < 500
    assert {entry["file"] for entry in made} == {path.name for path in out.glob("sibling_*")}
    assert (out / "overview.png").exists()
    assert "Stopped early" in shown
