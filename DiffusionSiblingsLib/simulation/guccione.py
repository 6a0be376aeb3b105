"""The passive wall: Guccione's law, nearly incompressible.

W = C/2 (exp Q - 1), Q = bf Eff^2 + bt (Ess^2 + Enn^2 + 2 Esn^2) + 2 bfs (Efs^2 + Efn^2), E the Green-Lagrange strain in
the axes of fibre, sheet and sheet normal (Guccione, McCulloch and Waldman, J Biomech Eng 1991; 113:42). The volume is
held by K/2 (J - 1)^2 with the mean J of each element, which does not lock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .elements import Floats

_VOIGT = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))


@dataclass(frozen=True)
class Guccione:
    """The default numbers are those of Land et al., Proc R Soc A 2015; 471:20150641, problems 1 and 3. stiffness: C in
    kPa. along, across, shear: bf, bt, bfs. bulk: K in kPa, where the benchmark is incompressible.
    """

    stiffness: float = 2.0
    along: float = 8.0
    across: float = 2.0
    shear: float = 4.0
    bulk: float = 100.0

    def __post_init__(self) -> None:
        wrong = {name: value for name, value in vars(self).items() if not (np.isfinite(value) and value > 0)}
        if wrong:
            raise InputError("The material cannot be used", value=wrong, rule="all numbers are above 0")

    @property
    def weights(self) -> Floats:
        """(3, 3): Q = sum of weights times squares of strains, in the axes fibre, sheet, sheet normal."""
        f, t, s = self.along, self.across, self.shear
        return np.array([[f, s, s], [s, t, t], [s, t, t]])

    def stress(self, strain: Floats) -> Floats:
        """(..., 3, 3) second Piola-Kirchhoff stress in kPa without the part that holds the volume."""
        weighted = self.weights * strain
        return np.asarray(self._factor(strain, weighted)[..., None, None] * weighted)

    def tangent(self, strain: Floats) -> Floats:
        """(..., 6, 6) kPa: derivative of the stress, in the order ff, ss, nn, fs, sn, fn, by strains whose shears count
        twice.
        """
        weighted = self.weights * strain
        rows, columns = np.array(_VOIGT).T
        own = weighted[..., rows, columns]
        linear = np.diag(self.weights[rows, columns] * np.where(rows == columns, 1.0, 0.5))
        return np.asarray(self._factor(strain, weighted)[..., None, None]
                          * (linear + 2.0 * own[..., :, None] * own[..., None, :]))

    def energy(self, strain: Floats) -> Floats:
        """(...) kPa: stored energy without the part that holds the volume."""
        return np.asarray(self.stiffness / 2 * np.expm1(np.einsum("...ij,...ij->...", self.weights * strain, strain)))

    def _factor(self, strain: Floats, weighted: Floats) -> Floats:
        return np.asarray(self.stiffness * np.exp(np.einsum("...ij,...ij->...", weighted, strain)))
