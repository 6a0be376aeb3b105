"""Variational autoencoder of label maps: encoder, convolution decoder and neural-field decoder on the same latents."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .field import FieldConfig, FieldDecoder
from .layers import ResidualBlock, conv3, depth_to_space, make_norm, space_to_depth


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape of the autoencoder.

    patch: edge of the space-to-depth block at the voxels (1 = none). encoder, decoder: channels from the finest level
    to the latents; each level after the first halves the grid. encoder_blocks, decoder_blocks: residual blocks per
    level. norm: 'channel' | 'group'.
    """

    classes: int = 7
    patch: int = 4
    latent_channels: int = 16
    encoder: tuple[int, ...] = (64, 128)
    decoder: tuple[int, ...] = (96, 192)
    encoder_blocks: int = 1
    decoder_blocks: int = 2
    norm: str = "channel"
    field: FieldConfig | None = dataclass_field(default_factory=FieldConfig)

    @property
    def reduction(self) -> int:
        """Voxels per latent cell along one axis."""
        return self.patch << (len(self.encoder) - 1)


class Encoder(nn.Module):
    """Class probabilities -> mean and log-variance of the latents."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.patch, widths = config.patch, config.encoder
        if config.patch == 1:
            self.stem: nn.Module = conv3(config.classes, widths[0])
        else:
            self.stem = nn.Conv3d(config.classes * config.patch**3, widths[0], 1)
        layers: list[nn.Module] = []
        for level, width in enumerate(widths):
            if level:
                layers.append(conv3(widths[level - 1], width, stride=2))
            layers += [ResidualBlock(width, width, norm=config.norm) for _ in range(config.encoder_blocks)]
        self.body = nn.Sequential(*layers)
        self.norm = make_norm(config.norm, widths[-1])
        self.head = nn.Conv3d(widths[-1], 2 * config.latent_channels, 1)

    def forward(self, onehot: Tensor) -> tuple[Tensor, Tensor]:
        """onehot: (B, classes, D, H, W) -> mean, logvar: (B, latent_channels, d, h, w)."""
        h = self.body(self.stem(space_to_depth(onehot, self.patch)))
        mean, logvar = self.head(F.silu(self.norm(h))).float().chunk(2, dim=1)
        return mean, logvar.clamp(-14.0, 4.0)


class ConvDecoder(nn.Module):
    """Latents -> class logits on the whole voxel grid."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = config.decoder[::-1]  # coarse to fine
        self.patch = config.patch
        self.stem = conv3(config.latent_channels, widths[0])
        levels: list[nn.Module] = []
        for level, width in enumerate(widths):
            if level:
                levels.append(Upsample(widths[level - 1], width))
            levels += [ResidualBlock(width, width, norm=config.norm) for _ in range(config.decoder_blocks)]
        self.body = nn.Sequential(*levels)
        self.norm = make_norm(config.norm, widths[-1])
        self.head = nn.Conv3d(widths[-1], config.classes * config.patch**3, 1 if config.patch > 1 else 3,
                              padding=0 if config.patch > 1 else 1)

    def forward(self, z: Tensor) -> Tensor:
        """z: (B, latent_channels, d, h, w) -> logits: (B, classes, D, H, W)."""
        h = self.body(self.stem(z))
        return depth_to_space(self.head(F.silu(self.norm(h))), self.patch)


class Upsample(nn.Module):
    """Doubles the grid: a pointwise convolution and depth-to-space."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv3d(inputs, outputs * 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, D, H, W) -> (B, outputs, 2D, 2H, 2W)."""
        return depth_to_space(self.mix(x), 2)


class Autoencoder(nn.Module):
    """The encoder and both decoders. Latents are raw here; `checkpoint.Networks` standardises them."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = ConvDecoder(config)
        self.field = FieldDecoder(config.latent_channels, config.classes, config.field) if config.field else None

    def encode(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """labels: (B, D, H, W) integer -> mean, logvar: (B, latent_channels, d, h, w) float32."""
        dtype = next(self.parameters()).dtype
        onehot = torch.zeros(
            labels.shape[0], self.config.classes, *labels.shape[1:], dtype=dtype, device=labels.device
        ).scatter_(1, labels[:, None].long(), 1.0)
        mean, logvar = self.encoder(onehot)
        return mean, logvar


def sample_posterior(mean: Tensor, logvar: Tensor) -> Tensor:
    """Reparametrised draw from N(mean, exp(logvar)) with torch's default generator (training only)."""
    return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)) summed over each sample's latents: (B,) nats."""
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).flatten(1).sum(1)
