"""The folder of a pick: whole copies under clear names, and nothing of anybody else's touched."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from DiffusionSiblingsLib.cohorts.members import Member
from DiffusionSiblingsLib.cohorts.picking import Pick
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsLib.runs.picked_files import require_room, write_pick

RV = tissue_key("RV")


@pytest.fixture
def picks(tmp_path: Path) -> list[Pick]:
    """A file and a folder of masks, which stand for two quantiles."""
    one, other = tmp_path / "hearts" / "sibling_0003.nii.gz", tmp_path / "hearts" / "b.masks"
    other.mkdir(parents=True)
    one.write_bytes(b"a map")
    (other / "LV.nii.gz").write_bytes(b"a mask")
    return [Pick(5.0, 80.0, Member("sibling_0003", one), 81.0), Pick(97.5, 120.0, Member("run/b", other), 119.0)]


def test_the_table_and_the_copies_say_the_same(picks: list[Pick], tmp_path: Path) -> None:
    out = tmp_path / "out"
    copies = write_pick(out, picks, RV)
    assert [copy.name for copy in copies] == ["q05_sibling-0003.nii.gz", "q97.5_run-b.masks"]
    assert copies[0].read_bytes() == b"a map" and (copies[1] / "LV.nii.gz").read_bytes() == b"a mask"
    rows = list(csv.DictReader((out / "pick.csv").open(encoding="utf-8")))
    assert rows[0] == {"quantile [%]": "5", "wanted [ml]": "80", "map": "sibling_0003", "RV volume [ml]": "81",
                       "file": str(picks[0].member.path), "copy": copies[0].name}


def test_an_earlier_pick_stays_unless_it_may_be_replaced_and_other_files_always_stay(picks: list[Pick],
                                                                                    tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_pick(out, picks, RV)
    mine = [out / name for name in ("q05.txt", "heart.nii.gz", "q5_mine.nii.gz")]
    for path in mine:
        path.write_bytes(b"mine")
    with pytest.raises(InputError, match="--replace"):
        require_room(out, tmp_path / "hearts", replace=False)
    require_room(out, tmp_path / "hearts", replace=True)
    (copy,) = write_pick(out, picks[:1], RV)
    assert {path.name for path in out.iterdir()} == {copy.name, "pick.csv", *(path.name for path in mine)}
    assert all(path.read_bytes() == b"mine" for path in mine)


def test_copies_never_become_members_of_their_own_cohort(picks: list[Pick], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="members of the cohort"):
        require_room(tmp_path / "out" / ".." / "hearts", tmp_path / "hearts", replace=True)
    require_room(tmp_path / "new", tmp_path / "hearts", replace=False)
