"""Neural-field decoder: class logits at any points from the same latents as the convolution decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import ResidualBlock, conv3, depth_to_space


@dataclass(frozen=True)
class FieldConfig:
    """Shape of the neural-field decoder.

    channels: width of the small trunk on the latent grid. blocks: residual blocks of the trunk. width, depth: of the
    pointwise network. factor: how many times finer the feature grid is than the latent grid.
    """

    channels: int = 96
    blocks: int = 1
    width: int = 64
    depth: int = 2
    factor: int = 2


class FieldDecoder(nn.Module):
    """A feature grid (`features`), read by trilinear interpolation, then a pointwise network (`at`).

    The first linear layer of the pointwise network is applied on the grid, before interpolation: the two commute, and
    the grid has fewer positions than a template has points.
    """

    def __init__(self, latent_channels: int, classes: int, config: FieldConfig) -> None:
        super().__init__()
        self.factor = config.factor
        self.stem = conv3(latent_channels, config.channels)
        self.body = nn.Sequential(*[ResidualBlock(config.channels, config.channels) for _ in range(config.blocks)])
        self.lift = nn.Conv3d(config.channels, config.width * config.factor**3, 1)
        self.hidden = nn.ModuleList([nn.Linear(config.width, config.width) for _ in range(config.depth)])
        self.head = nn.Linear(config.width, classes)

    def features(self, z: Tensor) -> Tensor:
        """z: (B, C, d, h, w) -> feature grid (B, width, factor d, factor h, factor w)."""
        return depth_to_space(self.lift(F.silu(self.body(self.stem(z)))), self.factor)

    def at(self, features: Tensor, points: Tensor) -> Tensor:
        """features: from `features`; points: (B, N, 3) in [-1, 1], order (x, y, z) = (last .. first array axis), where
        -1 and 1 are the outer faces of the grid (torch's align_corners=False) -> logits (B, N, classes).
        """
        return self.pointwise(self.read(features, points))

    def on_grid(self, features: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """The same on an axis-aligned grid, axis by axis: axes = coordinates in [-1, 1] along (z, y, x), each 1-D
        -> logits (B, nz, ny, nx, classes). The result equals `at` on the points of the grid, and takes much less time.
        """
        return self.pointwise(self.read_grid(features, axes))

    def read(self, features: Tensor, points: Tensor) -> Tensor:
        """The features at points in the order of `at` -> (B, N, width) pre-activations, linear in the features."""
        grid = points[:, None, None].to(features.dtype)  # (B, 1, 1, N, 3)
        h = F.grid_sample(features, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return h[:, :, 0, 0].transpose(1, 2)

    def read_grid(self, features: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """The features on a grid in the order of `on_grid` -> (B, nz, ny, nx, width)."""
        h = features
        for dim, coordinates in zip((2, 3, 4), axes, strict=True):
            weights = interpolation_matrix(coordinates, h.shape[dim]).to(h)  # (n, size)
            h = torch.tensordot(h, weights, dims=([dim], [1])).movedim(-1, dim)
        return h.movedim(1, -1)

    def pointwise(self, h: Tensor) -> Tensor:
        """(..., width) pre-activations -> (..., classes) logits."""
        h = F.silu(h)
        for layer in self.hidden:
            h = F.silu(layer(h)) + h
        logits: Tensor = self.head(h)
        return logits


def interpolation_matrix(coordinates: Tensor, size: int) -> Tensor:
    """Linear interpolation as a matrix (n, size): coordinates (n,) in [-1, 1] on `size` cells, border replicated."""
    position = ((coordinates.double() + 1.0) * size / 2.0 - 0.5).clamp(0, size - 1)
    cells = torch.arange(size, dtype=torch.float64, device=coordinates.device)
    return (1.0 - (position[:, None] - cells[None]).abs()).clamp_min(0.0)
