"""Makes the siblings of requests in a run folder, for conditions of studies. A stopped run is resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..cohorts.pool import jobs_of
from ..core.labelmap import LabelMap
from ..core.progress import ProgressBar
from ..core.record import RECORD_NAME, readable_record
from ..editing.request import Request
from ..runs.pipeline import run
from ..runs.scheduler import Hooks
from ..runs.settings import RunSettings
from .conditions import same_but_count

WORTH = 4  # siblings for which starting a process is worthwhile
SHOWN = 3  # warnings of a run that are shown; far from training hearts every guided sibling has one


@dataclass(frozen=True)
class SiblingMaker:
    """Makes conditions. jobs: processes, 0 for one per core. say: called with the first warnings of every run."""

    model: str
    device: str
    jobs: int = 1
    say: Callable[[str], None] = print

    def __call__(self, requests: Sequence[Request], twin: LabelMap | None, out: Path) -> None:
        """Makes the siblings of the requests that the run folder does not have yet. twin: None for generated hearts."""
        wanted = _no_fewer(requests, out)
        total = sum(request.count for request in wanted)
        jobs = min(jobs_of(self.jobs), max(1, total // WORTH))
        warnings: list[str] = []

        def warn(words: str) -> None:
            warnings.append(words)
            if len(warnings) <= SHOWN:
                self.say(f"note: {out.name}: {words}")

        with ProgressBar(out.name, total=total, unit="siblings") as bar:
            settings = RunSettings(self.model, self.device, "nii.gz", jobs, resume=True, title=out.name)
            run(wanted, twin, out, settings, Hooks(bar.show, warn))
        if (more := len(warnings) - SHOWN) > 0:
            self.say(f"note: {out.name}: {more} more warnings are in its {RECORD_NAME}")


def _no_fewer(requests: Sequence[Request], out: Path) -> list[Request]:
    """The requests with at least as many siblings as the run in `out` has asked for, because a run cannot shrink."""
    record = readable_record(out)
    asked = [run.get("request", {}) for run in (record.runs if record is not None else ())]
    found = []
    for request in requests:
        own = same_but_count(request.to_json())
        counts = [int(other["count"]) for other in asked if same_but_count(other) == own]
        found.append(replace(request, count=max([request.count, *counts])))
    return found
