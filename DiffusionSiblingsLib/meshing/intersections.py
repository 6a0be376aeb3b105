"""Triangles of a surface that pass through each other, which no mesher of solids can fill."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .mesh import Points, Triangles, triangle_normals

Indices = npt.NDArray[np.int64]
EDGES = ((0, 1), (1, 2), (2, 0))
USUAL = 0.995  # of the triangles are no larger than what the search for neighbours is made for


def crossing_triangles(points: Points, triangles: Triangles, among: Indices | None = None) -> npt.NDArray[np.int32]:
    """(k, 2) int32: pairs of triangles in which an edge of one passes through the inside of the other, in order.

    points: (n, 3) mm. among: (a,) rows of triangles, to look only for pairs with one of these. An edge that starts at
    a corner of the other triangle does not count, nor do triangles that lie in one plane.
    """
    corners = points[triangles]
    pairs = _through_planes(points, triangles, _near_pairs(corners, among))
    crossing = np.zeros(len(pairs), dtype=np.bool_)
    for one, other in ((0, 1), (1, 0)):
        for edge in EDGES:
            ends, target = triangles[pairs[:, one]][:, edge], triangles[pairs[:, other]]
            apart = ~(ends[:, :, None] == target[:, None, :]).any(axis=(1, 2))
            rows = np.flatnonzero(apart & ~crossing)
            crossing[rows] = _passes(points[ends[rows]], points[target[rows]])
    found = np.sort(pairs[crossing], axis=1)
    return found[np.lexsort(found.T[::-1])].astype(np.int32)


def _near_pairs(corners: Points, among: Indices | None) -> Indices:
    """(p, 2) pairs of triangles (m, 3, 3) whose boxes along the axes overlap."""
    from scipy.spatial import cKDTree

    low, high = corners.min(axis=1), corners.max(axis=1)
    centre, half = (low + high) / 2, (high - low) / 2
    if not len(half):
        return np.zeros((0, 2), dtype=np.int64)
    usual = np.maximum(np.quantile(half, USUAL, axis=0), 1e-12)
    is_usual = (half <= usual).all(axis=1)
    near = []
    if among is None:
        small = np.flatnonzero(is_usual)
        near.append(small[cKDTree(centre[small] / usual).query_pairs(2.0, p=np.inf, output_type="ndarray")])
        among = np.flatnonzero(~is_usual)
    if len(among):
        scale = np.maximum(half.max(axis=0), 1e-12)
        lists = cKDTree(centre / scale).query_ball_point(centre[among] / scale, 2.0, p=np.inf)
        one, other = np.repeat(among, [len(found) for found in lists]), np.concatenate(lists).astype(np.int64)
        chosen = np.zeros(len(half), dtype=np.bool_)
        chosen[among] = True
        once = (one < other) | ((one > other) & ~chosen[other])  # a pair of two of these is found twice
        near.append(np.stack([one[once], other[once]], axis=1))
    pairs = np.concatenate(near)
    for axis in range(3):
        first, second = pairs[:, 0], pairs[:, 1]
        pairs = pairs[np.abs(centre[first, axis] - centre[second, axis]) <= half[first, axis] + half[second, axis]]
    return pairs


def _through_planes(points: Points, triangles: Triangles, pairs: Indices) -> Indices:
    """The pairs (p, 2) in which each triangle has corners on both sides of the other one's plane, shared ones aside."""
    normals = triangle_normals(points, triangles)
    level = np.einsum("ij,ij->i", normals, points[triangles[:, 0]])
    for one, other in ((0, 1), (1, 0)):
        plane, away = pairs[:, one], pairs[:, other]
        above, below = np.zeros(len(pairs), dtype=np.bool_), np.zeros(len(pairs), dtype=np.bool_)
        for corner in range(3):
            point = triangles[away, corner]
            own = (triangles[plane, 0] == point) | (triangles[plane, 1] == point) | (triangles[plane, 2] == point)
            height = np.einsum("ij,ij->i", normals[plane], points[point]) - level[plane]
            above |= (height > 0) & ~own
            below |= (height < 0) & ~own
        pairs = pairs[above & below]
    return pairs


def _passes(ends: Points, target: Points) -> npt.NDArray[np.bool_]:
    """(p,) bool: whether each segment (p, 2, 3) passes through the inside of a triangle (p, 3, 3)."""
    a, b = ends[:, 0], ends[:, 1]
    start = _volume(a, target[:, 0], target[:, 1], target[:, 2])
    end = _volume(b, target[:, 0], target[:, 1], target[:, 2])
    around = np.stack([_volume(a, b, target[:, i], target[:, j]) for i, j in EDGES])
    inside = (around > 0).all(axis=0) | (around < 0).all(axis=0)
    return np.asarray((start * end < 0) & inside)


def _volume(a: Points, b: Points, c: Points, d: Points) -> npt.NDArray[np.float64]:
    """(p,) six times the signed volume of tetrahedra."""
    return np.asarray(np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a))
