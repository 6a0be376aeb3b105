"""A model without networks: latents that are logits themselves, to test the guidance on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EXTENT = torch.tensor([64.0, 64.0, 64.0])  # mm


class Blobs:
    """Decoders of latents that are the logits themselves: (B, 2, 16, 16, 16), classes background and tissue."""

    def volume(self, z: Tensor) -> Tensor:
        return F.interpolate(z, scale_factor=2, mode="trilinear", align_corners=False)

    def features(self, z: Tensor) -> Tensor:
        return z * 1.0

    def read(self, features: Tensor, points: Tensor) -> Tensor:
        grid = points[:, None, None].to(features)
        return F.grid_sample(features, grid, padding_mode="border", align_corners=False)[:, :, 0, 0].transpose(1, 2)

    def read_grid(self, features: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        z, y, x = torch.meshgrid(*axes, indexing="ij")
        points = torch.stack([x, y, z], -1).reshape(1, -1, 3).expand(len(features), -1, -1)
        return self.read(features, points).reshape(len(features), *z.shape, -1)

    def pointwise(self, read: Tensor) -> Tensor:
        return read


def ball(centre: tuple[float, float, float] = (0.0, 0.0, 0.0), radius: float = 9.0, batch: int = 1) -> Tensor:
    """Latents of a soft ball, mm: (B, 2, 16, 16, 16)."""
    axis = (torch.arange(16) + 0.5) * 4 - 32
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    distance = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2).sqrt()
    inside = (radius - distance) / 2
    return torch.stack([-inside, inside])[None].repeat(batch, 1, 1, 1, 1)
