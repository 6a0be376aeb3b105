"""Slightly smoothed tissues that can be asked at any point in mm, so that measures do not depend on the voxel grid.

A tissue's field is 1 deep inside it, 0 far outside and one half at its surface. The smoothing is a fixed length in mm,
not in voxels, so that the same heart on a finer or a turned grid gives the same field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ...core.boxes import foreground_box
from ...core.labelmap import Affine
from ..run_lengths import LabelArray, require_labels

FloatArray = npt.NDArray[np.float64]
SMOOTHING_MM = 1.0  # standard deviation of the Gaussian
LEAST_SMOOTHING = 0.5  # voxels: less leaves the steps of a coarse grid in the field
REACH = 4.0  # standard deviations that are kept around a tissue


class _Field(NamedTuple):
    """values: (d, h, w) float32, KJI order. corner: (3,) IJK of the first voxel."""

    values: npt.NDArray[np.float32]
    corner: FloatArray


class TissueFields:
    """The fields of a label map's tissues, each computed when it is first asked for.

    labels: (D, H, W) integer, KJI order, the anatomy's label values. affine: (4, 4) float64, voxel IJK -> RAS mm.
    """

    def __init__(self, labels: LabelArray, affine: Affine, anatomy: Anatomy) -> None:
        self.labels = require_labels(labels)
        self.affine = np.asarray(affine, dtype=np.float64)
        self.anatomy = anatomy
        self.spacing: FloatArray = np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))
        self._inverse = np.linalg.inv(self.affine)
        self._fields: dict[tuple[str, ...], _Field | None] = {}

    def has(self, *tissues: str) -> bool:
        """Whether the map has a voxel of each of the tissues."""
        return all(self._field((tissue,)) is not None for tissue in tissues)

    def mask(self, tissues: Sequence[str]) -> npt.NDArray[np.bool_]:
        """(D, H, W) bool, KJI order: the voxels of the tissues taken together."""
        return np.isin(self.labels, [self.anatomy.label_of(tissue) for tissue in tissues])

    def sample(self, points: FloatArray, *tissues: str) -> FloatArray:
        """The field of the tissues taken together at points. points: (..., 3) RAS mm. Returns (...) float64, 0..1."""
        from scipy import ndimage

        field = self._field(tuple(sorted(tissues)))
        if field is None:
            return np.zeros(points.shape[:-1])
        index = points.reshape(-1, 3) @ self._inverse[:3, :3].T + self._inverse[:3, 3] - field.corner  # IJK of the crop
        found = ndimage.map_coordinates(field.values, index[:, ::-1].T, order=1, mode="constant")
        return np.asarray(found, dtype=np.float64).reshape(points.shape[:-1])

    def to_mm(self, index: FloatArray) -> FloatArray:
        """(n, 3) RAS mm of (n, 3) voxel indices in KJI order."""
        return np.asarray(index[:, ::-1] @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)

    def surface(self, *tissues: str) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Where the field of the tissues taken together is one half: (n, 3) points in RAS mm, and (m, 3) triangles by
        their numbers, seen from outside against the clock. Both are empty where the map has none of the tissues.
        """
        from skimage import measure

        field = self._field(tuple(sorted(tissues)))
        if field is None:
            return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
        marching_cubes: Any = measure.marching_cubes  # which says nothing of its types
        corners, triangles, *_rest = marching_cubes(np.pad(field.values, 1), 0.5)
        points = self.to_mm(corners.astype(np.float64) - 1 + field.corner[::-1])
        first, second, third = (points[triangles[:, corner]] - points.mean(axis=0) for corner in range(3))
        if (first * np.cross(second, third)).sum() < 0:  # six times the volume within
            triangles = triangles[:, ::-1]
        return points, np.asarray(triangles, dtype=np.int64)

    def _field(self, tissues: tuple[str, ...]) -> _Field | None:
        if tissues not in self._fields:
            self._fields[tissues] = self._smoothed(tissues)
        return self._fields[tissues]

    def _smoothed(self, tissues: tuple[str, ...]) -> _Field | None:
        """The field of tissues around their voxels; None where the map has none of them.

        Beyond the edge of the grid the map is taken to go on as it ends: a vessel cut by the edge is not rounded there.
        """
        from scipy import ndimage

        mask = self.mask(tissues)
        box = foreground_box(mask)
        if box is None:
            return None
        sigma = np.maximum(SMOOTHING_MM / self.spacing, LEAST_SMOOTHING)[::-1]  # KJI
        margin = np.ceil(REACH * sigma).astype(int) + 1
        padded = np.pad(mask[box].astype(np.float32), [(m, m) for m in margin])
        for axis, (part, m, size) in enumerate(zip(box, margin, mask.shape, strict=True)):
            _continue_beyond(padded, axis, m, at_start=part.start == 0, at_end=part.stop == size)
        values = ndimage.gaussian_filter(padded, sigma, mode="nearest", truncate=REACH)
        corner = np.array([part.start - m for part, m in zip(box, margin, strict=True)], dtype=np.float64)[::-1]
        return _Field(values, corner)


def _continue_beyond(padded: npt.NDArray[np.float32], axis: int, margin: int, *, at_start: bool, at_end: bool) -> None:
    """Repeat the first and last slices into the margin where they lie on a face of the grid."""
    slices = np.moveaxis(padded, axis, 0)
    if at_start:
        slices[:margin] = slices[margin]
    if at_end:
        slices[-margin:] = slices[-margin - 1]
