"""Quadratic tetrahedra of a wall: scikit-fem's numbering, shape functions and quadrature, in arrays.

Quadratic displacements, because linear tetrahedra are far too stiff in a nearly incompressible wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .packages import elements
from .wall import Ints, Wall

Floats = npt.NDArray[np.float64]
ORDER = 2  # of the quadrature: four points in each element, the usual rule for ten nodes


@dataclass(frozen=True)
class Quadratic:
    """Nodes 0..n-1 are the wall's points, the others the middles of edges.

    nodes: (N, 3) float64, RAS mm. cells: (t, 10) int64, rows of nodes. shapes: (q, 10), the shape functions at the
    points of quadrature. gradients: (t, q, 10, 3), 1/mm. weights: (t, q), mm^3. inner: (k, 6) int64, the nodes of faces
    to the cavity: corners, then the middles of the sides 0-1, 1-2, 2-0. ends: (N - n, 2) int64, the corners between
    which each middle lies.
    """

    nodes: Floats
    cells: Ints
    shapes: Floats
    gradients: Floats
    weights: Floats
    inner: Ints
    ends: Ints

    @property
    def corners(self) -> int:
        """Nodes that are points of the mesh."""
        return len(self.nodes) - len(self.ends)

    def at_points(self, values: Floats) -> Floats:
        """(t, q, ...) values at the points of quadrature, of (N, ...) values at nodes."""
        return np.asarray(np.einsum("qa,ta...->tq...", self.shapes, values[self.cells]))

    def everywhere(self, values: Floats) -> Floats:
        """(N, ...) values at all nodes, of (n, ...) values at corners: linear along edges."""
        return np.concatenate([values, values[self.ends].mean(axis=1)])


def quadratic_of(wall: Wall) -> Quadratic:
    """The quadratic elements of a wall. Raises InputError without scikit-fem."""
    skfem = elements()
    mesh = skfem.MeshTet(np.ascontiguousarray(wall.points.T),
                          np.ascontiguousarray(wall.tetrahedra.T, dtype=np.int64))
    basis = skfem.Basis(mesh, skfem.ElementTetP2(), intorder=ORDER)
    functions = [basis.basis[row][0] for row in range(10)]
    middles = np.asarray(basis.edge_dofs[0], dtype=np.int64)
    ends = np.empty((len(middles), 2), dtype=np.int64)
    count = len(wall.points)
    ends[middles - count] = np.asarray(mesh.edges.T)
    shapes = np.stack([np.asarray(function.value)[0] for function in functions], axis=1)
    gradients = np.ascontiguousarray(np.stack([function.grad for function in functions]).transpose(2, 3, 0, 1))
    return Quadratic(np.ascontiguousarray(basis.doflocs.T), np.asarray(basis.element_dofs.T, dtype=np.int64),
                     shapes, gradients, np.asarray(basis.dx), _faces(wall, ends, count), ends)


def _faces(wall: Wall, ends: Ints, count: int) -> Ints:
    """(k, 6) int64: corners and middles of the inner side."""
    key = ends.min(axis=1) * count + ends.max(axis=1)
    order = np.argsort(key)
    sides = wall.inner[:, ((0, 1), (1, 2), (2, 0))].astype(np.int64)
    at = np.searchsorted(key[order], sides.min(axis=2) * count + sides.max(axis=2))
    return np.concatenate([wall.inner.astype(np.int64), count + order[at]], axis=1)
