"""Guided edits from the command line, on a small untrained model: controls, presets, holds, and what is refused."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.control.control import read_control
from DiffusionSiblingsLib.control.presets import PRESETS
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.engine import guided_finish as guiding
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

ANATOMY = load_anatomy("heart")
HEART = ellipsoid_heart((40, 36, 44), 3.4)
CENTRE = (7.0 + 28, -3.0, 12.0 - 10)  # of its right ventricle, RAS mm


@pytest.fixture(autouse=True)
def few_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The untrained model never has what is asked; its maps are full of crumbs, and slow to repair."""
    monkeypatch.setattr(guiding, "FINISHES", 2)


@pytest.fixture(scope="module")
def twin(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A heart of ellipsoids in a file; the small model is there by its name."""
    return write_labelmap(HEART, tmp_path_factory.mktemp("guided") / "twin.nii.gz", "nii.gz")


def control(**changes: Any) -> dict[str, Any]:
    """The JSON of a control that asks for 5 % more right ventricle."""
    domain = {"name": "RV", "tissues": ["RV"], "centre": list(CENTRE), "size": [60, 70, 80], "template": [16, 16, 16]}
    term = {"domain": "RV", "quantity": "mass", "times": 1.05}
    return {"schema": "siblings-control/1", "domains": [domain], "terms": [term], **changes}


def written(folder: Path, values: object) -> str:
    path = folder / "control.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return str(path)


def run(*arguments: str) -> int:
    return main([*arguments, "--model", "small", "--device", "cpu", "--steps", "3"])


def refused(capsys: pytest.CaptureFixture[str], out: Path, *arguments: str) -> str:
    """The one message of a run that is refused before anything is written."""
    assert run(*arguments, "--out", str(out)) == 2
    shown = capsys.readouterr().err.strip().splitlines()
    assert [line for line in shown if not line.startswith("siblings: note:")] == shown[-1:]
    assert shown[-1].startswith("siblings: ") and not out.exists()
    return shown[-1]


def test_a_guided_run_records_its_control_and_tells_asked_and_achieved(twin: Path, tmp_path: Path) -> None:
    file = written(tmp_path, control())
    assert run("guide", str(twin), "--control", file, "--hold", "LA", "--out", str(tmp_path / "run")) == 0
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    request, (entry,) = record["runs"][0]["request"], record["runs"][0]["siblings"]
    assert (request["edit"], request["ratio"], request["guider"]) == ("perturb", 0.6, "projection")
    assert [domain["name"] for domain in request["control"]["domains"]] == ["RV", "LA"]
    assert [item["domain"] for item in entry["guidance"]] == ["RV", "LA"]
    twin_row, row = csv.DictReader((tmp_path / "run" / "metrics.csv").open())
    asked, before = float(row["RV volume asked [ml]"]), float(twin_row["RV volume achieved [ml]"])
    assert asked == pytest.approx(1.05 * before, rel=1e-5)
    assert float(row["RV volume achieved [ml]"]) == pytest.approx(entry["guidance"][0]["achieved"], rel=1e-5)
    assert row["targets reached"].endswith("of 2") and twin_row["targets reached"] == ""
    assert row["edit"] == "ratio 0.6, guided: RV volume x 1.05, 1 held"


def test_a_guided_run_is_replayed_from_its_record_alone(twin: Path, tmp_path: Path,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run("guide", str(twin), "--preset", "enlarge-rv", "--amount", "0.1", "--out", str(out)) == 0
    capsys.readouterr()
    assert main(["replay", str(out / "record.json"), "--device", "cpu", "--json"]) == 0
    assert [row["verdict"] for row in json.loads(capsys.readouterr().out)] == ["identical"]


def test_a_guided_run_works_with_the_multistep_solver_and_is_replayed(twin: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run("guide", str(twin), "--preset", "enlarge-rv", "--solver", "dpmpp-2m", "--out", str(out)) == 0
    record = out / "record.json"
    request = json.loads(record.read_text())["runs"][0]["request"]
    assert (request["solver"], request["steps"]) == ("dpmpp-2m", 3)
    assert main(["replay", str(record), "--device", "cpu"]) == 0


def test_hold_goes_with_perturb_and_with_inpaint(twin: Path, tmp_path: Path) -> None:
    assert run("perturb", str(twin), "--ratio", "0.3", "--hold", "all", "--out", str(tmp_path / "all")) == 0
    record = json.loads((tmp_path / "all" / "record.json").read_text())
    held = record["runs"][0]["request"]["control"]
    assert {domain["name"] for domain in held["domains"]} == set(ANATOMY.ids)
    assert {term["times"] for term in held["terms"]} == {1.0}
    assert run("inpaint", str(twin), "--edit", "RV", "--hold", "all", "--out", str(tmp_path / "rv")) == 0
    record = json.loads((tmp_path / "rv" / "record.json").read_text())
    control = record["runs"][0]["request"]["control"]
    assert {domain["name"] for domain in control["domains"]} == {"Myo", "RV"}  # the others cannot change anyway


def test_presets_work_without_a_twin_and_hold_does_not(models: Path, tmp_path: Path,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    assert run("guide", "--preset", "enlarge-rv", "--out", str(tmp_path / "new")) == 0
    request = json.loads((tmp_path / "new" / "record.json").read_text())["runs"][0]["request"]
    assert (request["edit"], request["control"]["frame"]) == ("generate", "canonical")
    capsys.readouterr()
    assert "needs a twin" in refused(capsys, tmp_path / "no", "guide", "--preset", "enlarge-rv", "--hold", "LV")


def test_a_preset_is_a_start_for_a_control_of_ones_own(twin: Path, tmp_path: Path,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.json"
    arguments = ["measure", str(twin), "--model", "small", "--json"]
    assert main([*arguments, "--preset", "enlarge-rv,enlarge-la", "--write", str(file)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["domain"], row["unit"], row["components"]) for row in rows] == [("RV", "ml", 1), ("LA", "ml", 1)]
    own = read_control(file, ANATOMY)
    assert [term.target.value for term in own.terms] == pytest.approx([row["amount"] for row in rows], rel=1e-5)
    assert main([*arguments, "--control", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == rows


def test_measuring_in_domains_does_not_load_torch(twin: Path) -> None:
    code = ("import sys; from DiffusionSiblingsLib.apps.cli.main import main\n"
            f"assert main(['measure', {str(twin)!r}, '--preset', 'enlarge-rv', '--model', 'small']) == 0\n"
            "assert 'torch' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(("values", "words"), [
    ("{", "control file cannot be read"),
    (control(schema="siblings-control/9"), "siblings-control/9"),
    ({**control(), "domains": [{**control()["domains"][0], "tissues": ["liver"]}]}, "liver"),
    ({**control(), "domains": [{**control()["domains"][0], "centre": [900, 0, 0]}]}, "outside the image"),
    ({**control(), "domains": [{**control()["domains"][0], "centre": [-59, -60, -44], "size": [9, 9, 9]}]},
     "holds none of its tissues"),
    (control(terms=[{"domain": "RV", "quantity": "mass", "value": 60.0},
                    {"domain": "RV", "quantity": "mass", "value": 70.0}]), "contradict"),
    (control(terms=[{"domain": "RV", "quantity": "betti", "value": [9999, None, None]}]), "cannot be reached"),
    (control(terms=[]), "asks for nothing"),
    (control(terms=[{"domain": "RA", "quantity": "mass", "times": 1.1}]), "no such domain"),
])
def test_a_control_that_cannot_be_used_is_refused(twin: Path, tmp_path: Path, values: object, words: str,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, values)
    assert words in refused(capsys, tmp_path / "out", "guide", str(twin), "--control", file)


@pytest.mark.parametrize(("arguments", "words"), [
    (["guide"], "nothing to guide by"),
    (["guide", "TWIN", "--preset", "enlarge-all"], ", ".join(PRESETS)),
    (["guide", "TWIN", "--preset", "enlarge-rv", "--amount", "0"], "20 %"),
    (["guide", "TWIN", "--preset", "enlarge-rv", "--amount", "20"], "20 %"),
    (["guide", "TWIN", "--preset", "shrink-rv", "--amount", "1"], "amount"),
    (["guide", "TWIN", "--preset", "enlarge-rv", "--amount", "nan"], "amount"),
    (["guide", "TWIN", "--preset", "enlarge-rv", "--hold", "RV"], "contradict"),
    (["guide", "TWIN", "--preset", "enlarge-rv", "--ratio", "0"], "draws nothing"),
    (["guide", "TWIN", "--control", "nowhere.json"], "nowhere.json"),
    (["perturb", "TWIN", "--hold", "liver"], "Ao, Myo, LV, RV, LA, RA, or all"),
    (["inpaint", "TWIN", "--edit", "LV", "--hold", "LV,spleen"], "spleen"),
])
def test_wishes_that_cannot_be_had_are_refused(twin: Path, tmp_path: Path, arguments: list[str], words: str,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    named = [str(twin) if part == "TWIN" else part for part in arguments]
    assert words in refused(capsys, tmp_path / "out", *named)


def test_a_tissue_that_the_twin_lacks_is_not_held_silently(models: Path, tmp_path: Path,
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    labels = HEART.labels.copy()
    labels[labels == ANATOMY.label_of("Ao")] = 0
    twin = write_labelmap(HEART.with_labels(labels), tmp_path / "twin.nrrd", "nrrd")
    assert "Ao" in refused(capsys, tmp_path / "out", "perturb", str(twin), "--hold", "Ao", "--labels",
                           "Myo=2,LV=3,RV=4,LA=5,RA=6")


def test_a_control_of_a_twin_is_refused_without_one(models: Path, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, control())
    assert "name the twin" in refused(capsys, tmp_path / "out", "guide", "--control", file)


def test_a_target_beyond_the_cohort_is_warned_of_and_recorded(twin: Path, models: Path, tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    cohort = {"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["RV volume [ml]"], "rows": [[20], [30]]}
    path = models / "small" / "cohort.json"
    path.write_text(json.dumps(cohort), encoding="utf-8")
    try:
        assert run("guide", str(twin), "--preset", "enlarge-rv", "--out", str(tmp_path / "run")) == 0
    finally:
        path.unlink()
    assert "the nearest has 30 ml" in capsys.readouterr().err
    (entry,) = json.loads((tmp_path / "run" / "record.json").read_text())["runs"]
    assert "beyond what the model was trained on" in entry["warnings"][0]
