"""Noise levels in equal ratios: the schedule of the multistep solver, which works in the logarithm of sigma."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .edm import Schedule

LOWEST = 0.03  # the last noise level; the estimate there is the result
RATIO_STEPS = 50  # of the papers' schedule that says what a sampling ratio means; records rely on it


@dataclass(frozen=True)
class LogSchedule:
    """Noise levels from the highest one down to `sigma_min` in equal ratios, then 0; one network evaluation each.

    steps: N, solver steps of a whole run. ratios: the papers' schedule, which says what a sampling ratio means, so that
    one ratio is the same noise with either solver. sigma_min: the last level above 0.
    """

    steps: int
    ratios: Schedule
    sigma_min: float = LOWEST

    @classmethod
    def like(cls, papers: Schedule) -> LogSchedule:
        """With as many steps as a schedule of the papers, and the ratios of the papers' own number of steps."""
        return cls(papers.steps, replace(papers, steps=RATIO_STEPS))

    @property
    def sigma_max(self) -> float:
        """The highest noise level."""
        return self.ratios.sigma_max

    def sigmas(self) -> Tensor:
        """(N + 1,) float64: sigma_max ... sigma_min, 0."""
        return self._levels(self.sigma_max, self.steps)

    def sigma_of(self, psi: float) -> float:
        """The noise level at which an edit of sampling ratio psi starts; see `Schedule.sigma_of`."""
        return self.ratios.sigma_of(psi)

    def from_ratio(self, psi: float) -> Tensor:
        """(n + 1,) float64: sigma(psi) ... sigma_min, 0, its steps no longer than those of a whole run.

        Empty at psi = 0, which needs no sampling; the whole schedule at psi = 1.
        """
        start = self.sigma_of(psi)
        if psi == 0:
            return torch.empty(0, dtype=torch.float64)
        share = math.log(start / self.sigma_min) / math.log(self.sigma_max / self.sigma_min)
        return self._levels(start, 1 + max(0, math.ceil((self.steps - 1) * share - 1e-9)))

    def _levels(self, start: float, steps: int) -> Tensor:
        """`steps` levels from `start` on, then 0."""
        ratio, last = self.sigma_min / start, steps - 1
        levels = [start * math.pow(ratio, i / last) for i in range(1, last)]
        return torch.tensor([start, *levels, *([self.sigma_min] if last else []), 0.0], dtype=torch.float64)


NoiseLevels = Schedule | LogSchedule
