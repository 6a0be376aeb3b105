"""Pressure in the cavity, which stays at right angles to the wall as the wall moves."""

from __future__ import annotations

import numpy as np

from ..meshing.mesh import Triangles
from .elements import Floats, Quadratic
from .wall import closed_volume

_POINTS = np.array([(1 / 6, 1 / 6), (2 / 3, 1 / 6), (1 / 6, 2 / 3)])  # of a triangle, each with a weight of 1/6
_WEIGHT = 1 / 6
_SMALLER = ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5))  # the four triangles of six nodes


def _shapes() -> tuple[Floats, Floats]:
    """(3, 6) quadratic shape functions at _POINTS, and (3, 6, 2) their derivatives."""
    values, slopes = np.empty((3, 6)), np.empty((3, 6, 2))
    for row, (x, y) in enumerate(_POINTS):
        z = 1 - x - y
        values[row] = (z * (2 * z - 1), x * (2 * x - 1), y * (2 * y - 1), 4 * z * x, 4 * x * y, 4 * y * z)
        slopes[row] = ((1 - 4 * z, 1 - 4 * z), (4 * x - 1, 0), (0, 4 * y - 1), (4 * (z - x), -4 * x), (4 * y, 4 * x),
                       (-4 * y, 4 * (z - y)))
    return values, slopes


def force_of(space: Quadratic, moved: Floats) -> tuple[Floats, Floats]:
    """Force of a pressure of 1 kPa and its derivative: (3 N,) mN, and (k, 6, 6, 3, 3) mN/mm made symmetric, as it is
    where the openings are held. moved: (N, 3) mm.
    """
    values, slopes = _shapes()
    corners = (space.nodes + moved)[space.inner]
    sides = np.einsum("qas,kax->kqsx", slopes, corners)
    normals = np.cross(sides[:, :, 0], sides[:, :, 1])
    own = _WEIGHT * np.einsum("qa,kqx->kax", values, normals)
    forces = np.zeros((len(space.nodes), 3))
    for column in range(3):
        forces[:, column] = np.bincount(space.inner.ravel(), own[:, :, column].ravel(), minlength=len(forces))
    cross = _crossing(sides)
    blocks = _WEIGHT * (np.einsum("qa,qb,kqxy->kabxy", values, slopes[:, :, 1], cross[:, :, 0], optimize=True)
                        - np.einsum("qa,qb,kqxy->kabxy", values, slopes[:, :, 0], cross[:, :, 1], optimize=True))
    return forces.ravel(), np.asarray((blocks + blocks.transpose(0, 2, 1, 4, 3)) / 2)


def cavity_ml(space: Quadratic, moved: Floats | None = None) -> float:
    """Volume of the cavity in ml, its openings closed by fans; with quadratic faces in four triangles each."""
    smaller: Triangles = space.inner[:, _SMALLER].reshape(-1, 3).astype(np.int32)
    return closed_volume(space.nodes if moved is None else space.nodes + moved, smaller) / 1000.0


def _crossing(vectors: Floats) -> Floats:
    """(..., 3, 3) matrices that multiply by the cross product from the left."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    none = np.zeros_like(x)
    return np.stack([np.stack([none, -z, y], -1), np.stack([z, none, -x], -1), np.stack([-y, x, none], -1)], -2)
