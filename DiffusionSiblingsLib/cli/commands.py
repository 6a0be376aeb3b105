"""What each command does; heavy packages are imported by the command that needs them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..anatomy import load_anatomy
from ..errors import InputError
from ..labelmap_io import known_labels, parse_labels, read_labelmap
from ..modelcard import ModelCard
from ..region import parse_box
from ..request import Request


def generate(arguments: argparse.Namespace) -> int:
    """siblings generate."""
    return _run(arguments, [Request("generate", **_common(arguments))])


def perturb(arguments: argparse.Namespace) -> int:
    """siblings perturb TWIN: one request for each ratio, with the same seed, so that they differ in the ratio alone."""
    return _run(arguments, [Request("perturb", ratio=ratio, **_common(arguments)) for ratio in arguments.ratio])


def inpaint(arguments: argparse.Namespace) -> int:
    """siblings inpaint TWIN."""
    request = Request(
        "inpaint", tissues=tuple(part.strip() for part in arguments.edit.split(",") if part.strip()),
        box=parse_box(arguments.box) if arguments.box else None,
        region=str(arguments.region.resolve()) if arguments.region else None,
        method=arguments.method, ratio=arguments.ratio, resample=arguments.resample, **_common(arguments),
    )
    return _run(arguments, [request])


def reconstruct(arguments: argparse.Namespace) -> int:
    """siblings reconstruct TWIN."""
    return _run(arguments, [Request("reconstruct", overwrite=arguments.overwrite)])


def _common(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"count": arguments.count, "seed": arguments.seed, "first": arguments.first, "steps": arguments.steps,
            "overwrite": arguments.overwrite, "repair": not arguments.no_repair}


def _run(arguments: argparse.Namespace, requests: list[Request]) -> int:
    from .running import run_requests

    labels = parse_labels(arguments.labels) if getattr(arguments, "labels", None) else None
    return run_requests(requests, getattr(arguments, "twin", None), arguments.out, labels=labels,
                        model=arguments.model, device=arguments.device, format_name=arguments.format,
                        replace_run=arguments.replace, as_json=arguments.json)


def demo(arguments: argparse.Namespace) -> int:
    """siblings demo [TWIN]: the main job on one heart, replaced at every call."""
    from ..anatomy import resource_folder
    from .running import run_requests

    twin = arguments.twin or resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd"
    perturbed = [Request("perturb", ratio=ratio, seed=arguments.seed) for ratio in (0.2, 0.35, 0.5, 0.8)]
    inpainted = [Request("inpaint", tissues=(tissue,), ratio=1.0, seed=arguments.seed) for tissue in ("LV", "RV")]
    labels = parse_labels(arguments.labels) if arguments.labels else None
    return run_requests([*perturbed, *inpainted], twin, arguments.out, labels=labels, device=arguments.device,
                        replace_run=True, as_json=arguments.json)


def measure(arguments: argparse.Namespace) -> int:
    """siblings measure FILE...: every file is measured; those that cannot be are said at the end (exit code 2)."""
    from ..export.entries import Measured
    from ..export.tables import short_table, write_metrics_csv

    anatomy = load_anatomy(arguments.anatomy)
    labels = parse_labels(arguments.labels) if arguments.labels else None
    rows, failed = [], []
    for path in arguments.files:
        try:
            labelmap = read_labelmap(path, anatomy, labels)
            rows.append(Measured.of(labelmap, known_labels(labelmap, anatomy), anatomy).row(str(path)))
        except InputError as error:
            failed.append(f"siblings: {path}: {error}")
    shown = [{key: value for key, value in row.items() if key not in ("edit", "ratio", "seed", "k")} for row in rows]
    if arguments.out is not None and shown:
        write_metrics_csv(arguments.out / "metrics.csv", shown)
    print(json.dumps(shown, indent=1) if arguments.json else short_table(shown))
    for message in failed:
        print(message, file=sys.stderr)
    return InputError.exit_code if failed else 0


def replay(arguments: argparse.Namespace) -> int:
    """siblings replay RECORD."""
    from .replaying import replay_record

    return replay_record(arguments.record, twin=arguments.twin, out=arguments.out, device=arguments.device,
                         as_json=arguments.json)


def models(arguments: argparse.Namespace) -> int:
    """siblings models."""
    from ..export.tables import short_table
    from ..registry import survey

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
    from ..errors import ModelError
    from ..model_store import verify

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
    from ..prepare import prepare as prepare_dataset
    from ..registry import find_model

    labels = parse_labels(arguments.labels) if arguments.labels else None
    reference = find_model(arguments.like).reference() if arguments.like else None
    print(prepare_dataset(arguments.source, arguments.out, load_anatomy(arguments.anatomy), labels=labels,
                          exclude=tuple(arguments.exclude), jobs=arguments.jobs or None, reference=reference,
                          validation_every=arguments.validation_every, cases_file=arguments.cases))
    return 0


def train(arguments: argparse.Namespace) -> int:
    """siblings train DATASET."""
    from ..nn.checkpoint import load_networks
    from ..registry import find_model
    from ..training.config import load_training_config
    from ..training.train import train as train_model

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
