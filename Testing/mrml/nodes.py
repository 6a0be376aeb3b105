"""Segmentation nodes for tests, made by hand: the bridge is what is tested, so it may not make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

LABELMAP = "Binary labelmap"


def rotation(axis: Sequence[float], angle: float) -> np.ndarray:
    """(3, 3) rotation by `angle` in radians about an axis of any length."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def matrix(affine: np.ndarray) -> vtk.vtkMatrix4x4:
    """(4, 4) array -> vtkMatrix4x4."""
    made = vtk.vtkMatrix4x4()
    made.DeepCopy(np.asarray(affine, float).ravel().tolist())
    return made


def image_of(array: np.ndarray, affine: np.ndarray, first: Sequence[int] = (0, 0, 0)) -> Any:
    """(D, H, W) array as a vtkOrientedImageData; `first` is the IJK of its first voxel on `affine`'s grid."""
    image = slicer.vtkOrientedImageData()
    spans = zip(first, array.shape[::-1], strict=True)
    image.SetExtent([end for start, size in spans for end in (start, start + size - 1)])
    image.SetImageToWorldMatrix(matrix(affine))
    scalars = numpy_support.numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image


def empty_node(name: str = "segmentation") -> Any:
    """A segmentation node without segments, in the scene, with a display node."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    return node


def add_segment(node: Any, image: Any, value: int, *, identifier: str = "", name: str = "",
                color: Sequence[float] | None = None, tags: dict[str, str] | None = None) -> str:
    """One segment with that value in `image`, which several segments may share -> its id."""
    segment = slicer.vtkSegment()
    segment.SetName(name or identifier or f"Segment_{value}")
    segment.SetColor(*(color or (0.5, 0.5, 0.5)))
    segment.SetLabelValue(value)
    for key, text in (tags or {}).items():
        segment.SetTag(key, text)
    segment.AddRepresentation(LABELMAP, image)
    identifier = identifier or f"Segment_{value}"
    node.GetSegmentation().AddSegment(segment, identifier)
    return identifier


def set_reference(node: Any, shape: Sequence[int], affine: np.ndarray) -> None:
    """Makes the (D, H, W) grid the node's reference geometry, as a source volume would."""
    grid = slicer.vtkOrientedImageData()
    grid.SetExtent(0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1)
    grid.SetImageToWorldMatrix(matrix(affine))
    node.GetSegmentation().SetConversionParameter(
        slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(),
        slicer.vtkSegmentationConverter.SerializeImageGeometry(grid),
    )


def segmentation_node(labelmap: Any, name: str = "twin", *, layers: str = "shared", transform: Any = None) -> Any:
    """A label map as a segmentation node.

    layers: "shared" (all segments in one layer), "own" (a layer a segment, as after importing single masks) or
    "cropped" (own layers, each cut to its segment, as Slicer's files keep them).
    """
    node = empty_node(name)
    set_reference(node, labelmap.labels.shape, labelmap.affine)
    shared = image_of(labelmap.labels, labelmap.affine) if layers == "shared" else None
    for segment in labelmap.segments:
        mask = labelmap.labels == segment.value
        first = (0, 0, 0)
        if layers == "cropped":
            box = [(where.min(), where.max() + 1) for where in np.nonzero(mask)]
            first = tuple(int(start) for start, _ in reversed(box))
            mask = mask[tuple(slice(*span) for span in box)]
        image = shared or image_of(mask.astype(np.uint8), labelmap.affine, first)
        identifier = segment.identifier or f"{segment.tissue or segment.name}_id"
        add_segment(node, image, segment.value if shared else 1, identifier=identifier, name=segment.name,
                    color=segment.color, tags=segment.tags)
    if transform is not None:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return node


def linear_transform(affine: np.ndarray, name: str = "moved") -> Any:
    """A linear transform node of a (4, 4) array, in the scene."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(matrix(affine))
    return node
