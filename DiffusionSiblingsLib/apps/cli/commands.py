"""What the other commands do; heavy packages are imported by the command that needs them."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.anatomy import load_anatomy
from ...core.errors import InputError
from ...labelmaps.tissues import parse_labels
from ...models.card import ModelCard
from ...models.registry import find_model


def replay(arguments: argparse.Namespace) -> int:
    """siblings replay RECORD."""
    from .replaying import replay_record

    return replay_record(arguments.record, twin=arguments.twin, out=arguments.out, device=arguments.device,
                         as_json=arguments.json)


def models(arguments: argparse.Namespace) -> int:
    """siblings models."""
    from ...core.tables import short_table
    from ...models.registry import survey

    rows: list[dict[str, object]] = []
    for model in survey():
        card = model.card
        rows.append({"model": model.name, "version": card.version if card else "",
                     "anatomy": card.anatomy if card else "",
                     "weights": _state(card, arguments.verify) if card else "DAMAGED card",
                     "licence": card.licence if card else "", "folder": str(model.folder)})
    print(json.dumps(rows, indent=1) if arguments.json else short_table(rows, width=160))
    return InputError.exit_code if any("DAMAGED" in str(row["weights"]) for row in rows) else 0


def _state(card: ModelCard, verified: bool) -> str:
    """Size of a model's weights and, if asked for, whether they are whole."""
    from ...core.errors import ModelError
    from ...models.store import verify

    if not card.size_bytes:
        return "missing"
    state = f"{card.size_bytes / 1e6:.1f} MB"
    if not verified:
        return state
    try:
        verify(card)
    except ModelError:
        return f"{state}, DAMAGED"
    return f"{state}, verified"


def prepare(arguments: argparse.Namespace) -> int:
    """siblings prepare SOURCE --out DATASET."""
    from ...training.prepare.run import prepare as prepare_dataset

    labels = parse_labels(arguments.labels) if arguments.labels else None
    reference = find_model(arguments.like).reference() if arguments.like else None
    print(prepare_dataset(arguments.source, arguments.out, load_anatomy(arguments.anatomy), labels=labels,
                          exclude=tuple(arguments.exclude), jobs=arguments.jobs or None, reference=reference,
                          validation_every=arguments.validation_every, cases_file=arguments.cases))
    return 0


def train(arguments: argparse.Namespace) -> int:
    """siblings train DATASET."""
    from ...models.networks.checkpoint import load_networks
    from ...training.config import load_training_config
    from ...training.train import train as train_model

    config = load_training_config(arguments.config)
    if arguments.name:
        config = replace(config, name=arguments.name)
    card = find_model(arguments.start) if arguments.start else None
    train_model(arguments.dataset, config, arguments.out, device=arguments.device, minutes=arguments.minutes,
                about=_prose(arguments.about) if arguments.about else None,
                start=load_networks(card.weights_path, sha256=card.sha256) if card else None,
                keep_autoencoder=arguments.keep_autoencoder)
    return 0


def _prose(path: Path) -> dict[str, Any]:
    """The prose of a model card: a JSON object of texts and lists of texts."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("The prose of the model card cannot be read", value=f"{path}: {error}", rule="a JSON object",
                         hint="see about.json of the shipped model") from error
    if not isinstance(values, dict):
        raise InputError("The prose of the model card cannot be used", value=path, rule="a JSON object",
                         hint="see about.json of the shipped model")
    return values
