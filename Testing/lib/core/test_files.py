"""Files that are there whole or not at all, and what a killed process leaves: the next one that writes finds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from DiffusionSiblingsLib.core import files
from DiffusionSiblingsLib.core.errors import OutputError
from DiffusionSiblingsLib.core.files import atomic_path, is_temporary, make_folder, move_over


@pytest.fixture
def killed() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left(folder: Path, name: str, process: int, suffix: str = "", host: str = "") -> Path:
    return folder / f".{name}.siblings-{host or files._HOST}-{process:x}-0a1b2c3d{suffix}"


def test_what_a_killed_process_left_goes_before_another_writes_there(tmp_path: Path, killed: int) -> None:
    gone = [left(tmp_path, "record", killed, ".json"), left(tmp_path, "a.b", killed, ".nii.gz")]
    masks = left(tmp_path, "sibling_0000", killed, ".masks")
    masks.mkdir()
    (masks / "LV.nii.gz").write_bytes(b"half")
    kept = [left(tmp_path, "record", os.getpid(), ".json"), left(tmp_path, "record", killed, ".json", "0f0f"),
            tmp_path / ".record.1a2b3c4d.json", tmp_path / ".siblings", tmp_path / "mine.siblings-0a1b-1-01234567.txt"]
    for path in (*gone, *kept):
        path.write_bytes(b"half")
    with atomic_path(tmp_path / "table.csv") as temporary:
        temporary.write_bytes(b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", *(path.name for path in kept)}


def test_a_folder_that_was_set_aside_when_its_process_was_killed_comes_back(tmp_path: Path, killed: int) -> None:
    for name in ("model", "other"):
        aside = left(tmp_path, name, killed, ".old")
        aside.mkdir()
        (aside / "weights").write_bytes(b"old")
    (tmp_path / "other").mkdir()  # its successor was in place already
    with atomic_path(tmp_path / "table.csv") as temporary:
        temporary.touch()
    assert (tmp_path / "model" / "weights").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "other", "table.csv"]


def test_a_temporary_is_recognised_by_its_name_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("record.json", "a.nii.gz", "b.c.seg.nrrd", "心" * 80 + ".csv", "a" * 250 + ".csv"):
        with atomic_path(tmp_path / name) as temporary:
            assert is_temporary(temporary) and files.ending(temporary) == files.ending(name)
            temporary.touch()
    assert not any(map(is_temporary, tmp_path.iterdir()))


def test_links_are_replaced_and_what_they_lead_to_is_not(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.txt").write_text("mine")
    (tmp_path / "link").symlink_to(mine, target_is_directory=True)
    (tmp_path / "file").symlink_to(mine / "a.txt")
    made = tmp_path / "made"
    made.mkdir()
    move_over(made, tmp_path / "link")
    with atomic_path(tmp_path / "file") as temporary:
        temporary.write_text("ours")
    assert (mine / "a.txt").read_text() == "mine"
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "ours"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "mine"]


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    for path in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(OutputError, match="name a folder, not a file"):
            make_folder(path)
    assert make_folder(tmp_path / "a" / "b").is_dir() and make_folder(tmp_path / "a").is_dir()
