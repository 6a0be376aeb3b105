"""The bridge on segmentations as Slicer makes them: any grid, any layers, any place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from at_once import written
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from hearts import ellipsoid_heart
from nodes import (
    linear_transform,
    rotation,
    segmentation_node,
)

DIRECTIONS = {
    "straight": np.eye(3),
    "oblique": rotation((1, 2, 3), 0.6),
    "anisotropic": np.diag([0.6, 1.0, 2.2]),
    "left-handed": np.diag([-1.0, 1.0, 1.0]),
    "oblique left-handed anisotropic": rotation((0, 1, 1), 1.2) @ np.diag([-0.7, 1.1, 1.6]),
}


def fingerprint(node: Any) -> tuple[Any, ...]:
    """All that a reader must leave as it was."""
    segmentation = node.GetSegmentation()
    ids = segmentation.GetSegmentIDs()
    layers = [segmentation.GetLayerDataObject(n) for n in range(segmentation.GetNumberOfLayers())]
    return (
        ids, segmentation.GetMTime(), node.GetMTime(), segmentation.GetSourceRepresentationName(),
        [segmentation.GetSegment(identifier).GetMTime() for identifier in ids], [layer.GetMTime() for layer in layers],
        node.GetTransformNodeID(), segmentation.SerializeAllConversionParameters(),
        slicer.mrmlScene.GetNumberOfNodes(),
    )  # fmt: skip


@pytest.mark.parametrize("layers", ["shared", "own", "cropped"])
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_a_segmentation_is_read_as_it_is_and_not_changed(scene: Any, direction: np.ndarray, layers: str) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4, direction=direction)
    node = segmentation_node(heart, layers=layers)
    before = fingerprint(node)
    bridged = read_segmentation(node)
    assert fingerprint(node) == before
    np.testing.assert_array_equal(bridged.labelmap.labels, heart.labels)
    np.testing.assert_allclose(bridged.labelmap.affine, heart.affine, atol=1e-9)
    assert [s.tissue for s in bridged.labelmap.segments] == ["Ao", "Myo", "LV", "RV", "LA", "RA"]


@pytest.mark.parametrize("layers", ["shared", "cropped"])
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_a_round_trip_is_identical_voxel_for_voxel(scene: Any, direction: np.ndarray, layers: str) -> None:
    heart = ellipsoid_heart((40, 34, 44), 3.4, direction=direction, extra=True)
    moved = linear_transform(np.vstack([np.hstack([rotation((3, 1, 0), 0.4), [[5], [-20], [8]]]), [0, 0, 0, 1]]))
    twin = segmentation_node(heart, layers=layers, transform=moved)
    bridged = read_segmentation(twin)
    sibling = written(bridged.labelmap.labels, bridged, name="sibling", twin_node=twin)
    again = read_segmentation(sibling)
    np.testing.assert_array_equal(again.labelmap.labels, bridged.labelmap.labels)
    np.testing.assert_allclose(again.labelmap.affine, bridged.labelmap.affine, atol=1e-9)
    assert again.labelmap.segments == bridged.labelmap.segments
