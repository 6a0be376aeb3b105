"""Regions of an edit: ROIs and segments of any place and grid, as masks on the twin's grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from at_once import region_mask
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from DiffusionSiblingsUI.scene.regions import write_mask
from hearts import ellipsoid_heart
from nodes import add_segment, empty_node, image_of, linear_transform, matrix, rotation, segmentation_node

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.region import box_mask, read_region


@pytest.fixture
def bridged(scene: Any) -> Any:
    direction = rotation((1, 2, 3), 0.6) @ np.diag([0.9, 1.0, -1.2])
    return read_segmentation(segmentation_node(ellipsoid_heart((40, 34, 44), 3.4, direction=direction)))


def roi_node(centre: tuple[float, ...], size: tuple[float, ...], turn: np.ndarray | None = None) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "region")
    node.SetCenter(*centre)
    node.SetSize(*size)
    if turn is not None:
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = turn, centre
        node.SetAndObserveObjectToNodeMatrix(matrix(affine))
    return node


def places(bridged: Any) -> np.ndarray:
    """(3, D, H, W): RAS mm of every voxel's centre."""
    k, j, i = np.indices(bridged.labelmap.labels.shape)
    affine = bridged.labelmap.affine
    return np.einsum("ab,bkji->akji", affine[:3, :3], np.stack([i, j, k])) + affine[:3, 3, None, None, None]


def test_a_straight_roi_is_the_librarys_box(bridged: Any) -> None:
    mask = region_mask(bridged, roi=roi_node((10, 0, 20), (50, 40, 60)))
    np.testing.assert_array_equal(mask, box_mask((-15, 35, -20, 20, -10, 50), bridged.labelmap))


def test_a_turned_roi_under_a_transform_holds_what_lies_in_it(bridged: Any) -> None:
    turn, centre, size = rotation((2, 0, 1), 0.5), np.array([10.0, 0, 20]), np.array([50.0, 40, 60])
    parent = np.eye(4)
    parent[:3] = np.hstack([1.2 * rotation((0, 1, 1), -0.8), [[6], [-9], [4]]])
    roi = roi_node(tuple(centre), tuple(size), turn)
    roi.SetAndObserveTransformNodeID(linear_transform(parent).GetID())
    to_local = np.linalg.inv(parent)
    local = np.einsum("ab,bkji->akji", to_local[:3, :3], places(bridged)) + to_local[:3, 3, None, None, None]
    inside = np.einsum("ba,bkji->akji", turn, local - centre[:, None, None, None])
    expected = (np.abs(inside) <= size[:, None, None, None] / 2).all(axis=0)
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(region_mask(bridged, roi=roi), expected)
    roi.SetInsideOut(True)
    np.testing.assert_array_equal(region_mask(bridged, roi=roi), ~expected)


def test_a_segment_on_the_twins_own_grid_is_taken_as_it_is(bridged: Any) -> None:
    twin = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    mask = region_mask(bridged, segment=(twin, "LV_id"))
    np.testing.assert_array_equal(mask, bridged.labelmap.labels == 3)


@pytest.mark.parametrize("layers", ["shared", "cropped"])
def test_a_segment_on_another_grid_in_another_place_lands_where_it_is(bridged: Any, layers: str) -> None:
    parent = np.eye(4)
    parent[:3] = np.hstack([rotation((0, 1, 1), -0.8), [[6], [-9], [4]]])
    other = ellipsoid_heart((90, 90, 90), 2.0)
    placed = segmentation_node(other, "region", layers=layers, transform=linear_transform(parent))
    mask = region_mask(bridged, segment=(placed, "RV_id"))
    to_other = np.linalg.inv(parent @ other.affine)
    index = np.rint(np.einsum("ab,bkji->akji", to_other[:3, :3], places(bridged)) + to_other[:3, 3, None, None, None])
    x, y, z = index.astype(int)
    inside = ((index >= 0) & (index < 90)).all(axis=0)
    expected = np.zeros(mask.shape, bool)
    expected[inside] = other.labels[z[inside], y[inside], x[inside]] == 4
    np.testing.assert_array_equal(mask, expected)


def test_a_closed_surface_is_a_region_too(bridged: Any) -> None:
    region = segmentation_node(ellipsoid_heart((80, 80, 80), 2.2), "region")
    region.CreateClosedSurfaceRepresentation()
    region.GetSegmentation().SetSourceRepresentationName("Closed surface")
    region.GetSegmentation().RemoveRepresentation("Binary labelmap")
    mask = region_mask(bridged, segment=(region, "LV_id"))
    both = np.count_nonzero(mask & (bridged.labelmap.labels == 3))
    assert both > 0.9 * max(np.count_nonzero(mask), np.count_nonzero(bridged.labelmap.labels == 3))


def test_the_library_reads_the_file_as_the_same_mask(bridged: Any, tmp_path: Path) -> None:
    roi = roi_node((10, 0, 20), (50, 40, 60), rotation((2, 0, 1), 0.5))
    path = write_mask(region_mask(bridged, roi=roi), bridged.grid.affine, tmp_path / "region.nrrd")
    np.testing.assert_array_equal(read_region(path, bridged.labelmap), region_mask(bridged, roi=roi))


def test_roi_and_segment_together_are_what_both_hold(bridged: Any) -> None:
    twin = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    roi = roi_node((-5, 0, 5), (30, 30, 30))
    both = region_mask(bridged, roi=roi, segment=(twin, "LV_id"))
    np.testing.assert_array_equal(both, region_mask(bridged, roi=roi) & (bridged.labelmap.labels == 3))


def test_regions_that_hold_nothing_are_refused_with_what_to_do(bridged: Any) -> None:
    twin = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    empty = empty_node("empty")
    empty.GetSegmentation().AddEmptySegment("nothing", "nothing")
    flat = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "flat")
    blank = empty_node("blank")
    add_segment(blank, image_of(np.zeros((4, 4, 4), np.uint8), np.eye(4)), 1, identifier="blank")
    for options in ({}, {"roi": roi_node((900, 0, 0), (20, 20, 20))}, {"roi": flat}, {"segment": (twin, "gone")},
                    {"segment": (None, "")}, {"segment": (empty, "nothing")}, {"segment": (blank, "blank")}):
        with pytest.raises(InputError) as caught:
            region_mask(bridged, **options)
        assert caught.value.hint
