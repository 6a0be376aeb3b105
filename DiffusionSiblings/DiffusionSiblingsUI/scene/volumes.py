"""Volumes of tissues as they are in a segmentation now, quick enough to follow what the user paints (no Qt)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.layers import LABELMAP

if TYPE_CHECKING:
    import slicer

KEPT = 16  # layers whose counts are kept


class Volumes:
    """Counts each layer of voxels once after every change of it."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Any, ...], np.ndarray] = {}

    def ml(self, node: slicer.vtkMRMLSegmentationNode, segment_ids: tuple[str, ...]) -> float | None:
        """Volume of these segments together, in the world; None where a segmentation keeps no voxels of them."""
        segmentation, total = node.GetSegmentation(), 0.0
        try:
            world = abs(float(np.linalg.det(grids.to_world(node)[:3, :3])))
        except SiblingsError:  # under a transform that bends space
            return None
        for segment_id in segment_ids:
            segment = segmentation.GetSegment(segment_id)
            image = segment.GetRepresentation(LABELMAP) if segment is not None else None
            if image is None:
                return None
            voxel = abs(float(np.linalg.det(grids.image_matrix(image)[:3, :3]))) / 1000.0
            counts, value = self._of(image), segment.GetLabelValue()
            total += float(counts[value]) * voxel * world if 0 <= value < len(counts) else 0.0
        return total if segment_ids else None

    def _of(self, image: slicer.vtkOrientedImageData) -> np.ndarray:
        """Number of voxels by value."""
        scalars = image.GetPointData().GetScalars() if image.GetNumberOfPoints() else None
        if scalars is None:
            return np.zeros(1, dtype=np.int64)
        key = (image.GetAddressAsString(""), image.GetMTime())
        if key not in self._counts:
            voxels = numpy_support.vtk_to_numpy(scalars)
            while len(self._counts) >= KEPT:
                self._counts.pop(next(iter(self._counts)))
            self._counts[key] = np.bincount(voxels if voxels.dtype.kind == "u" else np.maximum(voxels, 0))
        return self._counts[key]


def segments_of(tissue: str, tissue_of: Mapping[str, str | None]) -> tuple[str, ...]:
    """IDs of the segments that are this tissue."""
    return tuple(segment for segment, found in tissue_of.items() if found == tissue)
