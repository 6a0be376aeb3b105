"""The moves that can make a map well-composed, and what each of them would do.

A move gives one or two voxels of a cube other labels. It is judged by the block of 4 x 4 x 4 voxels around its cube,
which holds all that it can change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ...core.boxes import Box, foreground_box
from ...metrics.composed import BITS, CORNERS, ill_codes, voxels_of
from ...metrics.run_lengths import LabelArray
from .simple_points import is_simple
from .workspace import WALL, BoolArray, IntArray

PAD = 3  # voxels of background around the map: a block's reach from a cube at its border
BLOCK = np.array(list(product(range(4), repeat=3))) - 1  # (64, 3) KJI from the cube's lowest voxel
_ROW = {tuple(step): row for row, step in enumerate(BLOCK.tolist())}
INSIDE = np.array([_ROW[tuple(corner)] for corner in CORNERS.tolist()])  # (8,) the cube in its block
AROUND = np.array([[_ROW[tuple(corner + step)] for step in np.array(list(product((-1, 0, 1), repeat=3)))]
                   for corner in CORNERS])  # (8, 27) about a cube's voxel
FACES = np.array([4, 10, 12, 14, 16, 22])  # of AROUND: the neighbours through faces
MOST_CUBES = 500  # of which moves are judged at once: there can be hundreds for each cube


@dataclass
class Grid:
    """A map while it is repaired: (d, h, w) uint8 numbers of its labels, padded by PAD voxels of background.

    values: label value of each number, background first. editable: (d, h, w) bool. near: (n, n) bool, numbers that must
    not come as near as the anatomy forbids. required: pairs of numbers that must touch -> faces between them.
    """

    labels: npt.NDArray[np.uint8]
    values: LabelArray
    editable: BoolArray
    near: BoolArray
    box: Box
    required: dict[tuple[int, int], int] = field(default_factory=dict)

    def put_back(self, labels: LabelArray) -> None:
        """Write the labels into the whole map that this was cut from."""
        inner = (slice(PAD, -PAD),) * 3
        labels[self.box] = self.values[self.labels[inner]]

    def keeps_contacts(self, moves: Moves, row: int) -> bool:
        """Whether a move leaves every required contact that there is; its loss or gain is then counted."""
        after = {pair: count + int(moves.contacts[pair][row]) for pair, count in self.required.items()}
        if any(after[pair] <= 0 < count for pair, count in self.required.items()):
            return False
        self.required.update(after)
        return True


@dataclass(frozen=True)
class Moves:
    """Moves that leave fewer ill-composed cubes. voxels, to: (m, s) flat index of each voxel and its new number.

    broken: (m,) how many labels' topology changes. cubes: (m,) how many ill-composed cubes more there are (below 0).
    area: (m,) how many faces between labels more. contacts: required pair -> (m,) how many faces more.
    """

    voxels: IntArray
    to: npt.NDArray[np.uint8]
    broken: IntArray
    cubes: IntArray
    area: IntArray
    contacts: dict[tuple[int, int], IntArray]

    def best_first(self, whole: bool) -> IntArray:
        """(m,) rows by topology, cubes and faces, then by place. whole: the moves that keep all topology alone."""
        order = np.lexsort((self.to[:, -1], self.voxels[:, -1], self.to[:, 0], self.voxels[:, 0], self.area, self.cubes,
                            self.broken))
        return order[self.broken[order] == 0] if whole else order


def open_grid(labels: LabelArray, keep: BoolArray | None, anatomy: Anatomy | None) -> Grid:
    """The foreground of a map with a border that must not change. labels: (D, H, W) integer with a tissue."""
    box = foreground_box(labels, margin=2)
    assert box is not None
    inside = labels[box]
    values = np.unique(np.append(inside, np.zeros(1, dtype=inside.dtype)))
    values = np.concatenate([[0], values[values != 0]]).astype(labels.dtype)
    order = np.argsort(values)
    number = order[np.searchsorted(values[order], inside)].astype(np.uint8)
    free = np.ones(inside.shape, dtype=np.bool_) if keep is None else ~keep[box]
    grid = Grid(np.pad(number, PAD), values, np.pad(free, PAD), np.zeros((len(values),) * 2, dtype=np.bool_), box)
    if anatomy is not None:
        known = {int(value): place for place, value in enumerate(values.tolist())}

        def numbered(pair: tuple[str, str]) -> list[int]:
            return [known[anatomy.label_of(tissue)] for tissue in pair if anatomy.label_of(tissue) in known]

        for forbidden in anatomy.forbidden_contacts:
            if len(pair := numbered(forbidden.pair)) == 2:
                grid.near[pair[0], pair[1]] = grid.near[pair[1], pair[0]] = True
        for contact in anatomy.required_contacts:
            if len(pair := numbered(contact)) == 2:
                grid.required[pair[0], pair[1]] = _faces_between(grid.labels, pair[0], pair[1])
    return grid


def still_ill(grid: Grid, cubes: IntArray, changed: IntArray) -> IntArray:
    """(n, 3) the ill-composed ones of these cubes and of those around changed voxels, in the order of place."""
    near = (changed[:, None] - CORNERS).reshape(-1, 3)
    around = np.unique(np.concatenate([cubes, near]), axis=0)
    ill = np.zeros(len(around), dtype=np.bool_)
    voxels = voxels_of(grid.labels, around)
    for number in range(len(grid.values)):
        ill |= ill_codes()[(voxels == number) @ BITS]
    return around[ill]


def single_moves(grid: Grid, cubes: IntArray) -> Moves:
    """All moves of one voxel. cubes: (n, 3) KJI of the lowest voxels of ill-composed cubes."""
    blocks = _blocks(grid, cubes)
    rows, corners, to = _choices(grid, blocks, cubes)
    return _judged(grid, cubes, blocks, rows, corners[:, None], to[:, None])


def pairs_of_moves(grid: Grid, cubes: IntArray) -> Moves:
    """All moves of two voxels of one cube. cubes: (n, 3), at least one."""
    blocks = _blocks(grid, cubes)
    rows, corners, to = _choices(grid, blocks, cubes, anywhere=True)
    found = [(np.array(list(combinations(range(start, stop), 2))) if stop - start > 1 else np.zeros((0, 2), np.int64))
             for start, stop in zip(np.searchsorted(rows, range(len(cubes))),
                                    np.searchsorted(rows, range(len(cubes)), side="right"), strict=True)]
    both = np.concatenate(found).astype(np.int64)
    both = both[corners[both[:, 0]] != corners[both[:, 1]]]
    return _judged(grid, cubes, blocks, rows[both[:, 0]], corners[both], to[both])


def _choices(grid: Grid, blocks: npt.NDArray[np.uint8], cubes: IntArray,
             anywhere: bool = False) -> tuple[IntArray, IntArray, npt.NDArray[np.uint8]]:
    """Row of the cube, corner 0..7 and new number of each voxel that may change to the label of a neighbour.

    anywhere: a neighbour through a face, or a voxel of the cube. The background always is a choice of those.
    """
    own = blocks[:, INSIDE]
    editable = grid.editable.reshape(-1)[_flat(grid, cubes)[:, INSIDE]]
    found = []
    for number in range(len(grid.values)):
        beside = (blocks[:, AROUND[:, FACES]] == number).any(axis=2)
        if anywhere:
            beside |= (own == number).any(axis=1, keepdims=True)
        row, corner = np.nonzero(beside & (own != number) & editable)
        found.append((row, corner, np.full(len(row), number, dtype=np.uint8)))
    row, corner, to = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((to, corner, row))
    return row[order], corner[order], to[order]


def _judged(grid: Grid, cubes: IntArray, blocks: npt.NDArray[np.uint8], rows: IntArray, corners: IntArray,
            to: npt.NDArray[np.uint8]) -> Moves:
    """The allowed ones of these moves that leave fewer ill-composed cubes. rows: (m,) of their cubes and blocks.

    corners, to: (m, s).
    """
    voxels = np.take_along_axis(_flat(grid, cubes)[rows], INSIDE[corners], axis=1)
    allowed = ~_too_near(grid, voxels, to)
    rows, corners, to, voxels = rows[allowed], corners[allowed], to[allowed], voxels[allowed]
    after = blocks[rows]
    np.put_along_axis(after, INSIDE[corners], to, axis=1)
    count = len(grid.values)
    fewer = _ill(after, count) - _ill(blocks, count)[rows]
    chosen = fewer < 0
    rows, corners, to, voxels = rows[chosen], corners[chosen], to[chosen], voxels[chosen]
    blocks, after, fewer = blocks[rows], after[chosen], fewer[chosen]
    broken = np.zeros(len(to), dtype=np.int64)
    step = blocks.copy()
    for place in range(to.shape[1]):
        around = np.take_along_axis(step, AROUND[corners[:, place]], axis=1)
        broken += _broken(around, to[:, place])
        np.put_along_axis(step, INSIDE[corners[:, place : place + 1]], to[:, place : place + 1], axis=1)
    contacts = {pair: _faces(after, _is(pair)) - _faces(blocks, _is(pair)) for pair in grid.required}
    area = _faces(after, np.not_equal) - _faces(blocks, np.not_equal)
    return Moves(voxels, to, broken, fewer, area, contacts)


def _ill(blocks: npt.NDArray[np.uint8], count: int) -> IntArray:
    """(m,) ill-composed cubes in each block, one for each label of 0..count - 1 that is so."""
    total = np.zeros(len(blocks), dtype=np.int64)
    cube = np.ascontiguousarray(blocks.T).reshape(4, 4, 4, -1)  # whole rows of blocks are added at once
    for number in range(count):
        inside = (cube == number).view(np.uint8)
        code = np.zeros((3, 3, 3, len(blocks)), dtype=np.uint8)
        for bit, (k, j, i) in enumerate(CORNERS):
            code += inside[k : k + 3, j : j + 3, i : i + 3] << bit
        total += np.count_nonzero(ill_codes()[code], axis=(0, 1, 2))
    return total


def _broken(around: npt.NDArray[np.uint8], to: npt.NDArray[np.uint8]) -> IntArray:
    """(m,) of the tissue that loses a voxel and the one that wins it, how many change topology.

    around: (m, 27) the voxel, in the middle, and its neighbours.
    """
    own = around[:, 13]
    return sum(((tissue != 0) & (own != to) & ~is_simple(around == tissue[:, None]) for tissue in (own, to)),
               np.zeros(len(to), dtype=np.int64))


def _too_near(grid: Grid, voxels: IntArray, to: npt.NDArray[np.uint8]) -> BoolArray:
    """(m,) bool: whether a move would put a label nearer to another one than the anatomy allows."""
    flat = grid.labels.reshape(-1)
    _, height, width = grid.labels.shape
    wrong = np.zeros(len(to), dtype=np.bool_)
    if grid.near.any():
        for step in (height * width, width, 1):
            for times in (*range(-WALL, 0), *range(1, WALL + 1)):
                wrong |= grid.near[to, flat[voxels + times * step]].any(axis=1)
    return wrong


def _faces(blocks: npt.NDArray[np.uint8], differ: Callable[..., npt.NDArray[np.bool_]]) -> IntArray:
    """(m,) faces in each block whose two voxels are as `differ` says."""
    cube = blocks.reshape(-1, 4, 4, 4)
    return sum((np.count_nonzero(differ(near, far), axis=(1, 2, 3)) for near, far in (
        (cube[:, 1:], cube[:, :-1]), (cube[:, :, 1:], cube[:, :, :-1]), (cube[..., 1:], cube[..., :-1]))),
        np.zeros(len(cube), dtype=np.int64))


def _is(pair: tuple[int, int]) -> Callable[..., npt.NDArray[np.bool_]]:
    first, second = pair
    return lambda near, far: ((near == first) & (far == second)) | ((near == second) & (far == first))


def _faces_between(labels: npt.NDArray[np.uint8], first: int, second: int) -> int:
    test = _is((first, second))
    return sum(int(np.count_nonzero(test(np.moveaxis(labels, axis, 0)[1:], np.moveaxis(labels, axis, 0)[:-1])))
               for axis in range(3))


def _flat(grid: Grid, cubes: IntArray) -> IntArray:
    """(n, 64) flat indices of the blocks around cubes."""
    _, height, width = grid.labels.shape
    steps = np.array([height * width, width, 1])
    return np.asarray((cubes @ steps)[:, None] + BLOCK @ steps)


def _blocks(grid: Grid, cubes: IntArray) -> npt.NDArray[np.uint8]:
    return grid.labels.reshape(-1)[_flat(grid, cubes)]
