"""What a run removes and writes over: its own files in its own folder, by their names, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quick_runs import HEART, quicken, run

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.core.record import read_record
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.runs import resume as resuming
from DiffusionSiblingsLib.runs.own_files import files_of_a_run, remove_parts, remove_run, require_apart

MADE = {"record.json", "metrics.csv", "overview.png", *(f"sibling_{n:04d}.nii.gz" for n in range(6))}
PERTURB = [Request("perturb", count=1, steps=2)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def forged(out: Path, *names: Any) -> None:
    """A record in a folder that names these files as its siblings."""
    out.mkdir(parents=True)
    runs = [{"request": {}, "siblings": [{"file": name} for name in names]}]
    (out / "record.json").write_text(json.dumps({"schema": 1, "runs": runs}), encoding="utf-8")


@pytest.mark.parametrize("name", ["..", "", ".", "photos", "mine.txt", "../precious.txt", "../../x", "/", "~", 3, None,
                                  "sibling_0000.nii.gz/../mine.txt", "photos/..", "C:\\", "sibling_0000.txt"])
def test_a_record_never_decides_what_is_removed(models: Path, tmp_path: Path, name: object) -> None:
    out = tmp_path / "project" / "out"
    forged(out, name, "mine.txt")
    (tmp_path / "project" / "precious.txt").write_text("precious")
    (out / "mine.txt").write_text("mine")
    (out / "sibling_0000.txt").write_text("my notes on this sibling")
    (out / "photos").mkdir()
    (out / "photos" / "a.jpg").write_bytes(b"a photo")
    before = contents(tmp_path)
    before.pop("project/out/record.json")
    assert run(out, replace=True).complete
    assert contents(tmp_path).items() >= before.items()
    assert {path.name for path in out.iterdir()} == MADE | {"mine.txt", "photos", "sibling_0000.txt"}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=30), max_size=4))
def test_no_other_name_is_a_runs_own(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("own")
    strangers = [name for name in names if name not in (".", "..") and len(name.encode()) < 200
                 and not name.startswith(("sibling_", ".parts"))
                 and name not in ("metrics.csv", "overview.png", "record.json", "design.csv", "design.json",
                                  "effects.csv")]
    for name in strangers:
        (folder / name).write_bytes(b"mine")
    assert files_of_a_run(folder) == []
    remove_run(folder)
    assert {path.name for path in folder.iterdir()} == set(strangers)


def test_a_link_is_removed_and_not_what_it_points_at(models: Path, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    out.mkdir()
    mine.mkdir()
    (mine / "LV.nii.gz").write_bytes(b"a mask of mine")
    (mine / "data.bin").write_bytes(b"data")
    (out / "sibling_0000.nii.gz").symlink_to(mine / "data.bin")
    (out / "sibling_0001.masks").symlink_to(mine, target_is_directory=True)
    (out / "record.json").symlink_to(mine / "data.bin")
    before = contents(mine)
    run(out, replace=True)
    assert contents(mine) == before
    assert not any(path.is_symlink() for path in out.iterdir())


def test_a_folder_of_parts_that_is_a_link_is_refused(models: Path, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    out.mkdir()
    mine.mkdir()
    (mine / "0000-000000.json").write_bytes(b"mine")
    (out / ".parts").symlink_to(mine, target_is_directory=True)
    for settings in ({"replace": True}, {"resume": True}, {}):
        with pytest.raises(OutputError, match="is a link"):
            run(out, **settings)
    assert contents(mine) == {"0000-000000.json": b"mine"}


def test_a_folder_behind_a_link_is_used_as_if_it_were_named(models: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / "mine.txt").write_text("mine")
    link.symlink_to(real, target_is_directory=True)
    assert run(link).complete and run(link, replace=True).complete
    assert {path.name for path in real.iterdir()} == MADE | {"mine.txt"}


@pytest.mark.parametrize("other", ["notes.txt", "sub", ".hidden"])
def test_what_others_put_among_the_masks_of_a_sibling_is_not_lost(models: Path, tmp_path: Path, other: str) -> None:
    masks = tmp_path / "sibling_0000.masks"
    masks.mkdir()
    (masks / "LV.nii.gz").write_bytes(b"a mask")
    (masks / other).mkdir() if other == "sub" else (masks / other).write_bytes(b"mine")
    with pytest.raises(OutputError, match="no run wrote"):
        run(tmp_path, replace=True)
    assert (masks / other).exists() and (masks / "LV.nii.gz").exists()


def test_a_folder_in_the_place_of_a_runs_file_is_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    (tmp_path / "metrics.csv" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="no run wrote"):
        run(tmp_path, replace=True)
    assert (tmp_path / "metrics.csv" / "mine.txt").exists()


def test_files_of_others_among_the_parts_stay(tmp_path: Path) -> None:
    parts = tmp_path / ".parts"
    parts.mkdir()
    temporary = ".0000-000002.siblings-0a1b-1f-01234567.json"
    for name in ("0000-000001.json", "0000-000001.nii.gz", "lock", "token", temporary):
        (parts / name).write_bytes(b"ours")
    (parts / "mine.txt").write_bytes(b"mine")
    remove_parts(parts)
    assert {path.name for path in parts.iterdir()} == {"mine.txt"}
    (parts / "mine.txt").unlink()
    remove_parts(parts)
    assert not parts.exists()


def same(folder: Path, twin: Path) -> Path:
    return twin


def by_link(folder: Path, twin: Path) -> Path:
    link = folder / "elsewhere.nii.gz"
    link.symlink_to(twin)
    return link


def by_other_path(folder: Path, twin: Path) -> Path:
    (folder / "link").symlink_to(twin.parent, target_is_directory=True)
    return folder / "link" / ".." / "out" / twin.name


@pytest.mark.parametrize("path_to", [same, by_link, by_other_path])
@pytest.mark.parametrize("settings", [{"replace": True}, {"resume": True}, {}])
@pytest.mark.parametrize("format", ["nii.gz", "folder"])
def test_a_twin_among_the_files_of_a_run_is_refused_before_anything_is_done(
        models: Path, tmp_path: Path, path_to: Callable[[Path, Path], Path], settings: dict[str, bool],
        format: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    twin = write_labelmap(HEART, out / ("sibling_0000.masks" if format == "folder" else "sibling_0000"), format)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"would write over the twin.*--out"):
        run(out, PERTURB, path_to(tmp_path, twin), **settings)
    assert contents(tmp_path).items() >= before.items()
    assert {path.name for path in out.iterdir()} == {twin.name}


def test_a_region_a_model_and_a_control_among_them_are_refused(models: Path, tmp_path: Path) -> None:
    twin, out = write_labelmap(HEART, tmp_path / "twin.nii.gz"), tmp_path / "out"
    out.mkdir()
    region = write_labelmap(HEART, out / "sibling_0003.nii.gz")
    with pytest.raises(InputError, match="write over the region"):
        run(out, [Request("inpaint", region=str(region), steps=2)], twin, replace=True)
    model = shutil.copytree(models / "small", out / "sibling_0004.masks")
    with pytest.raises(InputError, match="write over the model"):
        require_apart(out, [("the model", model)])
    with pytest.raises(InputError, match="write over the control"):
        require_apart(out, [("the control file", out / "sibling_0003.nii.gz")])
    require_apart(out, [("the twin", twin), ("the twin", tmp_path / "gone.nii.gz")])


def test_siblings_are_not_written_among_the_masks_of_their_twin(models: Path, tmp_path: Path) -> None:
    twin = write_labelmap(HEART, tmp_path / "masks.masks", "folder")
    before = contents(twin)
    with pytest.raises(InputError, match="is the folder of the twin"):
        run(twin, PERTURB, twin)
    assert contents(twin) == before


def test_a_demo_replaces_an_earlier_demo_and_no_other_run(models: Path, tmp_path: Path,
                                                          capsys: pytest.CaptureFixture[str],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("DiffusionSiblingsLib.runs.settings.DEFAULT_MODEL", "small")
    twin = write_labelmap(HEART, tmp_path / "twin.nii.gz")
    run(tmp_path / "mine")
    before = contents(tmp_path / "mine")
    demo = ["demo", str(twin), "--device", "cpu", "--out"]
    assert main([*demo, str(tmp_path / "mine")]) == 2
    assert "another run" in capsys.readouterr().err
    assert contents(tmp_path / "mine") == before
    for seed in ("0", "1"):
        assert main([*demo, str(tmp_path / "demo"), "--seed", seed]) == 0
    assert main([*demo, str(tmp_path / "mine"), "--replace"]) == 0


@pytest.mark.parametrize("part", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000, {"suffix": "/../../mine.txt"},
                                  {"suffix": 3}, {"entry": None}, {"entry": {"k": 7}}, {"rejected": 3}])
def test_a_damaged_part_is_made_again_and_leads_nowhere(models: Path, tmp_path: Path, part: Any) -> None:
    out = tmp_path / "out"
    run(out)
    before = contents(out)
    resuming.restore(out, read_record(out / "record.json"))
    place = out / ".parts" / "0000-000002.json"
    good = json.loads(place.read_text())
    place.write_bytes(part if isinstance(part, bytes) else json.dumps({**good, **part}).encode())
    (tmp_path / "mine.txt").write_text("mine")
    (out / "mine.txt").write_text("mine")
    assert run(out, resume=True).complete
    after = contents(out)
    assert after.pop("mine.txt") == b"mine" and (tmp_path / "mine.txt").read_text() == "mine"
    assert after.keys() == before.keys()
    assert all(after[name] == before[name] for name in before if name not in ("record.json", "overview.png"))
