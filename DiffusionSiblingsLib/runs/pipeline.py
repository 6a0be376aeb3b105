"""A batch: siblings made by one or many workers into a run folder, with a gate, and going on where it was stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..cohorts.training_distance import Doubtful, TrainingDistanceMeter, twin_words
from ..cohorts.training_statistics import read_cohort
from ..core.anatomy import Anatomy, load_anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelMap
from ..core.record import Record
from ..editing.composite import edit_scope
from ..editing.entries import run_entry
from ..editing.guided_plan import GuidedPlan, plan_guidance
from ..editing.postprocess import canonical_labelmap
from ..editing.presets_and_holds import PresetsAndHolds
from ..editing.request import Request
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.twin import Twin, open_twin
from ..labelmaps.write import suffix_for
from ..metrics.acceptance import Acceptance
from ..models.card import ModelCard
from ..models.registry import DEFAULT_MODEL, find_model
from . import resume as resuming
from .lock import locked
from .messages import Job, Made
from .partial_results import PartialResults
from .pool import WorkerPool
from .rejection import SamplingBudget
from .run_folder import METRICS_NAME, TOLD, RunFolder, check_folder, clear_folder
from .scheduler import Progress, Scheduler

LIMIT = 10  # siblings that are drawn at most for each one asked for, with a gate
MOST_JOBS = 1000
Say = Callable[[str], None]


@dataclass(frozen=True)
class Setting:
    """How a batch is made. jobs: workers; 0: as many as the cluster has room for. cluster: "" for this machine's own
    processes, "ray" for Ray on this machine, else the address of a Ray cluster. gate: names of checks, "" for none.
    limit: siblings drawn at most for each one asked for.
    """

    model: str = DEFAULT_MODEL
    device: str = "auto"
    format: str = "same"
    jobs: int = 1
    cluster: str = ""
    gate: str = ""
    limit: int = LIMIT

    def __post_init__(self) -> None:
        least = 0 if self.cluster else 1
        if not least <= self.jobs <= MOST_JOBS:
            raise InputError("The number of jobs cannot be used", value=self.jobs,
                             rule=f"a whole number from {least} to {MOST_JOBS}")
        if self.limit < 1:
            raise InputError("The gate's limit cannot be used", value=self.limit, rule="a whole number from 1 on")


@dataclass(frozen=True)
class Plan:
    """Everything that is known before a worker starts; it is checked by then."""

    setting: Setting
    card: ModelCard
    anatomy: Anatomy
    twin: Twin | None
    guided: tuple[GuidedPlan, ...]
    gate: str
    region: npt.NDArray[np.bool_] | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def requests(self) -> tuple[Request, ...]:
        """With their controls."""
        return tuple(guided.request for guided in self.guided)

    def record(self, compute: dict[str, object]) -> Record:
        """A record of this run with all its requests and no siblings yet."""
        card = self.card
        record = Record.new({"id": card.id, "version": card.version, "sha256": card.sha256}, compute)
        record.runs = [run_entry(guided.request, guided.warnings) for guided in self.guided]
        if self.gate:
            for run, request in zip(record.runs, self.requests, strict=True):
                run["gate"] = {"checks": self.gate, "most": self.most(request)}
        if self.twin is not None:
            record.twin = resuming.twin_entry(self.twin.labelmap)  # in full when the folder is begun
        return record

    def most(self, request: Request) -> int | None:
        """Siblings of a request that may be drawn; None without a gate."""
        return request.count * self.setting.limit if self.gate else None

    def suffixes(self) -> list[str]:
        """Endings of the siblings' files, request by request. Raises InputError for a format that there is not."""
        grid = np.zeros(CanonicalFrame.of(self.anatomy).shape, dtype=np.uint8)
        own = suffix_for(canonical_labelmap(grid, self.anatomy), self.setting.format)
        twins = suffix_for(self.twin.labelmap, self.setting.format) if self.twin is not None else own
        return [twins if request.needs_twin else own for request in self.requests]

    def draws(self) -> list[SamplingBudget]:
        """What is to be drawn, request by request."""
        found, offset = [], 0
        for request in self.requests:
            found.append(SamplingBudget(request.first, request.count, offset, self.most(request)))
            offset += request.count
        return found


def make(requests: Sequence[Request], twin: str | Path | LabelMap | None = None, out: str | Path = "siblings", *,
         model: str = DEFAULT_MODEL, device: str = "auto", labels: dict[str, int] | None = None, format: str = "same",
         jobs: int = 1, cluster: str = "", gate: str = "", limit: int = LIMIT, resume: bool = False,
         replace: bool = False, wishes: PresetsAndHolds | None = None, title: str = "",
         progress: Progress | None = None, say: Say | None = None,
         report: Callable[[Made], None] | None = None) -> Made:
    """Makes all siblings of all requests into the folder `out`: label maps, record.json, metrics.csv, overview.png.

    twin: label map that edits start from. jobs: processes; 1 works in this one. cluster: "ray" or the address of a
    Ray cluster, with `jobs` workers (0: all it has room for). gate: names of checks ("components,contacts"); a sibling
    that fails one is set aside and another drawn, until `count` are accepted or `limit` x count are drawn.
    resume: go on with the run in `out`, if there is one. replace: lose it. wishes: presets and tissues to hold, added
    to every request. progress: called with (siblings done, asked for, words). say: called with warnings.
    report: called with what it came to, also of a run that is stopped.

    Raises InputError and the like before anything is written; what was finished before another error stays and can be
    resumed. KeyboardInterrupt passes through, after the record, the table and the overview were written.
    """
    began = time.monotonic()
    if resume and replace:
        raise InputError("A run cannot be gone on with and replaced", rule="--resume or --replace")
    out = Path(out)
    if not resume:
        check_folder(out, replace=replace)
    setting = Setting(model, device, format, jobs, cluster, gate, limit)
    plan = prepare(tuple(requests), twin, setting, labels, wishes or PresetsAndHolds())
    for warning in plan.warnings if say is not None else ():
        say(warning)
    old = resuming.recorded(out) if resume else None
    if old is not None:
        resuming.require_same(old, plan.record({}), out)
        resuming.require_format(old, plan.suffixes(), out)
        if done := _nothing_left(plan, old, out):
            if report is not None:
                report(done)
            return done
    work = Scheduler(plan.draws(), progress)
    named = str(Path(model).resolve()) if Path(model).is_dir() else model  # workers may stand elsewhere
    job = Job(plan.requests, named, device, old.compute["dtype"] if old is not None else None, plan.twin,
              out.resolve(), format, plan.gate, threads_for(jobs) if not cluster else 0)
    crew = _crew(job, setting, work)

    def close(folder: RunFolder, complete: bool) -> Made:
        work.gather()
        folder.finish(complete=complete, region=plan.region, title=title or _title(plan.twin),
                      notes=notes_of(plan, folder, complete))
        made = work.made(plan.requests, time.monotonic() - began, complete=complete, gate=plan.gate)
        if report is not None:
            report(made)
        return made

    return _carry_out(plan, old, out, crew, work, replace=replace, close=close)


def _carry_out(plan: Plan, old: Record | None, out: Path, crew: WorkerPool, work: Scheduler, *, replace: bool,
               close: Callable[[RunFolder, bool], Made]) -> Made:
    """The work in the folder, from the first worker that is ready to the closing record. Nothing is written before."""
    with ExitStack() as held:
        held.callback(crew.close, at_once=True)
        begun = old is not None or PartialResults(out).folder.exists()  # another run may be at work in it
        if begun:
            held.enter_context(locked(PartialResults(out).folder))
        crew.start()
        compute = work.ready(crew)
        if not begun:
            held.enter_context(locked(PartialResults(out).folder))
        if old is None:
            clear_folder(out, replace=replace)
        folder = _open(plan, old, out, crew, compute)
        work.begin(folder, resumed=old is not None)  # stopped in here, all parts stay as they are
        complete = False
        try:
            work.run(crew)
            complete = True
        finally:
            crew.close(at_once=not complete)
            made = close(folder, complete)
    return made


def prepare(requests: tuple[Request, ...], source: str | Path | LabelMap | None, setting: Setting,
            labels: dict[str, int] | None, wishes: PresetsAndHolds) -> Plan:
    """Reads and checks everything that can be checked without the model's weights. Raises InputError, ModelError."""
    if not requests:
        raise InputError("There is nothing to do", rule="at least one request")
    card = find_model(setting.model)
    anatomy = load_anatomy(card.anatomy)
    wishes.held(anatomy)
    gate = str(Acceptance.parse(setting.gate)) if setting.gate else ""
    if source is None and (missing := [request.edit for request in requests if request.needs_twin]):
        raise InputError("The edit needs a twin", value=missing[0], rule="a label map to start from")
    reference = card.reference()
    path = Path(source) if isinstance(source, str) else source
    twin = open_twin(path, anatomy, reference, labels=labels) if path is not None else None
    support = read_cohort(card.folder)
    planned = plan_guidance(requests, [wishes] * len(requests), twin, anatomy, reference, support)
    region = None
    for guided in planned if twin is not None else ():
        scope = edit_scope(guided.request, twin, anatomy) if guided.request.needs_twin else None
        if len(planned) == 1 and scope is not None and (guided.request.box or guided.request.region):
            region = scope.editable
    notes = [*(twin.warnings if twin is not None else ()), *twin_words(twin, support, anatomy),
             *(note for guided in planned for note in guided.warnings)]
    return Plan(setting, card, anatomy, twin, tuple(planned), gate, region, tuple(dict.fromkeys(notes)))


def threads_for(jobs: int) -> int:
    """Threads of each of so many workers on this machine; 0 (as torch chooses) for one in this process."""
    if jobs == 1:
        return 0
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def _crew(job: Job, setting: Setting, work: Scheduler) -> WorkerPool:
    if setting.cluster:
        from .ray_pool import RayPool

        return RayPool(job, setting.jobs, setting.cluster)
    if setting.jobs == 1:
        from .pool import LocalWorker

        return LocalWorker(job, step=work.step_here, seen=work.seen)
    from .process_pool import ProcessPool

    return ProcessPool(job, min(setting.jobs, sum(request.count for request in job.requests)))


def _open(plan: Plan, old: Record | None, out: Path, crew: WorkerPool, compute: dict[str, object]) -> RunFolder:
    """The run's folder, with the parts of the run that was there."""
    told = {"scheduler": crew.scheduler, "workers": crew.size} if crew.scheduler else {}
    record = plan.record({**compute, **told})
    if old is not None:
        resuming.restore(out, old)
        resuming.take_back(out, old, [request.count for request in plan.requests])
        record.created, earlier = old.created, {**old.compute}
        before = earlier.pop("earlier", [])
        if earlier != record.compute:
            record.compute["earlier"] = [*before, earlier]
        elif before:
            record.compute["earlier"] = before
    meter = TrainingDistanceMeter.of(read_cohort(plan.card.folder), plan.anatomy)
    folder = RunFolder(out, record, plan.anatomy, plan.setting.format, plan.twin, meter=meter)
    folder.go_on()
    return folder


def notes_of(plan: Plan, folder: RunFolder, complete: bool) -> tuple[str, ...]:
    """Footnotes of the overview."""
    notes = [f"Model {plan.card.id} {plan.card.version}"]
    guided = dict.fromkeys(request.describe_guidance() for request in plan.requests if request.control is not None)
    notes += [words[0].upper() + words[1:] for words in guided]
    if plan.twin is not None and plan.twin.canonical.outside_ml:
        cut = ", ".join(f"{tissue} {ml:.1f} ml" for tissue, ml in plan.twin.canonical.outside_ml.items())
        notes.append(f"Outside the field of view, copied from the twin: {cut}")
    if plan.gate:
        drawn = len(folder.placed) + sum(map(len, folder.rejected.values()))
        notes.append(f"Gate {plan.gate}: {len(folder.placed)} of {drawn} accepted")
    if not complete:
        notes.append("The run was stopped before its end")
    return tuple(notes)


def _title(twin: Twin | None) -> str:
    if twin is None:
        return "Generated hearts"
    return f"Digital siblings of {twin.labelmap.source.name}" if twin.labelmap.source else "Digital siblings"


def _nothing_left(plan: Plan, old: Record, out: Path) -> Made | None:
    """What a complete run came to, where no more is asked for now; None where there is something to do."""
    counts = [run["request"]["count"] for run in old.runs]
    unfinished = not old.complete or PartialResults(out).folder.exists()
    if unfinished or counts != [request.count for request in plan.requests]:
        return None
    entries = [entry for run in old.runs for entry in run["siblings"]]
    if not all((out / entry["file"]).exists() for entry in entries):
        return None
    short = [run for run in old.runs if len(run["siblings"]) < run["request"]["count"]]
    if any(run["gate"]["most"] < (plan.most(Request.from_json(run["request"])) or 0) for run in short):
        return None
    rejected = sum(len(run.get("rejected", ())) for run in old.runs)
    rows = list(resuming.rows_of(out / METRICS_NAME).values())[: TOLD + 1]
    doubtful = Doubtful()
    for entry in entries:
        doubtful.add(entry)
    told = tuple(f"{entry['file'].split('.')[0]}: {words}" for entry in entries for words in resuming.told_of(entry))
    return Made(out, sum(counts), len(entries), 0, len(entries) + rejected, True, rows=rows, told=told, gate=plan.gate,
                doubts=doubtful.words())
