"""The whole training: autoencoder, latents, denoiser, model folder. One call, which can be resumed at any point."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import torch

from ..cohorts.dataset_file import Pack, pack_file, read_pack
from ..cohorts.training_statistics import measure_training_set, write_training_statistics
from ..core.anatomy import load_anatomy
from ..core.errors import InputError
from ..core.version import __version__
from ..models.card_page import write_card
from ..models.networks.checkpoint import Networks, save_networks
from .autoencoder import AutoencoderStage, DecoderStage
from .config import TrainingConfig
from .dataset import load_cohort
from .denoiser import DenoiserStage
from .latents import prepare_latents
from .loop import Hardware, Runner, find_hardware

SAMPLING = {"sigma_min": 2e-3, "sigma_max": 80.0, "rho": 3.0, "sigma_data": 1.0,
            "S_churn": 40.0, "S_tmin": 0.2, "S_tmax": 3.0}  # churn: decisions/0008


def train(dataset: Path, config: TrainingConfig, out: Path, *, device: str = "auto",
          minutes: float | None = None, about: dict[str, Any] | None = None, start: Networks | None = None,
          keep_autoencoder: bool = False) -> Path:
    """Trains on a data set file (or its folder) -> the model folder `out`/model, ready for `--model`.

    minutes: limit for all stages together; without it each stage runs its number of steps. about: prose for the model
    card (summary, intended_use, limits, data, architecture). start: networks of the same configuration to start from.
    keep_autoencoder: train only the denoiser of `start`. A second call continues where the first one stopped. Raises
    InputError if the data set or the networks cannot be used.
    """
    dataset, config = pack_file(dataset), _checked(config, start, keep_autoencoder)
    out.mkdir(parents=True, exist_ok=True)
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
    runner = Runner(first, config.autoencoder_stage, hardware, out, seed=config.seed,
                    limit_seconds=_seconds(minutes, config.autoencoder_stage.share))
    figures: dict[str, Any] = {"autoencoder": {**runner.run(), "steps": runner.step, "seconds": runner.seconds}}
    net = first.model.net.eval()
    _wait_for_first(hardware)
    latents, held = prepare_latents(net, train_set, validation, config, hardware, out / "latents.safetensors")
    second = DenoiserStage(config, train_set, latents, held, hardware)
    if start is not None:
        second.model.net.load_state_dict(start.denoiser.state_dict())
    runner = Runner(second, config.denoiser_stage, hardware, out, seed=config.seed + 2,
                    limit_seconds=_seconds(minutes, config.denoiser_stage.share))
    figures["denoiser"] = {**runner.run(), "steps": runner.step, "seconds": runner.seconds}
    if config.decoder_stage is not None:
        third = DecoderStage(config, train_set, validation, hardware, read_pack(dataset).anatomy)
        third.start_from(net)
        runner = Runner(third, config.decoder_stage, hardware, out, seed=config.seed + 4,
                        limit_seconds=_seconds(minutes, config.decoder_stage.share))
        figures["decoders"] = {**runner.run(), "steps": runner.step, "seconds": runner.seconds}
        net = third.model.net.eval()
    modes = second.modes
    networks = Networks(net.cpu(), second.model.net.cpu(), latents.mean, latents.std,
                        (modes.mean, modes.vectors, modes.variances) if modes is not None else None)
    figures["maps"] = len(train_set)
    return write_model(out / "model", networks, read_pack(dataset), config, figures, hardware, about or {},
                       dict(SAMPLING))


def _checked(config: TrainingConfig, start: Networks | None, keep_autoencoder: bool) -> TrainingConfig:
    """The configuration, without the stages of a kept autoencoder. Raises InputError if `start` does not fit."""
    if start is None:
        if keep_autoencoder:
            raise InputError("There is no autoencoder to keep", rule="--keep-autoencoder needs a model to start from",
                             hint="name the model with --from")
        return config
    if (start.autoencoder.config, start.denoiser.config) != (config.autoencoder, config.denoiser):
        raise InputError("The model to start from has another architecture", value=start.autoencoder.config,
                         rule=str(config.autoencoder), hint="choose the --config with which it was trained")
    if not keep_autoencoder:
        return config
    none = dataclasses.replace(config.autoencoder_stage, steps=0)
    return dataclasses.replace(config, autoencoder_stage=none, decoder_stage=None)


def write_model(folder: Path, networks: Networks, pack: Pack, config: TrainingConfig, figures: dict[str, Any],
                hardware: Hardware, about: dict[str, Any], sampling: dict[str, float]) -> Path:
    """Writes the weight file, the model card in both forms and the cohort's measurements -> the folder."""
    name = config.name if config.name.startswith(pack.anatomy) else f"{pack.anatomy}-{config.name}"
    folder.mkdir(parents=True, exist_ok=True)
    reference = {key: torch.from_numpy(value) for key, value in pack.reference.tensors().items()}
    weights = folder / "weights.safetensors"
    digest = save_networks(weights, networks, reference, {"name": name})
    card = {
        "id": name, "version": time.strftime("%Y.%m.%d.%H%M", time.gmtime()), "anatomy": pack.anatomy,
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


def _seconds(minutes: float | None, share: float) -> float | None:
    return None if minutes is None else 60.0 * minutes * share


def _wait_for_first(hardware: Hardware) -> None:
    """The first process encodes the latents; the others read its file."""
    if hardware.world > 1:
        torch.distributed.barrier()
