"""What is still missing: dimensionless differences between the moments of a substructure and what was asked for.

Every residual is about 1 where the target is missed completely, whatever the domain's size, unit and dimension, so that
one setting of the guiders serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...control.absolute_targets import Asked
from ...control.domain import ControlDomain
from ...core.errors import InputError
from .moments import BatchMoments

LEAST_MASS = 0.02  # of the domain's measure: below it centroid and covariance are noise (the papers' mass guard)
LEAST_GAP = 0.05  # between two eigenvalues of C / v: closer ones leave the orientation undefined


@dataclass(frozen=True)
class MomentResidual:
    """One target of one domain -> residuals.

    quantity: mass, position, size, shape, orientation or covariance. target: float64 along the domain's axes, see
    `moment_residual`. scale: what a residual of 1 means. weight: of the user, 1 by default. tolerance: of the target,
    in its own measure.
    """

    quantity: str
    target: Tensor
    scale: float
    weight: float
    guard: float
    tolerance: float

    @property
    def allowed(self) -> Tensor:
        """(k,) residuals at the tolerance."""
        own = {"position": self.tolerance / self.scale, "orientation": math.radians(self.tolerance)}
        return torch.full((self.count,), self.weight * own.get(self.quantity, self.tolerance), dtype=torch.float64)

    @property
    def count(self) -> int:
        """How many numbers it is."""
        if self.quantity in ("mass", "size"):
            return 1
        n = len(self.target)
        return {"covariance": n * (n + 1) // 2, "orientation": n * (n - 1) // 2}.get(self.quantity, n)

    def __call__(self, moments: BatchMoments) -> Tensor:
        """-> (B, k), 0 where the target is reached; 0 as well where there is too little of the tissue to say."""
        values: Tensor = self.weight * getattr(self, f"_{self.quantity}")(moments) / self.scale
        if self.quantity == "mass":
            return values
        return torch.where((moments.mass > self.guard)[:, None], values, torch.zeros_like(values))

    def _mass(self, moments: BatchMoments) -> Tensor:
        return (moments.mass - self.target.to(moments.mass))[:, None]

    def _position(self, moments: BatchMoments) -> Tensor:
        return moments.centroid - self.target.to(moments.mass)

    def _size(self, moments: BatchMoments) -> Tensor:
        return (moments.size - self.target.to(moments.mass))[:, None]

    def _covariance(self, moments: BatchMoments) -> Tensor:
        return _upper(moments.normalised - self.target.to(moments.mass))

    def _shape(self, moments: BatchMoments) -> Tensor:
        spread = moments.normalised
        defined = torch.isfinite(spread).flatten(1).all(1)[:, None]  # eigvalsh raises for other matrices
        shares = torch.linalg.eigvalsh(torch.where(defined[:, None], spread, torch.zeros_like(spread))).flip(-1)
        return torch.where(defined, shares, torch.full_like(shares, math.nan)) - self.target.to(moments.mass)

    def _orientation(self, moments: BatchMoments) -> Tensor:
        """Zero when the asked axes are eigenvectors: then the covariance seen along them has no mixed terms."""
        axes = self.target.to(moments.mass)  # rows
        seen = axes @ moments.normalised @ axes.T  # (B, n, n)
        first, second = torch.triu_indices(len(axes), len(axes), 1)
        own = seen.diagonal(dim1=-2, dim2=-1)  # (B, n)
        gap = own[:, first] - own[:, second]
        # seen_ij = gap sin(angle) for a small turn; two equal axes have no angle that could be wrong
        return seen[:, first, second] / torch.where(gap.abs() < LEAST_GAP, torch.full_like(gap, math.inf), gap)


def moment_residual(asked: Asked, domain: ControlDomain) -> MomentResidual:
    """The residual of a resolved target other than a Betti number. Raises InputError for a quantity without moments.

    Targets that have a direction are turned from the frame that the domain lies in onto the domain's own axes.
    """
    n = domain.dimension
    axes = np.asarray(domain.axes, dtype=np.float64)[:n]  # rows: the domain's axes
    extent = np.asarray(domain.size, dtype=np.float64)[:n]
    measure = domain.cell * float(np.prod(domain.template))
    value = np.asarray(asked.value, dtype=np.float64)
    spread = math.sqrt(float((extent**2).sum()) / 12.0)  # rms radius of the full domain, mm
    if asked.quantity == "mass":
        target, scale = value, max(float(value), LEAST_MASS * measure)
    elif asked.quantity == "position":
        target, scale = axes @ (value - np.asarray(domain.centre)), spread
    elif asked.quantity == "size":
        target, scale = value, max(float(value), LEAST_MASS * spread**2)
    elif asked.quantity == "shape":
        target, scale = value[:n], 1.0
    elif asked.quantity == "covariance":
        target, scale = axes @ value @ axes.T, 1.0
    elif asked.quantity == "orientation":
        target, scale = value @ axes.T, 1.0
        target = target[np.linalg.norm(target, axis=1) > 0.5][:n]  # the normal of a plane has no part in the plane
    else:
        raise InputError("The quantity has no moments", value=asked.quantity,
                         rule="mass, position, size, shape, orientation or covariance")
    return MomentResidual(asked.quantity, torch.from_numpy(np.array(target, dtype=np.float64)), scale, asked.weight,
                          LEAST_MASS * measure, asked.tolerance)


def moment_residuals(asked: Sequence[Asked], domain: ControlDomain) -> tuple[MomentResidual, ...]:
    """All residuals of one domain except those of topology, and except empty ones: on a line no orientation can be
    wrong.
    """
    found = (moment_residual(term, domain) for term in asked if term.quantity != "betti")
    return tuple(residual for residual in found if residual.count)


def _upper(matrices: Tensor) -> Tensor:
    """(B, n, n) symmetric -> (B, n (n + 1) / 2) upper triangle; off-diagonal entries count twice, as in the matrix."""
    first, second = torch.triu_indices(matrices.shape[-1], matrices.shape[-1])
    twice = torch.where(first == second, 1.0, math.sqrt(2.0)).to(matrices)
    return matrices[:, first, second] * twice
