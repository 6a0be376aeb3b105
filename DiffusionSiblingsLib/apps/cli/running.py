"""A run of requests from the command line: the run itself, its progress bar, and the closing words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...control.achieved import REACHED
from ...core.progress import ProgressBar
from ...core.record import RECORD_NAME
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...runs.messages import Made
from ...runs.pipeline import make
from ...runs.run_folder import METRICS_NAME, OVERVIEW_NAME, TOLD
from .terminal import note, print_table

SHOWN = ("map", "edit", "LV volume [ml]", "RV volume [ml]", "LA volume [ml]", "RA volume [ml]", "mean Dice to twin",
         "violations [%]", "voxels repaired", "voxels changed outside region", REACHED)
SHORT = 3  # exit code where fewer siblings were accepted than were asked for


def run_requests(requests: list[Request], twin: Path | None, out: Path, *, as_json: bool = False,
                 wishes: PresetsAndHolds | None = None, **settings: Any) -> int:
    """Makes all siblings of all requests into `out` -> exit code. Input is checked before anything is written.

    wishes: presets and tissues to hold, added to the control of every request. settings: as `runs.pipeline.make` takes
    them.
    """
    total = sum(request.count for request in requests)
    with ProgressBar("Making siblings", total=total, unit="siblings") as bar:
        def report(made: Made) -> None:
            bar.close()
            _report(made, as_json)

        made = make(requests, twin, out, wishes=wishes, progress=bar.show, report=report, say=note, **settings)
    return SHORT if made.short else 0


def _report(made: Made, as_json: bool) -> None:
    """The closing words: a table (or the record as JSON), what was missed, and where the files are."""
    if as_json:
        print((made.out / RECORD_NAME).read_text(encoding="utf-8"), end="")
        return
    print_table([{key: row[key] for key in SHOWN if key in row} for row in made.rows])
    if (more := made.accepted - TOLD) > 0:
        print(f"and {more} more, in {METRICS_NAME}")
    if made.told:
        left = len(made.told) - TOLD
        more_told = [f"and {left} more"] if left > 0 else []
        print("\nTargets missed, and siblings to look at:", *made.told[:TOLD], *more_told, sep="\n  ")
    if made.doubts:
        print("", *made.doubts, sep="\n")
    if made.gate and made.drawn:
        print(f"\nThe checks ({made.gate}) accepted {made.accepted} of {made.drawn} siblings "
              f"({made.accepted / made.drawn:.0%}).")
        if made.drawn > made.accepted:
            print(f"{RECORD_NAME} lists the rejected siblings with the reasons. They are missing from this cohort, "
                  "which may bias it.")
    if made.short:
        print(f"\n{made.short} of {made.asked} siblings are missing: the limit of draws was reached. Use weaker "
              "checks, other settings, or --resume with a higher --gate-limit.")
    if made.lost:
        print(f"\n{made.lost} workers stopped before they were finished; others made their siblings.")
    if made.unplaced:
        print(f"\n{made.unplaced} more are finished but wait for earlier ones to be accepted or rejected.")
    if not made.complete:
        print("\nStopped early; the siblings above are finished and recorded. The same command with --resume "
              "continues the run.")
    elif not made.made:
        print("\nThe run was already complete; nothing was made.")
    names = ", ".join(name for name in (OVERVIEW_NAME, METRICS_NAME, RECORD_NAME) if (made.out / name).exists())
    print(f"\nSiblings, {names} are in {made.out}")
