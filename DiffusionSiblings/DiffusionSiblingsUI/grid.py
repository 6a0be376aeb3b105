"""Voxel grids of segmentations: where a node's layers lie, and the one grid that holds them all. Part of the bridge."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from DiffusionSiblingsLib.errors import InputError

LABELMAP = "Binary labelmap"
REFERENCE_GEOMETRY = "Reference image geometry"
SLAB = 1 << 21  # voxels a step: a pass of numpy over them takes a few ms, so that the event loop stays free
MARGIN_MM = 30.0  # room for siblings around a twin whose node says nothing of the image that it was drawn on
MOST_VOXELS = 1 << 27  # beyond this a grid is cut to the segments and the margin


@dataclass(frozen=True)
class Grid:
    """A box of voxels in a node's own coordinates.

    matrix: (4, 4) float64, IJK -> node's coordinates (RAS mm before the node's parent transform), of IJK (0, 0, 0).
    extent: (i0, i1, j0, j1, k0, k1), both ends included. world: (4, 4) float64, node's coordinates -> RAS mm.
    """

    matrix: np.ndarray
    extent: tuple[int, int, int, int, int, int]
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


@dataclass(frozen=True)
class Layer:
    """One labelmap of a segmentation. labels: (D, H, W), a copy. values: segment id -> its value in `labels`."""

    labels: np.ndarray
    matrix: np.ndarray
    extent: tuple[int, int, int, int, int, int]
    values: dict[str, int]


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


def to_world(node: Any) -> np.ndarray:
    """(4, 4) float64: the node's coordinates -> RAS mm; InputError under a transform that is not linear."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    if not parent.IsTransformToWorldLinear() or not parent.GetMatrixTransformToWorld(matrix):
        raise InputError(
            f"{node.GetName()} is under a transform that bends space",
            value=parent.GetName(),
            rule="parent transforms are linear (they move, turn, scale or shear)",
            hint="in the Data module choose Harden transform on a clone of it, and use the clone",
        )
    return as_array(matrix)


def image_matrix(image: Any) -> np.ndarray:
    """(4, 4) float64: IJK -> node's coordinates of a vtkOrientedImageData, index (0, 0, 0) included or not."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return as_array(matrix)


def view(image: Any) -> np.ndarray:
    """(D, H, W) view of an image's voxels, not copied: use it before control goes back to the event loop."""
    scalars = image.GetPointData().GetScalars()
    return numpy_support.vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])


def layers_of(segmentation: Any, ids: Sequence[str]) -> list[Layer]:
    """The labelmaps that hold these segments, copied at one moment; segments without voxels are in none."""
    images: dict[Any, dict[str, int]] = {}
    for identifier in ids:
        segment = segmentation.GetSegment(identifier)
        image = segment.GetRepresentation(LABELMAP)
        if image is None or image.IsEmpty() or image.GetPointData().GetScalars() is None:
            continue
        images.setdefault(image, {})[identifier] = segment.GetLabelValue()
    return [Layer(view(image).copy(), image_matrix(image), tuple(image.GetExtent()), values)
            for image, values in images.items()]


def reference_of(segmentation: Any) -> tuple[np.ndarray, tuple[int, ...]] | None:
    """Matrix and extent of the reference geometry that a segmentation keeps, None if it has none."""
    text = segmentation.GetConversionParameter(REFERENCE_GEOMETRY)
    return parse_geometry(text) if text else None


def parse_geometry(text: str) -> tuple[np.ndarray, tuple[int, ...]] | None:
    """Slicer's geometry string "m00;m01;...;i0;i1;j0;j1;k0;k1;" -> matrix and extent, None if it holds no voxel."""
    image = slicer.vtkOrientedImageData()
    if not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, image, False) or image.IsEmpty():
        return None
    return image_matrix(image), tuple(image.GetExtent())


def geometry_text(grid: Grid) -> str:
    """The grid as Slicer's geometry string."""
    return slicer.vtkSegmentationConverter.SerializeImageGeometry(geometry_image(grid.matrix, grid.extent))


def geometry_image(matrix: np.ndarray, extent: Sequence[int]) -> Any:
    """A vtkOrientedImageData without voxels."""
    image = slicer.vtkOrientedImageData()
    image.SetExtent([int(end) for end in extent])
    image.SetImageToWorldMatrix(as_matrix(matrix))
    return image


def offset(matrix: np.ndarray, other: np.ndarray) -> tuple[int, int, int] | None:
    """Index of `other`'s voxel (0, 0, 0) on the lattice of `matrix`; None if the voxel centres do not coincide."""
    between = np.linalg.inv(matrix) @ other
    whole = np.rint(between[:3, 3])
    if np.abs(between[:3, :3] - np.eye(3)).max() > 1e-4 or np.abs(between[:3, 3] - whole).max() > 1e-2:
        return None
    return int(whole[0]), int(whole[1]), int(whole[2])


def shifted(extent: Sequence[int], by: Sequence[int]) -> tuple[int, ...]:
    """An extent moved by an offset (i, j, k)."""
    return tuple(end + by[n // 2] for n, end in enumerate(extent))


def union(extents: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The smallest extent around all."""
    stacked = np.array(extents)
    low, high = stacked.min(axis=0), stacked.max(axis=0)
    return tuple(int(low[n] if n % 2 == 0 else high[n]) for n in range(6))


def corners(extent: Sequence[int]) -> np.ndarray:
    """(8, 3): IJK of the corner voxels."""
    return np.array([(i, j, k) for i in extent[:2] for j in extent[2:4] for k in extent[4:]], dtype=np.float64)


def carried(extent: Sequence[int], source: np.ndarray, target: np.ndarray) -> tuple[int, ...]:
    """The extent on the lattice of `target` that covers an extent on the lattice of `source`."""
    between = np.linalg.inv(target) @ source
    points = corners(extent) @ between[:3, :3].T + between[:3, 3]
    low, high = np.floor(points.min(axis=0) + 1e-6), np.ceil(points.max(axis=0) - 1e-6)
    return tuple(int(end) for pair in zip(low, high, strict=True) for end in pair)


def occupied(layer: Layer) -> tuple[int, ...] | None:
    """The extent of a layer's non-zero voxels, None if there are none."""
    ends: list[int] = []
    for axis, start in zip((2, 1, 0), layer.extent[::2], strict=True):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(layer.labels.any(axis=others))
        if not len(where):
            return None
        ends += [start + int(where[0]), start + int(where[-1])]
    return tuple(ends)


def slabs(shape: Sequence[int]) -> list[slice]:
    """The first axis in parts of about SLAB voxels."""
    thick = max(1, SLAB // max(1, int(np.prod(shape[1:]))))
    return [slice(start, min(start + thick, shape[0])) for start in range(0, shape[0], thick)]


def resampled(
    labels: np.ndarray, to_index: np.ndarray, shape: tuple[int, int, int]
) -> Generator[None, None, np.ndarray]:
    """(D, H, W) labels taken by nearest neighbour on a grid of `shape`, 0 outside; one slab a step.

    to_index: (4, 4) float64, IJK of the new grid -> IJK of `labels`.
    """
    result = np.zeros(shape, dtype=labels.dtype)
    limit = np.array(labels.shape[::-1])[:, None, None]
    j, i = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    plane = to_index[:3, 0, None, None] * i + to_index[:3, 1, None, None] * j
    done = 0
    for k in range(shape[0]):
        index = np.rint(plane + (to_index[:3, 2] * k + to_index[:3, 3])[:, None, None]).astype(np.int64)
        inside = ((index >= 0) & (index < limit)).all(axis=0)
        if inside.any():
            x, y, z = index[:, inside]
            result[k, inside] = labels[z, y, x]
        done += inside.size
        if done >= SLAB // 8:
            done = 0
            yield
    return result


def grid_of(segmentation: Any, layers: Sequence[Layer], world: np.ndarray, name: str) -> Grid:
    """The one grid for all layers: that of the image they were drawn on, as far as the node says.

    The lattice is the layers' own where they share one, so that nothing is resampled; else Slicer's common geometry.
    Where the node keeps no reference geometry, `MARGIN_MM` around the segments is added, as a sibling may be larger.
    """
    if not layers:
        raise InputError(f"{name} has no voxels", rule="one segment a tissue, each with voxels",
                         hint="segment the heart, or choose another segmentation")
    reference = reference_of(segmentation)
    matrix = layers[0].matrix
    offsets = [offset(matrix, layer.matrix) for layer in layers]
    if any(by is None for by in offsets):
        mode = slicer.vtkSegmentation.EXTENT_UNION_OF_SEGMENTS
        common = parse_geometry(segmentation.DetermineCommonLabelmapGeometry(mode, None))
        matrix, extents = common or (matrix, layers[0].extent)
        extents = [extents]
    else:
        extents = [shifted(layer.extent, by) for layer, by in zip(layers, offsets, strict=True)]
    around = None
    if reference is not None:
        around = carried(reference[1], reference[0], matrix)
        extents.append(around)
    extent = union(extents)
    if around is None or _voxels(extent) > MOST_VOXELS:
        near = _padded(layers, matrix)
        extent = union([*extents, near]) if around is None else _cut(near, extent)
    return Grid(matrix, extent, world)


def _voxels(extent: Sequence[int]) -> int:
    return int(np.prod([extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3)]))


def _cut(extent: Sequence[int], limit: Sequence[int]) -> tuple[int, ...]:
    """The part of an extent that lies inside another."""
    return tuple(max(a, b) if n % 2 == 0 else min(a, b) for n, (a, b) in enumerate(zip(extent, limit, strict=True)))


def _padded(layers: Sequence[Layer], matrix: np.ndarray) -> tuple[int, ...]:
    """The extent, on the lattice of `matrix`, of what the layers hold and MARGIN_MM around it."""
    found = [(occupied(layer), layer) for layer in layers]
    boxes = [carried(extent, layer.matrix, matrix) for extent, layer in found if extent is not None]
    boxes = boxes or [carried(layer.extent, layer.matrix, matrix) for layer in layers]
    room = np.ceil(MARGIN_MM / np.linalg.norm(matrix[:3, :3], axis=0)).astype(int)
    return tuple(end + (int(room[n // 2]) if n % 2 else -int(room[n // 2])) for n, end in enumerate(union(boxes)))
