"""Between latents and denoiser: the network along the widest modes, which are one number each for every heart."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn

from ..engine.diffusion.modes import Modes
from ..models.networks.mode_denoiser import ModeDenoiser, ModeDenoiserConfig
from .config import StageConfig
from .dataset import Cohort
from .latents import Latents
from .loop import Hardware

EVALUATION_SIGMAS = (2.0, 5.0, 10.0, 20.0, 40.0)
SIGMAS = (0.5, 120.0)  # noise levels of training, uniform in their logarithm


class ModeLoss(nn.Module):
    """Mean square of what is missing in the estimates along the modes, in units of what the best linear one cannot know
    (`Modes.c_out`): each mode and noise level has the same weight.
    """

    def __init__(self, config: ModeDenoiserConfig, modes: Modes) -> None:
        super().__init__()
        self.net = ModeDenoiser(dataclasses.replace(config, modes=len(modes.variances)))
        self.modes = dataclasses.replace(modes, network=self.net, above=0.0)  # the network alone is trained everywhere

    def forward(self, x: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """x, noise: (B, K), coordinates along the modes and unit noise; sigma: (B,) -> loss (B,)."""
        missing = self.modes.estimate(x + sigma[:, None] * noise, sigma) - x
        return (missing / self.modes.c_out(sigma)).square().mean(1)


class ModeStage:
    """Draws hearts, noise and ln sigma; measures the errors along the modes on validation maps."""

    name = "modes"

    def __init__(self, config: ModeDenoiserConfig, stage: StageConfig, cohort: Cohort, latents: Latents,
                 validation: Tensor, modes: Modes, hardware: Hardware) -> None:
        self.stage, self.cohort, self.device = stage, cohort, hardware.device
        self.model = ModeLoss(config, modes)
        self.values = modes.coordinates(latents.values[:, 0].float().to(hardware.device))
        self.validation = modes.coordinates(validation.float().to(hardware.device))

    def in_use(self) -> Modes:
        """The modes with the network as it is now, fading out at low noise as it will in use."""
        return dataclasses.replace(self.model.modes, above=self.model.net.config.above)

    def loss(self, model: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """One batch -> mean loss."""
        batch, (low, high) = self.stage.batch, map(math.log, SIGMAS)
        x = self.values[self.cohort.draw(batch, generator, self.stage.weight_power)]
        noise = torch.randn(x.shape, generator=generator).to(x)
        sigma = (low + (high - low) * torch.rand(batch, generator=generator)).exp().to(x)
        return model(x, noise, sigma).mean(), {}

    def evaluate(self) -> dict[str, float]:
        """Root mean square error along the modes on validation maps, as a share of the best linear estimate's, at each
        of EVALUATION_SIGMAS, always with the same noise; and the mean of the shares.
        """
        x, modes = self.validation.repeat(16, 1), self.in_use()
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to(x)
        shares = {}
        for sigma in EVALUATION_SIGMAS:
            levels = torch.full((len(x),), sigma, device=x.device)
            found, linear = ((which.estimate(x + sigma * noise, levels) - x).square().mean().sqrt()
                             for which in (modes, dataclasses.replace(modes, network=None)))
            shares[f"error_{sigma:g}"] = float(found / linear)
        return {"error": sum(shares.values()) / len(shares), **shares}
