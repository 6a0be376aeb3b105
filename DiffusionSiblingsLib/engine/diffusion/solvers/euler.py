"""Euler's method: the first-order half of Heun's."""

from __future__ import annotations

from torch import Tensor

from .method import Estimate


class Euler:
    """One evaluation a step, of order 1."""

    churns = True

    def step(self, estimate: Estimate, z: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """See `Method`."""
        return z + (sigma_next - sigma) * ((z - estimate(z, sigma)) / sigma)
