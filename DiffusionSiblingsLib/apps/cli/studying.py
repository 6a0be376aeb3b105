"""`siblings study` and `siblings augment`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from ...control.control import read_control
from ...core.anatomy import load_anatomy
from ...core.labelmap import LabelValues
from ...core.names import names_of
from ...labelmaps.label_options import parse_labels
from ...models.registry import find_model
from .study_options import Augment, Common, RunStudy
from .terminal import print_table


def study(options: RunStudy) -> int:
    """siblings study NAME... --out DIR."""
    from ...studies.run import run_studies
    from ...studies.settings import StudySettings

    settings = StudySettings(
        out=options.out, quick=options.quick, count=options.count, pool=options.pool, steps=options.steps,
        real=options.real, names=options.names, split=options.split, labels=_labels(options),
        seeds=options.seeds, target=options.target, existing_runs=tuple(options.arms), train_data=options.train_data,
        minutes=options.minutes, twin=options.twin, edge_mm=options.edge, jobs=options.jobs, model=options.model,
        device=options.device, command=command_line())
    folders = run_studies([study.value for study in options.names_of_studies], settings)
    if options.json:
        found = [json.loads((folder / "study.json").read_text(encoding="utf-8")) for folder in folders]
        print(json.dumps(found, indent=1))
    else:
        for folder in folders:
            print((folder / "table.md").read_text(encoding="utf-8"))
        print("Written:", *(str(folder) for folder in folders))
    return 0


def augment(options: Augment) -> int:
    """siblings augment --target TEXT --seeds DIR --out DIR -> exit code: 3 if there are fewer hearts than wanted."""
    from ...studies.augment_command import AugmentationOrder, augment_cohort
    from ...studies.augmentation_folder import ACCEPTED, REPORT
    from .running import SHORT

    control = None
    if options.control is not None:
        control = read_control(options.control, load_anatomy(find_model(options.model).anatomy))
    order = AugmentationOrder(
        target=options.target, out=options.out, strategy=options.strategy, seeds=options.seeds,
        count=options.count, most=options.most, control=control, presets=names_of(options.preset),
        hold=names_of(options.hold), steps=options.steps, solver=options.solver, seed=options.seed,
        labels=_labels(options), existing_runs=tuple(options.arms), jobs=options.jobs, model=options.model,
        device=options.device, command=command_line())
    found = augment_cohort(order, lambda words: print(f"siblings: {words}", file=sys.stderr, flush=True))
    if options.json:
        print((order.out / REPORT).read_text(encoding="utf-8"), end="")
        return SHORT if found.short else 0
    print_table([found.row()])
    for note in found.notes:
        print(note)
    print(f"\n{len(found.accepted)} hearts with {found.task.wanted} are in {order.out / ACCEPTED}")
    return SHORT if found.short else 0


def command_line() -> str:
    """The command as it was typed, as far as that is known."""
    words = [Path(sys.argv[0]).name if Path(sys.argv[0]).name != "__main__.py" else "siblings", *sys.argv[1:]]
    return shlex.join(words)


def _labels(options: Common) -> LabelValues | None:
    return parse_labels(options.labels) if options.labels else None
