"""Where a label touches itself along an edge or a corner only, so that its surface is not a proper one.

A label is well-composed (Latecki, Eckhardt and Rosenfeld 1995) where, in each cube of 2 x 2 x 2 voxels, its voxels hang
together through faces and all other voxels do so too. Then, and only then, its surface meets itself nowhere: each edge
of it has two faces. Meshers of solids need this of every tissue and of the background.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt

from ..core.boxes import foreground_box
from .run_lengths import LabelArray, require_labels

CORNERS = np.array(list(product((0, 1), repeat=3)))
"""(8, 3) KJI: the voxels of a cube from its lowest one; the voxel in row b has bit b in a cube's code."""
BITS = 1 << np.arange(8)


@dataclass(frozen=True)
class IllComposed:
    """The cubes in which a label is ill-composed; a cube that is so for two labels is listed twice.

    lowest: (n, 3) int64, KJI of a cube's lowest voxel, which lies at -1 where the cube reaches over the map's border.
    label: (n,) the label value, 0 for the background.
    """

    lowest: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]

    @property
    def counts(self) -> dict[int, int]:
        """Label value -> number of its ill-composed cubes, for the labels that have any, 0 for the background."""
        values, counts = np.unique(self.label, return_counts=True)
        return {int(value): int(count) for value, count in zip(values, counts, strict=True)}

    @property
    def cubes(self) -> int:
        """How many cubes are ill-composed for one label or more."""
        return len(np.unique(self.lowest, axis=0))


@cache
def ill_codes() -> npt.NDArray[np.bool_]:
    """(256,) bool: whether a cube is ill-composed for a label, by its code: the sum of BITS of the label's voxels."""
    return np.array([not (_together(code) and _together(255 ^ code)) for code in range(256)])


def ill_composed(labels: LabelArray, values: Iterable[int] | None = None) -> IllComposed:
    """The ill-composed cubes of a label map; what lies outside of the map is background.

    labels: (D, H, W) integer, KJI order. values: the labels to look at, None = all of them and the background.
    """
    labels = require_labels(labels)
    box = foreground_box(labels)
    if box is None:
        return IllComposed(np.zeros((0, 3), np.int64), np.zeros(0, np.int64))
    padded = np.pad(labels[box], 1)
    lowest = mixed_cubes(padded)
    around = voxels_of(padded, lowest)
    wanted = np.unique(around).tolist() if values is None else sorted(set(values))
    places, found = [], []
    for value in wanted:
        hit = np.flatnonzero(ill_codes()[(around == value) @ BITS])
        places.append(lowest[hit])
        found.append(np.full(len(hit), value, dtype=np.int64))
    corner = np.array([part.start - 1 for part in box])
    return IllComposed(np.concatenate(places) + corner, np.concatenate(found))


def mixed_cubes(labels: LabelArray) -> npt.NDArray[np.int64]:
    """(n, 3) int64, KJI of the lowest voxel of each cube with two labels or more. labels: (D, H, W) integer."""
    mixed = np.zeros(tuple(size - 1 for size in labels.shape), dtype=np.bool_)
    first = _part(labels, (0, 0, 0))
    for corner in CORNERS[1:].tolist():
        mixed |= _part(labels, corner) != first
    return np.argwhere(mixed)


def voxels_of(labels: LabelArray, lowest: npt.NDArray[np.int64]) -> LabelArray:
    """(n, 8) the labels of cubes in the order of CORNERS. lowest: (n, 3) KJI of their lowest voxels."""
    _, height, width = labels.shape
    steps = CORNERS @ np.array([height * width, width, 1])
    flat = np.ravel_multi_index(tuple(lowest.T), labels.shape)
    found: LabelArray = labels.reshape(-1)[flat[:, None] + steps]
    return found


def _part(labels: LabelArray, corner: Iterable[int]) -> LabelArray:
    return labels[tuple(slice(step, size - 1 + step) for step, size in zip(corner, labels.shape, strict=True))]


def _together(code: int) -> bool:
    """Whether the voxels of a code hang together through faces."""
    left = {tuple(CORNERS[bit]) for bit in range(8) if code >> bit & 1}
    reached = [left.pop()] if left else []
    while reached:
        here = reached.pop()
        near = [other for other in left if sum(a != b for a, b in zip(here, other, strict=True)) == 1]
        left.difference_update(near)
        reached += near
    return not left
