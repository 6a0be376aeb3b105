"""Between the stages: latents of every map and of its deformations, standardised per channel."""

from __future__ import annotations

import shutil
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

BLOCK = 32  # maps of which a killed run loses the latents at most


@dataclass(frozen=True)
class Latents:
    """values: (N, V, C, d, h, w) float16, standardised: N cases with V variants each, the first of which is the map
    without deformation. mean, std: (C,) float32 of the raw training latents.
    """

    values: Tensor
    mean: Tensor
    std: Tensor


def encode_cohort(net: Autoencoder, cohort: Cohort, variants: int, config: TrainingConfig, hardware: Hardware,
                  parts: Path) -> Tensor:
    """Raw latent means (N, variants, C, d, h, w) float32 of the maps and of their smooth deformations.

    parts: a folder for blocks of them, so that a stopped run goes on.
    """
    blocks, started = [], time.monotonic()
    for first in range(0, len(cohort), BLOCK):
        path, numbers = parts / f"{first:06d}.safetensors", range(first, min(first + BLOCK, len(cohort)))
        if not path.is_file():
            rows = [encode_variants(net, cohort.labels[i], variants, config, hardware, i) for i in numbers]
            with atomic_path(path) as temporary:
                save_file({"latents": torch.stack(rows)}, temporary)
            print(f"latents {numbers.stop} of {len(cohort)}, {time.monotonic() - started:.0f} s", flush=True)
        blocks.append(load_file(path)["latents"])
    return torch.cat(blocks)


def encode_variants(net: Autoencoder, labels: Tensor, variants: int, config: TrainingConfig, hardware: Hardware,
                    number: int) -> Tensor:
    """Raw latent means (variants, C, d, h, w) float32 of map `number` of a cohort and of its deformations."""
    volume, generator = labels.to(hardware.device), step_generator(config.seed + 1, number)
    maps = [volume] + [deform(volume, config, generator) for _ in range(variants - 1)]
    with torch.inference_mode(), hardware.autocast():
        return torch.stack([net.encode(m[None])[0][0].float().cpu() for m in maps])


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
    """Training latents and standardised validation latents (M, C, d, h, w); read from `path` if it exists. Of several
    processes, the first one encodes the maps and the others wait for its file.
    """
    if hardware.rank == 0 and not path.is_file():
        parts = {name: path.with_name(f"{path.stem}-{name}.parts") for name in ("train", "validation")}
        raw = encode_cohort(net, train, config.latent_variants, config, hardware, parts["train"])
        held = encode_cohort(net, validation, 1, config, hardware, parts["validation"])[:, 0]
        over = raw[:, 0].transpose(0, 1).flatten(1)  # (C, everything)
        mean, std = over.mean(1), over.std(1)
        with atomic_path(path) as temporary:
            save_file({"train": standardise(raw, mean, std).half(), "validation": standardise(held, mean, std),
                       "mean": mean, "std": std}, temporary)
        for folder in parts.values():
            shutil.rmtree(folder)
    if hardware.world > 1:
        torch.distributed.barrier()
    stored = load_file(path)
    return Latents(stored["train"], stored["mean"], stored["std"]), stored["validation"]


def standardise(raw: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Raw latents (..., C, d, h, w) -> zero mean and unit variance per channel over the training cohort."""
    return (raw - mean[:, None, None, None]) / std[:, None, None, None]
