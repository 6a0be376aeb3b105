"""Nodes of a lattice moved onto the surfaces of a map, those between three tissues onto the lines where these meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from .mesh import Points, Sides, SurfaceMesh, Triangles

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.uint64]
ROUNDS = 6  # of smoothing and moving onto the surface
SHARE = 0.5  # of the way to the middle of its neighbours that a node is moved in a round
_NEAREST = 4  # triangles or segments whose exact distance is looked at


@dataclass(frozen=True)
class Lines:
    """Edges of a surface mesh. edges: (e, 2) rows of points. masks: (e,): the labels on any side, a bit each."""

    edges: npt.NDArray[np.int64]
    masks: Masks


def masks_of(count: int, triangles: Triangles, sides: Sides, labels: npt.NDArray[np.integer]) -> Masks:
    """(count,) uint64: the labels around each point, a bit for each of `labels`; 0 for a point of no triangle."""
    bits = _bits(sides, labels)
    masks = np.zeros(count, dtype=np.uint64)
    for corner in range(3):
        np.bitwise_or.at(masks, triangles[:, corner], bits)
    return masks


def lines_of(triangles: Triangles, sides: Sides, labels: npt.NDArray[np.integer]) -> Lines:
    """All edges of a surface with the labels around them; those of three labels or more are junction lines."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    bits = np.tile(_bits(sides, labels), 3)
    unique, inverse = np.unique(edges.astype(np.int64), axis=0, return_inverse=True)
    masks = np.zeros(len(unique), dtype=np.uint64)
    np.bitwise_or.at(masks, inverse.ravel(), bits)
    return Lines(unique, masks)


def popcount(masks: Masks) -> npt.NDArray[np.int64]:
    """How many labels each mask has."""
    octets = np.ascontiguousarray(masks).view(np.uint8).reshape(-1, 8)
    return np.asarray(np.unpackbits(octets, axis=1).sum(axis=1), dtype=np.int64)


def _bits(sides: Sides, labels: npt.NDArray[np.integer]) -> Masks:
    rows = np.searchsorted(labels, sides).astype(np.uint64)
    return np.asarray((np.uint64(1) << rows[:, 0]) | (np.uint64(1) << rows[:, 1]))


class Target:
    """The surfaces and junction lines of a surface mesh, to find the nearest place on those between given labels."""

    def __init__(self, surface: SurfaceMesh, labels: npt.NDArray[np.integer]) -> None:
        self.labels = labels
        self._points = surface.points
        self._triangles = surface.triangles
        self._triangle_masks = _bits(surface.sides, labels)
        lines = lines_of(surface.triangles, surface.sides, labels)
        junction = popcount(lines.masks) >= 3
        self._edges, self._edge_masks = lines.edges[junction], lines.masks[junction]
        self._trees: dict[tuple[bool, int], tuple[cKDTree, npt.NDArray[np.int64]] | None] = {}

    def nearest(self, points: Points, masks: Masks) -> tuple[Points, npt.NDArray[np.bool_]]:
        """The nearest place (k, 3) for each of points (k, 3), and whether (k,) the mesh has such a place at all.

        A point between two labels is sent to their surface; one between more, to a line of exactly these labels, or
        else of some of them.
        """
        found, known = points.copy(), np.zeros(len(points), dtype=bool)
        for mask in np.unique(masks):
            rows = np.flatnonzero(masks == mask)
            flat = int(popcount(np.array([mask]))[0]) == 2
            tree = self._tree(flat, int(mask))
            if tree is not None:
                found[rows], known[rows] = self._on(flat, tree, points[rows]), True
        return found, known

    def _tree(self, flat: bool, mask: int) -> tuple[cKDTree, npt.NDArray[np.int64]] | None:
        if (flat, mask) not in self._trees:
            masks = self._triangle_masks if flat else self._edge_masks
            corners = self._triangles if flat else self._edges
            chosen = np.flatnonzero(masks == np.uint64(mask))
            if not flat and not len(chosen):
                chosen = np.flatnonzero((masks & ~np.uint64(mask)) == 0)
            tree = cKDTree(self._points[corners[chosen]].mean(axis=1)) if len(chosen) else None
            self._trees[flat, mask] = None if tree is None else (tree, chosen)
        return self._trees[flat, mask]

    def _on(self, flat: bool, tree: tuple[cKDTree, npt.NDArray[np.int64]], points: Points) -> Points:
        number = min(_NEAREST, len(tree[1]))
        _, near = tree[0].query(points, k=number)
        rows = tree[1][near.reshape(len(points), number)]
        best, least = points.copy(), np.full(len(points), np.inf)
        for column in range(number):
            if flat:
                place = nearest_on_triangles(points, self._points[self._triangles[rows[:, column]]])
            else:
                ends = self._points[self._edges[rows[:, column]]]
                place = _nearest_on_segments(points, ends[:, 0], ends[:, 1])
            distance = np.linalg.norm(place - points, axis=1)
            nearer = distance < least
            best[nearer], least[nearer] = place[nearer], distance[nearer]
        return best


def _nearest_on_segments(points: Floats, first: Floats, second: Floats) -> Floats:
    along = second - first
    share = np.einsum("ij,ij->i", points - first, along) / np.einsum("ij,ij->i", along, along).clip(1e-300)
    return np.asarray(first + np.clip(share, 0.0, 1.0)[:, None] * along)


def nearest_on_triangles(points: Floats, corners: Floats) -> Floats:
    """(k, 3): the place of each triangle (k, 3, 3) that is nearest to each point (k, 3)."""
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(second - first, third - first)
    squared = np.einsum("ij,ij->i", normal, normal).clip(1e-300)
    away = np.einsum("ij,ij->i", points - first, normal) / squared
    flat = points - away[:, None] * normal
    inside = np.ones(len(points), dtype=bool)
    best, least = flat.copy(), np.full(len(points), np.inf)
    for one, other in ((first, second), (second, third), (third, first)):
        inside &= np.einsum("ij,ij->i", np.cross(other - one, flat - one), normal) >= 0
        place = _nearest_on_segments(points, one, other)
        distance = np.linalg.norm(place - points, axis=1)
        nearer = distance < least
        best[nearer], least[nearer] = place[nearer], distance[nearer]
    best[inside] = flat[inside]
    return np.asarray(best)


def placed(points: Points, faces: tuple[Triangles, Sides], target: Target, reach: Floats) -> Points:
    """Where the nodes of a surface belong: on the target's surfaces and lines, spread evenly along them.

    points: (n, 3) RAS mm; those of no triangle stay. faces: triangles and sides of the lattice. reach: (n,) mm that a
    node may move. A node that is not near such a place of the target is only smoothed.
    """
    masks = masks_of(len(points), *faces, target.labels)
    nodes = np.flatnonzero(masks)
    middle, weight = _neighbours(len(points), lines_of(*faces, target.labels), masks)
    moved, reach = points.copy(), reach[nodes, None]
    for _ in range(ROUNDS):
        mean = (middle @ moved)[nodes] / weight[nodes, None]
        wanted = moved[nodes] + SHARE * (mean - moved[nodes])
        there, known = target.nearest(wanted, masks[nodes])
        close = known & (np.linalg.norm(there - points[nodes], axis=1) <= 2.0 * reach[:, 0])
        wanted[close] = there[close]
        away = wanted - points[nodes]
        length = np.linalg.norm(away, axis=1, keepdims=True)
        moved[nodes] = points[nodes] + away * np.minimum(1.0, reach / length.clip(1e-12))
    return moved


def _neighbours(count: int, lines: Lines, masks: Masks) -> tuple[sparse.csr_matrix, Floats]:
    """Who is smoothed with whom: a node with those that have all its labels, so that lines stay lines."""
    ends = np.concatenate([lines.edges, lines.edges[:, ::-1]])
    own, line = masks[ends[:, 0]], np.tile(lines.masks, 2)
    counts = (popcount(own) == 2) | (popcount(line) >= 3)
    ends = ends[counts & (popcount(own) <= 3)]  # a point where four labels meet stays
    matrix = sparse.csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    weight = np.asarray(matrix.sum(axis=1)).ravel()
    alone = np.flatnonzero(weight == 0)
    matrix = matrix + sparse.csr_matrix((np.ones(len(alone)), (alone, alone)), shape=(count, count))
    weight[alone] = 1.0
    return matrix, weight
