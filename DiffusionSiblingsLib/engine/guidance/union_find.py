"""Components, voids and their merges by union-find, compiled by numba. Imported only where numba is installed.

All functions see a total order, `rank` (0 = the highest value), in place of values: plateaus then need no care, and
dimensions 0, 1 and 2 agree about ties. Arrays have one voxel of border all around, so that no neighbour lies outside.

Dimension 0: components of superlevel sets, 26 neighbours. Dimension 2 is the same search in the opposite order among 6
neighbours: by duality a void of a superlevel set is a component of its complement that is not joined to the outside.
Only voxels at which components meet matter. Every other voxel joins the component of any better neighbour, and where
the better neighbours hang together within the 26 around a voxel, they have met before it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# A 3 x 3 x 3 neighbourhood as 27 bits: bit 9 i + 3 j + k, the centre is bit 13.
_BITS = np.arange(27)
_CENTRE = 13


def _mask(keep: np.ndarray) -> int:
    return int(np.sum(1 << _BITS[keep], dtype=np.int64))


_LOW = tuple(_mask(_BITS // step % 3 > 0) for step in (9, 3, 1))  # bits with a neighbour below along i, j, k
_HIGH = tuple(_mask(_BITS // step % 3 < 2) for step in (9, 3, 1))
_LOW0, _LOW1, _LOW2 = _LOW
_HIGH0, _HIGH1, _HIGH2 = _HIGH
FACES = np.array([4, 10, 12, 14, 16, 22], dtype=np.int64)  # bits of the 6 neighbours
ALL = np.array([bit for bit in range(27) if bit != _CENTRE], dtype=np.int64)  # bits of the 26 neighbours
_FACE_MASK = _mask(FACES)


def _steps_of(bits: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Flat steps to the neighbours `bits` in a C-ordered array of this (padded) shape: (len(bits),) int64."""
    i, j, k = bits // 9 - 1, bits // 3 % 3 - 1, bits % 3 - 1
    steps: np.ndarray = ((i * shape[1] + j) * shape[2] + k).astype(np.int64)
    return steps


def merges(rank: np.ndarray, shape: tuple[int, int, int], bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who ends where.

    rank: flat padded int32, smaller is better; its border is either worse than every voxel (their number) or belongs to
    the best component of all, the outside (-1). shape: of the padded array. bits: the neighbours that connect, ALL or
    FACES. Returns (young, at), both (n,) int64 flat padded: the best voxel of each component that ends, and where it
    ends.
    """
    steps = _steps_of(bits, shape)
    parent = _pointers(rank, shape, steps)
    count, where = _meetings(rank, shape, _steps_of(ALL, shape), steps, parent)
    where = where[:count]
    return _joined(rank, parent, where[np.argsort(rank[where])], steps)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _joined(rank, parent, where, steps):  # type: ignore[no-untyped-def]
    """(young, at) of `merges`. where: (n,) int64, the voxels at which components may meet, the best first."""
    young = np.empty(len(where) * len(steps), np.int64)
    at = np.empty(len(where) * len(steps), np.int64)
    found = 0
    for p in where:
        for step in steps:
            q = p + step
            if rank[q] >= rank[p]:
                continue
            a, b = _root(parent, p), _root(parent, q)
            if a == b:
                continue
            if rank[b] < rank[a]:
                a, b = b, a
            parent[b] = a
            young[found], at[found] = b, p
            found += 1
    return young[:found], at[:found]


@njit(cache=True, nogil=True, inline="always")
def _root(parent, p):  # type: ignore[no-untyped-def]
    root = p
    while parent[root] != root:
        root = parent[root]
    while parent[p] != root:
        parent[p], p = root, parent[p]
    return root


@njit(cache=True, nogil=True)
def _pointers(rank, shape, steps):  # type: ignore[no-untyped-def]
    """(voxels,) int32: the best voxel of the component that each voxel joins (its own flat index where it begins one).
    The border points at flat index 0."""
    parent = np.zeros(rank.size, np.int32)
    for i in range(1, shape[0] - 1):
        for j in range(1, shape[1] - 1):
            row = (i * shape[1] + j) * shape[2]
            for p in range(row + 1, row + shape[2] - 1):
                parent[p] = p
                for step in steps:
                    if rank[p + step] < rank[p]:
                        parent[p] = p + step if rank[p + step] >= 0 else 0
                        break
    for i in range(1, shape[0] - 1):
        for j in range(1, shape[1] - 1):
            row = (i * shape[1] + j) * shape[2]
            for p in range(row + 1, row + shape[2] - 1):
                parent[p] = _root(parent, p)
    return parent


@njit(cache=True, nogil=True)
def _meetings(rank, shape, around, steps, root):  # type: ignore[no-untyped-def]
    """(count, where): the voxels at which different components may meet are the first `count` of `where`."""
    where = np.empty(1024, np.int64)
    count = 0
    by_faces = len(steps) == 6
    for i in range(1, shape[0] - 1):
        for j in range(1, shape[1] - 1):
            row = (i * shape[1] + j) * shape[2]
            for p in range(row + 1, row + shape[2] - 1):
                if not _differ(rank, root, p, steps):
                    continue
                better = 0
                for n in range(26):
                    if rank[p + around[n]] < rank[p]:
                        better |= 1 << (n if n < 13 else n + 1)
                if _hang_together(better, by_faces):
                    continue
                if count == len(where):
                    longer = np.empty(2 * count, np.int64)
                    longer[:count] = where
                    where = longer
                where[count] = p
                count += 1
    return count, where


@njit(cache=True, nogil=True, inline="always")
def _differ(rank, root, p, steps):  # type: ignore[no-untyped-def]
    own, mine = rank[p], root[p]
    differ = False
    for step in steps:
        differ |= (rank[p + step] < own) & (root[p + step] != mine)
    return differ


@njit(cache=True, nogil=True)
def _hang_together(better, by_faces):  # type: ignore[no-untyped-def]
    """True if the better neighbours are one piece: all 26 by 26-connection, or the 6 by 6-connection through any."""
    wanted = better & _FACE_MASK if by_faces else better
    seen = wanted & -wanted
    while True:
        along = seen | ((seen & _LOW2) >> 1) | ((seen & _HIGH2) << 1)
        if by_faces:
            grown = along | ((seen & _LOW1) >> 3) | ((seen & _HIGH1) << 3)
            grown |= ((seen & _LOW0) >> 9) | ((seen & _HIGH0) << 9)
        else:
            flat = along | ((along & _LOW1) >> 3) | ((along & _HIGH1) << 3)
            grown = flat | ((flat & _LOW0) >> 9) | ((flat & _HIGH0) << 9)
        grown &= better
        if grown == seen:
            return seen & wanted == wanted
        seen = grown
