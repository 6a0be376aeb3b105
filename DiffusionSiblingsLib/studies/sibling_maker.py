"""Siblings of requests into a run folder, for arms of studies: a batch that goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..cohorts.pool import jobs_of
from ..core.labelmap import LabelMap
from ..core.progress import ProgressBar
from ..core.record import RECORD_NAME
from ..editing.request import Request
from ..runs.pipeline import run
from ..runs.scheduler import Hooks
from ..runs.settings import RunSettings
from .record_files import read_plain, same_but_count

WORTH = 4  # siblings for which starting a process pays
TOLD = 3  # warnings of a run that are said; guided siblings have one each where no training heart is


@dataclass(frozen=True)
class Maker:
    """Makes arms. jobs: processes, 0 for one a core. say: told the first warnings of every run."""

    model: str
    device: str
    jobs: int = 1
    say: Callable[[str], None] = print

    def __call__(self, requests: Sequence[Request], twin: LabelMap | None, out: Path) -> None:
        """Makes all siblings of the requests, on one twin or none, into a run folder; what it has is not made again."""
        wanted = _no_fewer(requests, out)
        total = sum(request.count for request in wanted)
        jobs = min(jobs_of(self.jobs), max(1, total // WORTH))
        warnings: list[str] = []

        def warn(words: str) -> None:
            warnings.append(words)
            if len(warnings) <= TOLD:
                self.say(f"note: {out.name}: {words}")

        with ProgressBar(out.name, total=total, unit="siblings") as bar:
            settings = RunSettings(self.model, self.device, "nii.gz", jobs, resume=True, title=out.name)
            run(wanted, twin, out, settings, Hooks(bar.show, warn))
        if (more := len(warnings) - TOLD) > 0:
            self.say(f"note: {out.name}: {more} more warnings, in its {RECORD_NAME}")


def _no_fewer(requests: Sequence[Request], out: Path) -> list[Request]:
    """The requests with at least as many siblings as the run in `out` was asked for: a run does not shrink."""
    record = read_plain(out / RECORD_NAME) or {}
    asked = [run.get("request", {}) for run in record.get("runs", ())]
    found = []
    for request in requests:
        own = same_but_count(request.to_json())
        counts = [int(other["count"]) for other in asked if same_but_count(other) == own]
        found.append(replace(request, count=max([request.count, *counts])))
    return found
