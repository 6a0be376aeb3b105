"""A run in the scene: made, found, saved, read again, deleted; and a cancelled one that leaves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_cases
import slicer
import vtk
from at_once import added_run
from DiffusionSiblingsUI.scene import bridge, runs, tables

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture
def twin(heart_node: Any) -> Any:
    return heart_node


@pytest.fixture
def settings(twin: Any) -> dict[str, Any]:
    bridged = bridge.read_segmentation(twin)
    results, record, rows = run_cases.job(bridged.labelmap)
    return {"results": results, "twin_node": twin, "bridged": bridged, "record": record, "rows": rows,
            "title": "heart: ratio 0.5, edit LV"}


def census() -> dict[str, int]:
    """How many nodes of each class the scene has."""
    found: dict[str, int] = {}
    for index in range(slicer.mrmlScene.GetNumberOfNodes()):
        name = slicer.mrmlScene.GetNthNode(index).GetClassName()
        found[name] = found.get(name, 0) + 1
    return found


def branch(item: int) -> list[int]:
    """All items below an item of the subject hierarchy."""
    found = vtk.vtkIdList()
    runs.hierarchy().GetItemChildren(item, found, True)
    return [found.GetId(n) for n in range(found.GetNumberOfIds())]


def items() -> list[str]:
    """The names of all items in the subject hierarchy."""
    tree = runs.hierarchy()
    return sorted(tree.GetItemName(item) for item in branch(tree.GetSceneItemID()))


def test_a_run_has_siblings_table_charts_and_record_in_one_folder(settings: dict[str, Any], twin: Any) -> None:
    item = runs.hierarchy().CreateItem(runs.hierarchy().GetSceneItemID(), twin)
    run = added_run(**settings)
    tree = runs.hierarchy()
    assert [run.id] == [found.id for found in runs.find_runs()] and run.title == settings["title"]
    assert len(run.siblings) == 3 and len(run.charts) == 2
    assert run.twin_node is twin and run.record == settings["record"]
    inside = branch(run.folder)
    assert all(tree.GetItemByDataNode(node) in inside
               for node in (*run.siblings, *run.charts, run.table_node, run.node))
    assert tree.GetItemByDataNode(twin) == item and tree.GetItemParent(item) == tree.GetSceneItemID()
    assert [node.GetDisplayNode().GetVisibility() for node in run.siblings] == [1, 0, 0]
    assert not any(node.GetDisplayNode().GetVisibility3D() for node in run.siblings)
    assert run.row_of(run.siblings[2])["edit"] == "edit LV"


def test_siblings_lie_on_the_twin_and_keep_its_segments(settings: dict[str, Any], twin: Any) -> None:
    run = added_run(**settings)
    for node, result in zip(run.siblings, settings["results"], strict=True):
        back = bridge.read_segmentation(node)
        assert np.array_equal(back.labelmap.affine, settings["bridged"].labelmap.affine)
        assert np.array_equal(back.labelmap.labels, result.labels)
        assert node.GetSegmentation().GetSegmentIDs() == twin.GetSegmentation().GetSegmentIDs()


def test_a_cancelled_run_leaves_the_scene_as_it_was(settings: dict[str, Any]) -> None:
    runs.hierarchy()
    before, listed = census(), items()
    total = 1
    while True:
        steps = runs.building(**settings)
        for taken, _ in enumerate(steps, start=1):
            if taken == total:
                break
        else:
            break
        steps.close()
        assert census() == before and items() == listed, f"closed after {total} steps"
        total += 1
    assert total > 6


def test_deleting_a_run_removes_its_nodes_and_folder_only(settings: dict[str, Any]) -> None:
    first = added_run(**settings)
    before, listed = census(), items()
    second = added_run(**settings)
    assert {first.id, second.id} == {run.id for run in runs.find_runs()}
    runs.delete_run(second)
    assert census() == before and items() == listed
    runs.delete_run(first)
    assert runs.find_runs() == [] and settings["title"] not in items()


def test_deleting_a_run_keeps_what_the_user_put_into_its_folder(settings: dict[str, Any]) -> None:
    run = added_run(**settings)
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "my notes")
    runs.hierarchy().CreateItem(run.folder, mine)
    runs.delete_run(run)
    assert slicer.mrmlScene.IsNodePresent(mine) and "my notes" in items() and settings["title"] in items()


def test_a_run_goes_on_without_nodes_that_the_user_removed(settings: dict[str, Any], twin: Any) -> None:
    run = added_run(**settings)
    slicer.mrmlScene.RemoveNode(run.siblings[1])
    slicer.mrmlScene.RemoveNode(run.table_node)
    slicer.mrmlScene.RemoveNode(twin)
    assert len(run.siblings) == 2 and run.table_node is None and run.twin_node is None
    assert run.row_of(run.siblings[0]) == {}
    runs.delete_run(run)
    assert runs.find_runs() == []


@pytest.mark.parametrize("suffix", [".mrb", ".mrml"])
def test_a_run_survives_saving_and_reading_the_scene(settings: dict[str, Any], tmp_path: Path, suffix: str) -> None:
    run = added_run(**settings)
    rows, kinds = tables.rows_of(run.table_node), _types(run.table_node)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "unrelated").SetText("x")
    path = tmp_path / f"scène with spaces{suffix}"
    run_cases.save(path)
    slicer.mrmlScene.Clear(False)
    assert runs.find_runs() == []
    run_cases.read(path)
    (again,) = runs.find_runs()
    assert again.title == settings["title"] and again.record == settings["record"] and again.twin_node is not None
    assert len(again.siblings) == 3 and len(again.charts) == 2
    assert _types(again.table_node) == kinds
    for one, other in zip(tables.rows_of(again.table_node), rows, strict=True):
        assert one == {key: pytest.approx(value, rel=1e-5) if isinstance(value, float) else value
                       for key, value in other.items()}
    for node, result in zip(again.siblings, settings["results"], strict=True):
        assert np.array_equal(bridge.read_segmentation(node).labelmap.labels, result.labels)
    runs.delete_run(again)
    left = census()
    assert left.get("vtkMRMLSegmentationNode") == 1 and left.get("vtkMRMLTextNode") == 1
    assert not set(left) & {"vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode"}


def test_two_copies_of_one_run_stay_apart(settings: dict[str, Any], tmp_path: Path) -> None:
    added_run(**settings)
    run_cases.save(tmp_path / "scene.mrb")
    run_cases.read(tmp_path / "scene.mrb")
    first, second = runs.find_runs()
    assert not set(first.siblings) & set(second.siblings) and first.twin_node is not second.twin_node
    runs.delete_run(second)
    assert len(first.siblings) == 3 and first.table_node is not None


def _types(node: Any) -> list[tuple[str, int, str]]:
    table = node.GetTable()
    return [(table.GetColumn(n).GetName(), table.GetColumn(n).GetDataType(),
             node.GetColumnUnitLabel(table.GetColumn(n).GetName())) for n in range(table.GetNumberOfColumns())]
