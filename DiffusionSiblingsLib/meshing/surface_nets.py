"""Surface nets of a label map: a point in each cell between voxels of several labels, a quad at each change of label.

A cell is the cube between the middles of 2 x 2 x 2 voxels (Gibson 1998). Each surface lies between exactly two labels,
and neighbours share their points, so that there are no gaps, whatever the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..metrics.composed import mixed_cubes, voxels_of
from ..metrics.run_lengths import LabelArray, require_labels
from .mesh import OUTSIDE

Indices = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
MOST_LABEL = np.iinfo(np.int16).max


@dataclass(frozen=True)
class Net:
    """The cells and quads of a label map, in the map's own IJK order.

    centres: (n, 3) float64 IJK of the middle of each cell, where a voxel's middle has whole numbers.
    quads: (q, 4) int32 cells; where I, J, K are right-handed the normal looks from sides[:, 0] into sides[:, 1].
    sides: (q, 2) int16 label values, as in a SurfaceMesh. axis: (q,) the axis, 0 = I, across which the label changes.
    toward: (q,) whether the normal looks along +1 or -1 of that axis.
    edges: (e, 2) int64 neighbouring cells with a surface between. junction: (e,) bool, three labels or more meet there.
    """

    centres: FloatArray
    quads: npt.NDArray[np.int32]
    sides: npt.NDArray[np.int16]
    axis: npt.NDArray[np.int8]
    toward: npt.NDArray[np.int8]
    edges: Indices
    junction: BoolArray


def surface_net(labels: LabelArray) -> Net:
    """The net of a label map; what lies outside of the map is background, so that every surface closes.

    labels: (D, H, W) integer, KJI order, from 0. Raises InputError for an empty map and labels that no mesh can hold.
    """
    labels = require_labels(labels)
    box = foreground_box(labels)
    if box is None:
        raise InputError("The label map cannot be meshed", value="no tissue in it",
                         rule="at least one voxel of a tissue")
    inside = labels[box]
    if inside.min() < OUTSIDE or inside.max() > MOST_LABEL:
        raise InputError("The label map cannot be meshed", value=f"labels from {inside.min()} to {inside.max()}",
                         rule=f"labels from 0 to {MOST_LABEL}")
    padded = np.pad(inside, 1).astype(np.int16)
    lowest = mixed_cubes(padded)
    number = np.full(tuple(size - 1 for size in padded.shape), -1, dtype=np.int32)
    number[tuple(lowest.T)] = np.arange(len(lowest))
    corner = np.array([part.start - 1 for part in box])
    quads, sides, axis, toward = (np.concatenate(part) for part in
                                  zip(*(_quads(padded, number, axis) for axis in range(3)), strict=True))
    edges, junction = _edges(number, lowest, voxels_of(padded, lowest))
    return Net((lowest + corner + 0.5)[:, ::-1].astype(np.float64), quads, sides, axis, toward, edges, junction)


def _quads(padded: npt.NDArray[np.int16], number: npt.NDArray[np.int32], axis: int) -> tuple[
        npt.NDArray[np.int32], npt.NDArray[np.int16], npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """The quads across one axis, 0 = I, as in Net."""
    across = 2 - axis  # the same axis of an array in KJI
    low, high = (np.moveaxis(padded, across, 0)[part] for part in (slice(None, -1), slice(1, None)))
    found = np.moveaxis(low != high, 0, across)
    place = np.stack(np.nonzero(found), axis=1)  # (q, 3) KJI of the lower voxel, which is its upper cell's too
    strides = np.array([number.shape[1] * number.shape[2], number.shape[2], 1])
    second, third = strides[2 - (axis + 1) % 3], strides[2 - (axis + 2) % 3]
    cell = place @ strides
    quads = number.reshape(-1)[np.stack([cell - second - third, cell - third, cell, cell - second], axis=1)]
    step = np.eye(3, dtype=np.int64)[across]
    first, other = padded[tuple(place.T)], padded[tuple((place + step).T)]
    swap = (first == OUTSIDE) | ((other != OUTSIDE) & (other < first))
    quads[swap] = quads[swap, ::-1]
    sides = np.where(swap[:, None], np.stack([other, first], axis=1), np.stack([first, other], axis=1))
    return (quads, sides.astype(np.int16), np.full(len(quads), axis, dtype=np.int8),
            np.where(swap, -1, 1).astype(np.int8))


def _edges(number: npt.NDArray[np.int32], lowest: Indices, around: LabelArray) -> tuple[Indices, BoolArray]:
    """Neighbouring cells with more than one label in the four voxels between them, and whether there are three.

    around: (n, 8) the labels of each cell, in the order of metrics.composed.CORNERS.
    """
    edges, junction = [], []
    for axis, bits in enumerate(([4, 5, 6, 7], [2, 3, 6, 7], [1, 3, 5, 7])):  # of the corners on the far face
        face = np.sort(around[:, bits], axis=1)
        count = 1 + np.count_nonzero(face[:, 1:] != face[:, :-1], axis=1)
        here = np.flatnonzero(count > 1)
        there = number[tuple((lowest[here] + np.eye(3, dtype=np.int64)[axis]).T)]
        edges.append(np.stack([here, there], axis=1))
        junction.append(count[here] > 2)
    return np.concatenate(edges), np.concatenate(junction)
