"""A run of requests from the command line: the batch, its progress bar, and the closing words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...control.achieved import REACHED
from ...core.record import RECORD_NAME
from ...core.tables import short_table
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...runs.messages import RunSummary
from ...runs.pipeline import run
from ...runs.run_folder import METRICS_NAME, OVERVIEW_NAME
from ...runs.run_folder import SHOWN as ROWS
from ...runs.scheduler import Hooks
from ...runs.settings import RunSettings

SHOWN = ("map", "edit", "LV volume [ml]", "RV volume [ml]", "LA volume [ml]", "RA volume [ml]", "mean Dice to twin",
         "violations [%]", "voxels repaired", "voxels changed outside region", REACHED)
_ASIDE = ("; the others are listed in the record with the reasons. Rejected siblings are missing from this cohort, "
          "which may bias it")
SHORT = 3  # exit code where fewer siblings were accepted than were asked for


def run_requests(requests: list[Request], twin: Path | None, out: Path, *, as_json: bool = False,
                 wishes: PresetsAndHolds | None = None, labels: dict[str, int] | None = None,
                 **settings: Any) -> int:
    """Makes all siblings of all requests into `out` -> exit code. Input is checked before anything is written.

    wishes: presets and tissues to hold, added to the control of every request. settings: of `RunSettings`.
    """
    total = sum(request.count for request in requests)
    with _bar(total) as bar:
        def show(done: float, asked: int, words: str) -> None:
            bar.n = round(done, 2)
            bar.set_postfix_str(words, refresh=False)
            bar.update(0)

        def report(summary: RunSummary) -> None:
            bar.close()
            _report(summary, as_json)

        summary = run(requests, twin, out, RunSettings(**settings), Hooks(show, _say, report), labels=labels,
                      shorthand=wishes or PresetsAndHolds())
    return SHORT if summary.short else 0


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A progress bar on a terminal, nothing else where."""
    with tqdm(total=total, unit="sibling", disable=not sys.stderr.isatty()) as bar:
        yield bar


def _say(warning: str) -> None:
    print(f"siblings: note: {warning}", file=sys.stderr)


def _report(summary: RunSummary, as_json: bool) -> None:
    """The closing words: a table (or the record as JSON), what was missed, and where the files are."""
    if as_json:
        print((summary.out / RECORD_NAME).read_text(encoding="utf-8"), end="")
        return
    print(short_table([{key: row[key] for key in SHOWN if key in row} for row in summary.rows]))
    if (more := summary.accepted - ROWS) > 0:
        print(f"and {more} more, in {METRICS_NAME}")
    if summary.remarks:
        left = len(summary.remarks) - ROWS
        print("\nNot reached, or to be looked at:", *summary.remarks[:ROWS], *[f"and {left} more"] * (left > 0),
              sep="\n  ")
    if summary.doubts:
        print("", *summary.doubts, sep="\n")
    for words in _closing_words(summary):
        print(f"\n{words}")
    names = ", ".join(name for name in (OVERVIEW_NAME, METRICS_NAME, RECORD_NAME) if (summary.out / name).exists())
    print(f"\nSiblings, {names} are in {summary.out}")


def _closing_words(summary: RunSummary) -> Iterator[str]:
    """What came of the acceptance checks, and what is left to do."""
    if summary.gate and summary.drawn:
        yield (f"The gate ({summary.gate}) let {summary.accepted} of {summary.drawn} siblings through "
               f"({summary.accepted / summary.drawn:.0%}){_ASIDE if summary.drawn > summary.accepted else ''}.")
    if summary.short:
        yield (f"{summary.short} of {summary.asked} siblings are missing: the limit of draws was reached. A gentler "
               "gate, other settings or a higher --gate-limit with --resume brings more.")
    if summary.lost:
        yield f"{summary.lost} workers were lost on the way; others made their siblings."
    if summary.unplaced:
        yield f"{summary.unplaced} more are finished but wait for earlier ones to be accepted or rejected."
    if not summary.complete:
        yield "Stopped early; the siblings above are finished and recorded. The same command with --resume continues."
    elif not summary.made:
        yield "The run was complete already; nothing was made."
