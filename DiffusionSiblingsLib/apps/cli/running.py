"""A run of requests from the command line: the run itself, its progress bar, and the closing words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...control.achieved import REACHED
from ...core.defaults import DEFAULT_MODEL
from ...core.labelmap import LabelValues
from ...core.progress import ProgressBar
from ...core.record import RECORD_NAME
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...models.bars import require_bars
from ...models.registry import find_model
from ...runs.messages import RunSummary
from ...runs.own_files import METRICS_NAME, OVERVIEW_NAME
from ...runs.pipeline import run
from ...runs.run_folder import SHOWN as ROWS
from ...runs.scheduler import Hooks
from ...runs.settings import RunSettings
from .terminal import note, print_table

SHOWN = ("map", "edit", "LV volume [ml]", "RV volume [ml]", "LA volume [ml]", "RA volume [ml]", "mean Dice to twin",
         "violations [%]", "voxels repaired", "voxels changed outside region", REACHED)
SHORT = 3  # exit code where fewer siblings were accepted than were asked for


def run_requests(requests: list[Request], twin: Path | None, out: Path, *, as_json: bool = False, force: bool = False,
                 shorthand: PresetsAndHolds | None = None, labels: LabelValues | None = None,
                 inputs: Sequence[tuple[str, Path]] = (), **settings: Any) -> int:
    """Makes all siblings of all requests into `out` -> exit code. Input is checked before anything is written.

    force: whether to use a model that misses the bars of its training. shorthand: presets and tissues to hold,
    added to the control of every request. inputs: as `runs.pipeline.run` takes them. settings: of `RunSettings`.
    """
    if not force and any(request.edit != "reconstruct" for request in requests):  # which shows how good a model is
        require_bars(find_model(settings.get("model", DEFAULT_MODEL)))
    total = sum(request.count for request in requests)
    with ProgressBar("Making siblings", total=total, unit="siblings") as bar:
        hooks = Hooks(bar.show, note, partial(_report, bar, as_json))
        summary = run(requests, twin, out, RunSettings(**settings), hooks, labels=labels,
                      shorthand=shorthand or PresetsAndHolds(), inputs=inputs)
    return SHORT if summary.short else 0


def _report(bar: ProgressBar, as_json: bool, summary: RunSummary) -> None:
    """The closing words: a table (or the record as JSON), what was missed, and where the files are."""
    bar.close()
    if as_json:
        print((summary.out / RECORD_NAME).read_text(encoding="utf-8"), end="")
        return
    print_table([{key: row[key] for key in SHOWN if key in row} for row in summary.rows])
    if (more := summary.accepted - ROWS) > 0:
        print(f"and {more} more, in {METRICS_NAME}")
    if summary.measures:
        print("\nMeasures, each at the place that it has in each heart:\n")
        print_table(summary.measures)
    if summary.remarks:
        left = len(summary.remarks) - ROWS
        more_remarks = [f"and {left} more"] if left > 0 else []
        print("\nTargets missed, and siblings to look at:", *summary.remarks[:ROWS], *more_remarks, sep="\n  ")
    if summary.doubts:
        print("", *summary.doubts, sep="\n")
    if summary.gate and summary.drawn:
        print(f"\nThe checks ({summary.gate}) accepted {summary.accepted} of {summary.drawn} siblings "
              f"({summary.accepted / summary.drawn:.0%}).")
        if summary.drawn > summary.accepted:
            print(f"{RECORD_NAME} lists the rejected siblings with the reasons. They are missing from this cohort, "
                  "which may bias it.")
    if summary.short:
        print(f"\n{summary.short} of {summary.asked} siblings are missing: the limit of draws was reached. Use weaker "
              "checks, other settings, or --resume with a higher --gate-limit.")
    if summary.lost:
        print(f"\n{summary.lost} workers stopped before they were finished; others made their siblings.")
    if summary.unplaced:
        print(f"\n{summary.unplaced} more are finished but wait for earlier ones to be accepted or rejected.")
    if not summary.complete:
        print("\nStopped early; the siblings above are finished and recorded. The same command with --resume "
              "continues the run.")
    elif not summary.made:
        print("\nThe run was already complete; nothing was made.")
    names = [name for name in (OVERVIEW_NAME, METRICS_NAME, RECORD_NAME) if (summary.out / name).exists()]
    print(f"\nThe siblings and {', '.join(names)} are in {summary.out}")
