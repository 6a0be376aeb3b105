"""Building blocks shared by the autoencoder, the neural field and the denoiser."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of every position of (B, C, D, H, W).

    It keeps no statistics over space, so that a crop, a whole map and a single point are decoded in the same way.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, D, H, W) -> same shape."""
        last = x.permute(0, 2, 3, 4, 1)  # (B, D, H, W, C): a view where memory is channels-last
        return F.layer_norm(last, last.shape[-1:], self.weight, self.bias, 1e-5).permute(0, 4, 1, 2, 3)


def make_norm(kind: str, channels: int) -> nn.Module:
    """kind: 'channel' (this project's) or 'group' (at most 32 groups, as in the networks of the papers)."""
    if kind == "channel":
        return ChannelNorm(channels)
    groups = next(g for g in (32, 16, 8, 4, 2, 1) if channels % g == 0)
    return nn.GroupNorm(groups, channels, eps=1e-6)


def conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    """3x3x3 convolution that keeps the grid (stride 1) or halves it (stride 2)."""
    return nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1)


class ResidualBlock(nn.Module):
    """Two normalised convolutions around a skip; optional conditioning scales and shifts the second norm."""

    def __init__(self, inputs: int, outputs: int, *, norm: str = "channel", condition: int = 0) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, inputs)
        self.conv1 = conv3(inputs, outputs)
        self.norm2 = make_norm(norm, outputs)
        self.conv2 = conv3(outputs, outputs)
        self.skip = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.modulation = nn.Linear(condition, 2 * outputs) if condition else None
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x: (B, C, D, H, W); condition: (B, condition) or None -> (B, outputs, D, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.norm2(h)
        if self.modulation is not None and condition is not None:
            scale, shift = self.modulation(condition)[:, :, None, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        added: Tensor = self.skip(x) + self.conv2(F.silu(h))
        return added


class SelfAttention(nn.Module):
    """Multi-head attention over all positions of a small grid."""

    def __init__(self, channels: int, *, heads: int = 4, norm: str = "channel") -> None:
        super().__init__()
        self.heads = heads
        self.norm = make_norm(norm, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, D, H, W) -> same shape."""
        batch, channels, *grid = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (B, N, C)
        q, k, v = (
            t.view(batch, -1, self.heads, channels // self.heads).transpose(1, 2)
            for t in self.qkv(tokens).chunk(3, dim=-1)
        )  # (B, heads, N, C / heads)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # (B, N, C)
        added: Tensor = x + self.out(mixed).transpose(1, 2).reshape(batch, channels, *grid)
        return added


def space_to_depth(x: Tensor, factor: int) -> Tensor:
    """(B, C, D, H, W) -> (B, C * factor^3, D / factor, H / factor, W / factor)."""
    if factor == 1:
        return x
    b, c, d, h, w = x.shape
    f = factor
    x = x.view(b, c, d // f, f, h // f, f, w // f, f)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, c * f**3, d // f, h // f, w // f)


def depth_to_space(x: Tensor, factor: int) -> Tensor:
    """(B, C * factor^3, D, H, W) -> (B, C, D * factor, H * factor, W * factor); inverse of `space_to_depth`."""
    if factor == 1:
        return x
    b, c, d, h, w = x.shape
    f = factor
    x = x.view(b, c // f**3, f, f, f, d, h, w)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // f**3, d * f, h * f, w * f)
