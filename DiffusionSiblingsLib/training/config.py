"""The configuration of a training run, read from Resources/Training/<name>.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ..core.anatomy import resource_folder
from ..core.codec import from_plain, to_plain
from ..core.errors import InputError
from ..models.networks.denoiser import DenoiserConfig
from ..models.networks.mode_denoiser import ModeDenoiserConfig
from ..models.networks.vae import AutoencoderConfig


@dataclass(frozen=True)
class StageConfig:
    """The optimisation of one stage. batch: samples per step and process. share: share of the time limit for it.
    weight_power: exponent of the cases' drawing weights; above 1, rare and detailed cases are drawn more often.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int = 200
    weight_decay: float = 0.01
    ema: float = 0.999
    clip: float = 1.0
    share: float = 0.5
    evaluate_every: int = 500
    weight_power: float = 1.0


@dataclass(frozen=True)
class DeformationConfig:
    """Random deformations. probability: that a sample is deformed. knots, amplitude: of the smooth displacement
    (voxels). degrees, scale: of the random pose.
    """

    probability: float = 0.5
    knots: int = 5
    amplitude: float = 2.5
    degrees: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines a training run except the data, the device and the time.

    decoder_stage: trains both decoders once more on the finished latents; None to leave it out. modes: number of widest
    modes for which the denoiser has an estimate of its own beside the U-Net; 0 for none. mode_denoiser, mode_stage: the
    network along the modes and its training; None to leave it out. surface_share: share of the
    field's points that are drawn where labels meet. wall_weight: weight in the loss of a voxel between two tissues that
    must not touch.
    """

    name: str
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    autoencoder_stage: StageConfig
    denoiser_stage: StageConfig
    decoder_stage: StageConfig | None = None
    mode_denoiser: ModeDenoiserConfig | None = None
    mode_stage: StageConfig | None = None
    autoencoder_augment: DeformationConfig = field(default_factory=DeformationConfig)
    denoiser_augment: DeformationConfig = field(default_factory=DeformationConfig)
    crop: int = 64
    field_points: int = 16384
    surface_share: float = 0.0
    wall_weight: float = 1.0
    kl_weight: float = 2.5e-8
    latent_variants: int = 3
    ln_sigma_mean: float = 0.0
    ln_sigma_std: float = 1.4
    modes: int = 0
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values, as in the file of a configuration."""
        values: dict[str, Any] = to_plain(self)
        return values


def training_config(values: dict[str, Any]) -> TrainingConfig:
    """The configuration that plain values describe. Raises InputError for unknown or missing settings."""
    try:
        return from_plain(TrainingConfig, values)
    except ValueError as problem:
        raise InputError("The training configuration cannot be used", value=problem,
                         rule="every setting has a known name and a value of its type",
                         hint="correct the training file") from problem


def load_training_config(name: str) -> TrainingConfig:
    """The named configuration shipped in Resources/Training ('compact', 'paper')."""
    folder = resource_folder() / "Training"
    path = folder / f"{name}.json"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in folder.glob("*.json")))
        raise InputError("The training configuration is unknown", value=name, rule=f"one of {names}",
                         hint="give one of these names to --config")
    return training_config(json.loads(path.read_text(encoding="utf-8")))
