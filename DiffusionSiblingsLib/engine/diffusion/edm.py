"""EDM preconditioning (npj Eqs 2 and 3; Karras et al. 2022, Table 1) and the noise schedule (npj Eq. 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import InputError
from .modes import Modes

Denoiser = Callable[[Tensor, Tensor], Tensor]  # (z: (B, C, d, h, w), sigma: () or (B,)) -> z0_hat: (B, C, d, h, w)

_WHOLE = 1e-9  # a step index this close to a whole number is that number: 50 * (1 - 0.8) is 9.999999999999998


@dataclass(frozen=True)
class EDMDenoiser:
    """D(z; sigma) = c_skip z + c_out F(c_in z; c_noise), npj Eq. 2, with c_noise = ln(sigma) / 4.

    network: F(x: (B, C, d, h, w), c_noise: (B,) float32) -> (B, C, d, h, w). x comes in the network's own dtype
    (bfloat16 weights get bfloat16 input); c_noise stays float32, as bfloat16 could not tell neighbouring steps apart.
    sigma_data: standard deviation of the latents after scaling. sigma has to be above 0.
    modes: if given, the estimate is blended with the best linear one along the latents' widest modes.
    The coefficients and the sum are computed in float32; the result has the dtype of z.
    """

    network: Callable[[Tensor, Tensor], Tensor]
    sigma_data: float = 1.0
    dtype: torch.dtype = torch.float32
    modes: Modes | None = None

    def __call__(self, z: Tensor, sigma: Tensor) -> Tensor:
        """z: (B, C, d, h, w), noisy latents. sigma: () or (B,). Returns z0_hat like z."""
        s = sigma.to(device=z.device, dtype=torch.float32).expand(z.shape[0])
        s_grid = s.reshape(-1, *[1] * (z.ndim - 1))  # (B, 1, 1, 1, 1)
        variance = s_grid**2 + self.sigma_data**2
        c_skip = self.sigma_data**2 / variance
        c_out = s_grid * self.sigma_data / variance.sqrt()
        c_in = 1 / variance.sqrt()
        x = z.to(torch.float32)
        F = self.network((c_in * x).to(self.dtype), s.log() / 4)
        z0_hat = c_skip * x + c_out * F.to(torch.float32)
        return (z0_hat if self.modes is None else self.modes.blend(z0_hat, x, s)).to(z.dtype)


def precondition(network: Callable[[Tensor, Tensor], Tensor], sigma_data: float = 1.0,
                 modes: Modes | None = None) -> EDMDenoiser:
    """The denoiser of a network, which runs in the dtype of its first floating-point parameter (none: float32).

    Precondition again after the network's weights have been cast to another dtype.
    """
    weights = network.parameters() if isinstance(network, torch.nn.Module) else iter(())
    dtype = next((w.dtype for w in weights if w.is_floating_point()), torch.float32)
    return EDMDenoiser(network, sigma_data, dtype, modes)


def loss_weight(sigma: Tensor, sigma_data: float = 1.0) -> Tensor:
    """lambda(sigma) = 1 / c_out^2 of the denoising loss, npj Eq. 3; the shape and dtype of sigma."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


@dataclass(frozen=True)
class Schedule:
    """Noise levels from sigma_max down to sigma_min in steps of sigma^(1/rho), npj Eq. 4, then 0.

    steps: N, the number of solver steps of the whole schedule. The defaults are those of the npj paper.
    Raises InputError for numbers that do not form a schedule.
    """

    steps: int = 50
    sigma_min: float = 2e-3
    sigma_max: float = 80.0
    rho: float = 3.0

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or isinstance(self.steps, bool) or self.steps < 1:
            raise InputError("The number of sampling steps cannot be used", value=self.steps,
                             rule="a whole number, 1 or more", hint="use --steps 50; fewer than 20 loses detail")
        if not 0 < self.sigma_min < self.sigma_max < math.inf or not 0 < self.rho < math.inf:
            raise InputError("The noise schedule cannot be used",
                             value=f"sigma_min {self.sigma_min}, sigma_max {self.sigma_max}, rho {self.rho}",
                             rule="0 < sigma_min < sigma_max and rho > 0")

    def sigmas(self) -> Tensor:
        """(N + 1,) float64: sigma_0 = sigma_max ... sigma_(N-1) = sigma_min, sigma_N = 0."""
        return torch.tensor([*map(self._sigma_at, range(self.steps + 1))], dtype=torch.float64)

    def sigma_of(self, psi: float) -> float:
        """The noise level at which an edit of sampling ratio psi starts: sigma at i = N (1 - psi), whole or not.

        Strictly increasing in psi, from 0 at psi = 0 to sigma_max at psi = 1; docs/decisions/0001-sampling-ratio.md.
        """
        return self._sigma_at(self._index(psi))

    def from_ratio(self, psi: float) -> Tensor:
        """(n + 1,) float64: sigma(psi), then the whole steps that are left, ending in 0; n = ceil(psi N) solver steps.

        Empty at psi = 0, which needs no sampling; the whole schedule at psi = 1.
        """
        i = self._index(psi)
        if i == self.steps:
            return torch.empty(0, dtype=torch.float64)
        if i == 0:
            return self.sigmas()
        whole = range(math.floor(i) + 1, self.steps + 1)
        return torch.tensor([self._sigma_at(i), *map(self._sigma_at, whole)], dtype=torch.float64)

    def _index(self, psi: float) -> float:
        """The start step i = N (1 - psi), npj "Perturbational editing"; not rounded to a whole step."""
        if not 0 <= psi <= 1:
            raise InputError("The sampling ratio cannot be used", value=psi, rule="a number from 0 to 1",
                             hint="0 keeps the twin as it is, 1 keeps nothing of it")
        i = self.steps * (1 - psi)
        return float(round(i)) if abs(i - round(i)) < _WHOLE * self.steps else i

    def _sigma_at(self, i: float) -> float:
        """npj Eq. 4 for any real i in [0, N - 1]; from there sigma^(1/rho) goes to 0 at i = N in a straight line."""
        last = self.steps - 1
        if i > last or last == 0:
            return (self.sigma_min if last else self.sigma_max) * math.pow(self.steps - i, self.rho)
        ratio = math.pow(self.sigma_min / self.sigma_max, 1 / self.rho)
        return self.sigma_max * math.pow(1 + i / last * (ratio - 1), self.rho)
