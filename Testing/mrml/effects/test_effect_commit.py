"""Changes of an edit in a segmentation: exact voxels, shared layers kept, one undo over all segments, surfaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from DiffusionSiblingsUI.effects.commit import EDIT_TAG, changing, commit, refreshing
from DiffusionSiblingsUI.scene.bridge import read_segmentation

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust

SURFACE = "Closed surface"
LAYERS = ["shared", "own", "cropped"]


def editor_of(node: Any) -> Any:
    """The logic and the parameter node of a Segment Editor on this segmentation."""
    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    editor = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    logic.SetSegmentEditorNode(editor)
    editor.SetAndObserveSegmentationNode(node)
    return logic


def edited(labels: np.ndarray) -> np.ndarray:
    """Another heart: everything moved by two voxels, so that every segment gains and loses."""
    return np.roll(labels, (2, 1, -1), axis=(0, 1, 2))


def apply(node: Any, wanted: np.ndarray, bridged: Any, logic: Any, tag: str = "") -> list[Any]:
    changes = exhaust(changing(wanted, bridged))
    commit(node, changes, save=logic.SaveStateForUndo, tag=tag)
    exhaust(refreshing(node, changes))
    return changes


def tag_of(node: Any, segment_id: str) -> str:
    value = vtk.reference("")
    return str(value) if node.GetSegmentation().GetSegment(segment_id).GetTag(EDIT_TAG, value) else ""


@pytest.mark.parametrize("layers", LAYERS)
def test_the_segmentation_becomes_exactly_the_wanted_one(make_node: Any, heart: Any, layers: str) -> None:
    node = make_node(heart, layers=layers)
    bridged, logic = read_segmentation(node), editor_of(node)
    wanted = edited(bridged.labelmap.labels)
    before = node.GetSegmentation().GetNumberOfLayers()
    apply(node, wanted, bridged, logic)
    again = read_segmentation(node).labelmap
    assert np.array_equal(again.labels, wanted)
    assert node.GetSegmentation().GetNumberOfLayers() == before


@pytest.mark.parametrize("layers", LAYERS)
def test_one_undo_takes_all_segments_back_and_redo_brings_them_again(make_node: Any, heart: Any, layers: str) -> None:
    node = make_node(heart, layers=layers)
    bridged, logic = read_segmentation(node), editor_of(node)
    twin, wanted = bridged.labelmap.labels, edited(bridged.labelmap.labels)
    apply(node, wanted, bridged, logic, tag="made by a test")
    assert tag_of(node, bridged.segment_ids[0]) == "made by a test"
    logic.Undo()
    assert np.array_equal(read_segmentation(node).labelmap.labels, twin)
    assert tag_of(node, bridged.segment_ids[0]) == ""
    assert not logic.CanUndo()
    logic.Redo()
    assert np.array_equal(read_segmentation(node).labelmap.labels, wanted)
    assert tag_of(node, bridged.segment_ids[0]) == "made by a test"


def test_segments_that_do_not_change_are_not_touched(heart_node: Any) -> None:
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    wanted = bridged.labelmap.labels.copy()
    wanted[(wanted == 3) & (np.arange(wanted.shape[0]) % 2 == 0)[:, None, None]] = 2
    changes = apply(heart_node, wanted, bridged, logic, tag="x")
    assert [change.segment_id for change in changes] == [bridged.segment_ids[1], bridged.segment_ids[2]]
    assert tag_of(heart_node, bridged.segment_ids[3]) == ""
    assert np.array_equal(read_segmentation(heart_node).labelmap.labels, wanted)


def test_surfaces_follow_the_voxels_and_undo(heart_node: Any) -> None:
    assert heart_node.CreateClosedSurfaceRepresentation()
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    surface = heart_node.GetSegmentation().GetSegment(bridged.segment_ids[2]).GetRepresentation
    centre = np.array(surface(SURFACE).GetCenter())
    apply(heart_node, edited(bridged.labelmap.labels), bridged, logic)
    shift = np.array(surface(SURFACE).GetCenter()) - centre
    expected = bridged.grid.matrix[:3, :3] @ np.array([-1.0, 1.0, 2.0])
    assert np.allclose(shift, expected, atol=1.5 * bridged.labelmap.spacing.max())
    logic.Undo()
    assert np.allclose(surface(SURFACE).GetCenter(), centre, atol=1e-3)


def test_a_segment_may_lose_all_its_voxels(heart_node: Any) -> None:
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    wanted = np.where(bridged.labelmap.labels == 1, 0, bridged.labelmap.labels).astype(np.uint8)
    apply(heart_node, wanted, bridged, logic)
    with pytest.raises(InputError, match="Aorta"):
        read_segmentation(heart_node)
    logic.Undo()
    assert np.array_equal(read_segmentation(heart_node).labelmap.labels, bridged.labelmap.labels)


def test_the_tag_survives_a_file(heart_node: Any, tmp_path: Any) -> None:
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    text = '{"edit":"perturb","ratio":0.5,"model":{"id":"heart-compact","sha256":"ab"},"tissues":["LV"]}'
    apply(heart_node, edited(bridged.labelmap.labels), bridged, logic, tag=text)
    path = tmp_path / "edited.seg.nrrd"
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.WriteData(heart_node)
    read = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    other.SetFileName(str(path))
    assert other.ReadData(read)
    assert tag_of(read, bridged.segment_ids[2]) == text
