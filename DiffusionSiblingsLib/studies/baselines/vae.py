"""A generative VAE with one global latent vector: the baseline of npj 2024 ("Generative autoencoder baseline").

The paper's VAE has six down-sampling blocks with [64, 128, 196, 256, 256, 512] channels from 128^3 to 4^3, a fully
connected layer to a vector of 128, squared error + KL with weight 1e-3, and new hearts from a Gaussian vector. Ours is
a smaller version that trains on a CPU within an hour. It reads and draws the share of each class in cells of 2 voxels
(2.8 mm), which are interpolated to voxels. It learns by cross-entropy, because squared error takes far more steps. The
next block is a space-to-depth by 2, and the remaining levels (32^3 to 4^3) have about a tenth of the channels. Its
figures are those of a small VAE, not of the paper's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ...core.anatomy import Anatomy
from ...core.errors import InputError, reason_of
from ...core.files import atomic_path
from ...models.networks.layers import ResidualBlock, conv3, depth_to_space, make_norm, space_to_depth
from ...models.networks.vae import kl_to_standard_normal, sample_posterior

SCHEMA = "siblings-vae/1"
Progress = Callable[[int, float, float], None]  # step, seconds so far, loss


@dataclass(frozen=True)
class GlobalConfig:
    """latent: length of the vector. widths: channels of each level from the finest; each level after the first halves
    the grid. cell: voxels of a cell along an axis. patch: edge, in cells, of the space-to-depth block. kl_weight: of
    the KL divergence (mean over the vector) against the reconstruction loss (mean over cells).
    """

    latent: int = 128
    widths: tuple[int, ...] = (16, 32, 64, 64)
    cell: int = 2
    patch: int = 2
    size: int = 128
    classes: int = 7
    kl_weight: float = 1e-3
    batch: int = 4
    rate: float = 2e-3

    @property
    def grid(self) -> int:
        """Cells along an axis at the coarsest level."""
        return self.size // self.cell // self.patch // (1 << len(self.widths) - 1)


class GlobalVAE(nn.Module):
    """Shares of the classes in cells -> one vector -> logits of the classes in cells."""

    def __init__(self, config: GlobalConfig) -> None:
        super().__init__()
        self.config = config
        widths, cells = config.widths, config.grid**3
        down: list[nn.Module] = [nn.Conv3d(config.classes * config.patch**3, widths[0], 1)]
        for level, width in enumerate(widths):
            down += [conv3(widths[level - 1], width, stride=2)] * (level > 0) + [ResidualBlock(width, width)]
        self.down = nn.Sequential(*down, make_norm("channel", widths[-1]), nn.SiLU(), nn.Flatten())
        self.to_latent = nn.Linear(widths[-1] * cells, 2 * config.latent)
        self.from_latent = nn.Linear(config.latent, widths[-1] * cells)
        up: list[nn.Module] = []
        for level in range(len(widths) - 1, -1, -1):
            up.append(ResidualBlock(widths[level], widths[level]))
            up += [Twice(widths[level], widths[level - 1])] * (level > 0)
        self.up = nn.Sequential(*up, make_norm("channel", widths[0]), nn.SiLU(),
                                nn.Conv3d(widths[0], config.classes * config.patch**3, 1))

    def encode(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """(B, classes, d, h, w) -> mean and log-variance (B, latent)."""
        mean, logvar = self.to_latent(self.down(space_to_depth(shares, self.config.patch))).chunk(2, dim=1)
        return mean, logvar.clamp(-14.0, 4.0)

    def decode(self, z: Tensor) -> Tensor:
        """(B, latent) -> logits (B, classes, d, h, w)."""
        n = self.config.grid
        h = self.from_latent(z).view(len(z), self.config.widths[-1], n, n, n)
        return depth_to_space(self.up(h), self.config.patch)

    def loss(self, labels: Tensor) -> Tensor:
        """Cross-entropy plus the weighted KL divergence. labels: (B, D, H, W) integer."""
        shares = shares_of(labels, self.config.classes, self.config.cell)
        mean, logvar = self.encode(shares)
        error = F.cross_entropy(self.decode(sample_posterior(mean, logvar)), shares)
        return error + self.config.kl_weight * kl_to_standard_normal(mean, logvar).mean() / self.config.latent

    @torch.no_grad()
    def begin_at(self, frequencies: Tensor) -> None:
        """Sets these shares of the classes (classes,) everywhere, so that a short training need not learn them."""
        logs = frequencies.clamp_min(1e-4).log()
        head = self.up[-1]
        assert isinstance(head, nn.Conv3d) and head.bias is not None  # for the type checker
        head.bias.copy_(logs.repeat_interleave(self.config.patch**3))

    @torch.inference_mode()
    def sample(self, k: int, seed: int = 0) -> npt.NDArray[np.uint8]:
        """(D, H, W) uint8: heart k of a seed; it depends only on (seed, k)."""
        z = torch.from_numpy(np.random.default_rng([seed, k]).standard_normal((1, self.config.latent), np.float32))
        logits = F.interpolate(self.decode(z), scale_factor=self.config.cell, mode="trilinear", align_corners=False)
        return logits[0].argmax(0).to(torch.uint8).numpy()


class Twice(nn.Module):
    """Doubles the grid: a pointwise convolution and depth-to-space."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv3d(inputs, outputs * 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, D, H, W) -> (B, outputs, 2D, 2H, 2W)."""
        return depth_to_space(self.mix(x), 2)


def shares_of(labels: Tensor, classes: int, cell: int) -> Tensor:
    """(B, D, H, W) integer -> (B, classes, D / cell, ...) float32: the share of each class in every cell."""
    b, *grid = labels.shape
    blocks = labels.view(b, *(part for size in grid for part in (size // cell, cell)))
    return torch.stack([(blocks == label).sum((2, 4, 6)) for label in range(classes)], dim=1) / cell**3


def train_vae(maps: Sequence[npt.NDArray[np.uint8]], anatomy: Anatomy, *, minutes: float, seed: int = 0,
              most: int = 100_000, config: GlobalConfig | None = None,
              progress: Progress | None = None) -> tuple[GlobalVAE, int]:
    """Trains on canonical maps (D, H, W) uint8 for so many minutes, or `most` steps -> the VAE and its number of steps.

    The rate falls to a tenth over the time as a cosine. Raises InputError for fewer than three maps.
    """
    if len(maps) < 3:
        raise InputError("There are too few maps to train the VAE", value=len(maps), rule="at least 3 maps")
    config = config or GlobalConfig(size=anatomy.shape[0], classes=1 + len(anatomy.tissues))
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    vae = GlobalVAE(config)
    some = torch.from_numpy(np.stack([maps[index] for index in range(0, len(maps), max(1, len(maps) // 8))]))
    vae.begin_at(shares_of(some, config.classes, config.cell).mean((0, 2, 3, 4)))
    optimizer = torch.optim.Adam(vae.parameters(), lr=config.rate)
    began, step, spent = time.perf_counter(), 0, 0.0
    while step == 0 or (spent < minutes * 60 and step < most):
        for group in optimizer.param_groups:
            group["lr"] = config.rate * (0.55 + 0.45 * float(np.cos(np.pi * spent / (minutes * 60))))
        chosen = rng.choice(len(maps), size=min(config.batch, len(maps)), replace=False)
        loss = vae.loss(torch.from_numpy(np.stack([maps[index] for index in chosen])))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step, spent = step + 1, time.perf_counter() - began
        if progress is not None:
            progress(step, spent, float(loss.detach()))
    return vae.eval(), step


def save_vae(path: Path, vae: GlobalVAE, about: dict[str, object]) -> None:
    """Writes weights and configuration, whole or not at all. about: plain values about the training."""
    header = {"schema": SCHEMA, "config": json.dumps(asdict(vae.config)), "about": json.dumps(about)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save({key: value.contiguous() for key, value in vae.state_dict().items()}, header))


def load_vae(path: Path) -> tuple[GlobalVAE, dict[str, object]]:
    """Reads what `save_vae` wrote. Raises InputError."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            values = json.loads(header["config"])
            vae = GlobalVAE(GlobalConfig(**{**values, "widths": tuple(values["widths"])}))
            vae.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
            return vae.eval(), json.loads(header["about"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError("The baseline's weights cannot be read", value=f"{path}: {reason_of(error)}",
                         hint="delete the file; the study trains it again") from error
