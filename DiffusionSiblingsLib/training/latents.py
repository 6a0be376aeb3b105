"""Between the stages: latents of every map and of its deformations, standardised per channel."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..core.files import atomic_path
from ..models.networks.vae import Autoencoder
from .config import TrainingConfig
from .dataset import Cohort, step_generator
from .deformation import identity_coordinates, smooth_displacement, warp_labels
from .loop import Hardware


@dataclass(frozen=True)
class Latents:
    """values: (N, V, C, d, h, w) float16, standardised: N cases with V variants each, the first of which is the map
    without deformation. mean, std: (C,) float32 of the raw training latents.
    """

    values: Tensor
    mean: Tensor
    std: Tensor


def encode_cohort(net: Autoencoder, cohort: Cohort, variants: int, config: TrainingConfig,
                  hardware: Hardware) -> Tensor:
    """Raw latent means (N, variants, C, d, h, w) float32 of the maps and of their smooth deformations."""
    rows, started = [], time.monotonic()
    for i in range(len(cohort)):
        volume = cohort.labels[i].to(hardware.device)
        generator = step_generator(config.seed + 1, i)
        maps = [volume] + [deform(volume, config, generator) for _ in range(variants - 1)]
        with torch.inference_mode(), hardware.autocast():
            rows.append(torch.stack([net.encode(m[None])[0][0].float().cpu() for m in maps]))
        if i % 50 == 49:
            print(f"latents {i + 1} of {len(cohort)}, {time.monotonic() - started:.0f} s", flush=True)
    return torch.stack(rows)


def deform(volume: Tensor, config: TrainingConfig, generator: torch.Generator) -> Tensor:
    """A smooth random deformation that keeps the canonical frame: (D, H, W) uint8 -> the same."""
    augment, size = config.denoiser_augment, volume.shape[0]
    centre = torch.full((3,), (size - 1) / 2, device=volume.device)
    shift = smooth_displacement(size, augment.knots, augment.amplitude, generator).to(volume.device)
    tissue = volume.nonzero()
    reach = int(shift.abs().max().ceil()) + 1
    low, high = (tissue.amin(0) - reach).clamp_min(0).tolist(), (tissue.amax(0) + reach + 1).tolist()
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))  # there is no tissue beyond it
    result = torch.zeros_like(volume)
    coordinates = (identity_coordinates(centre, size) + shift)[box]
    result[box] = warp_labels(volume, coordinates, config.autoencoder.classes)
    return result


def prepare_latents(net: Autoencoder, train: Cohort, validation: Cohort, config: TrainingConfig, hardware: Hardware,
                    path: Path) -> tuple[Latents, Tensor]:
    """Training latents and standardised validation latents (M, C, d, h, w); read from `path` if it exists."""
    if not path.is_file():
        raw = encode_cohort(net, train, config.latent_variants, config, hardware)
        held = encode_cohort(net, validation, 1, config, hardware)[:, 0]
        over = raw[:, 0].transpose(0, 1).flatten(1)  # (C, everything)
        mean, std = over.mean(1), over.std(1)
        with atomic_path(path) as temporary:
            save_file({"train": standardise(raw, mean, std).half(), "validation": standardise(held, mean, std),
                       "mean": mean, "std": std}, temporary)
    stored = load_file(path)
    return Latents(stored["train"], stored["mean"], stored["std"]), stored["validation"]


def standardise(raw: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Raw latents (..., C, d, h, w) -> zero mean and unit variance per channel over the training cohort."""
    return (raw - mean[:, None, None, None]) / std[:, None, None, None]
