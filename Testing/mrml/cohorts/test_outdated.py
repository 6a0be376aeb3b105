"""Comparisons of cohorts that changed: they stay and say so, and those of cohorts that did not change do not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import run_cases
import slicer
from at_once import added_run, metrics_table
from DiffusionSiblingsUI.cohorts import cohorts
from DiffusionSiblingsUI.cohorts import members as cohort_members
from DiffusionSiblingsUI.cohorts import results as cohort_results
from DiffusionSiblingsUI.cohorts import work as cohort_work
from DiffusionSiblingsUI.cohorts.memory import CohortMemory
from DiffusionSiblingsUI.scene import bridge, runs, surfaces
from hearts import ellipsoid_heart
from vtk.util.numpy_support import vtk_to_numpy

from DiffusionSiblingsLib.core.steps import exhaust

pytestmark = pytest.mark.usefixtures("scene")
HEART = ellipsoid_heart((32, 24, 28), 5.6)
LABELMAP = "Binary labelmap"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files and a folder of masks, which stand for hearts."""
    made = tmp_path / "hearts"
    (made / "heart 4").mkdir(parents=True)
    for name in ("heart 1.nrrd", "heart 2.nrrd", "heart 3.nrrd", "heart 4/LV.nrrd", "heart 4/RV.nrrd"):
        (made / name).write_text(name)
    return made


@pytest.fixture
def real(folder: Path) -> Any:
    """The cohort of that folder."""
    rows = [{"map": path.name, "file": str(path)} for path in sorted(folder.iterdir())]
    return cohorts.mark_folder(metrics_table(rows, None, "real"), str(folder), [])


@pytest.fixture
def run() -> Any:
    return add_run("run")


def add_run(title: str) -> Any:
    twin = bridge.new_segmentation(HEART, "twin")
    bridged = bridge.read_segmentation(twin)
    results, record, rows = run_cases.job(bridged.labelmap)
    return added_run(results, twin_node=twin, bridged=bridged, record=record, rows=rows, title=title)


def compared(real: Any, synthetic: Any, tmp_path: Path) -> cohort_results.Results:
    """What the worker would have found."""
    found = {"comparison": {"figures": [], "real": {"size": 4}, "synthetic": {"size": 3}}, "tissues": {},
             "report": str(tmp_path / "report.html"), "affine": []}
    return cohort_results.keep_results(real, synthetic, found,
                                       fingerprints(real, synthetic))


def fingerprints(*wanted: Any) -> list[str]:
    """Of cohorts as they are now."""
    memory = CohortMemory()
    return [memory.fingerprints.of(cohort) for cohort in wanted]


def outdated(real: Any, synthetic: Any) -> str:
    """What is said of the comparison of two cohorts as they are now."""
    return cohort_results.find_results(real, synthetic).outdated(fingerprints(real, synthetic), "")


def test_all_siblings_of_the_scene_are_others_when_a_run_comes_and_the_same_when_it_goes(real: Any, run: Any,
                                                                                         tmp_path: Path) -> None:
    add_run("second")
    compared(real, cohorts.cohort_of(None), tmp_path)
    assert outdated(real, cohorts.cohort_of(None)) == ""
    third = add_run("third")
    said = outdated(real, cohorts.cohort_of(None))
    assert "3 hearts were compared with 4" in said and "Compare again" in said
    runs.delete_run(third)
    assert outdated(real, cohorts.cohort_of(None)) == ""


def test_a_run_that_lost_a_sibling_or_had_one_corrected_is_another(real: Any, run: Any, tmp_path: Path) -> None:
    synthetic = cohorts.cohort_of(run)
    compared(real, synthetic, tmp_path)
    display = run.siblings[0].GetDisplayNode()
    display.SetVisibility(False)
    exhaust(surfaces.surfacing(run.siblings[0]))
    run.siblings[0].SetName("seen from the left")
    assert outdated(real, synthetic) == ""
    segment = run.siblings[1].GetSegmentation().GetNthSegment(0)
    image = segment.GetRepresentation(LABELMAP)
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    place = (voxels == segment.GetLabelValue()).nonzero()[0][0]
    before, voxels[place] = int(voxels[place]), 0
    image.Modified()
    assert "Outdated" in outdated(real, synthetic)
    voxels[place] = before
    image.Modified()
    assert outdated(real, synthetic) == ""
    slicer.mrmlScene.RemoveNode(run.siblings[2])
    assert "Outdated" in outdated(real, cohorts.cohort_of(run))


def test_what_was_compared_is_still_that_after_the_scene_was_saved_and_read(real: Any, run: Any,
                                                                            tmp_path: Path) -> None:
    compared(real, cohorts.cohort_of(run), tmp_path)
    run_cases.save(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    run_cases.read(tmp_path / "scene.mrb")
    real, synthetic = cohorts.find_cohorts()
    assert outdated(real, synthetic) == ""
    slicer.mrmlScene.RemoveNode(synthetic.nodes[0])
    assert "Outdated" in outdated(*cohorts.find_cohorts())


@pytest.mark.parametrize("change", ["written again", "gone", "one more", "one more of masks", "a mask written again"])
def test_a_folder_whose_files_change_is_another(real: Any, run: Any, folder: Path, tmp_path: Path, change: str) -> None:
    synthetic = cohorts.cohort_of(run)
    compared(real, synthetic, tmp_path)
    (folder / "notes.txt").write_text("no heart")
    (folder / ".hidden.nrrd").write_text("no heart")
    assert outdated(real, synthetic) == ""
    if change == "gone":
        (folder / "heart 2.nrrd").unlink()
    elif change == "one more":
        (folder / "heart 5.nrrd").write_text("heart 5")
    elif change == "one more of masks":
        (folder / "heart 5").mkdir()
    else:
        os.utime(folder / ("heart 3.nrrd" if change == "written again" else "heart 4/RV.nrrd"), (1.0, 1.0))
    assert "Outdated" in outdated(real, synthetic)


def test_a_folder_is_not_looked_at_all_the_time(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(cohort_members, "signature", lambda path: looked.append(path) or [])
    monkeypatch.setattr(cohort_members, "REST", 1e9)
    known = CohortMemory().fingerprints
    for _ in range(3):
        known.of(real)
    assert len(looked) == 5
    known.forget_folders()
    known.of(real)
    assert len(looked) == 10


def test_a_comparison_of_an_earlier_version_says_that_it_may_not_be_of_now(real: Any, run: Any,
                                                                           tmp_path: Path) -> None:
    results = compared(real, cohorts.cohort_of(run), tmp_path)
    results.node.SetAttribute(cohort_results.MARK, '{"report": "", "tissues": {}, "affine": []}')
    assert "may have changed" in outdated(real, cohorts.cohort_of(run))


def test_a_report_for_another_question_is_said_to_be_one(real: Any, run: Any, tmp_path: Path) -> None:
    results = compared(real, cohorts.cohort_of(run), tmp_path)
    assert "another question" in results.outdated(fingerprints(real, cohorts.cohort_of(run)), "Does the ring fit?")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Commands that the worker would have got; it answers at once."""
    commands: list[dict[str, Any]] = []

    def job(session: Any, command: dict[str, Any], *_: Any) -> Any:
        commands.append(command)
        Path(command["out"]).mkdir(exist_ok=True)
        page = Path(command["out"]) / "report.html"
        page.write_text("page")
        yield None
        sides = {side: {"size": 3} for side in ("real", "synthetic")}
        return {"report": str(page), "comparison": {"figures": [], **sides}, "tissues": {}, "affine": []}

    monkeypatch.setattr(cohort_work, "job_steps", job)
    return commands


def test_a_report_is_written_again_only_if_its_cohort_its_words_or_its_folder_are_others(
        logic: Any, real: Any, run: Any, folder: Path, tmp_path: Path, heard: list[dict[str, Any]]) -> None:
    out, asked, memory = tmp_path / "out", "Does the ring fit?", logic.session.memory
    words = [asked, "", "heart-compact"]
    assert memory.report(real, out, words) is None
    page = logic.reportCohort(real, str(out), question=asked)
    assert memory.report(real, out, words) == page
    others = ((cohorts.cohort_of(run), out, words), (real, tmp_path, words), (real, out, [asked, "sizes", words[2]]),
              (real, out, ["", *words[1:]]), (real, out, [*words[:2], "another"]))
    assert [memory.report(cohort, place, said) for cohort, place, said in others] == [None] * 5
    (folder / "heart 5.nrrd").write_text("one more")
    memory.fingerprints.forget_folders()
    assert memory.report(real, out, words) is None
    assert logic.reportCohort(real, out, question=asked) == page
    assert memory.report(real, out, words) == page and len(heard) == 2
    page.write_text("of a comparison, or by somebody else")
    assert memory.report(real, out, words) is None
    page.unlink()
    assert memory.report(real, out, words) is None


def test_question_and_context_of_use_reach_the_worker(logic: Any, real: Any, run: Any, tmp_path: Path,
                                                      heard: list[dict[str, Any]]) -> None:
    results = logic.compareCohorts(real, run, tmp_path / "out", question="Does the ring fit?")
    assert results.outdated(fingerprints(real, cohorts.cohort_of(run)), "Does the ring fit?") == ""
    logic.reportCohort(real, tmp_path / "out", question="Does the ring fit?", use="sizes of a prototype")
    logic.reportCohort(real, tmp_path / "out")
    assert [(command["command"], command["question"], command.get("use")) for command in heard] == [
        ("compare", "Does the ring fit?", None), ("report", "Does the ring fit?", "sizes of a prototype"),
        ("report", "", "")]


def test_opening_and_comparing_keep_what_they_measure_in_one_place_of_the_session(
        logic: Any, run: Any, folder: Path, tmp_path: Path, heard: list[dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch) -> None:
    answer = cohort_work.job_steps

    def opens(session: Any, command: dict[str, Any], *more: Any) -> Any:
        result = yield from answer(session, {"out": str(tmp_path / "out"), **command}, *more)
        if command["command"] == "cohort":
            more[1]({"rows": [{"map": "heart 1", "file": str(folder / "heart 1.nrrd")}]})
        return {**result, "folder": str(folder), "failed": []}

    monkeypatch.setattr(cohort_work, "job_steps", opens)
    logic.compareCohorts(folder, run, tmp_path / "out", model="another")
    first, second = heard
    assert (first["command"], second["command"]) == ("cohort", "compare")
    assert Path(first["cache"]).is_relative_to(logic.session.folder)
    assert all(first[name] == second[name] for name in ("cache", "model"))
