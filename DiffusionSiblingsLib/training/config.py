"""Settings of a training run, read from Resources/Training/<name>.json."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from ..core.anatomy import resource_folder
from ..core.errors import InputError
from ..models.networks.denoiser import DenoiserConfig
from ..models.networks.field import FieldConfig
from ..models.networks.vae import AutoencoderConfig


@dataclass(frozen=True)
class StageConfig:
    """Optimisation of one stage. batch: samples a step and process. share: part of a time limit that it may use.
    weight_power: exponent on the cases' drawing weights; above 1 shows rare, detailed cases more often.
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
class AugmentConfig:
    """probability: of a deformed sample. knots, amplitude: of the smooth displacement (voxels). degrees, scale: of the
    random pose.
    """

    probability: float = 0.5
    knots: int = 5
    amplitude: float = 2.5
    degrees: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training run but the data, the device and the time.

    decoder_stage: both decoders once more on the finished latents, None to leave it out. modes: number of widest modes
    in which the denoiser has a linear estimate beside the network; 0 for none. surface_share: part of the field's
    points drawn where labels meet. wall_weight: of a voxel between two tissues that must not touch, in the loss.
    """

    name: str
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    autoencoder_stage: StageConfig
    denoiser_stage: StageConfig
    decoder_stage: StageConfig | None = None
    autoencoder_augment: AugmentConfig = field(default_factory=AugmentConfig)
    denoiser_augment: AugmentConfig = field(default_factory=AugmentConfig)
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
        """Plain values, as in the file it was read from."""
        return dataclasses.asdict(self)


def _build(kind: type, values: dict[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"Unknown setting of {kind.__name__}", value=", ".join(unknown),
                         rule=f"settings are {', '.join(sorted(known))}", hint="correct the name in the training file")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def autoencoder_config(values: dict[str, Any]) -> AutoencoderConfig:
    """AutoencoderConfig from plain values (a training file, or the configuration inside a weight file)."""
    nested = dict(values)
    if nested.get("field") is not None:
        nested["field"] = _build(FieldConfig, nested["field"])
    return _build(AutoencoderConfig, nested)


def denoiser_config(values: dict[str, Any]) -> DenoiserConfig:
    """DenoiserConfig from plain values."""
    return _build(DenoiserConfig, values)


def training_config(values: dict[str, Any]) -> TrainingConfig:
    """TrainingConfig from plain values; unknown names are refused."""
    nested = dict(values)
    nested["autoencoder"] = autoencoder_config(nested["autoencoder"])
    nested["denoiser"] = denoiser_config(nested["denoiser"])
    for key, kind in (("autoencoder_stage", StageConfig), ("denoiser_stage", StageConfig),
                      ("decoder_stage", StageConfig),
                      ("autoencoder_augment", AugmentConfig), ("denoiser_augment", AugmentConfig)):
        if nested.get(key) is not None:
            nested[key] = _build(kind, nested[key])
    return _build(TrainingConfig, nested)


def load_training_config(name: str) -> TrainingConfig:
    """The named configuration shipped in Resources/Training ('compact', 'paper')."""
    folder = resource_folder() / "Training"
    path = folder / f"{name}.json"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in folder.glob("*.json")))
        raise InputError("There is no such training configuration", value=name, rule=f"one of {names}",
                         hint="give one of these names to --config")
    return training_config(json.loads(path.read_text(encoding="utf-8")))
