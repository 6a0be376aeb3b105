"""Triangles as a remesher sees them: their edges, which of these are lines to be kept, and what lies around a point.

Surfaces of several groups meet in lines. An edge is on a line unless it has exactly two triangles, of one group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .mesh import Points

Indices = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ROUNDS = 4  # of choosing edges that lie apart
FREE, LINE, CORNER = 0, 1, 2  # a point inside of a surface, one on a line, one where lines end or meet


@dataclass(frozen=True)
class Complex:
    """points: (n, 3) float64 mm. triangles: (m, 3) int64. group: (m,) int64, which surface each belongs to. kind: (n,)
    FREE, LINE or CORNER, which stays with a point through all steps; corners are never moved.
    """

    points: Points
    triangles: Indices
    group: Indices
    kind: Indices

    @cached_property
    def _numbered(self) -> tuple[Indices, Indices]:
        corners = self.triangles
        low = np.minimum(corners, np.roll(corners, -1, axis=1))
        high = np.maximum(corners, np.roll(corners, -1, axis=1))
        code = (low * len(self.points) + high).ravel()
        order = np.argsort(code)
        ordered = code[order]
        new = np.append(True, ordered[1:] != ordered[:-1])
        number = np.empty(len(code), dtype=np.int64)
        number[order] = np.cumsum(new) - 1
        return ordered[new], number

    @property
    def codes(self) -> Indices:
        """(e,) the edges in ascending order, each its lower point times the number of points, plus its higher."""
        return self._numbered[0]

    @cached_property
    def edges(self) -> Indices:
        """(e, 2) the points of each edge, the lower first."""
        return np.stack(np.divmod(self.codes, len(self.points)), axis=1)

    @property
    def edge_of(self) -> Indices:
        """(m, 3) the edge from each corner of a triangle to the next."""
        return self._numbered[1].reshape(-1, 3)

    @cached_property
    def count(self) -> Indices:
        """(e,) triangles of each edge."""
        return np.bincount(self.edge_of.ravel(), minlength=len(self.codes))

    @cached_property
    def beside(self) -> Indices:
        """(e, 2) two triangles of each edge, the first and the last; one and the same where it has one alone."""
        triangle = np.repeat(np.arange(len(self.triangles)), 3)
        found = np.empty((len(self.codes), 2), dtype=np.int64)
        found[self.edge_of.ravel()[::-1], 0] = triangle[::-1]
        found[self.edge_of.ravel(), 1] = triangle
        return found

    @cached_property
    def on_line(self) -> BoolArray:
        """(e,) bool: the edges that are lines to be kept."""
        return np.asarray((self.count != 2) | (self.group[self.beside[:, 0]] != self.group[self.beside[:, 1]]))

    @cached_property
    def lengths(self) -> npt.NDArray[np.float64]:
        """(e,) mm."""
        return np.asarray(np.linalg.norm(self.points[self.edges[:, 0]] - self.points[self.edges[:, 1]], axis=1))

    @cached_property
    def _around(self) -> tuple[Indices, Indices]:
        order = np.argsort(self.triangles.ravel(), kind="stable")
        starts = np.searchsorted(self.triangles.ravel()[order], np.arange(len(self.points) + 1))
        return starts, order // 3

    def stars(self, points: Indices) -> tuple[Indices, Indices]:
        """The triangles around some points: (k,) rows of `points`, and (k,) triangles."""
        starts, triangle = self._around
        count = starts[points + 1] - starts[points]
        row = np.repeat(np.arange(len(points)), count)
        place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        return row, triangle[starts[points][row] + place]

    def find(self, first: Indices, second: Indices) -> Indices:
        """(k,) the edges between points, -1 where there is none."""
        code = np.minimum(first, second) * len(self.points) + np.maximum(first, second)
        place = np.minimum(np.searchsorted(self.codes, code), len(self.codes) - 1)
        return np.where(self.codes[place] == code, place, -1)


def kinds_of(triangles: Indices, group: Indices, count: int) -> Indices:
    """(count,) the kind of each point: by how many lines go out from it, none, two or another number."""
    every = Complex(np.zeros((count, 3)), triangles, group, np.zeros(count, dtype=np.int64))
    lines = np.bincount(every.edges[every.on_line].ravel(), minlength=count)
    return np.select([lines == 0, lines == 2], [FREE, LINE], CORNER).astype(np.int64)


def apart(edges: Indices, every: Complex, rank: npt.NDArray[np.float64]) -> BoolArray:
    """(k,) bool: edges of which no two touch or have touching ends, those of low rank first, as many as a few rounds
    find. edges: (k,) rows of the edges of `every`. rank: (k,) all different.
    """
    near, far = every.edges.T
    left, chosen = np.arange(len(edges)), np.zeros(len(edges), dtype=np.bool_)
    for _ in range(ROUNDS):
        ends = every.edges[edges[left]]
        least = np.full(len(every.points), np.inf)
        np.minimum.at(least, ends.ravel(), np.repeat(rank[left], 2))
        around = least.copy()
        np.minimum.at(around, near, least[far])
        np.minimum.at(around, far, least[near])
        best = (around[ends] == rank[left, None]).all(axis=1)
        chosen[left[best]] = True
        taken = np.zeros(len(every.points), dtype=np.bool_)
        taken[ends[best]] = True
        blocked = taken.copy()
        blocked[near[taken[far]]] = True
        blocked[far[taken[near]]] = True
        left = left[~blocked[ends].any(axis=1)]
    return chosen
