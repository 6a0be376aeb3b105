"""The image that is painted for a segmentation without one: on its grid, where it lies, whatever its segments are."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import slicer
import vtk
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from DiffusionSiblingsUI.scene.grid import as_array
from DiffusionSiblingsUI.scene.painted_image import GREY_HU, has_image, paint_image
from DiffusionSiblingsUI.scene.terminology import match_tissues
from nodes import add_segment, empty_node, image_of, linear_transform, rotation

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError


@pytest.fixture(autouse=True)
def application(monkeypatch: pytest.MonkeyPatch, scene: Any) -> MagicMock:
    made = MagicMock()
    monkeypatch.setattr(slicer, "app", made, raising=False)
    return made


def volume_at(corner: tuple[float, float, float], size: int = 10) -> Any:
    """A volume of 1 mm voxels."""
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    slicer.util.updateVolumeFromArray(volume, np.zeros((size, size, size), np.int16))
    volume.SetOrigin(*corner)
    return volume


def test_the_image_lies_on_the_twin_and_the_twin_is_read_as_before(heart_node: Any) -> None:
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = rotation((1, 2, 3), 0.4), (20, -30, 40)
    heart_node.SetAndObserveTransformNodeID(linear_transform(turned).GetID())
    before = read_segmentation(heart_node)
    volume = paint_image(heart_node, match_tissues(heart_node, load_anatomy()))
    after = read_segmentation(heart_node)
    np.testing.assert_array_equal(after.labelmap.labels, before.labelmap.labels)
    np.testing.assert_allclose(after.grid.affine, before.grid.affine, atol=1e-9)
    grey, heart = slicer.util.arrayFromVolume(volume), before.labelmap
    assert grey.shape == heart.labels.shape and volume.GetParentTransformNode() is heart_node.GetParentTransformNode()
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(turned @ as_array(matrix), before.grid.affine, atol=1e-6)
    brightest = np.isin(heart.labels, heart.tissues["LV"])
    assert abs(float(grey[brightest].mean()) - GREY_HU["LV"]) < 80 and grey[heart.labels == 0].mean() < 0


def test_it_is_asked_for_where_nothing_is_to_be_seen(heart_node: Any) -> None:
    bounds = [0.0] * 6
    heart_node.GetRASBounds(bounds)
    assert not has_image(heart_node)
    volume_at((bounds[1] + 50, bounds[3] + 50, bounds[5] + 50))
    assert not has_image(heart_node), "a volume elsewhere is no image of this heart"
    scan = volume_at((bounds[0], bounds[2], bounds[4]))
    assert has_image(heart_node)
    slicer.mrmlScene.RemoveNode(scan)
    assert not has_image(heart_node)
    paint_image(heart_node, {})
    assert has_image(heart_node)


def test_a_segment_editor_that_waits_for_an_image_gets_it_and_another_keeps_its_own(heart_node: Any) -> None:
    waiting, served = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode") for _ in range(2))
    for editor in (waiting, served):
        editor.SetAndObserveSegmentationNode(heart_node)
    scan = volume_at((0, 0, 0))
    served.SetAndObserveSourceVolumeNode(scan)
    image = paint_image(heart_node, {})
    assert waiting.GetSourceVolumeNode() is image and served.GetSourceVolumeNode() is scan


def test_segments_that_overlap_can_be_edited_apart_so_they_get_an_image(scene: Any) -> None:
    node = empty_node()
    for number in range(2):
        mask = np.zeros((20, 22, 24), np.uint8)
        mask[5:15, 5:15, 5 + 4 * number:15 + 4 * number] = 1
        add_segment(node, image_of(mask, np.eye(4)), 1, identifier=f"s{number}")
    add_segment(node, image_of(np.zeros((0, 0, 0), np.uint8), np.eye(4)), 1, identifier="nothing drawn yet")
    with pytest.raises(InputError, match="overlap"):
        read_segmentation(node, {"s0": "LV", "s1": "RV"}, complete=False)
    grey = slicer.util.arrayFromVolume(paint_image(node, {"s0": "LV"}))
    assert grey.max() > 300 > 0 > grey.min()


def test_nothing_drawn_is_said(scene: Any) -> None:
    node = empty_node()
    node.GetSegmentation().AddEmptySegment("empty")
    with pytest.raises(InputError, match="no voxels"):
        paint_image(node, {})
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
