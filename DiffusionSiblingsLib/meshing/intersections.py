"""Triangles of a surface that pass through each other, which no mesher of solids can fill."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .mesh import Points, Triangles

Indices = npt.NDArray[np.int64]
AT_ONCE = 400_000  # pairs of triangles that are looked at at once: about 300 MB
EDGES = ((0, 1), (1, 2), (2, 0))


def crossing_triangles(points: Points, triangles: Triangles) -> npt.NDArray[np.int32]:
    """(k, 2) int32: pairs of triangles in which an edge of one passes through the inside of the other, in order.

    points: (n, 3) mm. An edge that starts at a corner of the other triangle does not count, nor do triangles that lie
    in one plane.
    """
    found = [np.zeros((0, 2), dtype=np.int64)]
    pairs = _near_pairs(points[triangles])
    for start in range(0, len(pairs), AT_ONCE):
        part = pairs[start : start + AT_ONCE]
        crossing = np.zeros(len(part), dtype=np.bool_)
        for one, other in ((0, 1), (1, 0)):
            for edge in EDGES:
                ends = triangles[part[:, one]][:, edge]
                target = triangles[part[:, other]]
                apart = ~(ends[:, :, None] == target[:, None, :]).any(axis=(1, 2))
                rows = np.flatnonzero(apart & ~crossing)
                crossing[rows] = _passes(points[ends[rows]], points[target[rows]])
        found.append(part[crossing])
    return np.concatenate(found).astype(np.int32)


def _near_pairs(corners: Points) -> Indices:
    """(p, 2) pairs of triangles (m, 3, 3) whose boxes along the axes overlap, the smaller number first."""
    from scipy.spatial import cKDTree

    low, high = corners.min(axis=1), corners.max(axis=1)
    centre, half = (low + high) / 2, (high - low) / 2
    scale = np.maximum(half.max(axis=0), 1e-12)  # boxes overlap only where the centres are so near along each axis
    near = cKDTree(centre / scale).query_pairs(2.0, p=np.inf, output_type="ndarray")
    overlap = (np.abs(centre[near[:, 0]] - centre[near[:, 1]]) <= half[near[:, 0]] + half[near[:, 1]]).all(axis=1)
    kept = np.sort(near[overlap], axis=1)
    return np.asarray(kept[np.lexsort(kept.T[::-1])], dtype=np.int64)


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
