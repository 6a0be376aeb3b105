"""`siblings compare` and `siblings report`: cohorts as tables and pages. Never loads torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...cohorts.compare_cohorts import compare_cohorts
from ...cohorts.measured import MeasuredCohort, measure_cohort
from ...core.anatomy import load_anatomy
from ...core.defaults import DEFAULT_MODEL
from ...core.progress import ProgressBar
from ...core.record import has_record
from ...labelmaps.label_options import parse_labels
from ...metrics.measurement import MeasurementKey
from ...metrics.measures.measure import headlines
from ...models.card import ModelCard
from ...models.registry import find_model
from .comparing_options import Compare, Page, Report
from .terminal import FileNotes, note, print_table

CACHE = ".measured"


def compare(options: Compare) -> int:
    """siblings compare --real DIR --synthetic DIR --out REPORT."""
    from ...reports.comparison import write_comparison
    from ...reports.metric_table import figure_row
    from ...reports.report_files import report_folder

    report_folder(options.out)  # refused before anything is measured
    card = find_model(options.model or DEFAULT_MODEL)
    real, synthetic = (_measured(source, card, options, labels or _shared_labels(source, options), name)
                       for source, labels, name in (
                           (options.real, options.real_labels, options.real_name),
                           (options.synthetic, options.synthetic_labels, options.synthetic_name)))
    with ProgressBar("Comparing") as bar:
        comparison = compare_cohorts(real, synthetic, seed=options.seed, emd=not options.no_emd,
                                     emd_members=options.emd_members, jobs=options.jobs, cache=_cache(options),
                                     progress=bar.show)
    page = write_comparison(options.out, comparison, real, synthetic, question=options.question,
                            occupancy=not options.no_occupancy)
    if options.json:
        print(json.dumps(comparison.to_json(), indent=1))
        return 0
    print_table([figure_row(figure) for figure in comparison.figures])
    rows = {str(row["measure"]): row for row in comparison.per_measure}
    if measures := [_measure(key, rows[key.title]) for key in headlines(real.anatomy) if key.title in rows]:
        print("\nMeasures, each at the place that it has in each heart; measures.csv has more of them, and ranges:\n")
        print_table(measures)
    for words in comparison.notes:
        note(words)
    print(f"\nThe report is {page}")
    return 0


def _measure(key: MeasurementKey, row: Mapping[str, Any]) -> dict[str, object]:
    """A row of the table of measures on the terminal."""
    shown = {f"{side} {column}": f"{side} {title}" for side in ("real", "synthetic")
             for column, title in (("found", "with it"), ("50 %", "median"))}
    return {"place": key.tissue, "measure": f"{key.name} [{key.unit}]",
            **{title: row[column] for column, title in shown.items()},
            "difference of medians": row["difference of medians"]}


def report(options: Report) -> int:
    """siblings report DIR --out REPORT."""
    from ...reports.cohort_report import cohort_report, model_of
    from ...reports.report_files import report_folder

    report_folder(options.out)
    card = find_model(options.model) if options.model else model_of(options.cohort)
    cohort = _measured(options.cohort, card, options, options.labels)
    page = cohort_report(options.out, cohort, card, question=options.question, use=options.use,
                         occupancy=not options.no_occupancy)
    if options.json:
        print((page.parent / "report.json").read_text(encoding="utf-8"), end="")
    else:
        print(f"The report is {page}")
    return 0


def _shared_labels(source: Path, options: Compare) -> str | None:
    """--labels, which a run ignores: its record has the labels."""
    if not options.labels or not has_record(source):
        return options.labels
    note(f"{source} is read with the labels in its record; --labels is ignored")
    return None


def _measured(source: Path, card: ModelCard, options: Page, labels: str | None,
              name: str = "") -> MeasuredCohort:
    """A measured cohort; maps that cannot be measured are named."""
    with ProgressBar(f"Measuring {source.name or source}") as bar:
        cohort = measure_cohort(source, load_anatomy(card.anatomy), card.reference(), jobs=options.jobs,
                                cache=_cache(options), labels=parse_labels(labels) if labels else None,
                                progress=bar.show, name=name or None, by_name=True)
    for member, why in cohort.skipped.items():
        note(f"{member} is left out: {why}")
    assumed = FileNotes()
    for member, notes in cohort.notes.items():
        assumed.add(f"{cohort.name}, {member}", notes)
    assumed.close()
    return cohort


def _cache(options: Page) -> Path:
    """Where measurements are kept."""
    return Path(options.cache or options.out / CACHE)
