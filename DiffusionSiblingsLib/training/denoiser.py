"""Second stage: the EDM denoiser on standardised latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..engine.diffusion.edm import EDMDenoiser, loss_weight
from ..engine.diffusion.modes import Modes
from ..models.networks.denoiser import Denoiser
from .config import TrainingConfig
from .dataset import Cohort
from .latents import Latents
from .loop import Hardware

EVALUATION_SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)


class DenoiserLoss(nn.Module):
    """Mean of lambda(sigma) |D(z + n; sigma) - z|^2 over latents, per sample (npj Eq. 3)."""

    def __init__(self, config: TrainingConfig, modes: Modes | None = None) -> None:
        super().__init__()
        self.net = Denoiser(config.denoiser)
        self.denoise = EDMDenoiser(self.net, modes=modes)

    def forward(self, z: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """z, noise: (B, C, d, h, w), noise of unit variance; sigma: (B,) -> loss (B,)."""
        estimate = self.denoise(z + sigma[:, None, None, None, None] * noise, sigma)
        return loss_weight(sigma) * (estimate - z).square().flatten(1).mean(1)


class DenoiserStage:
    """Draws latents, noise and ln sigma ~ N(mean, std); evaluates the loss at fixed noise levels on validation maps."""

    name = "denoiser"

    def __init__(self, config: TrainingConfig, cohort: Cohort, latents: Latents, validation: Tensor,
                 hardware: Hardware, modes: Modes | None = None) -> None:
        self.config, self.cohort, self.latents, self.hardware = config, cohort, latents, hardware
        self.validation = validation[:16].to(hardware.device)
        self.model = DenoiserLoss(config, modes)

    def loss(self, model: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """One batch -> mean loss."""
        stage, batch = self.config.denoiser_stage, self.config.denoiser_stage.batch
        rows = torch.tensor(self.cohort.draw(batch, generator, stage.weight_power))
        variants = torch.randint(self.latents.values.shape[1], (batch,), generator=generator)
        z = self.latents.values[rows, variants].float().to(self.hardware.device)
        noise = torch.randn(z.shape, generator=generator).to(z)
        ln_sigma = self.config.ln_sigma_mean + self.config.ln_sigma_std * torch.randn(batch, generator=generator)
        with self.hardware.autocast():
            return model(z, noise, ln_sigma.exp().to(z)).mean(), {}

    def evaluate(self) -> dict[str, float]:
        """The held-out loss at each of EVALUATION_SIGMAS, always with the same noise, and the mean of them."""
        z = self.validation
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(1)).to(z)
        losses = {}
        for sigma in EVALUATION_SIGMAS:
            with self.hardware.autocast():
                values = self.model(z, noise, torch.full((len(z),), sigma, device=z.device))
            losses[f"loss_{sigma:g}"] = values.mean().item()
        return {"loss": sum(losses.values()) / len(losses), **losses}
