"""Tetrahedra made better: nodes moved, the worst elements first, those of surfaces almost only along these."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .mesh import Points, Triangles, triangle_normals
from .placing import popcount
from .quality import EDGES, Floats, mean_ratio, scaled_jacobian, six_volumes

Tetrahedra = npt.NDArray[np.integer]
LONGEST = 0.15  # of the elements' size: the longest step of a node in one sweep
STEP = 1.0
_OFF = 0.2  # of a cube, that it may leave the surface for better elements
_ALONG = 0.6  # of a cube, that it may move along the surface
HALVED = 1  # times that a step is halved before it is given up
MOST_ATTEMPTS = 30
SHORTENED = 30  # times that the way of a node is shortened before it stays


@dataclass(frozen=True)
class Hold:
    """What a node may do. anchor: (n, 3) mm. normal: (n, 3), unit length, or 0 for one that has no surface.

    off: (n,) mm that it may leave its anchor along the normal. along: (n,) mm in any other direction.
    """

    anchor: Points
    normal: Floats
    off: Floats
    along: Floats

    def kept(self, points: Points) -> Points:
        """The points, brought back within what they may do."""
        away = points - self.anchor
        over = np.einsum("ij,ij->i", away, self.normal)
        side = away - over[:, None] * self.normal
        length = np.linalg.norm(side, axis=1)
        side *= np.minimum(1.0, self.along / length.clip(1e-12))[:, None]
        return np.asarray(self.anchor + side + np.clip(over, -self.off, self.off)[:, None] * self.normal)


def held(points: Points, wanted: Points, triangles: Triangles, masks: npt.NDArray[np.uint64],
         size: npt.NDArray[np.float64]) -> Hold:
    """Nodes of surfaces may move along them, those of junction lines hardly at all, all others freely.

    wanted: (n, 3), where nodes of surfaces belong. masks: (n,), the labels around each, 0 inside tissues. size: (n,),
    mm, of the elements at each.
    """
    normal = np.zeros_like(points)
    turned = triangle_normals(wanted, triangles)
    for corner in range(3):
        np.add.at(normal, triangles[:, corner], turned)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
    on, flat = masks != 0, popcount(masks) == 2
    anchor = np.where(on[:, None], wanted, points)
    along = np.where(on, np.where(flat, _ALONG, _OFF), np.inf) * size
    return Hold(anchor, normal, np.where(on, _OFF, np.inf) * size, along)


def spread_inside(start: Points, moved: Points, fixed: npt.NDArray[np.bool_], tetrahedra: Tetrahedra,
                  rounds: int = 5) -> Points:
    """Moves the nodes that are not fixed by the mean of what their neighbours were moved, a few times over."""
    count = len(start)
    ends = np.concatenate([tetrahedra[:, list(pair)] for pair in EDGES])
    ends = np.concatenate([ends, ends[:, ::-1]])
    matrix = sparse.csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    weight = np.asarray(matrix.sum(axis=1)).ravel().clip(1.0)
    step = np.where(fixed[:, None], moved - start, 0.0)
    for _ in range(rounds):
        step = np.where(fixed[:, None], step, (matrix @ step) / weight[:, None])
    return np.asarray(start + step)


def guarded(start: Points, wanted: Points, tetrahedra: Tetrahedra, least: float) -> Points:
    """As much of the way from start to wanted, node by node, as leaves each scaled Jacobian at or above `least`.

    Where the start is worse than that already, an element becomes no worse.
    """
    share = np.ones(len(start))
    floor = np.minimum(least, scaled_jacobian(start[tetrahedra]) - 1e-12)
    suspects = np.arange(len(tetrahedra))
    for attempt in itertools.count():  # ends: a node whose share is 0 stays so, and nodes that stay spoil nothing
        corners = tetrahedra[suspects]
        points = start + (wanted - start) * share[:, None]
        bad = suspects[scaled_jacobian(points[corners]) < floor[suspects]]
        if not len(bad):
            break
        nodes = np.unique(tetrahedra[bad])
        share[nodes] = share[nodes] * 0.8 if attempt < SHORTENED else 0.0
        touched = np.zeros(len(start), dtype=bool)
        touched[nodes] = True
        suspects = np.flatnonzero(touched[tetrahedra].any(axis=1))
    return np.asarray(start + (wanted - start) * share[:, None])


def improved(start: Points, tetrahedra: Tetrahedra, hold: Hold, size: Floats, goal: float, sweeps: int,
             least: float) -> Points:
    """Nodes moved until every element has a mean ratio of `goal`, as far as they may go.

    size: (n,) mm, edge of the elements at each node. Each sweep moves the nodes of the elements below the goal uphill,
    all at once, and takes back what made an element worse that is below the goal. As a better mean ratio may go with a
    worse scaled Jacobian, what would bring this below `least` is taken back at the end.
    """
    points = start.copy()
    ratio = mean_ratio(points[tetrahedra])
    nodes_of = _elements_of_nodes(tetrahedra, len(points))
    for _ in range(sweeps):
        below = np.flatnonzero(ratio < goal)
        if not len(below):
            break
        force = _uphill(points, tetrahedra[below], goal - ratio[below])
        nodes = np.flatnonzero(np.einsum("ij,ij->i", force, force) > 0)
        strength, own = np.linalg.norm(force[nodes], axis=1), size[nodes]
        step = force[nodes] * (np.minimum(LONGEST, STEP * strength * own) * own / strength)[:, None]
        touched = np.unique(nodes_of[nodes].indices)
        if not _take(points, nodes, step, tetrahedra[touched], (touched, ratio), hold, goal):
            break
    return guarded(start, points, tetrahedra, least)


def _elements_of_nodes(tetrahedra: Tetrahedra, count: int) -> sparse.csr_matrix:
    rows, columns = tetrahedra.ravel(), np.repeat(np.arange(len(tetrahedra)), 4)
    return sparse.csr_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, len(tetrahedra)))


def _uphill(points: Points, tetrahedra: Tetrahedra, lack: Floats) -> Points:
    """(n, 3): sum over elements of what they lack, times the gradient of their mean ratio at each node."""
    corners = points[tetrahedra]
    ratio = mean_ratio(corners)[:, None]
    volume = six_volumes(corners)[:, None] / 6.0
    squares = sum(np.sum((corners[:, a] - corners[:, b]) ** 2, axis=1) for a, b in EDGES)
    force = np.zeros_like(points)
    for corner, (a, b, c) in enumerate(((1, 3, 2), (0, 2, 3), (0, 3, 1), (0, 1, 2))):
        rise = np.cross(corners[:, b] - corners[:, a], corners[:, c] - corners[:, a]) / 6.0
        spread = 2.0 * (3.0 * corners[:, corner] - corners[:, a] - corners[:, b] - corners[:, c])
        slope = ratio * (2.0 / 3.0 * rise / volume - spread / np.asarray(squares)[:, None])
        for axis in range(3):
            force[:, axis] += np.bincount(tetrahedra[:, corner], lack * slope[:, axis], minlength=len(points))
    return force


def _take(points: Points, nodes: npt.NDArray[np.int64], step: Points, tetrahedra: Tetrahedra,
          known: tuple[npt.NDArray[np.int64], Floats], hold: Hold, goal: float) -> bool:
    """Moves nodes by step where that makes no element worse that is below the goal; whether any was moved."""
    touched, ratio = known
    before = ratio[touched]
    old = points[nodes].copy()
    wanted = points.copy()
    wanted[nodes] = old + step
    wanted[nodes] = Hold(hold.anchor[nodes], hold.normal[nodes], hold.off[nodes], hold.along[nodes]).kept(wanted[nodes])
    share = np.zeros(len(points))
    share[nodes] = 1.0
    full = wanted[nodes] - old
    after, suspects = before.copy(), np.arange(len(tetrahedra))
    for attempt in range(MOST_ATTEMPTS):
        points[nodes] = old + share[nodes, None] * full
        after[suspects] = mean_ratio(points[tetrahedra[suspects]])
        worse = suspects[(after[suspects] < goal) & (after[suspects] < before[suspects])]
        if not len(worse):
            break
        back = np.zeros(len(points), dtype=bool)
        back[tetrahedra[worse]] = True
        share[back] *= 0.5 if attempt < HALVED else 0.0
        suspects = np.flatnonzero(back[tetrahedra].any(axis=1))
    else:
        points[nodes] = old
        return False
    ratio[touched] = after
    return bool(share[nodes].any())
