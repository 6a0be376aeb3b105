"""`siblings design`: a grid of edits of one twin with common noise, and one table of what each factor does."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...cohorts.model_facts import ModelFacts
from ...control.placement import Placement
from ...core.anatomy import Anatomy
from ...core.record import RECORD_NAME, read_record
from ...core.tables import short_table, write_metrics_csv
from ...editing.design import Design, Row, design_rows, effects, measured_names, parse_region
from ...editing.planned import PlacedTwin
from ...editing.presets_and_holds import PresetsAndHolds, names_of
from ...editing.request import Request
from ...labelmaps.tissues import parse_labels
from ...reports.report_files import write_json

if TYPE_CHECKING:
    from ...runs.messages import RunSummary

TABLE, EFFECTS, PLAN = "design.csv", "effects.csv", "design.json"


def design(arguments: argparse.Namespace) -> int:
    """siblings design TWIN: makes all cells into one run folder, then the tables beside it."""
    facts = ModelFacts.of(arguments.model)
    anatomy = facts.anatomy
    base = Request("perturb", count=arguments.count, seed=arguments.seed, first=arguments.first, steps=arguments.steps,
                   overwrite=arguments.overwrite, repair=not arguments.no_repair)
    regions = tuple(parse_region(text, anatomy) for text in arguments.edit)
    plan = Design(regions, tuple(arguments.ratio), tuple(arguments.magnitude), base)
    labels = parse_labels(arguments.labels) if arguments.labels else None
    twin = PlacedTwin.of(arguments.twin, facts, labels)
    _run(arguments, plan.requests(Placement.of(twin.twin, anatomy, facts.reference)), twin)
    out: Path = arguments.out
    rows = design_rows(plan, read_record(out / RECORD_NAME))
    found = effects(plan, rows, measured_names(anatomy))
    write_metrics_csv(out / TABLE, rows)
    write_metrics_csv(out / EFFECTS, found)
    write_json(out / PLAN, plan.to_json())
    print(json.dumps({"rows": rows, "effects": found}, indent=1) if arguments.json else
          _told(plan, rows, found, anatomy, out))
    return 0


def _run(arguments: argparse.Namespace, requests: list[Request], twin: PlacedTwin) -> None:
    from tqdm import tqdm

    from ...runs.pipeline import run
    from ...runs.scheduler import Hooks
    from ...runs.settings import RunSettings

    with tqdm(total=sum(request.count for request in requests), unit="sibling", disable=not sys.stderr.isatty()) as bar:

        def show(done: float, whole: int, words: str) -> None:
            bar.n = round(done, 2)
            bar.set_postfix_str(words)

        settings = RunSettings(arguments.model, arguments.device, arguments.format, arguments.jobs,
                               resume=arguments.resume, replace=arguments.replace,
                               title=f"Paired design of {arguments.twin.name}")
        say = lambda words: print(f"siblings: note: {words}", file=sys.stderr)  # noqa: E731
        run(requests, twin, arguments.out, settings, Hooks(show, say, _stopped),
            shorthand=PresetsAndHolds(hold=names_of(arguments.hold)))


def _stopped(summary: RunSummary) -> None:
    """Says what is there of a run that was stopped: no table is written then."""
    if not summary.complete:
        print(f"siblings: stopped early; {summary.accepted} of {summary.asked} siblings are finished and recorded in "
              f"{summary.out}. The same command with --resume continues", file=sys.stderr)


def _told(plan: Design, rows: list[Row], found: list[Row], anatomy: Anatomy, out: Path) -> str:
    """Effects on volumes, and where everything is."""
    volumes = [f"{tissue} volume [ml]" for tissue in anatomy.ids]
    told = [row for row in found if row["measurement"] in volumes]
    files = f"{TABLE} (one row each), {EFFECTS}, {PLAN}, metrics.csv and {RECORD_NAME} are in {out}"
    where = f"{len(rows)} siblings in {len(plan.cells)} cells. {files}"
    return f"{short_table(told, width=150)}\n\n{where}" if told else where
