"""Which maps make up a cohort: run folders, folders of files and of masks, lists of them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from DiffusionSiblingsLib.cohorts.members import Member, find_member, find_members, is_cohort, natural, read_member
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

PLACE = [[1.0, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def run_folder(folder: Path, names: list[str], twin: object = None) -> Path:
    """A run of two requests whose siblings have these names."""
    half = len(names) // 2
    runs = [{"request": {"edit": "generate", "seed": n}, "siblings": [{"file": name, "k": k} for k, name in
             enumerate(part)]} for n, part in enumerate((names[:half], names[half:]))]
    record = {"schema": 1, "model": {}, "compute": {}, "created": "", "twin": twin, "runs": runs, "complete": False}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(record))
    return folder


def names(members: list[Member]) -> list[str]:
    return [member.name for member in members]


def test_a_run_folder_has_its_siblings_in_the_records_order(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", ["sibling_0002.nii.gz", "sibling_0000.nii.gz", "sibling_0001.masks"])
    touch(run, "stray.nii.gz")  # nothing of the run
    found = find_members(run)
    assert names(found) == ["sibling_0002", "sibling_0000", "sibling_0001"]
    assert [member.path.name for member in found][-1] == "sibling_0001.masks"
    assert [member.entry["k"] for member in found if member.entry] == [0, 0, 1]
    assert [member.request["seed"] for member in found if member.request] == [0, 1, 1]
    assert found[0].canonical_to_ras is None


def test_siblings_of_a_twin_carry_its_place(tmp_path: Path) -> None:
    run = run_folder(tmp_path, ["a.nrrd", "b.nrrd"], twin={"canonical_to_ras_mm": PLACE})
    assert find_members(run)[1].canonical_to_ras == tuple(tuple(map(float, row)) for row in PLACE)
    run_folder(tmp_path, ["a.nrrd"], twin={"canonical_to_ras_mm": PLACE[:3]})
    with pytest.raises(InputError, match="where its twin lies"):
        find_members(run)


def test_files_come_in_natural_order_and_nothing_else_does(tmp_path: Path) -> None:
    touch(tmp_path, "heart10.nii.gz", "heart2.nii", "Heart1.seg.nrrd", "heart3.mha", "notes.txt", "metrics.csv",
          ".hidden.nii.gz", "deeper/heart4.nii.gz")
    assert names(find_members(tmp_path)) == ["Heart1", "heart2", "heart3", "heart10"]
    assert sorted(["a10b2", "a2", "a10b1"], key=natural) == ["a2", "a10b1", "a10b2"]


def test_folders_of_masks_are_members_and_one_alone_is_a_member(tmp_path: Path) -> None:
    masks = ("heart_ventricle_left.nii.gz", "heart_ventricle_right.nii.gz", "spleen.nii.gz")
    touch(tmp_path / "s2", *(f"segmentations/{name}" for name in masks))  # as TotalSegmentator leaves them
    touch(tmp_path / "s10.masks", *masks)
    touch(tmp_path / "other", "readme.nii.gz")
    found = find_members(tmp_path)
    assert names(found) == ["s10", "s2"] or names(found) == ["s2", "s10"]
    alone = find_members(tmp_path / "s10.masks")
    assert [member.path for member in alone] == [tmp_path / "s10.masks"]
    heart = load_anatomy()
    assert is_cohort(tmp_path, heart)
    assert not is_cohort(tmp_path / "s10.masks", heart)
    assert not is_cohort(tmp_path / "nowhere", heart)


def test_several_folders_make_one_cohort_with_names_of_their_own(tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", ["sibling_0000.nii.gz", "sibling_0001.nii.gz"])
    two = run_folder(tmp_path / "two", ["sibling_0000.nii.gz"])
    single = touch(tmp_path, "x.nii.gz") / "x.nii.gz"
    found = find_members([one, two, single])
    assert names(found) == ["one/sibling_0000", "sibling_0001", "two/sibling_0000", "x"]
    twice = find_members([one, one])
    assert len(set(names(twice))) == 4


def test_a_name_in_a_record_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    for number, name in enumerate(("../../etc/passwd.nii.gz", "/elsewhere/b.nii.gz", "..", "", "a\\b.nii", "a" * 300)):
        with pytest.raises(InputError, match="has no file name"):
            find_members(run_folder(tmp_path / str(number), [name]))


@pytest.mark.parametrize(("record", "message"), [
    ("{", "cannot be read"), ('{"schema": 99}', "later program version"), ("[]", "cannot be read"),
    (json.dumps({"schema": 1, "model": {}, "compute": {}, "created": "", "twin": None, "complete": True,
                 "runs": [{"siblings": [{}]}]}), "cannot be read"),
])
def test_a_damaged_record_is_refused(tmp_path: Path, record: str, message: str) -> None:
    (tmp_path / "record.json").write_text(record)
    with pytest.raises(InputError, match=message):
        find_members(tmp_path)


def test_what_holds_no_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no label maps"):
        find_members(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        find_members(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no members"):
        find_members([])
    with pytest.raises(InputError, match="no siblings"):
        find_members(run_folder(tmp_path, []))


# Numbering

SWAPPED = {"Ao": 1, "Myo": 2, "LV": 4, "RV": 3, "LA": 5, "RA": 6}  # both ventricles otherwise than in the anatomy


def twin_of(numbers: dict[str, int], named: bool = False) -> dict[str, object]:
    heart = load_anatomy("heart")
    return {"canonical_to_ras_mm": PLACE, "segments": [
        {"value": value, "name": heart.tissue(tissue).name if named else "", "tissue": tissue}
        for tissue, value in numbers.items()]}


def numbering(run: Path) -> list[tuple[object, bool]]:
    return [(member.values and dict(member.values), member.renumbered) for member in find_members(run)]


def test_siblings_have_the_numbering_that_the_record_has_of_their_twin(tmp_path: Path) -> None:
    files, by_tissue = ["a.nii.gz", "b.nrrd", "c.seg.nrrd", "d.masks"], {v: t for t, v in SWAPPED.items()}
    run_folder(tmp_path, files, twin_of(SWAPPED))
    # A .seg.nrrd file and a folder of masks name their tissues, whatever the twin's file did.
    assert numbering(tmp_path) == [(by_tissue, True), (by_tissue, True), (None, False), (None, False)]
    run_folder(tmp_path, files, twin_of(SWAPPED, named=True))
    # The twin's names may have stood in a table beside its file, and then its NIfTI siblings have none.
    assert numbering(tmp_path) == [(by_tissue, False), *[(None, False)] * 3], "names are in the file"
    own = {tissue.id: tissue.label for tissue in load_anatomy("heart").tissues}
    run_folder(tmp_path, files[:1], twin_of(own))
    assert numbering(tmp_path) == [({v: t for t, v in own.items()}, False)]
    other = twin_of(SWAPPED, named=True)
    for segment in other["segments"]:  # type: ignore[attr-defined]
        segment["name"] = {"LV": "Right ventricle", "RV": "Left ventricle"}.get(segment["tissue"], segment["name"])
    run_folder(tmp_path, files[:3], other)
    assert numbering(tmp_path) == [(by_tissue, True)] * 3, "the user said otherwise than the names"


def test_codes_in_a_file_say_what_its_names_do_not(tmp_path: Path) -> None:
    heart, labels = load_anatomy("heart"), np.zeros((16, 16, 16), np.uint8)
    for value in SWAPPED.values():
        labels[2 * value : 2 * value + 2, 2:14, 2:14] = value
    twin = twin_of(SWAPPED)
    for segment in twin["segments"]:  # type: ignore[attr-defined]
        segment["name"] = f"Segment_{segment['value']}"
    run_folder(tmp_path, ["a.seg.nrrd"], twin)
    own = {tissue.id: tissue.label for tissue in heart.tissues}
    for coded, expected in ((SWAPPED, (None, False)), (own, ({v: t for t, v in SWAPPED.items()}, True))):
        segments = tuple(Segment(v, f"Segment_{v}", t, tags=heart.tissue(t).tags) for t, v in coded.items())
        write_labelmap(LabelMap(labels, np.eye(4), segments), tmp_path / "a.seg.nrrd")
        assert numbering(tmp_path) == [expected]
        assert read_member(find_members(tmp_path)[0], heart).tissues == {t: (v,) for t, v in SWAPPED.items()}


def test_a_file_of_a_run_is_found_by_its_record_alone(tmp_path: Path) -> None:
    heart = load_anatomy("heart")
    run_folder(tmp_path, ["a.nii.gz"], twin_of(SWAPPED))
    assert find_member(tmp_path / "a.nii.gz", heart) == find_members(tmp_path)[0]
    assert find_member(tmp_path / "stray.nii.gz", heart) == Member("stray", tmp_path / "stray.nii.gz")
    (tmp_path / "record.json").write_text('{"schema": "of something else"}')
    assert find_member(tmp_path / "a.nii.gz", heart).entry is None


def test_a_sibling_is_read_as_its_record_says_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    heart = load_anatomy("heart")
    run_folder(tmp_path, ["a.nii.gz"], twin_of(SWAPPED))
    labels = np.zeros((16, 16, 16), np.uint8)
    for tissue, value in SWAPPED.items():
        labels[2 * value : 2 * value + 2, 2:14, 2:14] = value if tissue != "Ao" else 0
    write_labelmap(LabelMap(labels, np.eye(4)), tmp_path / "a.nii.gz")
    member = find_members(tmp_path)[0]
    found = read_member(member, heart)
    assert found.tissues == {tissue: (value,) for tissue, value in SWAPPED.items() if tissue != "Ao"}
    with pytest.raises(InputError, match="lacks Ao"):
        read_member(member, heart, whole=True)
    assert read_member(member, heart, {"LV": 3}).tissues == {"LV": (3,)}


@pytest.mark.parametrize("closed", ["is_file", "iterdir"])
def test_a_folder_that_may_not_be_looked_into_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str,
) -> None:
    folder, heart = touch(tmp_path / "closed", "a.nii.gz"), load_anatomy()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, closed, refuse)
    for look in (lambda path: find_members(path, anatomy=heart), lambda path: is_cohort(path, heart)):
        with pytest.raises(InputError, match=r"Permission denied.*check its permissions"):
            look(folder)
