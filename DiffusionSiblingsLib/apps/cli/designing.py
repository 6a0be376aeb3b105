"""`siblings design`: a grid of edits of one twin with common noise, and one table of what each factor does."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...cohorts.model_facts import ModelFacts
from ...control.placement import Placement
from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ...core.files import write_json
from ...core.names import names_of
from ...core.progress import ProgressBar
from ...core.record import RECORD_NAME, read_record
from ...core.tables import write_metrics_csv
from ...editing.design import Design, Row, design_rows, effects, levels, parse_region
from ...editing.planned import PlacedTwin
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...editing.wants import find_want
from ...labelmaps.label_options import parse_labels
from ...metrics.measurement import measurement_keys, tissue_key
from ...metrics.measures.measure import headlines
from ...metrics.measures.names import keys_of
from ...models.bars import require_bars
from ...runs.own_files import DESIGN_NAME, DESIGN_PLAN_NAME, EFFECTS_NAME, LEVELS_NAME
from .measuring_options import PairedDesign
from .terminal import note, print_table

if TYPE_CHECKING:
    from ...runs.messages import RunSummary



def design(options: PairedDesign) -> int:
    """siblings design TWIN: makes all cells into one run folder, then the tables beside it."""
    facts = ModelFacts.of(options.model)
    if not options.force:
        require_bars(facts.card)
    anatomy = facts.anatomy
    base = Request("perturb", count=options.count, seed=options.seed, first=options.first, steps=options.steps,
                   solver=options.solver, overwrite=options.overwrite, repair=not options.no_repair)
    regions = tuple(parse_region(text, anatomy) for text in options.edit)
    of = find_want(options.of, anatomy) if options.of else None
    if of is not None and not options.magnitude:
        raise InputError("The design asks nothing of the measure", value=options.of,
                         rule="--of names what the magnitudes change", hint="add --magnitude -0.1 0.1")
    plan = Design(regions, tuple(options.ratio), tuple(options.magnitude), base, of)
    labels = parse_labels(options.labels) if options.labels else None
    twin = PlacedTwin.of(options.twin, facts, labels, options.margin)
    _run(options, plan.requests(Placement.of(twin.twin, anatomy, facts.reference)), twin)
    out: Path = options.out
    rows = design_rows(plan, read_record(out / RECORD_NAME))
    keys = [*measurement_keys(anatomy), *keys_of(anatomy)]
    found, reached = effects(plan, rows, keys), levels(plan, rows, keys)
    write_metrics_csv(out / DESIGN_NAME, rows)
    write_metrics_csv(out / EFFECTS_NAME, found)
    write_metrics_csv(out / LEVELS_NAME, reached)
    write_json(out / DESIGN_PLAN_NAME, plan.to_json())
    if options.json:
        print(json.dumps({"rows": rows, "effects": found, "levels": reached}, indent=1))
    else:
        _show(plan, rows, {"effects": found, "levels": reached}, anatomy, out)
    return 0


def _run(options: PairedDesign, requests: list[Request], twin: PlacedTwin) -> None:
    from ...runs.pipeline import run
    from ...runs.scheduler import Hooks
    from ...runs.settings import RunSettings

    with ProgressBar("Making siblings", total=sum(request.count for request in requests), unit="siblings") as bar:
        settings = RunSettings(options.model, options.device, options.format, options.jobs, resume=options.resume,
                               replace=options.replace, title=f"Paired design of {options.twin.name}")
        run(requests, twin, options.out, settings, Hooks(bar.show, note, _stopped),
            shorthand=PresetsAndHolds(hold=names_of(options.hold)))


def _stopped(summary: RunSummary) -> None:
    """Says what a run that was stopped has: no table is written then."""
    if not summary.complete:
        print(f"siblings: stopped early; {summary.accepted} of {summary.asked} siblings are finished and recorded in "
              f"{summary.out}. The same command with --resume continues the run.", file=sys.stderr)


def _show(plan: Design, rows: list[Row], tables: Mapping[str, list[Row]], anatomy: Anatomy, out: Path) -> None:
    """Prints the effects on volumes and on the first measures, what these are in each cell, and where everything is."""
    first = [key.title for key in headlines(anatomy)]
    volumes = [tissue_key(tissue).title for tissue in anatomy.ids]
    if shown := [row for row in tables["effects"] if row["measurement"] in (*volumes, *first)]:
        print_table(shown)
        print()
    if shown := [row for row in tables["levels"] if row["measurement"] in first]:
        print("Measures, each at the place that it has in each heart:\n")
        print_table(shown)
        print()
    print(f"{len(rows)} siblings in {len(plan.cells)} cells. {DESIGN_NAME} (one row for each sibling), {EFFECTS_NAME}, "
          f"{LEVELS_NAME}, {DESIGN_PLAN_NAME}, metrics.csv and {RECORD_NAME} are in {out}")
