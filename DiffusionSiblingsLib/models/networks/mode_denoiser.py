"""The denoising network along the widest modes: a small residual network on one number for each mode."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .denoiser import fourier_features

FEATURES = 64  # of the noise level


@dataclass(frozen=True)
class ModeDenoiserConfig:
    """Shape of the network along the modes, and where it is used.

    modes: how many there are; training sets it. width: of the hidden layers. blocks: residual blocks. dropout: share of
    hidden values that training leaves out. above: sigma at which it has half its say; well below, the best linear
    estimate stands alone.
    """

    modes: int = 44
    width: int = 192
    blocks: int = 3
    dropout: float = 0.1
    above: float = 1.5


class ModeDenoiser(nn.Module):
    """F(c_in x; c_noise) along the modes, without the preconditioning (see `engine.diffusion.modes`).

    Its head starts at zero: training starts from the best linear estimate.
    """

    def __init__(self, config: ModeDenoiserConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embed = nn.Sequential(nn.Linear(FEATURES, width), nn.SiLU())
        self.stem = nn.Linear(config.modes, width)
        self.blocks = nn.ModuleList([ModeBlock(width, config.dropout) for _ in range(config.blocks)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, config.modes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        """x: (B, K) of about unit variance; c_noise: (B,) -> (B, K)."""
        condition = self.embed(fourier_features(c_noise, FEATURES))
        h = self.stem(x)
        for block in self.blocks:
            h = block(h, condition)
        result: Tensor = self.head(F.silu(self.norm(h)))
        return result


class ModeBlock(nn.Module):
    """A normalised two-layer network around a skip; the noise level shifts its hidden values."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.shift = nn.Linear(width, width, bias=False)
        self.outer = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.outer.weight)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """h, condition: (B, width) -> (B, width)."""
        inner = F.silu(self.inner(self.norm(h)) + self.shift(condition))
        added: Tensor = h + self.outer(self.dropout(inner))
        return added
