"""Label maps between grids, always by way of class probabilities: trilinear, anti-aliased, argmax."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...core.boxes import foreground_box
from .frame import CanonicalFrame, Mask, Matrix, Shape, box_under, field_of_view_mask, index_map, inverse
from .itk import Array, Slices, resampled
from .tissue_fractions import TissueMaps, softened, tissue_maps

SLAB_VOXELS = 8_000_000  # voxels of a twin handled at once
POINTS = 250_000  # of them interpolated at once
OPEN = 255


class InTwin(NamedTuple):
    """labels: (D, H, W) uint8 in the twin's grid, 0 where not evaluated. evaluated: (D, H, W) bool."""

    labels: npt.NDArray[np.uint8]
    evaluated: Mask


def resample_to_canonical(
    labels: Array, affine: npt.NDArray[Any], to_world: Matrix, frame: CanonicalFrame
) -> npt.NDArray[np.uint8]:
    """A label map in the canonical grid. labels: (D, H, W) uint8 anatomy labels. affine: (4, 4) voxel IJK -> RAS mm.

    to_world: (4, 4) rigid canonical mm -> RAS mm. Voxels finer than the canonical ones are averaged first.
    """
    return maps_to_canonical(tissue_maps(labels, affine, int(labels.max(initial=0)), frame.spacing), to_world, frame)


def maps_to_canonical(maps: TissueMaps, to_world: Matrix, frame: CanonicalFrame) -> npt.NDArray[np.uint8]:
    """The most probable class at each canonical voxel: (D, H, W) uint8. Background is what the tissues leave over."""
    result = np.zeros(frame.shape, dtype=np.uint8)
    best = np.zeros(frame.shape, dtype=np.float32)
    total = np.zeros(frame.shape, dtype=np.float32)
    maps = softened(maps, frame.spacing)
    for value in sorted(maps.fractions):
        part = maps.fractions[value]
        matrix = index_map(maps.affine_of(value), frame.affine, to_world)
        size = np.array(part.shape[::-1], dtype=np.float64)
        box = box_under(inverse(matrix), -np.ones(3), size, frame.shape)
        if box is None:
            continue
        values = resampled(part, matrix, box)
        total[box] += values
        better = values > best[box]
        result[box][better] = value
        np.maximum(best[box], values, out=best[box])
    result[1 - total >= best] = 0
    return result


def to_twin(
    probabilities: Array,
    to_world: Matrix,
    frame: CanonicalFrame,
    affine: npt.NDArray[Any],
    shape: Shape,
    reach: Mask,
) -> InTwin:
    """A canonical map in the twin's own grid, at the voxels that an edit can reach.

    probabilities: (C, D, H, W) float16 or float32 class probabilities, class 0 first, in the canonical grid.
    to_world: (4, 4) rigid canonical mm -> RAS mm. affine: (4, 4), shape: (D, H, W) of the twin. reach: (D, H, W) bool.
    Trilinear on probabilities, then argmax; in slabs, so that the size of the twin does not matter. Between eight
    canonical voxels that one class dominates there is nothing to interpolate; only the other voxels are.
    """
    world = np.asarray(affine, dtype=np.float64)
    result = np.zeros(shape, dtype=np.uint8)
    evaluated = field_of_view_mask(world, shape, to_world, frame)
    evaluated &= reach
    bounds = foreground_box(evaluated)
    if bounds is None:
        return InTwin(result, evaluated)
    padded = np.pad(probabilities, ((0, 0), (1, 1), (1, 1), (1, 1)), mode="edge")  # (C, D + 2, H + 2, W + 2)
    cells = certain_cells(padded)
    corners = np.ascontiguousarray(np.moveaxis(padded, 0, -1), dtype=np.float32)  # (D + 2, H + 2, W + 2, C)
    to_cells = index_map(frame.affine, world, inverse(to_world))
    to_cells[:3, 3] += 1.0  # the padding
    to_nearest = to_cells.copy()
    to_nearest[:3, 3] -= 0.5  # cell n lies between corners n and n + 1
    rows = max(1, SLAB_VOXELS // ((bounds[1].stop - bounds[1].start) * (bounds[2].stop - bounds[2].start)))
    for start in range(bounds[0].start, bounds[0].stop, rows):
        slab = (slice(start, min(start + rows, bounds[0].stop)), bounds[1], bounds[2])
        labels = resampled(cells, to_nearest, slab, nearest=True)
        labels[~evaluated[slab]] = 0
        _settle(labels, corners, to_cells, slab)
        result[slab] = labels
    return InTwin(result, evaluated)


def certain_cells(padded: Array) -> npt.NDArray[np.uint8]:
    """The class of each cell between eight voxels, OPEN where interpolation has to decide.

    padded: (C, D, H, W). Returns (D - 1, H - 1, W - 1) uint8. A cell is certain where the lowest corner of one class
    lies above the highest corner of every other: then every trilinear mean does, too.
    """
    size = tuple(n - 1 for n in padded.shape[1:])
    leader = np.full(size, OPEN, dtype=np.uint8)
    low, high, second = (np.full(size, fill, dtype=np.float32) for fill in (-1.0, -1.0, -1.0))
    for label, values in enumerate(padded):
        lowest, highest = _over_corners(values, np.minimum), _over_corners(values, np.maximum)
        ahead = lowest > low
        leader[ahead] = label
        np.maximum(low, lowest, out=low)
        np.maximum(second, np.minimum(high, highest), out=second)
        np.maximum(high, highest, out=high)
    leader[low <= second] = OPEN  # the leader's own highest corner is `high`, the rivals' highest is `second`
    return leader


def _over_corners(values: Array, choose: np.ufunc) -> npt.NDArray[np.float32]:
    """`choose` over the eight corners of every cell. values: (D, H, W). Returns (D - 1, H - 1, W - 1) float32."""
    values = values.astype(np.float32, copy=False)
    values = choose(values[1:], values[:-1])
    values = choose(values[:, 1:], values[:, :-1])
    result: npt.NDArray[np.float32] = choose(values[:, :, 1:], values[:, :, :-1])
    return result


def _settle(labels: npt.NDArray[np.uint8], corners: Array, to_cells: Matrix, slab: Slices) -> None:
    """Interpolates at the open voxels of a slab, in place.

    labels: (d, h, w) uint8. corners: (D, H, W, C) float32. to_cells: (4, 4) IJK of the twin -> IJK of `corners`.
    """
    flat = labels.reshape(-1)
    where = np.flatnonzero(flat == OPEN)
    height, width = labels.shape[1:]
    for start in range(0, where.size, POINTS):
        part = where[start : start + POINTS]
        k, rest = np.divmod(part, height * width)
        j, i = np.divmod(rest, width)
        index = np.stack([i + slab[2].start, j + slab[1].start, k + slab[0].start]).astype(np.float64)
        flat[part] = trilinear(corners, to_cells[:3, :3] @ index + to_cells[:3, 3:]).argmax(axis=1)


def trilinear(corners: Array, points: Matrix) -> npt.NDArray[np.float32]:
    """Trilinear means of vectors on a grid. corners: (D, H, W, C) float32. points: (3, n) IJK. Returns (n, C)."""
    depth, height, width, channels = corners.shape
    limit = np.array([width - 2, height - 2, depth - 2])[:, None]
    base = np.clip(np.floor(points), 0, limit).astype(np.int64)
    upper = np.clip(points - base, 0, 1).astype(np.float32)
    lower = 1 - upper
    rows = corners.reshape(-1, channels)
    first = (base[2] * height + base[1]) * width + base[0]
    total = np.zeros((points.shape[1], channels), dtype=np.float32)
    for corner in range(8):
        weight = np.ones(points.shape[1], dtype=np.float32)
        shift = 0
        for axis, stride in enumerate((1, width, width * height)):
            far = corner >> axis & 1
            weight *= upper[axis] if far else lower[axis]
            shift += stride * far
        total += weight[:, None] * rows[first + shift]
    return total


def sample_probabilities(
    probabilities: Array, to_world: Matrix, frame: CanonicalFrame, points: Matrix
) -> npt.NDArray[np.float32]:
    """Class probabilities at points. probabilities: (C, D, H, W). points: (n, 3) RAS mm. Returns (n, C) float32.

    Trilinear; outside the field of view the point is background.
    """
    matrix = inverse(to_world @ frame.affine)
    index = matrix[:3, :3] @ points.T + matrix[:3, 3:]  # IJK
    inside = ((index >= -0.5) & (index <= np.array(frame.shape[::-1], dtype=np.float64)[:, None] - 0.5)).all(axis=0)
    found = np.zeros((len(points), len(probabilities)), dtype=np.float32)
    found[~inside, 0] = 1.0
    corners = np.ascontiguousarray(np.moveaxis(probabilities, 0, -1), dtype=np.float32)
    found[inside] = trilinear(corners, index[:, inside])
    return found
