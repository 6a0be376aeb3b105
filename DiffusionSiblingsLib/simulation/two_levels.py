"""Conjugate gradients for quadratic elements, preconditioned by the linear elements of the same mesh, solved directly.

The symmetric two-level (p-multigrid) cycle: smooth, correct on the linear elements, smooth. The smoother is a
Chebyshev polynomial in the matrix scaled by its 3 x 3 diagonal blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from .elements import Floats, Quadratic

TOLERANCE = 1e-3  # of the right-hand side; Newton repairs the rest
MOST = 600
_POWER = 12  # steps to find the largest eigenvalue
_DEGREE = 3
_BAND = (0.08, 1.1)  # of the largest eigenvalue, which the smoother damps


def interpolation(space: Quadratic) -> Any:
    """Sparse (3 N, 3 n): displacements of all nodes, of those of corners."""
    from scipy.sparse import coo_matrix, identity, kron, vstack

    count, middle = space.corners, len(space.ends)
    half = coo_matrix((np.full(2 * middle, 0.5), (np.repeat(np.arange(middle), 2), space.ends.ravel())),
                      shape=(middle, count))
    return kron(vstack([identity(count), half]), identity(3)).tocsr()


@dataclass(frozen=True)
class TwoLevels:
    """The preconditioner of a matrix. matrix: BSR (3 N, 3 N), symmetric and positive. up: `interpolation`."""

    matrix: Any
    up: Any
    inverse: Floats
    largest: float
    coarse: Any

    @classmethod
    def of(cls, matrix: Any, up: Any) -> TwoLevels:
        """Factorises the coarse matrix. Raises InputError where it is singular: the wall is held nowhere."""
        from scipy.sparse.linalg import splu

        try:
            coarse = splu((up.T @ matrix @ up).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                          options={"SymmetricMode": True})
        except RuntimeError as error:
            raise InputError("The wall's equations cannot be solved", value=str(error),
                             rule="the wall is held at its base") from error
        inverse = np.asarray(np.linalg.inv(_diagonal(matrix)), dtype=np.float64)
        vector = np.random.default_rng(0).standard_normal(matrix.shape[0])
        largest = 1.0
        for _ in range(_POWER):
            vector = _scaled(inverse, matrix @ vector)
            largest = float(np.linalg.norm(vector))
            vector /= largest
        return cls(matrix, up, inverse, largest, coarse)

    def __call__(self, wanted: Floats) -> Floats:
        """An approximate solution for a right-hand side (3 N,)."""
        found = self._smooth(wanted)
        found = found + self.up @ self.coarse.solve(self.up.T @ (wanted - self.matrix @ found))
        return np.asarray(found + self._smooth(wanted - self.matrix @ found))

    def _smooth(self, wanted: Floats) -> Floats:
        """Chebyshev's polynomial of the scaled matrix (Saad, Iterative methods, algorithm 12.1)."""
        low, high = (share * self.largest for share in _BAND)
        middle, half = (high + low) / 2, (high - low) / 2
        rho = half / middle
        step = _scaled(self.inverse, wanted) / middle
        found = step.copy()
        for _ in range(_DEGREE - 1):
            after = 1.0 / (2.0 * middle / half - rho)
            left = _scaled(self.inverse, wanted - self.matrix @ found)
            step = after * rho * step + 2.0 * after / half * left
            found, rho = found + step, after
        return found


def conjugate_gradients(matrix: Any, wanted: Floats, before: Callable[[Floats], Floats],
                        tolerance: float = TOLERANCE) -> tuple[Floats, int]:
    """The solution (3 N,) and the number of iterations; as far as it came where the matrix is not positive."""
    found, left = np.zeros_like(wanted), wanted.copy()
    towards = before(left)
    along, goal = towards.copy(), tolerance * float(np.linalg.norm(wanted))
    product = float(left @ towards)
    steps = 0
    while steps < MOST:
        steps += 1
        image = matrix @ along
        curvature = float(along @ image)
        if curvature <= 0:
            break
        size = product / curvature
        found, left = found + size * along, left - size * image
        if np.linalg.norm(left) <= goal:
            break
        towards = before(left)
        previous, product = product, float(left @ towards)
        along = towards + product / previous * along
    return found, steps


def _scaled(blocks: Floats, vector: Floats) -> Floats:
    return np.asarray(np.einsum("nij,nj->ni", blocks, vector.reshape(-1, 3))).ravel()


def _diagonal(matrix: Any) -> Floats:
    """(N, 3, 3): the blocks on the diagonal."""
    rows = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
    return np.asarray(matrix.data[matrix.indices == rows], dtype=np.float64)
