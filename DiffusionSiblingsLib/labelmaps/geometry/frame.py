"""The canonical grid, checks of a twin's affine, and index arithmetic between two grids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError

if TYPE_CHECKING:
    from ...core.anatomy import Anatomy

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Shape = tuple[int, int, int]
SPACING_RANGE_MM = (0.3, 5.0)


@dataclass(frozen=True)
class CanonicalFrame:
    """The grid that the model sees; its centre is 0. shape: (D, H, W), KJI order. spacing: mm, isotropic."""

    shape: Shape = (128, 128, 128)
    spacing: float = 1.4

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1 or not self.spacing > 0:
            raise InputError(
                "A canonical frame is not a grid",
                value=f"shape {self.shape}, spacing {self.spacing} mm",
                rule="three positive sizes and a positive spacing",
            )

    @classmethod
    def of(cls, anatomy: Anatomy) -> CanonicalFrame:
        """The frame that an anatomy file asks for."""
        depth, height, width = anatomy.shape
        return cls((int(depth), int(height), int(width)), float(anatomy.spacing_mm))

    @property
    def affine(self) -> Matrix:
        """(4, 4) float64: voxel IJK -> canonical mm."""
        affine = np.eye(4)
        affine[:3, :3] *= self.spacing
        affine[:3, 3] = -self.spacing * (np.array(self.shape[::-1], dtype=np.float64) - 1) / 2
        return affine

    def coarse(self, spacing: float) -> CanonicalFrame:
        """A frame of another spacing that covers at least the same field of view."""
        depth, height, width = (int(np.ceil(n * self.spacing / spacing)) for n in self.shape)
        return CanonicalFrame((depth, height, width), spacing)


def spacing_of(affine: Matrix) -> Matrix:
    """(3,) float64: voxel edge lengths along I, J, K in mm."""
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0), dtype=np.float64)


def checked_affine(affine: npt.NDArray[Any]) -> Matrix:
    """(4, 4) float64 voxel IJK -> RAS mm, known to be invertible and of a spacing that the product handles.

    Raises InputError where the matrix is singular, not finite, or the spacing lies outside 0.3 to 5 mm.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError(
            "The geometry of the label map is not a finite 4 x 4 matrix",
            value=np.array2string(matrix, precision=3).replace("\n", ""),
            hint="write the file again with a valid origin, spacing and direction",
        )
    spacing = spacing_of(matrix)
    # The determinant of the unit axes: 1 for a right angle, 0 where two axes coincide.
    skew = 0.0 if spacing.min() == 0 else abs(np.linalg.det(matrix[:3, :3] / spacing))
    if skew < 0.1:
        raise InputError(
            "The direction matrix of the label map is singular",
            value=f"spacing {_mm(spacing)}, determinant of the unit axes {skew:.3f}",
            rule="three axes that span space",
            hint="repair the header, or convert the image again from its source",
        )
    low, high = SPACING_RANGE_MM
    if spacing.min() < low * 0.99 or spacing.max() > high * 1.01:
        raise InputError(
            "The voxel spacing is outside the range that can be used",
            value=_mm(spacing),
            rule=f"{low:g} to {high:g} mm along every axis",
            hint="resample the label map, or correct the unit of its header (it must be mm)",
        )
    return matrix


def _mm(spacing: Matrix) -> str:
    return " x ".join(f"{value:.3g}" for value in spacing) + " mm"


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of a (4, 4) float64 matrix."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def index_map(source_affine: Matrix, target_affine: Matrix, target_to_source: Matrix) -> Matrix:
    """(4, 4): voxel IJK of the target grid -> voxel IJK of the source grid, by way of mm."""
    return np.asarray(np.linalg.inv(source_affine) @ target_to_source @ target_affine, dtype=np.float64)


def box_under(matrix: Matrix, low: Matrix, high: Matrix, shape: Shape) -> tuple[slice, slice, slice] | None:
    """The part of a grid that an index box reaches: KJI slices into an array of `shape`, None where they do not meet.

    matrix: (4, 4) IJK of the box -> IJK of the grid. low, high: (3,) corners of the box, IJK, inclusive.
    """
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), dtype=np.float64).reshape(3, 8)
    moved = matrix[:3, :3] @ corners + matrix[:3, 3:]
    start = np.maximum(np.floor(moved.min(1)).astype(int), 0)
    stop = np.minimum(np.ceil(moved.max(1)).astype(int) + 1, np.array(shape[::-1]))
    if (stop <= start).any():
        return None
    (i0, j0, k0), (i1, j1, k1) = start.tolist(), stop.tolist()
    return slice(k0, k1), slice(j0, j1), slice(i0, i1)


def field_of_view_mask(affine: npt.NDArray[Any], shape: Shape, to_world: Matrix, frame: CanonicalFrame) -> Mask:
    """(D, H, W) bool: voxels of a twin's grid whose centre lies inside the canonical grid (its outer voxels included).

    affine: (4, 4) voxel IJK -> RAS mm. to_world: (4, 4) canonical mm -> RAS mm.
    """
    return inside(index_map(frame.affine, np.asarray(affine, dtype=np.float64), inverse(to_world)), shape, frame.shape)


def inside(matrix: Matrix, shape: Shape, other: Shape) -> Mask:
    """(D, H, W) bool: voxels of a grid whose centre lies inside another one (its outer voxels included).

    matrix: (4, 4) voxel IJK of the grid of `shape` -> voxel IJK of the other, which has the shape `other`.
    """
    mask = np.ones(shape, dtype=bool)
    _, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    for axis in range(3):
        plane = (matrix[axis, 0] * i + matrix[axis, 1] * j + matrix[axis, 3]).astype(np.float32)  # (1, H, W)
        edge = other[2 - axis] - 0.5
        for index in range(shape[0]):
            row = plane[0] + np.float32(matrix[axis, 2] * index)  # (H, W)
            mask[index] &= (row >= -0.5) & (row < edge)
    return mask
