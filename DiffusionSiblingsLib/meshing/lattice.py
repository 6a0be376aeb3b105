"""Tetrahedra from cubes: a graded lattice that fits together everywhere, whatever the labels of its cubes.

Every cube becomes tetrahedra: five where its neighbours are as large as it is, else a fan around its centre. As the
cubes fit together, so do these: no label map exists for which this fails. After the octrees of Labelle and Shewchuk,
"Isosurface stuffing" (2007), with cubes in place of their body-centred lattice, as label maps are made of cubes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Whole = npt.NDArray[np.int64]
_CORNERS = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)])
# Five tetrahedra of a cube. Their diagonals join corners whose coordinates have an odd sum, so that neighbours agree.
_FIVE_IN_EVEN = np.array([(0, 1, 3, 4), (2, 3, 1, 6), (5, 4, 6, 1), (7, 6, 4, 3), (1, 3, 4, 6)])
_FIVE_IN_ODD = np.array([(1, 2, 0, 5), (3, 0, 2, 7), (4, 7, 5, 0), (6, 5, 7, 2), (0, 7, 5, 2)])
_FACES = np.array([(0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (3, 2, 6, 7), (0, 3, 7, 4), (1, 2, 6, 5)])


@dataclass(frozen=True)
class Lattice:
    """A conforming lattice of tetrahedra.

    points: (n, 3) int64, in units of the smallest cube, corner (0, 0, 0) of the labels first. tetrahedra: (t, 4) int64,
    of positive volume. tissue: (t,) label. size: (t,) int64: edge of the cube that a tetrahedron comes from.
    """

    points: Whole
    tetrahedra: Whole
    tissue: npt.NDArray[np.int16]
    size: Whole


def levels_of(labels: npt.NDArray[np.integer], wanted: npt.NDArray[np.integer]) -> npt.NDArray[np.int8]:
    """The cubes of an octree: the level of the cube that each smallest cube belongs to, which has 2^level to an edge.

    labels: (A, B, C), each axis a multiple of 2^(greatest level). wanted: the same shape, the greatest level allowed.
    A cube has one label, and neighbours, those across edges and corners too, are at most one level apart.
    """
    levels = np.zeros(labels.shape, dtype=np.int8)
    for level in range(1, int(wanted.max(initial=0)) + 1):
        size = 1 << level
        blocks = _blocks(labels, size)
        whole = (blocks.min(axis=(1, 3, 5)) == blocks.max(axis=(1, 3, 5)))
        whole &= _blocks(wanted, size).min(axis=(1, 3, 5)) >= level
        whole &= _blocks(levels, size).min(axis=(1, 3, 5)) == level - 1
        levels[_spread(whole, size)] = level
    for level in range(int(levels.max(initial=0)), 1, -1):
        # A level at a time from above is enough: a cube that becomes smaller only brings levels nearer to each other.
        size = 1 << level
        around = _blocks(ndimage.minimum_filter(levels, size=3, mode="nearest"), size).min(axis=(1, 3, 5))
        far = (_blocks(levels, size).min(axis=(1, 3, 5)) == level) & (around < level - 1)
        levels[_spread(far, size)] = level - 1
    return levels


def lattice_of(labels: npt.NDArray[np.integer], levels: npt.NDArray[np.int8]) -> Lattice:
    """The tetrahedra of all cubes whose label is not 0.

    labels: (A, B, C), with a rim of 0. levels: as `levels_of` gives them.
    """
    cubes = [_cubes(labels, levels, level) for level in range(int(levels.max(initial=0)) + 1)]
    shape = np.array(labels.shape) + 1
    corner = np.zeros(tuple(shape), dtype=bool)
    for level, (origins, _) in enumerate(cubes):
        for step in _CORNERS:
            corner[tuple((origins + (step << level)).T)] = True
    parts = []
    for level, (origins, tissue) in enumerate(cubes):
        split = _has_smaller_neighbour(corner, origins, level)
        parts.append((*_fives(origins[~split], level), tissue[~split], level))
        parts.append((*_fans(corner, origins[split], level), tissue[split], level))
    return _joined(parts, shape)


def _blocks(array: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.generic]:
    first, second, third = (length // size for length in array.shape)
    return array.reshape(first, size, second, size, third, size)


def _spread(blocks: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    return blocks.repeat(size, 0).repeat(size, 1).repeat(size, 2)


def _cubes(labels: npt.NDArray[np.integer], levels: npt.NDArray[np.int8],
           level: int) -> tuple[Whole, npt.NDArray[np.int16]]:
    """First corners (k, 3) and labels (k,) of the cubes of one level."""
    step = (slice(None, None, 1 << level),) * 3
    found = np.argwhere((levels[step] == level) & (labels[step] != 0))
    return found << level, labels[step][tuple(found.T)].astype(np.int16)


def _has_smaller_neighbour(corner: npt.NDArray[np.bool_], origins: Whole, level: int) -> npt.NDArray[np.bool_]:
    """(k,) bool: whether a corner of another cube lies in the middle of an edge or a face of a cube."""
    found = np.zeros(len(origins), dtype=bool)
    if level:
        for middle in np.argwhere(np.ones((3, 3, 3), dtype=bool)):
            if 1 <= np.count_nonzero(middle == 1) <= 2:
                found |= corner[tuple((origins + (middle << (level - 1))).T)]
    return found


def _fives(origins: Whole, level: int) -> tuple[Whole, Whole]:
    """Corners (k * 5, 4, 3) of the five tetrahedra of each cube, and the cube (k * 5,) of each."""
    odd = ((origins >> level).sum(axis=1) % 2).astype(bool)
    chosen = np.where(odd[:, None, None], _FIVE_IN_ODD, _FIVE_IN_EVEN)
    corners = origins[:, None, None, :] + (_CORNERS[chosen] << level)
    return corners.reshape(-1, 4, 3), np.repeat(np.arange(len(origins)), 5)


def _fans(corner: npt.NDArray[np.bool_], origins: Whole, level: int) -> tuple[Whole, Whole]:
    """Corners (m, 4, 3) of tetrahedra around the centre of each cube, and the cube (m,) of each."""
    if not len(origins):
        return np.zeros((0, 4, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    centres = origins + (1 << (level - 1))
    triangles, owners = [], []
    for face in _FACES:
        square = origins[:, None, :] + (_CORNERS[face] << level)[None]  # (k, 4, 3)
        for corners, chosen in _face_triangles(corner, square, level):
            triangles.append(corners[chosen])
            owners.append(np.flatnonzero(chosen))
    base, owner = np.concatenate(triangles), np.concatenate(owners)
    return np.concatenate([base, centres[owner][:, None]], axis=1), owner


def _face_triangles(corner: npt.NDArray[np.bool_], square: Whole,
                    level: int) -> list[tuple[Whole, npt.NDArray[np.bool_]]]:
    """Triangles of faces, all that there may be, each (k, 3, 3) with (k,) bool: which faces have it.

    It depends on the face alone, so that the two cubes that share one agree. A face without corners of others is
    halved. Another one has a point in its middle; a quarter between two corners of others is the face of a smaller
    cube, halved as that cube halves it.
    """
    middles = (square + np.roll(square, -1, axis=1)) >> 1
    centre = (square[:, 0] + square[:, 2]) >> 1
    marked = corner[tuple(np.moveaxis(middles, -1, 0))]
    plain = ~marked.any(axis=1) & ~corner[tuple(centre.T)]
    found = _halves(square, plain, level)
    for edge in range(4):
        ends = square[:, edge], square[:, (edge + 1) % 4]
        found.append((np.stack([centre, *ends], axis=1), ~plain & ~marked[:, edge]))
        quarter = np.stack([square[:, edge], middles[:, edge], centre, middles[:, edge - 1]], axis=1)
        both = marked[:, edge] & marked[:, edge - 1]
        found += _halves(quarter, both, level - 1)
        found.append((np.stack([centre, ends[0], middles[:, edge]], axis=1), marked[:, edge] & ~both))
        following = marked[:, edge] & marked[:, (edge + 1) % 4]
        found.append((np.stack([centre, middles[:, edge], ends[1]], axis=1), marked[:, edge] & ~following))
    return found


def _halves(square: Whole, chosen: npt.NDArray[np.bool_], level: int) -> list[tuple[Whole, npt.NDArray[np.bool_]]]:
    """Squares as two triangles each, divided between the corners whose coordinates have an odd sum."""
    odd = ((square[:, 0] >> level).sum(axis=1) % 2).astype(bool)
    return [(square[:, [0, 1, 2]], chosen & odd), (square[:, [0, 2, 3]], chosen & odd),
            (square[:, [1, 2, 3]], chosen & ~odd), (square[:, [1, 3, 0]], chosen & ~odd)]


def _joined(parts: list[tuple[Whole, Whole, npt.NDArray[np.int16], int]], shape: Whole) -> Lattice:
    corners = np.concatenate([corners for corners, _, _, _ in parts])
    tissue = np.concatenate([labels[owner] for _, owner, labels, _ in parts])
    size = np.concatenate([np.full(len(owner), 1 << level) for _, owner, _, level in parts])
    edges = corners[:, 1:] - corners[:, :1]
    turned = np.einsum("ij,ij->i", np.cross(edges[:, 0], edges[:, 1]), edges[:, 2]) < 0
    corners[turned] = corners[turned][:, [0, 2, 1, 3]]
    numbers = np.ravel_multi_index(tuple(np.moveaxis(corners, -1, 0)), tuple(shape))
    used = np.zeros(int(np.prod(shape)), dtype=bool)
    used[numbers.ravel()] = True
    rows = np.cumsum(used) - 1
    points = np.stack(np.unravel_index(np.flatnonzero(used), tuple(shape)), axis=-1).astype(np.int64)
    return Lattice(points, rows[numbers], tissue, size)
