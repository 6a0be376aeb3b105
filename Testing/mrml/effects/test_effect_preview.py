"""The preview: seen over the twin, in no list and no file, gone without a trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from DiffusionSiblingsUI.effects.preview import Preview
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from nodes import linear_transform
from test_effect_commit import edited

from DiffusionSiblingsLib.core.steps import exhaust


def shown(node: Any, segments: Any = None, surfaces: bool = False) -> tuple[Preview, Any, np.ndarray]:
    bridged, preview = read_segmentation(node), Preview()
    labels = edited(bridged.labelmap.labels)
    exhaust(preview.showing(labels, bridged, node, segments or bridged.segment_ids, surfaces))
    return preview, bridged, labels


def test_it_holds_the_sibling_in_the_twins_place_and_only_the_segments_asked_for(heart_node: Any) -> None:
    matrix = np.eye(4)
    matrix[:3, 3] = 5, -3, 2
    heart_node.SetAndObserveTransformNodeID(linear_transform(matrix).GetID())
    preview, bridged, labels = shown(heart_node, {"LV_id", "Myo_id"})
    again = read_segmentation(preview.node, complete=False)
    assert set(again.segment_ids) == {"LV_id", "Myo_id"}
    assert np.allclose(again.grid.affine, bridged.grid.affine)
    value = again.value_of("LV_id")
    assert np.array_equal(again.labelmap.labels == value, labels == bridged.value_of("LV_id"))


def test_the_twin_and_its_display_are_not_touched(heart_node: Any) -> None:
    display = heart_node.GetDisplayNode()
    before = heart_node.GetSegmentation().GetMTime(), display.GetMTime()
    preview, _, _ = shown(heart_node)
    preview.remove()
    assert (heart_node.GetSegmentation().GetMTime(), display.GetMTime()) == before


def test_it_is_neither_listed_nor_saved(heart_node: Any, tmp_path: Any) -> None:
    preview, _, _ = shown(heart_node)
    assert preview.node.GetHideFromEditors() and not preview.node.GetSaveWithScene()
    assert not preview.node.GetDisplayNode().GetSaveWithScene()
    path = tmp_path / "scene.mrml"
    slicer.mrmlScene.SetURL(str(path))
    assert slicer.mrmlScene.Commit()
    assert "preview" not in path.read_text()
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert not tree.GetItemByDataNode(preview.node)


def test_a_new_one_replaces_the_old_one_and_removing_leaves_nothing(heart_node: Any) -> None:
    count = slicer.mrmlScene.GetNumberOfNodes()
    preview, bridged, labels = shown(heart_node)
    exhaust(preview.showing(np.roll(labels, 1, 0), bridged, heart_node, bridged.segment_ids, True))
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    assert preview.node.GetSegmentation().ContainsRepresentation("Closed surface")
    preview.remove()
    preview.remove()
    assert slicer.mrmlScene.GetNumberOfNodes() == count


def test_a_closed_scene_takes_it_along(heart_node: Any) -> None:
    preview, _, _ = shown(heart_node)
    slicer.mrmlScene.Clear(True)
    assert preview.node is None
    preview.remove()
    preview.hide_surfaces()
    exhaust(preview.surfacing())
