"""Quads into triangles, along the diagonal that gives the better ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .mesh import Points, Triangles, triangle_normals

HALVES = (((0, 1, 2), (0, 2, 3)), ((1, 2, 3), (1, 3, 0)))  # of a quad, by its two diagonals


def split_quads(points: Points, quads: npt.NDArray[np.int32]) -> Triangles:
    """(2 q, 3) int32: two triangles for each quad, next to each other, turned as the quad is.

    Of both diagonals it takes the one whose worse triangle is better. points: (n, 3) mm.
    """
    worse = np.stack([np.minimum(*(triangle_quality(points, quads[:, half]) for half in halves)) for halves in HALVES])
    second = worse[1] > worse[0] + 1e-9
    halves = [np.where(second[:, None], quads[:, HALVES[1][part]], quads[:, HALVES[0][part]]) for part in range(2)]
    return np.stack(halves, axis=1).reshape(-1, 3).astype(np.int32)


def triangle_quality(points: Points, triangles: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """(m,) float64: 1 for an equilateral triangle, 0 for a flat one: 4 sqrt(3) area / sum of squared edges."""
    corners = points[triangles]
    squares = np.square(corners - np.roll(corners, 1, axis=1)).sum(axis=(1, 2))
    area = np.linalg.norm(triangle_normals(points, triangles.astype(np.int32)), axis=1) / 2
    return np.asarray(4 * np.sqrt(3) * area / np.maximum(squares, 1e-300))
