"""Surfaces as exact as their description, to place tetrahedra on: balls in balls, and the faces of voxels."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh


def balls(radii: tuple[float, ...], size: int, spacing: float,
          count: int = 4000) -> tuple[np.ndarray, np.ndarray, SurfaceMesh]:
    """Balls in one another, label 1 the innermost -> labels (size, size, size), affine, surfaces of `count` points."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -spacing * (size - 1) / 2.0
    grid = (np.arange(size) - (size - 1) / 2.0) * spacing
    away = np.sqrt(grid[:, None, None] ** 2 + grid[None, :, None] ** 2 + grid[None, None, :] ** 2)
    labels = np.zeros(away.shape, dtype=np.int16)
    for label, radius in sorted(enumerate(radii, 1), reverse=True):
        labels[away <= radius] = label
    turn = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)  # Fibonacci's lattice on the unit sphere
    height = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    ring = np.sqrt(1.0 - height ** 2)
    unit = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    triangles = ConvexHull(unit).simplices
    inwards = np.linalg.det(unit[triangles]) < 0
    triangles[inwards] = triangles[inwards][:, ::-1]
    points = np.concatenate([unit * radius for radius in radii])
    sides = [(label, label + 1 if label < len(radii) else 0) for label in range(1, len(radii) + 1)]
    return labels, affine, SurfaceMesh(
        points, np.concatenate([triangles + count * row for row in range(len(radii))]).astype(np.int32),
        np.repeat(np.array(sides, dtype=np.int16), len(triangles), axis=0))


def voxel_faces(labels: np.ndarray, affine: np.ndarray) -> SurfaceMesh:
    """The faces between unlike voxels (D, H, W), two triangles each. affine: (4, 4), voxel IJK -> RAS mm."""
    volume = np.pad(labels.transpose(2, 1, 0), 1)
    corners, sides = [], []
    for axis in range(3):
        first, second = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
        low, high = np.moveaxis(volume, axis, 0)[:-1], np.moveaxis(volume, axis, 0)[1:]
        place = np.argwhere(low != high)
        own = np.stack([low[tuple(place.T)], high[tuple(place.T)]], axis=1)
        base = np.insert(place[:, 1:], axis, place[:, 0] + 1, axis=1)
        square = np.stack([base, base + first, base + first + second, base + second], axis=1)
        back = (own[:, 0] == 0) | ((own[:, 1] != 0) & (own[:, 0] > own[:, 1]))
        square[back], own[back] = square[back][:, ::-1], own[back][:, ::-1]
        corners.append(square)
        sides.append(own)
    points, rows = np.unique(np.concatenate(corners).reshape(-1, 3), axis=0, return_inverse=True)
    squares = rows.reshape(-1, 4)
    points = (points - 1.5) @ affine[:3, :3].T + affine[:3, 3]
    triangles = squares[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).astype(np.int32)
    if np.linalg.det(affine[:3, :3]) < 0:
        triangles = triangles[:, ::-1]
    return SurfaceMesh(np.ascontiguousarray(points), np.ascontiguousarray(triangles),
                       np.repeat(np.concatenate(sides), 2, axis=0).astype(np.int16))
