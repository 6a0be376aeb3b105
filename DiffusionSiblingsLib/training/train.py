"""The whole training: autoencoder, latents, denoiser, model folder. One call, which can be resumed at any point."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import torch

from ..cohorts.dataset_file import Pack, pack_file, read_pack
from ..cohorts.training_statistics import measure_training_set, write_training_statistics
from ..core.anatomy import load_anatomy
from ..core.errors import InputError
from ..core.files import make_folder
from ..core.version import __version__
from ..engine.diffusion.modes import Modes
from ..models.card_page import write_card
from ..models.networks.checkpoint import Networks, save_networks
from ..models.networks.denoiser import Denoiser
from ..models.networks.mode_denoiser import ModeDenoiser
from ..models.networks.vae import Autoencoder
from ..models.registry import require_free_name
from .autoencoder import AutoencoderStage, DecoderStage
from .config import StageConfig, TrainingConfig
from .dataset import load_cohort
from .denoiser import DenoiserStage
from .latents import Latents, prepare_latents
from .loop import Hardware, Runner, Stage, find_hardware
from .mode_denoiser import ModeStage

Kept = Literal["autoencoder", "denoiser"]
SAMPLING = {"sigma_min": 2e-3, "sigma_max": 80.0, "rho": 3.0, "sigma_data": 1.0,
            "S_churn": 40.0, "S_tmin": 0.2, "S_tmax": 3.0}  # churn: decisions/0008


def train(dataset: Path, config: TrainingConfig, out: Path, *, device: str = "auto",
          minutes: float | None = None, about: dict[str, Any] | None = None, start: Networks | None = None,
          keep: Collection[Kept] = ()) -> Path:
    """Trains on a data set file (or its folder) -> the model folder `out`/model, ready for `--model`.

    minutes: limit for all stages together; without it each stage runs its number of steps. about: prose for the model
    card (summary, intended_use, limits, data, architecture). start: networks of the same configuration to start from.
    keep: networks of `start` that are not trained: the autoencoder, or it and the denoiser, which leaves the network
    along the modes. A second call continues where the first one stopped. Raises InputError if the data set or the
    networks cannot be used, and ModelError if another model has the name of the configuration.
    """
    dataset, config = pack_file(dataset), _checked(config, start, keep)
    require_free_name(config.name, out / "model")
    make_folder(out)
    hardware = find_hardware(device)
    train_set, validation = load_cohort(dataset, ("train",)), load_cohort(dataset, ("validation",))
    if not len(train_set) or not len(validation):
        raise InputError("The data set cannot be trained on", value=f"{len(train_set)} training and "
                         f"{len(validation)} validation maps", rule="at least one of each",
                         hint="prepare it again with more cases")
    if hardware.device.type == "cuda":
        train_set = dataclasses.replace(train_set, labels=train_set.labels.to(hardware.device))
    first = AutoencoderStage(config, train_set, validation, hardware, read_pack(dataset).anatomy)
    if start is not None:
        first.model.net.load_state_dict(start.autoencoder.state_dict())
    figures: dict[str, Any] = {
        first.name: _trained(first, config.autoencoder_stage, hardware, out, config.seed, minutes)}
    net = first.model.net.eval()
    latents, held = prepare_latents(net, train_set, validation, config, hardware, out / "latents.safetensors")
    modes = _modes(config, latents, start if keep else None, hardware)
    if modes is not None and config.mode_denoiser is not None and config.mode_stage is not None:
        along = ModeStage(config.mode_denoiser, config.mode_stage, train_set, latents, held, modes, hardware)
        figures[along.name] = _trained(along, config.mode_stage, hardware, out, config.seed + 6, minutes)
        along.model.eval().requires_grad_(False)
        modes = along.in_use()
    second = DenoiserStage(config, train_set, latents, held, hardware, modes)
    if start is not None:
        second.model.net.load_state_dict(start.denoiser.state_dict())
    figures[second.name] = _trained(second, config.denoiser_stage, hardware, out, config.seed + 2, minutes)
    if config.decoder_stage is not None:
        third = DecoderStage(config, train_set, validation, hardware, read_pack(dataset).anatomy)
        third.start_from(net)
        figures[third.name] = _trained(third, config.decoder_stage, hardware, out, config.seed + 4, minutes)
        net = third.model.net.eval()
    networks = _networks(net, second.model.net, latents, modes)
    figures["maps"] = len(train_set)
    return write_model(out / "model", networks, read_pack(dataset), config, figures, hardware, about or {},
                       dict(SAMPLING))


def _trained(stage: Stage, settings: StageConfig, hardware: Hardware, out: Path, seed: int,
             minutes: float | None) -> dict[str, Any]:
    """Runs one stage to its end -> its figures for the model card."""
    limit = None if minutes is None else 60.0 * minutes * settings.share
    runner = Runner(stage, settings, hardware, out, seed=seed, limit_seconds=limit)
    return {**runner.run(), "steps": runner.step, "seconds": runner.seconds}


def _modes(config: TrainingConfig, latents: Latents, kept: Networks | None, hardware: Hardware) -> Modes | None:
    """The widest modes of the latents: those of the model whose autoencoder is kept, or new ones if it has fewer. None
    if none are asked for, or all latents are alike.
    """
    if not config.modes:
        return None
    known = None if kept is None else Modes.of_model(kept)
    if known is None or len(known.variances) < config.modes:
        known = Modes.of(latents.values[:, 0], config.modes)
    return known.widest(config.modes).to(hardware.device) if len(known.variances) else None


def _networks(autoencoder: Autoencoder, denoiser: Denoiser, latents: Latents, modes: Modes | None) -> Networks:
    """What a weight file holds, on the CPU."""
    networks = Networks(autoencoder.cpu(), denoiser.cpu(), latents.mean, latents.std)
    if modes is None:
        return networks
    along = modes.network if isinstance(modes.network, ModeDenoiser) else None
    return dataclasses.replace(networks, modes=(modes.mean, modes.vectors, modes.variances), mode_denoiser=along)


def _checked(config: TrainingConfig, start: Networks | None, keep: Collection[Kept]) -> TrainingConfig:
    """The configuration, without the stages of kept networks. Raises InputError if `start` does not fit."""
    if start is None:
        if keep:
            raise InputError("There is no network to keep", value=", ".join(sorted(keep)),
                             rule="a kept network needs a model to start from", hint="name the model with --from")
        return config
    if (start.autoencoder.config, start.denoiser.config) != (config.autoencoder, config.denoiser):
        raise InputError("The model to start from has another architecture", value=start.autoencoder.config,
                         rule=str(config.autoencoder), hint="choose the --config with which it was trained")
    if "denoiser" in keep and "autoencoder" not in keep:
        raise InputError("The denoiser cannot be kept alone", value="a new autoencoder",
                         rule="a denoiser works on the latents of the autoencoder that it was trained with",
                         hint="keep both")
    if "autoencoder" in keep:
        none = dataclasses.replace(config.autoencoder_stage, steps=0)
        config = dataclasses.replace(config, autoencoder_stage=none, decoder_stage=None)
    if "denoiser" in keep:
        config = dataclasses.replace(config, denoiser_stage=dataclasses.replace(config.denoiser_stage, steps=0))
    return config


def write_model(folder: Path, networks: Networks, pack: Pack, config: TrainingConfig, figures: dict[str, Any],
                hardware: Hardware, about: dict[str, Any], sampling: dict[str, float]) -> Path:
    """Writes the weight file, the model card in both forms and the cohort's measurements -> the folder."""
    make_folder(folder)
    reference = {key: torch.from_numpy(value) for key, value in pack.reference.tensors().items()}
    weights = folder / "weights.safetensors"
    digest = save_networks(weights, networks, reference, {"name": config.name})
    card = {
        "id": config.name, "version": time.strftime("%Y.%m.%d.%H%M", time.gmtime()), "anatomy": pack.anatomy,
        "weights": weights.name, "sha256": digest, "sampling": sampling, "licence": "Apache-2.0",
        "program": __version__, **about,
        "training": {"cases": figures.pop("maps", len(pack)), "hardware": describe(hardware), "figures": figures,
                     "configuration": config.to_json()},
    }
    write_training_statistics(folder, measure_training_set(pack, load_anatomy(pack.anatomy)))
    write_card(folder, card)
    return folder


def describe(hardware: Hardware) -> str:
    """The machine in words."""
    if hardware.device.type == "cuda":
        return f"{hardware.world} x {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads, {hardware.amp or torch.float32}".replace("torch.", "")
