"""Smooth fields from one part of a wall to another: Laplace's equation on linear tetrahedra, by scikit-fem."""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from .elements import Floats
from .packages import elements
from .wall import Ints, Wall


def harmonic(wall: Wall, low: Ints, high: Ints) -> Floats:
    """(n,) float64: 0 at the points `low`, 1 at the points `high`, harmonic between them and without flow through all
    other faces. Raises InputError where a part is empty or a point is in both.
    """
    if not len(low) or not len(high) or len(np.intersect1d(low, high)):
        raise InputError("A field through the wall cannot be found", value=f"{len(low)} and {len(high)} points",
                         rule="two parts of the wall that share no point, neither of them empty")
    skfem = elements()
    from skfem.models.poisson import laplace

    basis = skfem.Basis(skfem.MeshTet(np.ascontiguousarray(wall.points.T),
                          np.ascontiguousarray(wall.tetrahedra.T, dtype=np.int64)), skfem.ElementTetP1())
    values = np.zeros(len(wall.points))
    values[high] = 1.0
    system = skfem.condense(laplace.assemble(basis), x=values, D=np.union1d(low, high))
    return np.asarray(skfem.solve(*system), dtype=np.float64)


def gradient(wall: Wall, values: Floats) -> Floats:
    """(t, 3) float64, 1/mm: gradient of (n,) values in each tetrahedron, smoothed over its neighbours: a tetrahedron
    with all its corners on one side of the wall has none of its own.
    """
    corners = wall.points[wall.tetrahedra]
    edges = corners[:, 1:] - corners[:, :1]
    steps = values[wall.tetrahedra[:, 1:]] - values[wall.tetrahedra[:, :1]]
    own = np.linalg.solve(edges, steps[..., None])[..., 0] * wall.volumes()[:, None]
    at = wall.tetrahedra.ravel()
    summed = np.stack([np.bincount(at, np.repeat(own[:, axis], 4)) for axis in range(3)], axis=1)
    whole = np.bincount(at, np.repeat(wall.volumes(), 4))
    return np.asarray((summed / whole[:, None])[wall.tetrahedra].mean(axis=1))
