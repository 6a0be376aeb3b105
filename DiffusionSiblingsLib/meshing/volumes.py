"""Volumes of tissues made true: surfaces moved along their normals by hundredths of a millimetre."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .improving import guarded
from .mesh import OUTSIDE, Points, Sides, Triangles, triangle_normals
from .quality import Floats, six_volumes

ROUNDS = 4
CLOSE = 2e-4  # of a tissue's volume: near enough


def tissue_volumes(points: Points, tetrahedra: npt.NDArray[np.integer],
                   tissue: npt.NDArray[np.integer]) -> dict[int, float]:
    """Label -> volume in mm^3 of its tetrahedra."""
    volumes = six_volumes(points[tetrahedra]) / 6.0
    labels, rows = np.unique(tissue, return_inverse=True)
    return dict(zip(labels.tolist(), np.bincount(rows, volumes).tolist(), strict=True))


def corrected(points: Points, tetrahedra: npt.NDArray[np.integer], tissue: npt.NDArray[np.integer],
              faces: tuple[Triangles, Sides], wanted: Mapping[int, float], least: float) -> Points:
    """The points after their surfaces were moved so that each tissue has its wanted volume.

    wanted: label -> mm^3. Nodes where three tissues meet stay. No scaled Jacobian falls below `least`. The surface
    between two tissues moves by the difference of what each needs, the outside needing nothing; these needs solve one
    small linear system, a few times over, as the areas change with the surfaces.
    """
    labels = sorted(label for label in wanted if label != OUTSIDE)
    rows = {label: row for row, label in enumerate([*labels, OUTSIDE])}
    for _ in range(ROUNDS):
        now = tissue_volumes(points, tetrahedra, tissue)
        lack = np.array([wanted[label] - now.get(label, 0.0) for label in labels])
        if (np.abs(lack) <= CLOSE * np.array([wanted[label] for label in labels])).all():
            break
        normal, reach = _normals(points, faces[0], faces[1], rows)
        matrix = np.zeros((len(labels) + 1, len(labels) + 1))
        for (first, second), area in reach.items():
            matrix[[first, second], [first, second]] += area
            matrix[[first, second], [second, first]] -= area
        need = np.append(np.linalg.lstsq(matrix[:-1, :-1], lack, rcond=None)[0], 0.0)
        moved = points + normal[0] * (need[normal[1][:, 0]] - need[normal[1][:, 1]])[:, None]
        points = guarded(points, moved, tetrahedra, least)
    return points


def _normals(points: Points, triangles: Triangles, sides: Sides, rows: Mapping[int, int],
             ) -> tuple[tuple[Floats, npt.NDArray[np.int64]], dict[tuple[int, int], float]]:
    """Normals (n, 3) and rows of both sides (n, 2) of nodes between two labels; the normal is 0, the rows 0, of others.

    And for each pair of rows the mm^3 by which a tissue grows where its nodes move one mm along these.
    """
    pairs = np.stack([np.vectorize(rows.get, otypes=[np.int64])(sides[:, side]) for side in (0, 1)], axis=1)
    code = pairs[:, 0] * len(rows) + pairs[:, 1]
    low, high = np.full(len(points), len(rows) ** 2), np.full(len(points), -1)
    turned = triangle_normals(points, triangles)
    normal = np.zeros_like(points)
    for corner in range(3):
        np.minimum.at(low, triangles[:, corner], code)
        np.maximum.at(high, triangles[:, corner], code)
        np.add.at(normal, triangles[:, corner], turned)
    flat = (low == high)
    normal[~flat] = 0.0
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
    grown = sum(np.einsum("ij,ij->i", turned / 6.0, normal[triangles[:, corner]]) for corner in range(3))
    reach = {(int(value) // len(rows), int(value) % len(rows)): float(np.sum(grown, where=code == value))
             for value in np.unique(code)}
    sides_of = np.where(flat, low, 0)
    return (normal, np.stack([sides_of // len(rows), sides_of % len(rows)], axis=1)), reach
