"""Preparing a training set: what is taken, what is not and why, and that an interrupted run goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from frames import heart_on
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import DiffusionSiblingsLib.training.prepare.run as run
from DiffusionSiblingsLib.cohorts.dataset_file import read_pack
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.topology import check
from DiffusionSiblingsLib.training.prepare.quality import reasons_against
from DiffusionSiblingsLib.training.prepare.run import prepare
from DiffusionSiblingsLib.training.prepare.sources import CaseSource, find_cases, with_splits

HEART = load_anatomy("heart")
GOOD = 3  # hearts of the source
SIZE = (52, 44, 44)
GRID = np.diag([-3.0, -3.0, 3.0, 1.0])
GRID[:3, 3] = (66, 66, -75)


def save(path: Path, labels: np.ndarray, affine: np.ndarray = GRID, *, form: str = "nii.gz") -> None:
    segments = tuple(Segment(t.label, t.name, t.id, t.color, tags=t.tags) for t in HEART.tissues)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labelmap(LabelMap(labels, affine, segments, format=form), path, form)


def heart(**shape: object) -> np.ndarray:
    return heart_on(GRID, SIZE, HEART, **shape)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    for count in range(GOOD):
        save(folder / f"good_{count}.nii.gz", heart(scale={"LV": 0.94 + 0.02 * count, "RA": 1.05 - 0.02 * count}))
    return folder


def contents(path: Path) -> list[object]:
    """All of a pack but the order of its metadata."""
    pack = read_pack(path)
    maps = [pack.labels(index).tobytes() for index in range(len(pack))]
    return [pack.cases, maps, *(value.tobytes() for value in pack.reference.tensors().values())]


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_good_cases_are_packed_and_bad_ones_get_a_reason(source: Path, tmp_path: Path) -> None:
    save(source / "no_atrium.seg.nrrd", heart(leave_out=("LA",)), form="seg.nrrd")
    save(source / "cut.nii.gz", heart()[14:])
    save(source / "mirrored.nii.gz", heart(), np.diag([-1.0, 1, 1, 1]) @ GRID)
    save(source / "tiny.nii.gz", heart(), GRID @ np.diag([0.4, 0.4, 0.4, 1]))
    loose = heart()
    loose[2:12, 2:12, 2:8] = 3
    save(source / "two_pieces.nii.gz", loose)
    (source / "truncated.nii.gz").write_bytes((source / "good_0.nii.gz").read_bytes()[:300])
    (source / "notes.txt").write_text("not a map")
    summary = prepare(source, tmp_path / "out", HEART, jobs=1)
    expected = {
        "no_atrium": "LA",
        "cut": "cut by the border",
        "mirrored": "left and right are exchanged",
        "tiny": "plausible",
        "two_pieces": "apart from its largest piece",
        "truncated": "truncated",
    }
    assert set(summary.rejected) == set(expected)
    for name, words in expected.items():
        assert words in summary.rejected[name] and len(summary.rejected[name]) > 15, (name, summary.rejected[name])
    rows = rows_of(summary.table)
    assert len(rows) == GOOD + 6
    assert float(rows["good_0"]["LV volume [ml]"]) > 40 and rows["cut"]["status"] == "rejected"
    pack = read_pack(tmp_path / "out")
    assert len(pack) == summary.accepted == GOOD
    assert all(set(np.unique(pack.labels(i))) == set(range(7)) for i in range(GOOD))
    assert summary.sheets[0].read_bytes()[:4] == b"\x89PNG"
    assert f"{GOOD} cases" in str(summary) and "6 rejected" in str(summary)


def test_what_reading_the_cases_assumed_is_in_the_table_and_the_summary(source: Path, tmp_path: Path) -> None:
    plain = LabelMap(heart(), GRID, format="nii.gz")
    write_labelmap(plain, source / "unnamed.nii.gz", "nii.gz")
    folder = source / "s0001" / "segmentations"
    for tissue in HEART.tissues:
        mask = heart() == tissue.label
        if tissue.id == "Ao":
            mask[tuple(np.argwhere(heart() == HEART.label_of("LV"))[:3].T)] = True
        write_labelmap(LabelMap(mask.astype(np.uint8), GRID), folder / f"{tissue.mask_names[0]}.nii.gz")
    summary = prepare(source, tmp_path / "out", HEART, jobs=1)
    rows = rows_of(summary.table)
    assert "LV=3" in rows["unnamed"]["notes"] and rows["good_0"]["notes"] == ""
    assert "aorta and heart_ventricle_left share 3 voxels" in rows["s0001"]["notes"]
    assert "note on 1 case: The file names no tissues" in str(summary)
    assert prepare(source, tmp_path / "out", HEART, jobs=1).notes == summary.notes


def test_maps_are_repaired_so_that_no_model_learns_contacts(source: Path, tmp_path: Path) -> None:
    touching = heart()
    touching[ndimage.binary_dilation(touching == 5, iterations=2) & np.isin(touching, (0, 6))] = 5  # LA grows onto RA
    assert not check(touching, HEART).checks["LA-RA no contact"]
    save(source / "touching.nii.gz", touching)
    pack = read_pack(prepare(source, tmp_path / "out", HEART, jobs=1).pack)
    assert "touching" in [case.name for case in pack.cases]
    assert all(check(pack.labels(i), HEART).checks["LA-RA no contact"] for i in range(len(pack)))


def test_a_second_call_has_nothing_to_do_until_something_changes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(source, tmp_path / "p.safetensors", HEART, jobs=1)
    bytes_before = first.pack.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(run, "read_case", lambda *_: pytest.fail("read again"))
        assert prepare(source, tmp_path / "p.safetensors", HEART, jobs=1) == first
    save(source / "good_0.nii.gz", heart(scale={"RV": 1.06}))
    assert prepare(source, tmp_path / "p.safetensors", HEART, jobs=1).accepted == GOOD
    assert first.pack.read_bytes() != bytes_before


def test_an_interrupted_run_goes_on_and_ends_alike(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(prepare(source, tmp_path / "whole.safetensors", HEART, jobs=1).pack)
    read, align = run.read_case, run.align_case
    done: list[str] = []

    def stopping(step: object, at: int) -> object:
        def work(case: object, *rest: object) -> object:
            if len(done) == at:
                raise KeyboardInterrupt
            done.append(case.name)
            return step(case, *rest)

        return work

    target = tmp_path / "part.safetensors"
    for name, step, at in (("read_case", read, 2), ("align_case", align, 4)):
        with monkeypatch.context() as patch:
            patch.setattr(run, "read_case", stopping(read, at))
            patch.setattr(run, name, stopping(step, at))
            with pytest.raises(KeyboardInterrupt):
                prepare(source, target, HEART, jobs=1)
        assert not target.exists()
    assert done[:3] == [f"good_{i}" for i in range(3)] and done[3:] == ["good_0"]
    damaged = next((tmp_path / "part.work" / "canonical").glob("*.json"))
    damaged.write_text("{")
    prepare(source, target, HEART, jobs=1)
    assert contents(target) == whole


def test_the_same_cases_give_the_same_bytes_in_however_many_processes(source: Path, tmp_path: Path) -> None:
    made = [prepare(source, tmp_path / name / "d.safetensors", HEART, jobs=jobs)
            for name, jobs in (("a", 1), ("b", 2))]
    for files in zip(*([one.pack, one.table, *one.sheets] for one in made), strict=True):
        assert len({path.read_bytes() for path in files}) == 1, files


@pytest.mark.parametrize("name", ["d.safetensors", "d.csv", "d.png"])
def test_files_that_no_preparation_wrote_are_not_written_over(source: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"no preparation has written.*--out"):
        prepare(source, tmp_path / "d.safetensors", HEART, jobs=1)
    assert (tmp_path / name).read_bytes() == b"mine"


def test_only_sheets_and_intermediate_files_of_its_own_are_removed(source: Path, tmp_path: Path) -> None:
    mine = [tmp_path / "d_2024.png", tmp_path / "d_x.png", tmp_path / "d.work" / "read" / "my.txt",
            tmp_path / "other" / "a.json"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
    (tmp_path / "d_2.png").write_bytes(b"of an earlier data set")
    (tmp_path / "d_3.png").write_bytes(b"of an earlier data set")
    (tmp_path / "d.work" / "canonical").symlink_to(tmp_path / "other", target_is_directory=True)
    prepare(source, tmp_path / "d.safetensors", HEART, jobs=1)
    assert all(path.read_bytes() == b"mine" for path in mine)
    assert not (tmp_path / "d_2.png").exists() and not (tmp_path / "d_3.png").exists()


def test_a_case_whose_name_is_too_long_for_a_file_is_taken(source: Path, tmp_path: Path) -> None:
    save(source / ("a" * 120) / ("b" * 120) / "heart.nii.gz", heart())
    assert prepare(source, tmp_path / "d", HEART, jobs=1).accepted == GOOD + 1


def test_two_preparations_of_one_data_set_do_not_work_at_once(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, refused = run.read_case, []

    def reading(*values: object) -> object:
        if not refused:
            with pytest.raises(InputError, match="Another run uses this folder"):
                prepare(source, tmp_path / "d.safetensors", HEART, jobs=1)
            refused.append(values)
        return read(*values)

    monkeypatch.setattr(run, "read_case", reading)
    assert prepare(source, tmp_path / "d.safetensors", HEART, jobs=1).accepted == GOOD
    assert refused


def test_totalsegmentator_s_layout_and_a_list_of_cases(source: Path, tmp_path: Path) -> None:
    for tissue in HEART.tissues:
        mask = (heart() == tissue.label).astype(np.uint8)
        target = source / "s0007" / "segmentations" / f"{tissue.mask_names[0]}.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_labelmap(LabelMap(mask, GRID, (Segment(1, "mask"),), format="nii.gz"), target, "nii.gz")
    save(source / "s0007" / "ct.nii.gz", heart())
    for name in ("good_3", "good_4"):
        save(source / f"{name}.nii.gz", heart(scale={"RV": 1.02}))
    listing = [
        {"name": "good_0.nii.gz", "split": "test"},
        {"name": "good_1", "subject": "one", "weight": 8, "source": "a scanner"},
        {"name": "good_2.nii.gz", "subject": "one"},
        {"name": "absent.nii", "split": "train"},
    ]
    (source / "cases.json").write_text(json.dumps(listing))
    summary = prepare(source, tmp_path / "out", HEART, jobs=1, validation_every=2, exclude=["good_[4]*"])
    cases = {case.name: case for case in read_pack(summary.pack).cases}
    assert set(cases) == {"good_0", "good_1", "good_2", "good_3", "s0007"}
    assert cases["good_0"].split == "test" and cases["good_1"].weight == 8 and cases["good_1"].source == "a scanner"
    assert cases["good_1"].split == cases["good_2"].split == "validation"
    assert {case.split for case in cases.values()} == {"train", "validation", "test"}


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30), st.integers(0, 7))
def test_no_subject_is_ever_split(subjects: list[tuple[int, bool]], every: int) -> None:
    fixed: dict[int, str] = {}
    cases = []
    for count, (subject, listed) in enumerate(subjects):
        split = fixed.setdefault(subject, "test" if listed else "")
        cases.append(CaseSource(f"case{count}", Path("x"), f"subject{subject}", split))
    splits = with_splits(cases, every)
    home: dict[str, str] = {}
    assert all(home.setdefault(case.subject, splits[case.name]) == splits[case.name] for case in cases)
    assert all(splits[case.name] == "test" for case in cases if case.split == "test")
    assert every or "validation" not in splits.values()


@settings(max_examples=40)
@given(st.data())
def test_quality_rules_hold_for_any_labels(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=3, max_size=3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    labels = rng.integers(0, data.draw(st.integers(1, 8)), shape, dtype=np.uint8)
    assert all(isinstance(reason, str) for reason in reasons_against(labels, GRID, HEART))


def test_what_is_wrong_with_the_source_or_the_list_is_said(source: Path, tmp_path: Path) -> None:
    for bad in ("{", "{}", "[1]", '[{"name": 3}]', '[{"name": "good_0", "weight": -1}]', '[{"name": "a", "split": 2}]'):
        (source / "cases.json").write_text(bad)
        with pytest.raises(InputError, match="list of cases"):
            find_cases(source, HEART)
    (source / "cases.json").write_text(
        json.dumps([{"name": f"good_{i}", "subject": "one", "split": s} for i, s in enumerate(("train", "test"))])
    )
    with pytest.raises(InputError, match="two splits"):
        find_cases(source, HEART)
    (source / "cases.json").unlink()
    with pytest.raises(InputError, match="not a folder"):
        prepare(tmp_path / "absent", tmp_path / "out", HEART)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no label maps"):
        prepare(tmp_path / "empty", tmp_path / "out", HEART)
    with pytest.raises(InputError, match="left out by --exclude"):
        prepare(source, tmp_path / "out", HEART, exclude=["*"])
    (source / "sub").mkdir()
    save(source / "good" / "0.nii.gz", heart())
    with pytest.raises(InputError, match="same name"):
        find_cases(source, HEART)


def test_nothing_to_take_is_an_error_and_leaves_the_table(tmp_path: Path) -> None:
    save(tmp_path / "maps" / "half.nii.gz", heart()[14:])
    with pytest.raises(InputError, match="None of the 1 cases"):
        prepare(tmp_path / "maps", tmp_path / "out", HEART, jobs=1)
    assert "cut by the border" in rows_of(tmp_path / "out" / "dataset.csv")["half"]["reason"]
    assert not (tmp_path / "out" / "dataset.safetensors").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        prepare(tmp_path / "maps", tmp_path / "file" / "out", HEART, jobs=1)
