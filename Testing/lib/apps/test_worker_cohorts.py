"""What the worker does for cohorts: rows as they come, members, comparisons, reports; on hearts of ellipsoids."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hearts import ellipsoid_heart
from worker_listener import Listener

from DiffusionSiblingsLib.apps.worker import cohort_service as cohort_jobs
from DiffusionSiblingsLib.apps.worker.payloads import cohort_source, described
from DiffusionSiblingsLib.apps.worker.progress import Costs, JobProgress
from DiffusionSiblingsLib.apps.worker.protocol import Cancelled
from DiffusionSiblingsLib.cohorts import compare_cohorts, measured
from DiffusionSiblingsLib.cohorts.members import Member, find_members, read_member
from DiffusionSiblingsLib.cohorts.training_distance import TrainingDistanceMeter
from DiffusionSiblingsLib.cohorts.training_statistics import read_training_statistics
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.core.record import Record
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import read_exchange, write_exchange
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.models.registry import find_model

ANATOMY = load_anatomy("heart")
HEART = ellipsoid_heart((32, 24, 28), 5.6, extra=True)


def course() -> JobProgress:
    return JobProgress(Costs(), lambda *_: None)


def scaled(scale: float) -> LabelMap:
    return dataclasses.replace(HEART, affine=np.diag([scale, scale, scale, 1.0]) @ HEART.affine)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, scale in enumerate((0.9, 1.0, 1.1)):
        write_labelmap(scaled(scale), tmp_path / "hearts" / f"heart_{number}.nrrd")
    return tmp_path / "hearts"


def test_members_are_told_in_batches_with_their_file_and_bias(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort_jobs, "BATCH", 2)
    monkeypatch.setattr(cohort_jobs, "BATCH_S", 1e9)
    (folder / "heart_3.nrrd").write_text("no heart")
    heard = Listener()
    done = cohort_jobs.open_cohort({"folder": str(folder)}, heard, course())
    assert [len(event["rows"]) for event in heard.events] == [2, 1]
    rows = [row for event in heard.events for row in event["rows"]]
    assert [row["map"] for row in rows] == ["heart_0", "heart_1", "heart_2"]
    assert Path(rows[0]["file"]) == folder / "heart_0.nrrd" and 0 <= rows[0]["percentile of LV volume"] <= 100
    assert rows[0]["LV volume [ml]"] == pytest.approx(rows[1]["LV volume [ml]"] * 0.9**3)
    assert done["count"] == 3 and done["failed"][0].startswith("heart_3: ")
    json.dumps([done, rows], allow_nan=False)


def test_a_folder_of_which_nothing_can_be_read_is_an_error_and_cancelling_ends_it(folder: Path,
                                                                                   tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.nrrd").write_text("no heart")
    with pytest.raises(InputError, match="No member"):
        cohort_jobs.open_cohort({"folder": str(tmp_path / "none")}, Listener(), course())
    with pytest.raises(Cancelled):
        cohort_jobs.open_cohort({"folder": str(folder)}, Listener(patience=1), course())


def test_a_member_is_handed_over_with_names_colours_and_codes(folder: Path, tmp_path: Path) -> None:
    bare = dataclasses.replace(HEART, segments=tuple(dataclasses.replace(s, name="", color=None, tags={})
                                                     for s in HEART.segments))
    stem = cohort_jobs.read_member({"file": str(folder / "heart_1.nrrd"), "out": str(tmp_path / "member")}, Listener(),
                                   course())["stem"]
    assert np.array_equal(read_exchange(stem).labels, HEART.labels)
    known = [segment for segment in described(bare, ANATOMY).segments if segment.tissue]
    assert all(segment.name and segment.color and segment.tags for segment in known)
    assert described(HEART, ANATOMY).segments[0].name == HEART.segments[0].name


def test_maps_that_were_handed_over_become_a_folder_in_the_anatomys_numbering(tmp_path: Path) -> None:
    renamed = tuple(dataclasses.replace(segment, name=f"thing {segment.value}") for segment in HEART.segments)
    stems = [str(write_exchange(dataclasses.replace(HEART, segments=renamed), tmp_path / f"sibling_000{n}"))
             for n in range(2)]
    run = {"request": {}, "siblings": [{"file": f"sibling_000{n}"} for n in range(3)]}
    found = cohort_source({"maps": stems, "record": {"runs": [run], "twin": None}}, ANATOMY, tmp_path / "made")
    assert cohort_source({"folder": "/there"}, ANATOMY, tmp_path) == Path("/there")
    back = read_labelmap(found / "sibling_0001.nrrd", ANATOMY)
    assert set(back.tissues) == set(HEART.tissues)
    record = json.loads((found / "record.json").read_text(encoding="utf-8"))
    assert record["twin"] is None
    assert [entry["file"] for entry in record["runs"][0]["siblings"]] == ["sibling_0000.nrrd", "sibling_0001.nrrd"]


def test_maps_that_were_handed_over_are_read_by_their_own_values_and_not_by_those_of_the_scene(tmp_path: Path) -> None:
    stem = str(write_exchange(HEART, tmp_path / "sibling_0000"))
    twin = {"canonical_to_ras_mm": np.eye(4).tolist(), "segments": [
        {"value": 7 - tissue.label, "name": "thing", "tissue": tissue.id} for tissue in ANATOMY.tissues]}
    run = {"request": {}, "siblings": [{"file": "sibling_0000", "k": 0}]}
    record = {"schema": 1, "model": {}, "compute": {}, "created": "", "complete": True, "runs": [run], "twin": twin}
    found = cohort_source({"maps": [stem], "record": record}, ANATOMY, tmp_path / "made")
    member = find_members(found)[0]
    assert read_member(member, ANATOMY).tissues == {t.id: (t.label,) for t in ANATOMY.tissues}


def test_a_sibling_is_shown_as_its_record_says_also_without_a_tissue(tmp_path: Path) -> None:
    numbers = {tissue.id: 7 - tissue.label for tissue in ANATOMY.tissues}
    table = np.array([0, *(numbers[tissue.id] for tissue in ANATOMY.tissues), 0, 0, 0], np.uint8)
    table[ANATOMY.label_of("Ao")] = 0
    write_labelmap(LabelMap(table[HEART.labels], HEART.affine), tmp_path / "sibling_0000.nii.gz")
    twin = {"canonical_to_ras_mm": np.eye(4).tolist(), "segments": [
        {"value": value, "name": "", "tissue": tissue} for tissue, value in numbers.items()]}
    run = {"request": {}, "siblings": [{"file": "sibling_0000.nii.gz", "k": 0}]}
    Record({}, {}, "", twin, [run]).write(tmp_path / "record.json")
    stem = cohort_jobs.read_member({"file": str(tmp_path / "sibling_0000.nii.gz"), "out": str(tmp_path / "member")},
                                   Listener(), course())["stem"]
    shown = read_exchange(stem)
    assert shown.tissues == {tissue: (value,) for tissue, value in numbers.items() if tissue != "Ao"}


def test_differences_lie_over_the_twin_where_all_have_one(tmp_path: Path) -> None:
    frame = CanonicalFrame.of(ANATOMY).affine
    moved = np.eye(4)
    moved[:3, 3] = 1.0, 2.0, 3.0
    place = tuple(tuple(row) for row in moved.tolist())
    siblings = [Member(name, tmp_path / name, canonical_to_ras=place) for name in "ab"]
    assert np.allclose(cohort_jobs._place(siblings, ANATOMY), moved @ frame)
    assert np.allclose(cohort_jobs._place([*siblings, Member("c", tmp_path / "c")], ANATOMY), frame)


def test_two_cohorts_are_compared_with_maps_of_where_they_differ(tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    for side, scales in (("real", (0.9, 0.95, 1.0, 1.05)), ("synthetic", (1.0, 1.05, 1.1, 1.15))):
        for number, scale in enumerate(scales):
            write_labelmap(scaled(0.75 * scale), tmp_path / side / f"heart_{number}.nrrd")
    for module, name, settings in ((measured, "measure_cohort", {"jobs": 1}),
                                   (compare_cohorts, "compare_cohorts", {"jobs": 1, "draws": 20})):
        monkeypatch.setattr(module, name, functools.partial(getattr(module, name), **settings))
    written: list[Any] = []
    monkeypatch.setattr("DiffusionSiblingsLib.reports.comparison.write_comparison",
                        lambda out, comparison, real, synthetic, question, counted: written.append(
                            (out, real.name, synthetic.name, question, [occupancy.maps for occupancy in counted])))
    (tmp_path / "maps").mkdir()
    command = {"real": {"folder": str(tmp_path / "real"), "name": "theirs"}, "maps": str(tmp_path / "maps"),
               "synthetic": {"folder": str(tmp_path / "synthetic")}, "out": str(tmp_path / "out"),
               "question": "Are they as large?"}
    found = cohort_jobs.compare(command, Listener(), course())
    assert written == [(tmp_path / "out", "theirs", "cohort", "Are they as large?", [4, 4])]
    assert {figure["name"] for figure in found["comparison"]["figures"]} >= {"precision", "FMD", "1-NNA-CD"}
    assert list(found["tissues"]) == ["any", *ANATOMY.ids] and found["report"].endswith("report.html")
    whole = np.load(found["tissues"]["any"])
    assert whole.shape == ANATOMY.shape and whole.dtype == np.float32
    assert whole.sum() > 0 and np.abs(whole).max() <= 1.0  # the synthetic hearts are larger
    json.dumps(found, allow_nan=False)
    with pytest.raises(Cancelled):
        cohort_jobs.compare(command, Listener(patience=2), course())


def test_a_report_is_told_the_question_and_the_context_of_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    told: list[Any] = []
    folder = tmp_path / "small"
    write_labelmap(scaled(0.75), folder / "heart.nrrd")
    monkeypatch.setattr(measured, "measure_cohort", functools.partial(measured.measure_cohort, jobs=1))
    monkeypatch.setattr("DiffusionSiblingsLib.reports.cohort_report.cohort_report",
                        lambda out, cohort, card, **words: told.append((out, len(cohort), words)))
    command = {"source": {"folder": str(folder)}, "maps": str(folder), "out": str(folder / "out")}
    for words in ({"question": "Does the ring fit?", "use": "sizes of a prototype"}, {}):
        cohort_jobs.report({**command, **words}, Listener(), course())
    assert told == [(folder / "out", 1, {"question": "Does the ring fit?", "use": "sizes of a prototype"}),
                    (folder / "out", 1, {"question": "", "use": ""})]


def test_hearts_that_were_measured_to_be_listed_are_not_measured_again(tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr(measured, "measure_cohort", functools.partial(measured.measure_cohort, jobs=1))
    for number, scale in enumerate((0.7, 0.75, 1.1)):  # the last one does not fit the canonical frame
        write_labelmap(scaled(scale), tmp_path / "hearts" / f"heart_{number}.nrrd")
    command = {"folder": str(tmp_path / "hearts"), "cache": str(tmp_path / "cache")}
    heard = Listener()
    assert cohort_jobs.open_cohort(command, heard, course())["failed"] == []
    rows = [row for event in heard.events for row in event["rows"]]
    for row, member in zip(rows, find_members(tmp_path / "hearts"), strict=True):
        meter = TrainingDistanceMeter.of(read_training_statistics(find_model().folder), ANATOMY)
        by_itself = cohort_jobs.member_row(member, ANATOMY, meter)
        assert row == pytest.approx({**by_itself, "file": str(member.path)})
    read: list[str] = []

    def refuse(member: Member, *_: Any, **__: Any) -> None:
        read.append(member.name)
        raise InputError("It is not to be measured")

    monkeypatch.setattr(measured, "measure_member", refuse)
    monkeypatch.setattr("DiffusionSiblingsLib.reports.cohort_report.cohort_report", lambda *_, **__: None)
    cohort_jobs.report({"source": {"folder": command["folder"]}, "maps": str(tmp_path), "out": str(tmp_path),
                        "cache": command["cache"]}, Listener(), course())
    assert read == ["heart_2"]  # a comparison leaves it out and says so
