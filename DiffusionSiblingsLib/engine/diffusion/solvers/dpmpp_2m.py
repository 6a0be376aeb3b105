"""DPM-Solver++(2M): Lu et al. 2022 (arXiv 2211.01095), Algorithm 2, for noise levels of EDM (alpha = 1)."""

from __future__ import annotations

import math

from torch import Tensor

from .method import Estimate


class DPMSolver2M:
    """One evaluation a step, of order 2 through the estimate of the step before; the first step is of order 1.

    In lambda = -ln sigma the equation is solved exactly but for the estimate, which is taken to be linear in lambda:
    z' = (sigma' / sigma) z + (1 - sigma' / sigma) (D + (D - D_before) h / (2 h_before)), h = lambda' - lambda.
    The step to 0 ends in the estimate itself. A step that is repeated (resampling) looks back to the same estimate.
    """

    churns = False

    def __init__(self) -> None:
        self._known: list[tuple[float, Tensor]] = []  # noise level and estimate, at most the last two levels

    def step(self, estimate: Estimate, z: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """See `Method`."""
        z0_hat = estimate(z, sigma)
        self._known = [*(pair for pair in self._known[-2:] if pair[0] != sigma), (sigma, z0_hat)][-2:]
        if sigma_next == 0:
            return z0_hat
        shrink = sigma_next / sigma
        if len(self._known) == 1:
            return shrink * z + (1 - shrink) * z0_hat
        (sigma_before, before), _ = self._known
        ahead = math.log(sigma / sigma_next) / (2 * math.log(sigma_before / sigma))
        return shrink * z + (1 - shrink) * (z0_hat + ahead * (z0_hat - before))
