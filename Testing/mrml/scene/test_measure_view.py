"""Measures in the views: where they are, in one folder, one heart's at a time, never in a saved scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from DiffusionSiblingsUI.logic import SiblingsLogic
from DiffusionSiblingsUI.scene import measure_view
from DiffusionSiblingsUI.scene.runs import TWIN, hierarchy
from run_cases import read, save
from vtk.util.numpy_support import vtk_to_numpy

from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.metrics.measures.drawing import Drawing, Line, Wall

ANGLE = np.linspace(0, 2 * np.pi, 40, endpoint=False)
CIRCLE = np.stack([10 * np.cos(ANGLE) + 5, 10 * np.sin(ANGLE) - 7, np.full(40, 30.0)], axis=1)
DRAWING = Drawing(
    (Line("mitral annulus", "ring", CIRCLE, "mitral annulus 314 mm², 20.0 mm", "mitral annulus 20.0 mm"),
     Line("mitral annulus", "normal", np.array([[5, -7, 30], [5, -7, 45.0]])),
     Line("LV length", "length", np.array([[5, -7, 30], [5, -7, -50.0]]), "LV length 80.0 mm", "LV length 80.0 mm"),
     Line("Ao", "centre line", np.array([[0, 0, 0], [0, 5, 10], [0, 12, 18.0]]))),
    (Wall("LV wall", np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0.0]]), np.array([[0, 1, 2]]), np.array([4.0, 8.0, 12.0]),
          "LV wall, median 8.0 mm"),),
    {"RV": "the tricuspid annulus was not found"})


def shown(node: Any, drawing: Drawing = DRAWING) -> None:
    exhaust(measure_view.showing(drawing, node))


def models() -> dict[str, Any]:
    return {node.GetName(): node for node in slicer.util.getNodesByClass("vtkMRMLModelNode")}


def folders() -> list[str]:
    """Names of folders of measures."""
    tree, items = hierarchy(), vtk.vtkIdList()
    tree.GetItemChildren(tree.GetSceneItemID(), items, True)
    ids = [items.GetId(n) for n in range(items.GetNumberOfIds())]
    return [tree.GetItemName(item) for item in ids if tree.HasItemAttribute(item, measure_view.MARK)]


def names(scene: Any) -> list[str]:
    """All nodes but those that Slicer adds for itself and keeps."""
    every = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return sorted(node.GetID() for node in every if "SubjectHierarchy" not in node.GetClassName())


def opacities(node: Any) -> set[float]:
    """Of all segments, in 3D and of their outlines."""
    display = node.GetDisplayNode()
    return {round(of(segment), 6) for segment in node.GetSegmentation().GetSegmentIDs()
            for of in (display.GetSegmentOpacity3D, display.GetSegmentOpacity2DOutline)}


def test_a_ring_is_a_closed_tube_where_the_ring_is(heart_node: Any) -> None:
    shown(heart_node)
    ring = models()["mitral annulus 314 mm², 20.0 mm"]
    points = vtk_to_numpy(ring.GetPolyData().GetPoints().GetData()).astype(float)
    away = np.linalg.norm(points[:, None] - CIRCLE[None], axis=2)
    assert away.min(axis=1).max() < 1.0, "the tube leaves the ring"
    assert away.min(axis=0).max() < 1.0, "the tube does not go all the way around"
    assert ring.GetDisplayNode().GetVisibility2D() and not ring.GetSelectable()


def test_the_wall_has_its_thickness_and_one_scale_for_all_hearts(heart_node: Any) -> None:
    shown(heart_node)
    wall = models()["LV wall, median 8.0 mm"]
    data, display = wall.GetPolyData(), wall.GetDisplayNode()
    assert vtk_to_numpy(data.GetPointData().GetArray(measure_view.THICKNESS)).tolist() == [4, 8, 12]
    assert display.GetScalarVisibility() and display.GetScalarRange() == (0.0, measure_view.MOST_MM)
    colors = [display.GetColorNode().GetLookupTable().GetTableValue(band)[:3] for band in range(measure_view.BANDS)]
    assert len(set(colors)) == measure_view.BANDS


def test_headlines_are_named_at_what_they_measure(heart_node: Any) -> None:
    shown(heart_node)
    (labels,) = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    assert labels.GetLocked()
    said = [labels.GetNthControlPointLabel(n) for n in range(labels.GetNumberOfControlPoints())]
    assert said == ["mitral annulus 20.0 mm", "LV length 80.0 mm"]
    assert tuple(labels.GetNthControlPointPositionWorld(1)) == (5, -7, -50)  # the apex, not the middle


def test_all_lie_in_one_folder_and_go_together(heart_node: Any, scene: Any) -> None:
    display, segment = heart_node.GetDisplayNode(), heart_node.GetSegmentation().GetNthSegmentID(0)
    display.SetSegmentOpacity3D(segment, 0.9)
    before = names(scene)
    shown(heart_node)
    assert folders() == [f"Measures of {heart_node.GetName()}"]
    assert display.GetSegmentOpacity3D(segment) == pytest.approx(0.9 * measure_view.FAINT)
    measure_view.clear()
    assert names(scene) == before and folders() == []
    assert display.GetSegmentOpacity3D(segment) == pytest.approx(0.9)


def test_a_sibling_and_its_twin_let_what_is_in_them_be_seen(heart_node: Any, make_node: Any, heart: Any) -> None:
    sibling = make_node(heart, "sibling")
    sibling.SetNodeReferenceID(TWIN, heart_node.GetID())
    shown(sibling)
    assert opacities(sibling) == {measure_view.FAINT, measure_view.HEART_OUTLINE}
    assert opacities(heart_node) == {measure_view.FAINT, measure_view.TWIN_OUTLINE}
    measure_view.clear()
    assert opacities(sibling) == opacities(heart_node) == {1.0}


def test_another_heart_takes_the_place_of_the_first(heart_node: Any, make_node: Any, heart: Any, scene: Any) -> None:
    other = make_node(heart, "other")
    shown(heart_node)
    count = len(names(scene))
    for node in (other, other, heart_node):
        shown(node)
        assert folders() == [f"Measures of {node.GetName()}"] and len(names(scene)) == count
    assert opacities(other) == {1.0}


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_what_is_stopped_on_its_way_leaves_nothing(heart_node: Any, scene: Any, steps: int) -> None:
    before, work = names(scene), measure_view.showing(DRAWING, heart_node)
    for _ in range(steps + 1):
        next(work)
    work.close()
    assert names(scene) == before and folders() == []
    assert opacities(heart_node) == {1.0}


def test_a_saved_scene_has_none_of_them(heart_node: Any, scene: Any, tmp_path: Path) -> None:
    shown(heart_node)
    save(tmp_path / "scene.mrb")
    scene.Clear(False)
    read(tmp_path / "scene.mrb")
    assert models() == {} and not slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    measure_view.clear()  # as the panel does while its switch is off
    assert folders() == []
    assert opacities(slicer.util.getNode("heart")) == {1.0}


def test_a_heart_of_the_scene_is_drawn_by_the_worker(sample_node: Any, logic: SiblingsLogic) -> None:
    pytest.importorskip("skimage")
    missing = logic.measures_operation(sample_node).wait()
    assert missing == {}
    found = models()
    (ring,) = [node for name, node in found.items() if name.startswith("mitral annulus 8")]
    bounds, heart = ring.GetPolyData().GetBounds(), [0.0] * 6
    sample_node.GetRASBounds(heart)
    assert all(heart[2 * axis] < bounds[2 * axis] < bounds[2 * axis + 1] < heart[2 * axis + 1] for axis in range(3))
    assert any(name.startswith("LV wall, median") for name in found)
    measure_view.clear()
    assert models() == {}


def test_a_heart_that_goes_meanwhile_is_not_drawn(sample_node: Any, logic: SiblingsLogic, scene: Any) -> None:
    pytest.importorskip("skimage")
    operation = logic.measures_operation(sample_node)
    operation.step()
    scene.RemoveNode(sample_node)
    operation.wait()
    assert models() == {} and folders() == []
