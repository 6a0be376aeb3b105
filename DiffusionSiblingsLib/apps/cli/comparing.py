"""`siblings compare` and `siblings report`: cohorts as tables and pages. Never loads torch."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ...cohorts.compare_cohorts import compare_cohorts
from ...cohorts.measured import MeasuredCohort, measure_cohort
from ...core.anatomy import load_anatomy
from ...core.record import has_record
from ...labelmaps.tissues import parse_labels
from ...models.card import ModelCard
from ...models.registry import DEFAULT_MODEL, find_model

CACHE = ".measured"


def compare(arguments: argparse.Namespace) -> int:
    """siblings compare --real DIR --synthetic DIR --out REPORT."""
    from ...core.tables import short_table
    from ...reports.comparison import write_comparison
    from ...reports.metric_table import figure_row

    card = find_model(arguments.model or DEFAULT_MODEL)
    real, synthetic = (_measured(source, card, arguments, labels or _shared_labels(source, arguments), name)
                       for source, labels, name in (
                           (arguments.real, arguments.real_labels, arguments.real_name),
                           (arguments.synthetic, arguments.synthetic_labels, arguments.synthetic_name)))
    with Bar("comparing") as bar:
        comparison = compare_cohorts(real, synthetic, seed=arguments.seed, emd=not arguments.no_emd,
                                     emd_members=arguments.emd_members, jobs=arguments.jobs, cache=_cache(arguments),
                                     progress=bar.show)
    page = write_comparison(arguments.out, comparison, real, synthetic, question=arguments.question,
                            occupancy=not arguments.no_occupancy)
    if arguments.json:
        print(json.dumps(comparison.to_json(), indent=1))
        return 0
    print(short_table([figure_row(figure) for figure in comparison.figures]))
    print(f"\nThe report is {page}")
    return 0


def report(arguments: argparse.Namespace) -> int:
    """siblings report DIR --out REPORT."""
    from ...reports.cohort_report import cohort_report, model_of

    card = find_model(arguments.model) if arguments.model else model_of(arguments.cohort)
    cohort = _measured(arguments.cohort, card, arguments, arguments.labels)
    page = cohort_report(arguments.out, cohort, card, question=arguments.question, use=arguments.use,
                               occupancy=not arguments.no_occupancy)
    if arguments.json:
        print((page.parent / "report.json").read_text(encoding="utf-8"), end="")
    else:
        print(f"The report is {page}")
    return 0


def _shared_labels(source: Path, arguments: argparse.Namespace) -> str | None:
    """--labels, which is of both cohorts, where a cohort is no run: a run's record says its own numbering."""
    labels: str | None = arguments.labels
    if not labels or not has_record(source):
        return labels
    print(f"siblings: note: {source} is read as its record says, not by --labels", file=sys.stderr)
    return None


def _measured(source: Path, card: ModelCard, arguments: argparse.Namespace, labels: str | None,
              name: str = "") -> MeasuredCohort:
    """A measured cohort; maps that cannot be measured are said."""
    with Bar(f"measuring {source.name or source}") as bar:
        cohort = measure_cohort(source, load_anatomy(card.anatomy), card.reference(), jobs=arguments.jobs,
                                cache=_cache(arguments), labels=parse_labels(labels) if labels else None,
                                progress=bar.show, name=name or None)
    for member, why in cohort.skipped.items():
        print(f"siblings: note: {member} is left out: {why}", file=sys.stderr)
    return cohort


def _cache(arguments: argparse.Namespace) -> Path:
    """Where measurements are kept."""
    return Path(arguments.cache or arguments.out / CACHE)


class Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, words: str) -> None:
        from tqdm import tqdm

        self.bar = tqdm(desc=words, disable=not sys.stderr.isatty())

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *problem: object) -> None:
        self.bar.close()

    def show(self, done: int, total: int, words: str) -> None:
        """Done of total, and what is at work."""
        self.bar.total, self.bar.n = total, done
        self.bar.set_postfix_str(words, refresh=False)
        self.bar.refresh()
