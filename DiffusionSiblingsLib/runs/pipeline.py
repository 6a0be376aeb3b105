"""A run: the siblings of a plan, made by one or many workers into a run folder; it can be resumed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.cores import threads_for
from ..core.labelmap import LabelValues
from ..core.record import Record
from ..editing.presets_and_holds import PresetsAndHolds
from ..editing.record_entries import row_of
from ..editing.request import Request
from . import resume as resuming
from .lock import locked
from .messages import RunJob, RunSummary
from .own_files import remove_litter, require_apart, require_removable
from .partial_results import PartialResults
from .plan import Plan, Source, inputs_of
from .run_folder import SHOWN, RunFolder, check_folder, clear_folder
from .scheduler import Hooks, Scheduler
from .settings import RunSettings
from .views import Tally, name_of

if TYPE_CHECKING:  # torch is not loaded before it is needed
    from .pool import WorkerPool


def run(requests: Sequence[Request], twin: Source = None, out: str | Path = "siblings",
        settings: RunSettings | None = None, hooks: Hooks | None = None, *, labels: LabelValues | None = None,
        shorthand: PresetsAndHolds | Sequence[PresetsAndHolds] = (),
        inputs: Sequence[tuple[str, Path]] = ()) -> RunSummary:
    """Makes all siblings of all requests into the folder `out`: label maps, record.json, metrics.csv, overview.png.

    twin: the label map that edits start from. labels: tissue id -> value, for a twin whose file does not say so.
    shorthand: presets and tissues to hold, for all requests or one for each. inputs: what else was read for this run,
    such as ("the control", its path): the run writes over none of it.

    Raises InputError and the like before anything is written; what was finished before another error stays and can be
    resumed. KeyboardInterrupt passes through, after the record, the table and the overview were written.
    """
    settings = settings or RunSettings()
    named = twin if isinstance(twin, (str, Path)) else None
    _check_folder(Path(out), settings, [*inputs, *inputs_of(requests, settings, named)])
    plan = Plan.of(requests, twin, settings, labels=labels, shorthand=shorthand)
    return run_plan(plan, Path(out), hooks or Hooks())


def run_plan(plan: Plan, out: Path, hooks: Hooks) -> RunSummary:
    """The same for requests that are planned already."""
    settings = plan.settings
    _check_folder(out, settings, plan.inputs)
    if hooks.say is not None:
        for warning in plan.warnings:
            hooks.say(warning)
    plan.suffixes()  # an unknown format is refused before a model is loaded
    old = resuming.recorded(out) if settings.resume else None
    if old is not None:
        resuming.require_same(old, plan.record({}), out)
        resuming.require_format(old, plan.suffixes(), out)
        if (done := _nothing_left(plan, old, out)) is not None and hooks.placed is None:
            if hooks.report is not None:
                hooks.report(done)
            return done
    return _Run(plan, out, hooks, old).carry_out()


class _Run:
    """One call of the pipeline, from the first worker that is ready to the closing record."""

    def __init__(self, plan: Plan, out: Path, hooks: Hooks, old: Record | None) -> None:
        self.plan, self.out, self.hooks, self.old = plan, out, hooks, old
        self.began = time.monotonic()
        self.scheduler = Scheduler(plan.budgets(), hooks)
        settings = plan.settings
        dtype = old.compute["dtype"] if old is not None else settings.dtype
        threads = threads_for(settings.jobs) if not settings.cluster else 0
        self.pool = open_pool(RunJob(plan, out.resolve(), dtype, threads), self.scheduler)

    def carry_out(self) -> RunSummary:
        """Nothing is written before a worker is ready."""
        parts = PartialResults(self.out)
        with ExitStack() as held:
            held.callback(self.pool.close, at_once=True)
            begun = self.old is not None or parts.folder.exists()  # another run may be at work in it
            if begun:
                held.enter_context(locked(parts.folder))
            self.pool.start()
            compute = self.scheduler.ready(self.pool)
            if not begun:
                held.enter_context(locked(parts.folder))
            if self.old is None:
                clear_folder(self.out, replace=self.plan.settings.replace)
            folder = self._open(compute)
            self.scheduler.begin(folder, resumed=self.old is not None)  # stopped in here, all parts stay as they are
            try:
                self.scheduler.run(self.pool)
            except BaseException as error:  # the closing record is written of a run that is stopped, too
                self.pool.close(at_once=True)
                self._close(folder, complete=False, picture=isinstance(error, (Exception, KeyboardInterrupt)))
                raise
            self.pool.close(at_once=False)
            return self._close(folder, complete=True)

    def _open(self, compute: dict[str, object]) -> RunFolder:
        """The run's folder, with the parts of the run that was there."""
        if self.pool.scheduler:
            compute = {**compute, "scheduler": self.pool.scheduler, "workers": self.pool.size}
        record = self.plan.record(compute)
        if self.old is not None:
            remove_litter(self.out)
            resuming.restore(self.out, self.old)
            resuming.take_back(self.out, self.old, [planned.request.count for planned in self.plan.requests])
            resuming.inherit(record, self.old)
        return RunFolder(self.out, self.plan, record)

    def _close(self, folder: RunFolder, *, complete: bool, picture: bool = True) -> RunSummary:
        """picture: False where the user waits for the end of a run that is not wanted any more."""
        if not complete:
            self.scheduler.gather()
        folder.finish(complete=complete, picture=picture)
        summary = RunSummary(self.out, self.plan.asked, len(folder.placed), self.scheduler.made, folder.drawn, complete,
                             self.scheduler.lost, time.monotonic() - self.began, folder.rows,
                             tuple(folder.tally.remarks), self.plan.settings.gate, folder.tally.doubts(),
                             0 if complete else folder.unplaced(),
                             folder.tally.measure_rows(self.plan.facts.anatomy, self.plan.twin))
        if self.hooks.report is not None:
            self.hooks.report(summary)
        return summary


def _check_folder(out: Path, settings: RunSettings, inputs: Sequence[tuple[str, str | Path]]) -> None:
    """Raises InputError or OutputError where the run would lose what is in the folder. inputs: what it reads."""
    require_apart(out, inputs)
    require_removable(out)
    if not settings.resume:
        check_folder(out, replace=settings.replace)


def open_pool(job: RunJob, scheduler: Scheduler) -> WorkerPool:
    """The workers that the settings ask for."""
    settings = job.plan.settings
    if settings.cluster:
        from .ray_pool import RayPool

        return RayPool(job, settings.jobs, settings.cluster)
    if settings.jobs == 1:
        from .pool import LocalWorker

        return LocalWorker(job, scheduler.hooks.engine, step=scheduler.step_here, seen=scheduler.see)
    from .process_pool import ProcessPool

    return ProcessPool(job, min(settings.jobs, job.plan.asked))


def _nothing_left(plan: Plan, old: Record, out: Path) -> RunSummary | None:
    """What a complete run came to, where no more is asked for now; None where there is something to do."""
    counts = [run["request"]["count"] for run in old.runs]
    unfinished = not old.complete or PartialResults(out).folder.exists()
    if unfinished or counts != [planned.request.count for planned in plan.requests]:
        return None
    entries = [(run["request"], entry) for run in old.runs for entry in run["siblings"]]
    if not all((out / entry["file"]).exists() for _, entry in entries):
        return None
    short = [run for run in old.runs if len(run["siblings"]) < run["request"]["count"]]
    if any(run["gate"]["most"] < (plan.most(Request.from_json(run["request"])) or 0) for run in short):
        return None
    tally = Tally()
    for _, entry in entries:
        tally.add(name_of(entry), entry)
    rows = [tally.twin_row(plan.twin)] if plan.twin is not None else []
    rows += [row_of(name_of(entry), entry, request) for request, entry in entries[:SHOWN]]
    rejected = sum(len(run.get("rejected", ())) for run in old.runs)
    return RunSummary(out, sum(counts), len(entries), 0, len(entries) + rejected, True, rows=rows,
                      remarks=tuple(tally.remarks), gate=plan.settings.gate, doubts=tally.doubts(),
                      measures=tally.measure_rows(plan.facts.anatomy, plan.twin))
