"""Well-composedness as a repair: few voxels changed so that no label touches itself along an edge or corner only.

Each move gives one voxel of an ill-composed cube the label of a neighbour. Moves are evaluated all at once; of these,
the best that lie apart from each other are made, until none leaves fewer ill-composed cubes. Moves that keep the
topology of both labels (their voxel is simple: Bertrand and Malandain 1994) come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ...metrics.composed import IllComposed, ill_composed
from ...metrics.run_lengths import LabelArray, require_labels
from .composed_moves import MOST_CUBES, Grid, Moves, open_grid, pairs_of_moves, single_moves, still_ill
from .workspace import BoolArray, IntArray

APART = 2  # voxels between two moves of one round: neither then changes what the other was judged by


@dataclass(frozen=True)
class Composed:
    """A label map after the repair, and what was done to it.

    labels: (D, H, W), the input's dtype. taken, given: label value -> voxels that it lost and won, 0 for background.
    changed: (D, H, W) bool, where a voxel differs from the input. cubes: ill-composed cubes that there were.
    left: the ones that are still there, because their voxels must not change or, in noise, because no move helps.
    """

    labels: LabelArray
    changed: BoolArray
    cubes: int
    taken: dict[int, int]
    given: dict[int, int]
    left: IllComposed

    @property
    def changed_voxels(self) -> int:
        """How many voxels differ from the input."""
        return int(np.count_nonzero(self.changed))

    def to_json(self) -> dict[str, Any]:
        """The counts, without the voxels, as plain JSON types; label values are texts, as keys in JSON are."""
        return {"ill_composed_cubes": self.cubes, "left": self.left.cubes, "changed_voxels": self.changed_voxels,
                "taken": {str(value): count for value, count in self.taken.items()},
                "given": {str(value): count for value, count in self.given.items()}}


def well_compose(labels: LabelArray, *, keep: BoolArray | None = None, anatomy: Anatomy | None = None) -> Composed:
    """Change a few voxels so that every label, and the background, is well-composed; the same map, the same result.

    labels: (D, H, W) integer, KJI order; what lies outside of it is background. keep: (D, H, W) bool, voxels that must
    not change. anatomy: its forbidden contacts are not made, and its required ones not lost; its label values must be
    those of the map. A second call changes nothing.
    """
    labels = require_labels(labels)
    if keep is not None and keep.shape != labels.shape:
        raise InputError("The voxels to keep lie on another grid than the label map",
                         value=f"{keep.shape} and {labels.shape} voxels", rule="the same shape")
    before = ill_composed(labels)
    done = labels.copy()
    if before.cubes:
        grid = open_grid(labels, keep, anatomy)
        cubes = np.unique(ill_composed(grid.labels).lowest, axis=0)
        while len(cubes) and len(changed := _improve(grid, cubes)):
            cubes = still_ill(grid, cubes, changed)
        grid.put_back(done)
    differs = done != labels
    return Composed(done, differs, before.cubes, _counts(labels[differs]), _counts(done[differs]),
                    ill_composed(done) if before.cubes else before)


def _improve(grid: Grid, cubes: IntArray) -> IntArray:
    """One round of moves at these cubes (n, 3); returns (m, 3) KJI of the voxels that were changed."""
    tries = [(single_moves, True), (single_moves, False), (pairs_of_moves, False)]
    if len(cubes) <= MOST_CUBES:  # two voxels without a change of topology rather than one with: too slow for noise
        tries.insert(1, (pairs_of_moves, True))
    for find, whole in tries:
        parts = len(cubes) // MOST_CUBES + 1
        for part in range(parts):
            if len(changed := _make(grid, find(grid, cubes[part::parts]), whole)):
                return changed
    return np.zeros((0, 3), dtype=np.int64)


def _make(grid: Grid, moves: Moves, whole: bool) -> IntArray:
    """Make the best moves that lie apart; returns the voxels. whole: only moves that keep all topology."""
    flat, blocked = grid.labels.reshape(-1), np.zeros(grid.labels.shape, dtype=np.bool_)
    taken = blocked.reshape(-1)
    places = np.stack(np.unravel_index(moves.voxels, grid.labels.shape), axis=-1)  # (m, s, 3)
    made = []
    for row in moves.best_first(whole).tolist():
        if taken[moves.voxels[row]].any() or not grid.keeps_contacts(moves, row):
            continue
        for k, j, i in places[row].tolist():
            blocked[tuple(slice(place - APART, place + APART + 1) for place in (k, j, i))] = True
        flat[moves.voxels[row]] = moves.to[row]
        made.append(row)
    return np.asarray(places[made].reshape(-1, 3))


def _counts(values: LabelArray) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return {int(value): int(count) for value, count in zip(found, counts, strict=True)}
