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
from ...runs.messages import Made
from ...runs.pipeline import make
from ...runs.run_folder import METRICS_NAME, OVERVIEW_NAME, TOLD

SHOWN = ("map", "edit", "LV volume [ml]", "RV volume [ml]", "LA volume [ml]", "RA volume [ml]", "mean Dice to twin",
         "violations [%]", "voxels repaired", "voxels changed outside region", REACHED)
_ASIDE = "; the others are entries of the record, with the reasons. What it keeps out, the cohort does not have"
SHORT = 3  # exit code where fewer siblings were let through than were asked for


def run_requests(requests: list[Request], twin: Path | None, out: Path, *, as_json: bool = False,
                 wishes: PresetsAndHolds | None = None, **settings: Any) -> int:
    """Makes all siblings of all requests into `out` -> exit code. Input is checked before anything is written.

    wishes: presets and tissues to hold, added to the control of every request. settings: as `batch.make` takes them.
    """
    total = sum(request.count for request in requests)
    with _bar(total) as bar:
        def show(done: float, asked: int, words: str) -> None:
            bar.n = round(done, 2)
            bar.set_postfix_str(words, refresh=False)
            bar.update(0)

        def report(made: Made) -> None:
            bar.close()
            _report(made, as_json)

        made = make(requests, twin, out, wishes=wishes, progress=show, report=report, say=_say, **settings)
    return SHORT if made.short else 0


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A progress bar on a terminal, nothing else where."""
    with tqdm(total=total, unit="sibling", disable=not sys.stderr.isatty()) as bar:
        yield bar


def _say(warning: str) -> None:
    print(f"siblings: note: {warning}", file=sys.stderr)


def _report(made: Made, as_json: bool) -> None:
    """The closing words: a table (or the record as JSON), what was missed, and where the files are."""
    if as_json:
        print((made.out / RECORD_NAME).read_text(encoding="utf-8"), end="")
        return
    print(short_table([{key: row[key] for key in SHOWN if key in row} for row in made.rows]))
    if (more := made.accepted - TOLD) > 0:
        print(f"and {more} more, in {METRICS_NAME}")
    if made.told:
        left = len(made.told) - TOLD
        print("\nNot reached, or to be looked at:", *made.told[:TOLD], *[f"and {left} more"] * (left > 0), sep="\n  ")
    if made.doubts:
        print("", *made.doubts, sep="\n")
    if made.gate and made.drawn:
        print(f"\nThe gate ({made.gate}) let {made.accepted} of {made.drawn} siblings through "
              f"({made.accepted / made.drawn:.0%}){_ASIDE if made.drawn > made.accepted else ''}.")
    if made.short:
        print(f"\n{made.short} of {made.asked} siblings are missing: as many were drawn as may be. A gentler gate, "
              "other settings or a higher --gate-limit with --resume brings more.")
    if made.lost:
        print(f"\n{made.lost} workers were lost on the way; others made what they had begun.")
    if made.unplaced:
        print(f"\n{made.unplaced} more are finished and get their number when the gate has judged those before them.")
    if not made.complete:
        print("\nStopped early; the siblings above are finished and recorded. The same command with --resume goes on.")
    elif not made.made:
        print("\nThe run was complete already; nothing was made.")
    names = ", ".join(name for name in (OVERVIEW_NAME, METRICS_NAME, RECORD_NAME) if (made.out / name).exists())
    print(f"\nSiblings, {names} are in {made.out}")
