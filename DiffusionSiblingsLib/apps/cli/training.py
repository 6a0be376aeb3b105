"""`siblings prepare` and `siblings train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.anatomy import load_anatomy
from ...core.errors import InputError, reason_of
from ...core.json_files import read_json
from ...core.names import plain_name
from ...labelmaps.label_options import parse_labels
from ...models.registry import find_model
from .training_options import Prepare, Train


def prepare(options: Prepare) -> int:
    """siblings prepare SOURCE --out DATASET."""
    from ...training.prepare.run import prepare as prepare_dataset

    labels = parse_labels(options.labels) if options.labels else None
    reference = find_model(options.like).reference() if options.like else None
    print(prepare_dataset(options.source, options.out, load_anatomy(options.anatomy), labels=labels,
                          exclude=tuple(options.exclude), jobs=options.jobs or None, reference=reference,
                          validation_every=options.validation_every, cases_file=options.cases))
    return 0


def train(options: Train) -> int:
    """siblings train DATASET."""
    from ...models.networks.checkpoint import load_networks
    from ...training.config import load_training_config
    from ...training.train import Kept
    from ...training.train import train as train_model

    config = load_training_config(options.config)
    config = replace(config, name=options.name or plain_name(options.out.resolve().name))
    card = find_model(options.start) if options.start else None
    kept: tuple[Kept, ...] = ("autoencoder", "denoiser") if options.modes_only else (
        ("autoencoder",) if options.keep_autoencoder else ())
    train_model(options.dataset, config, options.out, device=options.device, minutes=options.minutes,
                about=_card_texts(options.about) if options.about else None,
                start=load_networks(card.weights_path, sha256=card.sha256) if card else None,
                keep=kept)
    return 0


def _card_texts(path: Path) -> dict[str, Any]:
    """The texts of a model card: a JSON object of texts and lists of texts."""
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError("The texts of the model card cannot be read", value=f"{path}: {reason_of(error)}",
                         rule="a JSON object",
                         hint="see about.json of the shipped model") from error
    if not isinstance(values, dict):
        raise InputError("The texts of the model card cannot be used", value=path, rule="a JSON object",
                         hint="see about.json of the shipped model")
    return values
