"""Masking of an edit: what Slicer's own edit mask allows, and a result that is twin or sibling everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from DiffusionSiblingsUI.effects.masking import Rules, composing, rules_of, tables
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from test_effect_commit import apply, edited, editor_of
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust

AREAS = [name for name in dir(slicer.vtkMRMLSegmentationNode) if name.startswith("EditAllowed")]


def slicers_mask(node: Any, bridged: Any, area: str, edited_id: str, inside: str, volume: Any = None,
                 limits: Any = None) -> np.ndarray:
    """(D, H, W) bool: where Slicer lets the segment be edited."""
    mask = slicer.vtkOrientedImageData()
    reference = grids.geometry_image(bridged.grid.matrix, bridged.grid.extent)
    more = [volume, limits] if volume is not None else []
    assert node.GenerateEditMask(mask, getattr(node, area), reference, edited_id, inside, *more)
    values = numpy_support.vtk_to_numpy(mask.GetPointData().GetScalars())
    return values.reshape(bridged.grid.shape) == 0


def volume_like(bridged: Any, array: np.ndarray, shift: float = 0.0) -> Any:
    """A scalar volume of float voxels on the twin's grid, moved by `shift` voxels along I."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.util.updateVolumeFromArray(node, array.astype(np.float32))
    matrix = bridged.grid.affine.copy()
    matrix[:3, 3] += matrix[:3, 0] * shift
    node.SetIJKToRASMatrix(grids.as_matrix(matrix))
    return node


@pytest.mark.parametrize("area", [area for area in AREAS if area not in ("EditAllowed_Last",)])
def test_one_edited_segment_may_change_where_slicer_lets_it(heart_node: Any, area: str) -> None:
    bridged = read_segmentation(heart_node)
    ids = bridged.segment_ids
    heart_node.GetDisplayNode().SetSegmentVisibility(ids[4], False)
    rules = Rules(area=area, inside=ids[1], visible=frozenset(set(ids) - {ids[4]}))
    leave, _ = tables(rules, ids, {ids[2]})
    assert np.array_equal(leave[bridged.labelmap.labels], slicers_mask(heart_node, bridged, area, ids[2], ids[1]))


def test_rules_are_read_from_the_segment_editor(heart_node: Any) -> None:
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    editor, ids = logic.GetSegmentEditorNode(), bridged.segment_ids
    assert rules_of(editor) == Rules(visible=frozenset(ids))
    heart_node.GetDisplayNode().SetSegmentVisibility(ids[0], False)
    editor.SetMaskMode(heart_node.EditAllowedInsideSingleSegment)
    editor.SetMaskSegmentID(ids[3])
    editor.SetOverwriteMode(editor.OverwriteNone)
    editor.SetSourceVolumeIntensityMask(True)
    editor.SetSourceVolumeIntensityMaskRange(10.0, 20.0)
    rules = rules_of(editor)
    assert rules.area == "EditAllowedInsideSingleSegment" and rules.inside == ids[3] and rules.overwrite == "none"
    assert rules.visible == frozenset(ids[1:]) and rules.intensity == (10.0, 20.0)


@pytest.mark.parametrize("area", ["EditAllowedEverywhere", "EditAllowedInsideAllSegments",
                                  "EditAllowedInsideVisibleSegments", "EditAllowedInsideSingleSegment"])
def test_applied_it_is_the_sibling_inside_the_area_and_the_twin_outside(heart_node: Any, area: str) -> None:
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    twin, sibling, ids = bridged.labelmap.labels, edited(bridged.labelmap.labels), bridged.segment_ids
    editable = slicers_mask(heart_node, bridged, area, "", ids[1])
    rules = Rules(area=area, inside=ids[1], visible=frozenset(ids))
    apply(heart_node, exhaust(composing(sibling, bridged, rules, ids)), bridged, logic)
    assert np.array_equal(read_segmentation(heart_node).labelmap.labels, np.where(editable, sibling, twin))


def test_outside_modes_never_protect_the_segments_that_are_edited(heart_node: Any) -> None:
    bridged = read_segmentation(heart_node)
    sibling, ids = edited(bridged.labelmap.labels), bridged.segment_ids
    rules = Rules(area="EditAllowedOutsideAllSegments", visible=frozenset(ids))
    assert np.array_equal(exhaust(composing(sibling, bridged, rules, ids)), sibling)
    leave, _ = tables(rules, ids, ids[:2])
    assert leave.tolist() == [True, True, True, False, False, False, False]


def test_a_hidden_segment_stays_exactly_as_it_is(heart_node: Any) -> None:
    bridged = read_segmentation(heart_node)
    twin, sibling, ids = bridged.labelmap.labels, edited(bridged.labelmap.labels), bridged.segment_ids
    result = exhaust(composing(sibling, bridged, Rules(visible=frozenset(ids) - {ids[3]}), ids))
    assert np.array_equal(result == 4, twin == 4)
    free = (twin != 4) & (sibling != 4)
    assert np.array_equal(result[free], sibling[free])


@pytest.mark.parametrize(("overwrite", "shown", "taken"), [
    ("all", True, True), ("all", False, True), ("visible", True, True), ("visible", False, False),
    ("none", True, False),
])
def test_segments_that_are_not_edited_are_overwritten_as_the_mode_says(
        heart_node: Any, overwrite: str, shown: bool, taken: bool) -> None:
    bridged = read_segmentation(heart_node)
    twin, ids = bridged.labelmap.labels, bridged.segment_ids
    sibling = np.where(twin == 6, 4, twin).astype(twin.dtype)  # the right ventricle takes all of the right atrium
    rules = Rules(overwrite=overwrite, visible=frozenset(ids) if shown else frozenset(ids[:5]))
    if taken:
        assert np.array_equal(exhaust(composing(sibling, bridged, rules, ids[:4])), sibling)
    else:
        with pytest.raises(InputError, match="leaves nothing to change"):
            exhaust(composing(sibling, bridged, rules, ids[:4]))


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_intensities_are_masked_as_slicers_own_logic_does(heart_node: Any, shift: float) -> None:
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    twin, sibling, ids = bridged.labelmap.labels, edited(bridged.labelmap.labels), bridged.segment_ids
    ramp = np.broadcast_to(np.arange(twin.shape[2], dtype=np.float32), twin.shape)
    volume, editor = volume_like(bridged, ramp, shift), logic.GetSegmentEditorNode()
    editor.SetAndObserveSourceVolumeNode(volume)
    editor.SetSourceVolumeIntensityMask(True)
    editor.SetSourceVolumeIntensityMaskRange(10.2, 20.3)
    result = exhaust(composing(sibling, bridged, rules_of(editor), ids))
    assert logic.UpdateAlignedSourceVolume()
    values = numpy_support.vtk_to_numpy(logic.GetAlignedSourceVolume().GetPointData().GetScalars()).reshape(twin.shape)
    assert np.array_equal(result, np.where((values >= 10.2) & (values <= 20.3), sibling, twin))
    assert (result != twin).any() and (result != sibling).any()


def test_a_range_of_intensities_without_a_volume_is_refused(heart_node: Any) -> None:
    bridged, logic = read_segmentation(heart_node), editor_of(heart_node)
    logic.GetSegmentEditorNode().SetSourceVolumeIntensityMask(True)
    with pytest.raises(InputError, match="source volume"):
        exhaust(composing(edited(bridged.labelmap.labels), bridged, rules_of(logic.GetSegmentEditorNode()),
                          bridged.segment_ids))


def test_a_sibling_like_the_twin_says_so(heart_node: Any) -> None:
    bridged = read_segmentation(heart_node)
    with pytest.raises(InputError, match="same as the twin"):
        exhaust(composing(bridged.labelmap.labels, bridged, Rules(visible=frozenset(bridged.segment_ids)),
                          bridged.segment_ids))
