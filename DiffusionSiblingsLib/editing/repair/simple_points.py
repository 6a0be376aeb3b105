"""Simple voxels: those that a set can win or lose without a change of its topology (Bertrand and Malandain 1994)."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

Masks = npt.NDArray[np.int64]
STEPS = np.array(list(product((-1, 0, 1), repeat=3)))  # (27, 3), the voxel itself in the middle, row 13
REACH = np.abs(STEPS).sum(axis=1)
AROUND = np.flatnonzero(REACH)
FACES = int((1 << np.flatnonzero(REACH == 1)).sum())
EDGES = int((1 << np.flatnonzero((REACH == 1) | (REACH == 2))).sum())
WHOLE = int((1 << AROUND).sum())


def is_simple(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(n,) bool: whether the voxel in the middle is simple; what it holds itself makes no difference.

    inside: (n, 27) bool, whether each voxel of its neighbourhood, in the order of STEPS, is in the set. The set hangs
    together through faces, edges and corners, its outside through faces. The voxel is simple if its neighbours in the
    set are one piece, and those outside of it that it has faces with are joined within its 18 nearest.
    """
    mask = inside.astype(np.int64) @ (1 << np.arange(27)) & WHOLE
    outside = ~mask & EDGES
    beside = outside & FACES
    one_piece = _grown(mask & -mask, mask, 3) == mask
    joined = _grown(beside & -beside, outside, 1) & FACES == beside
    return np.asarray((mask != 0) & (beside != 0) & one_piece & joined)


def _grown(seed: Masks, mask: Masks, reach: int) -> Masks:
    """The pieces of `mask` that hold `seed`. reach: 1 through faces, 3 through edges and corners too."""
    while True:
        wider = seed.copy()
        for place in AROUND.tolist():
            wider |= np.where(seed >> place & 1, _NEAR[reach][place], 0)
        wider &= mask
        if np.array_equal(wider, seed):
            return seed
        seed = wider


def _near(place: int, reach: int) -> int:
    """The neighbours of one of the 27 voxels, one bit each."""
    step = np.abs(STEPS - STEPS[place])
    return int((1 << np.flatnonzero((step.max(axis=1) <= 1) & (step.sum(axis=1) <= reach))).sum())


_NEAR = {reach: [_near(place, reach) for place in range(27)] for reach in (1, 3)}
