"""Cohorts in the scene: folders that are opened, members that are looked at, the plot, what a comparison found."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_cases
import slicer
from at_once import added_run, metrics_table
from DiffusionSiblingsUI.cohorts import cohorts
from DiffusionSiblingsUI.cohorts import results as cohort_results
from DiffusionSiblingsUI.cohorts.plot import CohortPlot, training_rows
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.scene import bridge, plots, runs, tables
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

pytestmark = pytest.mark.usefixtures("scene")
LV, RV, OUTSIDE = "LV volume [ml]", "RV volume [ml]", "outside the training range"
HEART = ellipsoid_heart((32, 24, 28), 5.6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three hearts of different sizes, and a file that is none."""
    made = tmp_path / "hearts"
    for number, scale in enumerate((0.9, 1.0, 1.1), start=8):
        grown = dataclasses.replace(HEART, affine=np.diag([scale, scale, scale, 1.0]) @ HEART.affine)
        write_labelmap(grown, made / f"heart {number}.nrrd")
    (made / "heart 11.nrrd").write_bytes(b"no heart")
    return made


@pytest.fixture
def run() -> Any:
    twin = bridge.new_segmentation(HEART, "twin")
    bridged = bridge.read_segmentation(twin)
    results, record, rows = run_cases.job(bridged.labelmap)
    return added_run(results, twin_node=twin, bridged=bridged, record=record, rows=rows, title="run")


def count(kind: str) -> int:
    return slicer.mrmlScene.GetNumberOfNodesByClass(kind)


# Opening and looking


def test_a_folder_is_opened_with_a_row_for_each_heart_and_says_which_it_could_not_read(logic: Any,
                                                                                       folder: Path) -> None:
    cohort = logic.openCohort(folder)
    rows = cohort.rows()
    assert [row["map"] for row in rows] == ["heart 8", "heart 9", "heart 10"]  # as people count
    assert rows[0][LV] < rows[1][LV] < rows[2][LV]
    assert rows[1]["percentile of LV volume"] is not None and OUTSIDE in rows[1]
    assert Path(rows[0]["file"]) == folder / "heart 8.nrrd" and cohort.folder == folder
    assert "heart 11" in cohort.described["failed"][0]
    assert [found.id for found in cohorts.find_cohorts()] == [cohort.id]
    with pytest.raises(InputError, match="does not exist"):
        logic.openCohort(folder / "elsewhere")


def test_the_members_of_a_run_folder_come_from_its_record_without_being_read(logic: Any, tmp_path: Path) -> None:
    _, record, rows = run_cases.job(HEART)
    for entry in tables.entries_of(record):
        entry |= {"file": f"{entry['file']}.nrrd", "volumes_ml": {"LV": entry["features"][LV]}}
        entry["volumes_ml"] |= dict.fromkeys(("RV", "LA", "RA", "Myo", "Ao"), 50.0)
    record["twin"]["canonical_to_ras_mm"] = np.eye(4).tolist()
    (tmp_path / "record.json").write_text(json.dumps(record), encoding="utf-8")
    found = logic.openCohort(tmp_path).rows()
    assert [row["map"] for row in found] == [row["map"] for row in rows[1:]]
    assert [row[LV] for row in found] == pytest.approx([row[LV] for row in rows[1:]])
    assert [row["failed checks"] or "" for row in found] == [row["failed checks"] for row in rows[1:]]


def test_a_member_is_read_when_it_is_looked_at_and_gives_way_to_the_next(logic: Any, folder: Path) -> None:
    cohort = logic.openCohort(folder)
    first = logic.member_operation(cohort, 0).wait()
    assert bridge.read_segmentation(first).labelmap.tissues.keys() == HEART.tissues.keys()
    assert first.GetSegmentation().GetNthSegment(0).HasTag("TerminologyEntry")
    assert logic.member_operation(cohort, 0).wait() is first
    cohorts.keep_shown(logic.member_operation(cohort, 1).wait())
    assert first.GetScene() is None and cohorts.members_shown() == []
    last = logic.member_operation(cohort, 2, in_3d=True).wait()
    assert count("vtkMRMLSegmentationNode") == 2 and cohorts.members_shown() == [last]
    assert last.GetSegmentation().ContainsRepresentation("Closed surface")
    (folder / "heart 8.nrrd").unlink()
    with pytest.raises(InputError, match="does not exist"):
        logic.member_operation(cohort, 0).wait()
    assert cohorts.members_shown() == [last]


def test_an_opened_folder_is_saved_with_the_scene_and_closed_without_a_trace(logic: Any, folder: Path,
                                                                             tmp_path: Path) -> None:
    before = count("vtkMRMLTableNode")
    rows = logic.openCohort(folder).rows()
    run_cases.save(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    run_cases.read(tmp_path / "scene.mrb")
    (cohort,) = cohorts.find_cohorts()
    assert [row["file"] for row in cohort.rows()] == [row["file"] for row in rows] and cohort.folder == folder
    assert [row[LV] for row in cohort.rows()] == pytest.approx([row[LV] for row in rows], rel=1e-4)
    cohorts.remove_nodes([cohort.node])
    tree = runs.hierarchy()
    assert count("vtkMRMLTableNode") == before and not tree.GetItemChildWithName(tree.GetSceneItemID(), cohorts.ITEM)


def test_siblings_of_the_scene_are_cohorts_by_run_and_together(run: Any) -> None:
    assert [cohort.title for cohort in cohorts.find_cohorts()] == ["Run: run"]
    results, record, rows = run_cases.job(HEART)
    again = added_run(results, twin_node=run.twin_node, bridged=bridge.read_segmentation(run.twin_node),
                         record=record, rows=rows, title="again")
    one, other, both = cohorts.find_cohorts()
    assert [len(cohort.rows()) for cohort in (one, other, both)] == [3, 3, 6]
    assert both.rows()[3]["map"] == "again: sibling_0000" and both.nodes[3] is again.siblings[0]
    assert [row[LV] for row in one.rows()] == [row[LV] for row in rows[1:]]
    assert cohorts.cohort_of(None).id == cohorts.SCENE and cohorts.cohort_of(again).id == other.id
    slicer.mrmlScene.RemoveNode(run.siblings[1])
    assert len(cohorts.find_cohort(cohorts.SCENE).rows()) == 5


def test_there_is_no_cohort_in_an_empty_scene() -> None:
    assert cohorts.find_cohorts() == []
    with pytest.raises(InputError, match="no siblings"):
        cohorts.cohort_of(None)


def test_large_cohorts_do_not_hold_up_slicer() -> None:
    row = {**{f"T{n} volume [ml]": 1.5 for n in range(30)}, "map": "a", "file": "b"}
    operation = Operation(tables.tabling([row] * 7200, None, "large"))
    node = operation.wait()
    assert node.GetNumberOfRows() == 7200 and operation.longest_step < 0.1


# The plot


ROWS = [{"map": f"sibling {n}", "edit": "ratio 0.5", LV: 100.0 + n, RV: 120.0 - n} for n in range(4)]
REAL = [{"map": "real", LV: 90.0, RV: 95.0}, {"map": "unmeasured", LV: None, RV: 80.0}]


def test_the_plot_tells_cohort_reference_and_training_hearts_apart_and_finds_what_is_clicked() -> None:
    plot = CohortPlot()
    chart = plot.draw(("pool", ROWS), ("real", REAL), [{LV: 70.0, RV: 75.0}], (LV, RV))
    series = {node.GetName(): node for node in plot.nodes if node.IsA("vtkMRMLPlotSeriesNode")}
    assert list(series) == ["training hearts", "real", "pool"]
    assert len({node.GetColor() for node in series.values()}) == 3 and plot.chart is chart
    ids = [series[name].GetID() for name in ("training hearts", "real", "pool")]
    assert plot.point_of([ids[2]], [[3]]) == ("cohort", 3)
    assert plot.point_of([ids[1]], [[5]]) == ("reference", 1)
    assert plot.point_of([ids[0], ids[1]], [[6], [4]]) == ("reference", 0)
    assert plot.point_of([ids[0]], [[6]]) is None and plot.point_of(["other"], [[0]]) is None


def test_the_member_that_is_shown_has_a_cross_and_a_new_plot_replaces_the_old() -> None:
    plot = CohortPlot()
    plot.draw(("pool", ROWS), None, [], (LV, RV))
    plot.mark(2)
    plot.mark(1)
    shown = [n for n in plot.nodes if n.GetName() == "shown"]
    assert len(shown) == 1 and plot.nodes[-1].GetNumberOfPlotSeriesNodes() == 2
    table = shown[0].GetTableNode().GetTable()
    assert (table.GetColumnByName(LV).GetValue(0), table.GetColumnByName("shown").GetValue(0)) == (101.0, 119.0)
    assert plot.point_of([shown[0].GetID()], [[0]]) is None
    plot.mark(None)
    assert plot.nodes[-1].GetNumberOfPlotSeriesNodes() == 1
    CohortPlot().draw(("other", ROWS), None, [], (RV, LV))
    assert count("vtkMRMLPlotChartNode") == 1 and plot.chart is None
    CohortPlot().clear()
    assert count("vtkMRMLPlotSeriesNode") == count("vtkMRMLTableNode") == 0


def test_members_of_several_edits_are_told_apart_and_a_plot_of_nothing_is_none() -> None:
    rows = [*ROWS, {"map": "b", "edit": "edit LV", LV: 1.0, RV: 2.0}]
    plot = CohortPlot()
    plot.draw(("pool", rows), None, [], (LV, RV))
    assert [n.GetName() for n in plot.nodes if n.IsA("vtkMRMLPlotSeriesNode")] == ["ratio 0.5", "edit LV"]
    assert plot.draw(("pool", rows), None, [], (LV, "no such thing")) is None


def test_the_training_hearts_of_the_model_have_what_is_drawn() -> None:
    from DiffusionSiblingsUI.guide.training_range import support_of

    rows = training_rows(support_of("heart-compact"))
    assert len(rows) > 100 and {LV, RV, "LA major axis [mm]"} <= rows[0].keys()
    assert training_rows(None) == []


def test_measurements_are_the_numbers_that_vary() -> None:
    rows = [{"map": "a", "file": "f", "seed": 1, "k": 0, LV: 1.0, "same": 2.0, "edit": "x"},
            {"map": "b", "file": "g", "seed": 2, "k": 1, LV: 2.0, "same": 2.0, "edit": "y"}]
    assert cohorts.measurements(rows) == [LV]


def test_bias_has_a_group_of_columns_of_its_own() -> None:
    from DiffusionSiblingsLib.cohorts.training_distance import TrainingDistance, training_distance_columns
    from DiffusionSiblingsLib.metrics.measurement import tissue_key

    key = tissue_key("LV")
    lies = TrainingDistance({key: 12.0, tissue_key("LV", "major axis"): 3.0}, (key,), 0.4, 30.0, True, {key: 0.5}, 0.5)
    columns = training_distance_columns(lies)
    found = tables.training_distance_names(["map", LV, *columns, "failed checks"])
    assert set(found) == set(columns)
    assert found[-2:] == ["percentile of LV volume", "percentile of LV major axis"]  # the many come last


# What a comparison has found


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Any]:
    """What the worker gives back."""
    difference = np.zeros((4, 5, 6), np.float32)
    difference[1, 2, 3], difference[2, 2, 3] = 0.5, -0.25
    files = {}
    for number, tissue in enumerate(("any", "LV")):
        files[tissue] = str(tmp_path / f"{tissue}.npy")
        np.save(files[tissue], difference * (1 - 0.5 * number))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = 10.0, 20.0, 30.0
    sizes = {side: {"size": 200} for side in ("real", "synthetic")}
    return {"comparison": {"figures": [], **sizes}, "report": str(tmp_path / "report.html"), "tissues": files,
            "affine": affine.tolist()}


@pytest.fixture
def two() -> tuple[Any, Any]:
    """Two opened cohorts."""
    made = [cohorts.mark_folder(metrics_table(ROWS, None, name), f"/{name}", []) for name in ("real", "pool")]
    return made[0], made[1]


def test_the_difference_lies_in_place_in_colours_that_are_symmetrical_about_nothing(found: dict[str, Any],
                                                                                    two: Any) -> None:
    results = cohort_results.keep_results(*two, found, ("real hearts", "pool hearts"))
    assert results.tissues() == ["any", "LV"] and cohort_results.find_results(*two).node is results.node
    assert cohort_results.find_results(two[1], two[0]) is None
    volume = cohort_results.difference_volume(results)
    matrix = slicer.util.arrayFromVTKMatrix(_matrix(volume))
    assert np.array_equal(matrix, found["affine"]) and slicer.util.arrayFromVolume(volume)[1, 2, 3] == 0.5
    display = volume.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-0.5, 0.5)
    table = display.GetColorNode().GetLookupTable()
    values = [table.GetTableValue(n) for n in range(table.GetNumberOfTableValues())]
    assert values[0][2] > values[0][0] and values[-1][0] > values[-1][2]  # blue, orange
    clear = [value[3] == 0.0 for value in values]  # what chance makes, 0.05 of 0.5
    assert clear == clear[::-1] and sum(clear) == pytest.approx(0.1 * len(values), abs=2) and clear[len(values) // 2]
    again = cohort_results.difference_volume(results, "LV")
    assert again is volume and slicer.util.arrayFromVolume(volume)[1, 2, 3] == 0.25
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-0.25, 0.25)


def _matrix(volume: Any) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def test_a_later_comparison_replaces_an_earlier_one_and_files_that_are_gone_are_said(found: dict[str, Any],
                                                                                     two: Any) -> None:
    first = cohort_results.keep_results(*two, found, ("real hearts", "pool hearts"))
    volume = cohort_results.difference_volume(first)
    colors = volume.GetDisplayNode().GetColorNode()
    second = cohort_results.keep_results(*two, found, ("real hearts", "pool hearts"))
    assert first.node.GetScene() is None and volume.GetScene() is None and second.volume is None
    assert colors.GetScene() is None
    cohort_results.difference_volume(second)
    for file in found["tissues"].values():
        Path(file).unlink()
    assert second.tissues() == ["any"]  # what is in the scene
    with pytest.raises(InputError, match="no longer available"):
        cohort_results.difference_volume(second, "LV")


def test_slice_views_get_back_what_they_showed(found: dict[str, Any], two: Any) -> None:
    composite = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Red")
    shown = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "image")
    composite.SetForegroundVolumeID(shown.GetID())
    composite.SetForegroundOpacity(0.3)
    volume = cohort_results.difference_volume(cohort_results.keep_results(*two, found, ("real hearts", "pool hearts")))
    before = cohort_results.lay_over(volume)
    assert composite.GetForegroundVolumeID() == volume.GetID()
    cohort_results.take_away(before)
    assert composite.GetForegroundVolumeID() == shown.GetID() and composite.GetForegroundOpacity() == 0.3


def test_a_cohort_is_not_compared_with_itself(logic: Any, run: Any) -> None:
    with pytest.raises(InputError, match="with itself"):
        logic.compareCohorts(run, run)


def test_points_of_a_chart_are_in_the_order_of_the_rows() -> None:
    nodes = plots.scatter_chart(ROWS, ["a", "b", "a", "b"], plots.looks_of("ab"), (LV, RV), "t", "t")
    column = nodes[0].GetTable().GetColumnByName("map")
    assert [column.GetValue(n) for n in range(4)] == [row["map"] for row in ROWS]


def test_a_column_is_sorted_with_what_is_missing_last_either_way() -> None:
    column = [3.0, None, "b", 1, float("nan"), "", "a", 3.0]
    assert cohorts.sorted_order(column) == [3, 0, 7, 6, 2, 1, 4, 5]
    assert cohorts.sorted_order(column, descending=True) == [2, 6, 0, 7, 3, 1, 4, 5]
