"""Loops of superlevel sets (dimension 1), compiled by numba. Imported only where numba is installed.

A matrix reduction over the cubical complex whose top cells are the voxels, that never writes the matrix down. Every
face and edge belongs to the best (highest) of the voxels around it and enters with that voxel. Hence
- what a voxel brings along is at most 6 faces and 12 edges, whose columns are reduced as bits of two integers;
- nearly all of these pair off among themselves: only a face whose column vanishes in its own voxel can end a loop that
  began earlier, and only such faces are reduced further;
- where the youngest edge of a column was paired within its voxel, that pairing is found again when it is needed;
- faces that begin voids need no reduction: the union-find knows their voxels.
"""

from __future__ import annotations

import itertools

import numpy as np
from numba import njit

_AROUND = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]  # as the bits of union_find.ALL
_EDGES = [step for step in _AROUND if sum(map(abs, step)) == 2]  # an edge lies between its voxel and the one across
_FACES = [step for step in _AROUND if sum(map(abs, step)) == 1]


def _beside(edge: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Steps to the three other voxels around an edge."""
    sides = [(0, part) if part else (0,) for part in edge]
    return [step for step in itertools.product(*sides) if any(step)]


# _BESIDE[e, n]: the number of the n-th other voxel around edge e; _SEEN[e, n]: which edge of that voxel it is.
_BESIDE = np.array([[_AROUND.index(step) for step in _beside(edge)] for edge in _EDGES], dtype=np.int64)
_SEEN = np.array(
    [[_EDGES.index(tuple(a - 2 * b for a, b in zip(edge, step, strict=True))) for step in _beside(edge)]
     for edge in _EDGES],
    dtype=np.int64,
)
_WORSE_EDGE = np.array([sum(1 << n for n in row) for row in _BESIDE.tolist()], dtype=np.int64)
_WORSE_FACE = np.array([1 << _AROUND.index(face) for face in _FACES], dtype=np.int64)
# _BOUNDARY[f]: the 4 edges of face f as 12 bits.
_BOUNDARY = np.array(
    [sum(1 << e for e, edge in enumerate(_EDGES) if any(a and a == b for a, b in zip(edge, face, strict=True)))
     for face in _FACES],
    dtype=np.int64,
)
_HIGHEST = np.array([max(n.bit_length() - 1, 0) for n in range(1 << 12)], dtype=np.int64)


def loops(
    rank: np.ndarray, place: np.ndarray, shape: tuple[int, int, int], void_births: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where loops begin and end.

    rank: flat padded int32, 0 = the highest voxel; the border is above every voxel's rank. place: (voxels,) int64, the
    flat padded index of each rank. shape: of the padded array. void_births: sorted ranks of the voxels at which voids
    begin, one entry for each void. Returns (births, deaths), both (n,) int64 ranks.
    """
    around = np.array([(i * shape[1] + j) * shape[2] + k for i, j, k in _AROUND], dtype=np.int64)
    ends, chains = _candidates(rank, shape, around)
    sequence = np.argsort(ends, kind="stable")
    return _ended(rank, place, around, ends[sequence], chains[sequence], void_births)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _ended(rank, place, around, ends, chains, void_births):  # type: ignore[no-untyped-def]
    """(births, deaths) of `loops`. ends, chains: of `_candidates`, the best voxel first."""
    births, deaths = np.empty(len(ends), np.int64), np.empty(len(ends), np.int64)
    first = np.full(len(place), -1, np.int32)  # rank of an edge's voxel -> a loop that began there
    following, keys = np.empty(len(ends), np.int32), np.empty(len(ends), np.int64)
    starts, pool, heap = np.zeros(len(ends) + 1, np.int64), np.empty(1024, np.int64), np.empty(1024, np.int64)
    found, void, at = 0, 0, 0
    while at < len(ends):
        stop = at
        while stop < len(ends) and ends[stop] == ends[at]:
            stop += 1
        while void < len(void_births) and void_births[void] < ends[at]:
            void += 1
        wanted = stop - at
        while void < len(void_births) and void_births[void] == ends[at]:
            void += 1
            wanted -= 1
        while at < stop and wanted > 0:
            size, heap = _add_edges(heap, 0, rank, place[ends[at]], around, _edges_of(chains[at]))
            key, size, heap = _reduce(heap, size, rank, place, around, first, following, keys, starts, pool)
            if key >= 0:
                pool = _store(heap, size, starts, pool, found)
                keys[found], following[found] = key, first[key // 12]
                first[key // 12] = found
                births[found], deaths[found] = key // 12, ends[at]
                found += 1
                wanted -= 1
            at += 1
        at = stop
    return births[:found], deaths[:found]


@njit(cache=True, nogil=True)
def _candidates(rank, shape, around):  # type: ignore[no-untyped-def]
    """(ranks, chains): the voxels and their sums of faces, as 6 bits, which leave no edge of the voxel's own."""
    ranks, chains = np.empty(1024, np.int64), np.empty(1024, np.int64)
    count = 0
    columns, made = np.zeros(12, np.int64), np.zeros(12, np.int64)
    for i in range(1, shape[0] - 1):
        for j in range(1, shape[1] - 1):
            row = (i * shape[1] + j) * shape[2]
            for p in range(row + 1, row + shape[2] - 1):
                closed, number = _pair_within(rank, p, around, columns, made)
                for n in range(number):
                    if count == len(ranks):
                        ranks, chains = _longer(ranks, count), _longer(chains, count)
                    ranks[count], chains[count] = rank[p], (closed >> (6 * n)) & 63
                    count += 1
    return ranks[:count], chains[:count]


@njit(cache=True, nogil=True)
def _pair_within(rank, p, around, columns, made):  # type: ignore[no-untyped-def]
    """Reduces the faces that voxel p brings along by the edges that it brings along.

    Fills made: edge -> sum of faces (6 bits) whose youngest edge it is, 0 for none; columns is room to work in. Returns
    (closed, number): the sums of faces that leave no such edge, 6 bits each. The youngest face is left out: it is
    positive, as the voxel itself fills what it closes.
    """
    worse = 0
    for n in range(26):
        if rank[p + around[n]] > rank[p]:
            worse |= 1 << n
    made[:] = 0
    brought = 0
    for e in range(12):
        if worse & _WORSE_EDGE[e] == _WORSE_EDGE[e]:
            brought |= 1 << e
    last = 5
    while last >= 0 and not worse & _WORSE_FACE[last]:
        last -= 1
    closed, number = 0, 0
    for f in range(last):
        if not worse & _WORSE_FACE[f]:
            continue
        column, chain = _BOUNDARY[f] & brought, 1 << f
        while column:
            e = _HIGHEST[column]
            if not made[e]:
                made[e], columns[e] = chain, column
                break
            column ^= columns[e]
            chain ^= made[e]
        if not column:
            closed |= chain << (6 * number)
            number += 1
    return closed, number


@njit(cache=True, nogil=True)
def _edges_of(chain):  # type: ignore[no-untyped-def]
    """The boundary of a sum of faces of one voxel: 6 bits -> 12 bits."""
    edges = 0
    for f in range(6):
        if chain >> f & 1:
            edges ^= _BOUNDARY[f]
    return edges


@njit(cache=True, nogil=True)
def _add_edges(heap, size, rank, p, around, edges):  # type: ignore[no-untyped-def]
    """Puts edges of voxel p (12 bits) on the heap. Key of an edge: 12 * rank of the voxel it belongs to + number."""
    for e in range(12):
        if not edges >> e & 1:
            continue
        best, number = rank[p], e
        for n in range(3):
            other = rank[p + around[_BESIDE[e, n]]]
            if other < best:
                best, number = other, _SEEN[e, n]
        size, heap = _push(heap, size, np.int64(best) * 12 + number)
    return size, heap


@njit(cache=True, nogil=True)
def _reduce(heap, size, rank, place, around, first, following, keys, starts, pool):  # type: ignore[no-untyped-def]
    """Reduces the column on the heap until its youngest edge begins a loop that has no end yet.

    Returns (key, size, heap): that edge, taken off the heap, and the rest; key -1 where the column vanishes.
    """
    columns, made = np.zeros(12, np.int64), np.zeros(12, np.int64)
    while size:
        key = heap[0]
        size = _pop(heap, size)
        if size and heap[0] == key:  # twice is none
            size = _pop(heap, size)
            continue
        p = place[key // 12]
        _pair_within(rank, p, around, columns, made)
        chain = made[key % 12]
        if chain:
            size, heap = _add_edges(heap, size, rank, p, around, _edges_of(chain) & ~(1 << (key % 12)))
            continue
        loop = first[key // 12]
        while loop >= 0 and keys[loop] != key:
            loop = following[loop]
        if loop < 0:
            return key, size, heap
        for n in range(starts[loop], starts[loop + 1]):
            size, heap = _push(heap, size, pool[n])
    return -1, 0, heap


@njit(cache=True, nogil=True)
def _store(heap, size, starts, pool, loop):  # type: ignore[no-untyped-def]
    """Keeps what is on the heap, without what cancels, as the column of a loop. Empties the heap."""
    end = starts[loop]
    while size:
        key = heap[0]
        size = _pop(heap, size)
        if size and heap[0] == key:
            size = _pop(heap, size)
            continue
        if end == len(pool):
            pool = _longer(pool, end)
        pool[end] = key
        end += 1
    starts[loop + 1] = end
    return pool


@njit(cache=True, nogil=True)
def _longer(array, count):  # type: ignore[no-untyped-def]
    longer = np.empty(2 * len(array), array.dtype)
    longer[:count] = array[:count]
    return longer


@njit(cache=True, nogil=True)
def _push(heap, size, key):  # type: ignore[no-untyped-def]
    if size == len(heap):
        heap = _longer(heap, size)
    n = size
    while n and heap[(n - 1) // 2] < key:
        heap[n] = heap[(n - 1) // 2]
        n = (n - 1) // 2
    heap[n] = key
    return size + 1, heap


@njit(cache=True, nogil=True)
def _pop(heap, size):  # type: ignore[no-untyped-def]
    """Takes the largest key off. Returns the new size."""
    size -= 1
    key, n = heap[size], 0
    while 2 * n + 1 < size:
        child = 2 * n + 1
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= key:
            break
        heap[n] = heap[child]
        n = child
    heap[n] = key
    return size
