"""What the sampler asks of a solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

Estimate = Callable[[Tensor, float], Tensor]  # (z: (B, C, d, h, w), sigma) -> z0_hat like z: one network evaluation


class Method(Protocol):
    """A solver of dz = (z - D(z; sigma)) / sigma dsigma for one run. It may remember earlier estimates of the run.

    churns: whether fresh noise may be added before a step, which a method that remembers cannot follow.
    """

    churns: bool

    def step(self, estimate: Estimate, z: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """z: (B, C, d, h, w) at noise level sigma > 0 -> the same at sigma_next, which is lower and may be 0."""
