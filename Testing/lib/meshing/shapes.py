"""Label maps of known shape for tests of surfaces, and what a proper surface is."""

from __future__ import annotations

import numpy as np

from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh

OBLIQUE = np.array([[0.8, -0.6, 0.0, 5.0], [0.6, 0.8, 0.0, -20.0], [0.0, 0.0, 1.0, 31.0], [0.0, 0.0, 0.0, 1.0]])


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), mirrored: bool = False):
    """(D, H, W, 3) mm from the middle, along I, J, K; and an oblique affine with this spacing."""
    k, j, i = np.indices(shape)
    size = np.array(shape[::-1])
    place = (np.stack([i, j, k], axis=-1) - (size - 1) / 2) * spacing
    turn = np.diag([*spacing, 1.0]) * (-1 if mirrored else 1)
    turn[3, 3] = 1.0
    return place, OBLIQUE @ turn


def two_balls(spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), mirrored: bool = False):
    """Two balls, labels 2 and 5, that overlap and share a disc; labels (D, H, W) uint8 and the affine."""
    shape = tuple(int(40 / step) for step in spacing[::-1])
    place, affine = grid(shape, spacing, mirrored)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[np.linalg.norm(place + np.array([6.3, 0.2, 0.1]), axis=-1) < 9.7] = 2
    labels[(np.linalg.norm(place - np.array([6.3, 0.2, 0.1]), axis=-1) < 9.7) & (place[..., 0] > 0)] = 5
    return labels, affine


def faults(mesh: SurfaceMesh) -> list[str]:
    """What is wrong with the closed surface of each tissue; empty for none. Edges are counted one by one."""
    found = []
    for tissue in mesh.tissues:
        counts: dict[tuple[int, int], int] = {}
        for a, b, c in mesh.around(tissue).tolist():
            for edge in ((a, b), (b, c), (c, a)):
                counts[edge] = counts.get(edge, 0) + 1
        if any(count != 1 for count in counts.values()):
            found.append(f"{tissue}: an edge is used twice in one direction")
        if any((end, start) not in counts for start, end in counts):
            found.append(f"{tissue}: not closed, or not turned one way")
        if mesh.volume(tissue) <= 0:
            found.append(f"{tissue}: inside out")
    return found
