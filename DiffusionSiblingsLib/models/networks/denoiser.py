"""The denoising network F of EDM (npj Eq. 2): a 3D U-Net over latent grids."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import ResidualBlock, SelfAttention, conv3, make_norm


@dataclass(frozen=True)
class DenoiserConfig:
    """Shape of the denoiser.

    channels: one number per level; each level after the first halves the grid. blocks: residual blocks per level on
    the way down (one more on the way up). attention: levels with self-attention (0 is the finest). norm: 'channel' or
    'group'.
    """

    latent_channels: int = 16
    channels: tuple[int, ...] = (64, 128, 128)
    blocks: int = 1
    attention: tuple[int, ...] = (1, 2)
    heads: int = 4
    norm: str = "channel"
    condition: int = 256


class Stage(nn.Module):
    """A residual block, followed by self-attention if asked for."""

    def __init__(self, inputs: int, outputs: int, config: DenoiserConfig, *, attend: bool) -> None:
        super().__init__()
        self.block = ResidualBlock(inputs, outputs, norm=config.norm, condition=config.condition)
        self.attention = SelfAttention(outputs, heads=config.heads, norm=config.norm) if attend else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: (B, inputs, d, h, w); condition: (B, condition) -> (B, outputs, d, h, w)."""
        result: Tensor = self.attention(self.block(x, condition))
        return result


class Denoiser(nn.Module):
    """U-Net F(c_in z; c_noise), without the preconditioning (see `engine.diffusion.edm`)."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        widths, levels = config.channels, len(config.channels)
        self.embed = nn.Sequential(
            nn.Linear(64, config.condition), nn.SiLU(), nn.Linear(config.condition, config.condition), nn.SiLU()
        )
        self.stem = conv3(config.latent_channels, widths[0])
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            attend = level in config.attention
            self.down.append(nn.ModuleList([Stage(width, width, config, attend=attend) for _ in range(config.blocks)]))
            if level + 1 < levels:
                self.shrink.append(conv3(width, widths[level + 1], stride=2))
        self.middle = Stage(widths[-1], widths[-1], config, attend=True)
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(levels)):
            width, attend = widths[level], level in config.attention
            self.up.append(
                nn.ModuleList([Stage(2 * width, width, config, attend=attend) for _ in range(config.blocks + 1)])
            )
            if level:
                self.grow.append(conv3(width, widths[level - 1]))
        self.norm = make_norm(config.norm, widths[0])
        self.head = conv3(widths[0], config.latent_channels)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        """x: (B, C, d, h, w); c_noise: (B,) -> (B, C, d, h, w)."""
        condition = self.embed(fourier_features(c_noise, 64).to(x.dtype))
        h = self.stem(x)
        skips = [h]
        for level, stages in enumerate(self.down):
            for stage in cast(nn.ModuleList, stages):
                h = stage(h, condition)
                skips.append(h)
            if level < len(self.shrink):
                h = self.shrink[level](h)
                skips.append(h)
        h = self.middle(h, condition)
        for level, stages in enumerate(self.up):
            for stage in cast(nn.ModuleList, stages):
                h = stage(torch.cat([h, skips.pop()], dim=1), condition)
            if level < len(self.grow):
                h = self.grow[level](F.interpolate(h, scale_factor=2, mode="nearest"))
        result: Tensor = self.head(F.silu(self.norm(h)))
        return result


def fourier_features(value: Tensor, size: int) -> Tensor:
    """value: (B,) -> (B, size): sines and cosines at frequencies from 1/4 to 64, geometric."""
    frequency = torch.exp(torch.linspace(math.log(0.25), math.log(64.0), size // 2, device=value.device))
    angle = value.float()[:, None] * frequency[None]
    return torch.cat([angle.sin(), angle.cos()], dim=1)
