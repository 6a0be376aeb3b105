"""`siblings study` and `siblings augment`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from ...control.control import read_control
from ...core.anatomy import load_anatomy
from ...editing.presets_and_holds import names_of
from ...labelmaps.tissues import parse_labels
from ...models.registry import find_model


def study(arguments: argparse.Namespace) -> int:
    """siblings study NAME... --out DIR."""
    from ...studies.run import run_studies
    from ...studies.settings import Settings

    settings = Settings(
        out=arguments.out, quick=arguments.quick, count=arguments.count, pool=arguments.pool, steps=arguments.steps,
        real=arguments.real, names=arguments.names, split=arguments.split, labels=_labels(arguments),
        seeds=arguments.seeds, target=arguments.target, arms=tuple(arguments.arms), train_data=arguments.train_data,
        minutes=arguments.minutes, jobs=arguments.jobs, model=arguments.model, device=arguments.device,
        command=command_line())
    folders = run_studies(arguments.names_of_studies, settings)
    if arguments.json:
        found = [json.loads((folder / "study.json").read_text(encoding="utf-8")) for folder in folders]
        print(json.dumps(found, indent=1))
    else:
        for folder in folders:
            print((folder / "table.md").read_text(encoding="utf-8"))
        print("Written:", *(str(folder) for folder in folders))
    return 0


def augment(arguments: argparse.Namespace) -> int:
    """siblings augment --target TEXT --seeds DIR --out DIR -> exit code: 3 where fewer hearts are there than wanted."""
    from ...core.tables import short_table
    from ...studies.augment_command import Order, enrich
    from ...studies.augmented_folder import ACCEPTED, REPORT
    from .running import SHORT

    control = None
    if arguments.control is not None:
        control = read_control(arguments.control, load_anatomy(find_model(arguments.model).anatomy))
    order = Order(
        target=arguments.target, out=arguments.out, strategy=arguments.strategy, seeds=arguments.seeds,
        count=arguments.count, most=arguments.most, control=control, presets=names_of(arguments.preset),
        hold=names_of(arguments.hold), steps=arguments.steps, seed=arguments.seed, labels=_labels(arguments),
        arms=tuple(arguments.arms), jobs=arguments.jobs, model=arguments.model, device=arguments.device,
        command=command_line())
    found = enrich(order, lambda words: print(f"siblings: {words}", file=sys.stderr, flush=True))
    if arguments.json:
        print((order.out / REPORT).read_text(encoding="utf-8"), end="")
        return SHORT if found.short else 0
    print(short_table([found.row()], width=120))
    for note in found.notes:
        print(note)
    print(f"\n{len(found.accepted)} hearts with {found.task.wanted} are in {order.out / ACCEPTED}")
    return SHORT if found.short else 0


def command_line() -> str:
    """The command as it was typed, as far as it can be known."""
    words = [Path(sys.argv[0]).name if Path(sys.argv[0]).name != "__main__.py" else "siblings", *sys.argv[1:]]
    return shlex.join(words)


def _labels(arguments: argparse.Namespace) -> dict[str, int] | None:
    return parse_labels(arguments.labels) if arguments.labels else None
