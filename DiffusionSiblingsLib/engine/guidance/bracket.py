"""Where latents have to be for the finished map to have what was asked: one dimension at a time, by bisection.

A finished map answers in steps: where a surface lies along the voxels, a whole layer of them turns at once and a line
through it grows by 1.4 mm. Newton's steps jump to and fro over such a step; between two latents of which one falls
short and one overshoots, halving finds the step that is nearest to the target.
"""

from __future__ import annotations

import torch
from torch import Tensor

SLOPES = (0.5, 2.0)  # within which a map's answer is believed


class Bracket:
    """What is known of K residuals: of the latents (u), and of the finished maps that they gave (m)."""

    def __init__(self, count: int, smooth: int = 0) -> None:
        """smooth: how many of the residuals, the last ones, are measures of a smoothed map. They answer without steps,
        and often by less than they are asked for, which the last two maps show.
        """
        self._below = torch.full((2, count), -torch.inf, dtype=torch.float64)  # (u, m) of the least m that fell short
        self._above = torch.full((2, count), torch.inf, dtype=torch.float64)  # and of the least that overshot
        self._best = self._above.clone()  # and of the one that was nearest
        self._last: Tensor | None = None
        self._slope = torch.ones(count, dtype=torch.float64)
        self._smooth = torch.arange(count) >= count - smooth

    @property
    def empty(self) -> bool:
        """Whether nothing is known yet."""
        return self._last is None

    def add(self, u: Tensor, m: Tensor) -> None:
        """u, m: (K,) float64; nan in m where the map had nothing to measure."""
        pair = torch.stack([u, m])
        if self._last is not None:
            moved, answered = pair - self._last
            slope = (answered / torch.where(moved.abs() > 1e-6, moved, torch.nan)).clamp(*SLOPES)
            self._slope = torch.where(self._smooth & torch.isfinite(slope), slope, self._slope)
        self._last = pair
        self._below = torch.where((m < 0) & (m >= self._below[1]), pair, self._below)
        self._above = torch.where((m > 0) & (m <= self._above[1]), pair, self._above)
        self._best = torch.where(m.abs() <= self._best[1].abs(), pair, self._best)

    def aim(self, u: Tensor, m: Tensor, tolerance: Tensor, near: float) -> Tensor:
        """(K,) what the latents' residuals should be next, after u gave m.

        Residuals that have been within `near` tolerances (K,), or within one where m is known to jump over the target,
        go back to where they were: what other residuals need may have moved them.
        """
        between = torch.isfinite(self._below[0]) & torch.isfinite(self._above[0]) & (self._below[0] < self._above[0])
        halved = torch.where(between, (self._below[0] + self._above[0]) / 2, u - m / self._slope)
        good = self._best[1].abs() <= tolerance * torch.where(between, 1.0, near)
        return torch.where(good, self._best[0], halved)
