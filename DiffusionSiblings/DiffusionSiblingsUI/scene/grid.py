"""Voxel grids: matrices, extents and Slicer's geometry strings. Part of the bridge."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import InputError

REFERENCE_GEOMETRY = "Reference image geometry"
Box = tuple[slice, slice, slice]  # along K, J, I
Extent = tuple[int, int, int, int, int, int]  # i0, i1, j0, j1, k0, k1, both ends included
SLAB = 1 << 21  # voxels a step: a pass of numpy over them takes a few ms, so that the event loop stays free


@dataclass(frozen=True)
class Grid:
    """A box of voxels in a node's own coordinates.

    matrix: (4, 4) float64, IJK -> node's coordinates (RAS mm before the node's parent transform), of IJK (0, 0, 0).
    extent: (i0, i1, j0, j1, k0, k1), both ends included. world: (4, 4) float64, node's coordinates -> RAS mm.
    """

    matrix: np.ndarray
    extent: Extent
    world: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(D, H, W): voxels along K, J, I."""
        i0, i1, j0, j1, k0, k1 = self.extent
        return k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1

    @property
    def affine(self) -> np.ndarray:
        """(4, 4) float64: index of an array of `shape`, as IJK -> RAS mm in the world."""
        return np.asarray(self.world @ moved(self.matrix, self.extent[::2]), dtype=np.float64)


def moved(matrix: np.ndarray, first: Sequence[int]) -> np.ndarray:
    """The matrix of a grid whose index (0, 0, 0) is the index `first` (i, j, k) of the given one."""
    result = np.array(matrix, dtype=np.float64)
    result[:3, 3] += result[:3, :3] @ np.asarray(first, dtype=np.float64)
    return result


def as_array(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """(4, 4) float64."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def as_matrix(array: np.ndarray) -> vtk.vtkMatrix4x4:
    """A vtkMatrix4x4 of a (4, 4) array."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([float(value) for value in np.ravel(array)])
    return matrix


def to_world(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """(4, 4) float64: the node's coordinates -> RAS mm; InputError under a transform that is not linear."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    if not parent.IsTransformToWorldLinear() or not parent.GetMatrixTransformToWorld(matrix):
        raise InputError(
            _("{name} is under a transform that is not linear").format(name=node.GetName()),
            value=parent.GetName(),
            rule=_("parent transforms are linear: they move, turn, scale or shear"),
            hint=_("in the Data module, clone the segmentation, harden the transform on the clone, and use the clone"),
        )
    return as_array(matrix)


def image_matrix(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """(4, 4) float64: IJK -> node's coordinates of a vtkOrientedImageData, index (0, 0, 0) included or not."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return as_array(matrix)


def reference_of(segmentation: slicer.vtkSegmentation) -> tuple[np.ndarray, Extent] | None:
    """Matrix and extent of the reference geometry that a segmentation keeps, None if it has none."""
    text = segmentation.GetConversionParameter(REFERENCE_GEOMETRY)
    return parse_geometry(text) if text else None


def parse_geometry(text: str) -> tuple[np.ndarray, Extent] | None:
    """Slicer's geometry string "m00;m01;...;i0;i1;j0;j1;k0;k1;" -> matrix and extent, None if it holds no voxel."""
    image = slicer.vtkOrientedImageData()
    if not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, image, False) or image.IsEmpty():
        return None
    return image_matrix(image), as_extent(image.GetExtent())


def geometry_text(grid: Grid) -> str:
    """The grid as Slicer's geometry string."""
    return slicer.vtkSegmentationConverter.SerializeImageGeometry(geometry_image(grid.matrix, grid.extent))


def geometry_image(matrix: np.ndarray, extent: Sequence[int]) -> slicer.vtkOrientedImageData:
    """A vtkOrientedImageData without voxels."""
    image = slicer.vtkOrientedImageData()
    image.SetExtent([int(end) for end in extent])
    image.SetImageToWorldMatrix(as_matrix(matrix))
    return image


def as_extent(ends: Iterable[int]) -> Extent:
    """Six numbers as an extent."""
    i0, i1, j0, j1, k0, k1 = ends
    return i0, i1, j0, j1, k0, k1


def offset(matrix: np.ndarray, other: np.ndarray) -> tuple[int, int, int] | None:
    """Index of `other`'s voxel (0, 0, 0) on the lattice of `matrix`; None if the voxel centres do not coincide."""
    between = np.linalg.inv(matrix) @ other
    whole = np.rint(between[:3, 3])
    if np.abs(between[:3, :3] - np.eye(3)).max() > 1e-4 or np.abs(between[:3, 3] - whole).max() > 1e-2:
        return None
    return int(whole[0]), int(whole[1]), int(whole[2])


def shifted(extent: Sequence[int], by: Sequence[int]) -> Extent:
    """An extent moved by an offset (i, j, k)."""
    return as_extent(end + by[n // 2] for n, end in enumerate(extent))


def union(extents: Sequence[Sequence[int]]) -> Extent:
    """The smallest extent around all."""
    stacked = np.array(extents)
    low, high = stacked.min(axis=0), stacked.max(axis=0)
    return as_extent(int(low[n] if n % 2 == 0 else high[n]) for n in range(6))


def corners(extent: Sequence[int]) -> np.ndarray:
    """(8, 3): IJK of the corner voxels."""
    return np.array([(i, j, k) for i in extent[:2] for j in extent[2:4] for k in extent[4:]], dtype=np.float64)


def carried(extent: Sequence[int], source: np.ndarray, target: np.ndarray) -> Extent:
    """The extent on the lattice of `target` that covers an extent on the lattice of `source`."""
    between = np.linalg.inv(target) @ source
    points = corners(extent) @ between[:3, :3].T + between[:3, 3]
    low, high = np.floor(points.min(axis=0) + 1e-6), np.ceil(points.max(axis=0) - 1e-6)
    return as_extent(int(end) for pair in zip(low, high, strict=True) for end in pair)


def slabs(shape: Sequence[int]) -> list[slice]:
    """The first axis in parts of about SLAB voxels."""
    thick = max(1, SLAB // max(1, int(np.prod(shape[1:]))))
    return [slice(start, min(start + thick, shape[0])) for start in range(0, shape[0], thick)]


def bounding(shape: Sequence[int], marked: Callable[[slice], np.ndarray]) -> Generator[None, None, Box | None]:
    """The smallest box around all that is marked in an array of `shape` (D, H, W), in short steps; None if nothing is.

    marked: slab of the first axis -> (d, H, W), not 0 where the box must reach.
    """
    rows, plane = [], np.zeros(tuple(shape[1:]), dtype=bool)
    for slab in slabs(shape):
        part = marked(slab)
        rows.append(part.any(axis=(1, 2)))
        plane |= part.any(axis=0)
        yield
    sides = [np.flatnonzero(line) for line in (np.concatenate(rows), plane.any(axis=1), plane.any(axis=0))]
    if not len(sides[0]):
        return None
    k, j, i = (slice(int(side[0]), int(side[-1]) + 1) for side in sides)
    return k, j, i


def voxels(extent: Sequence[int]) -> int:
    """How many voxels an extent holds."""
    return int(np.prod([extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3)]))


def cut(extent: Sequence[int], limit: Sequence[int]) -> Extent:
    """The part of an extent that lies inside another."""
    return as_extent(max(a, b) if n % 2 == 0 else min(a, b) for n, (a, b) in enumerate(zip(extent, limit, strict=True)))
