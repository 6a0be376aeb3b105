"""Heun's method, the papers' solver: Karras et al. 2022, Algorithm 2."""

from __future__ import annotations

from torch import Tensor

from .method import Estimate


class Heun:
    """Two evaluations a step, one in the step to 0; of order 2."""

    churns = True

    def step(self, estimate: Estimate, z: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """See `Method`."""
        d = (z - estimate(z, sigma)) / sigma
        ahead = z + (sigma_next - sigma) * d
        if sigma_next == 0:
            return ahead
        d_next = (ahead - estimate(ahead, sigma_next)) / sigma_next
        return z + (sigma_next - sigma) * (d + d_next) / 2
