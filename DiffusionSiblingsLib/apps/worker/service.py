"""What the worker does for each command; the model and the twin stay loaded between commands."""

from __future__ import annotations

import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...cohorts.measured_map import MeasuredMap
from ...cohorts.model_facts import ModelFacts
from ...control.control import Control
from ...control.measure import measure
from ...core.anatomy import load_anatomy
from ...core.defaults import DEFAULT_MODEL
from ...core.errors import InputError, means_memory, too_little_memory
from ...core.labelmap import LabelMap
from ...core.record import RECORD_NAME, Record, hash_labelmap
from ...core.version import __version__
from ...editing.planned import PlacedTwin, require_twin
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...editing.result import Sibling
from ...engine.compute import find_compute, quiet_threads
from ...engine.engine import Engine
from ...labelmaps.ipc_labelmap import read_exchange
from ...labelmaps.tissues import known_labels
from ...labelmaps.twin import open_twin
from ...metrics.measures.drawing import drawing_of
from ...metrics.measures.drawing_file import write_drawing
from ...metrics.measures.measure import measure as find_measures
from ...models.registry import find_model
from ...runs.own_files import require_apart
from ...runs.pipeline import run_plan
from ...runs.plan import Plan
from ...runs.replay import Replay, check_twin, installed
from ...runs.run_folder import Placed, RunFolder
from ...runs.scheduler import Hooks
from ...runs.settings import RunSettings
from . import cohort_service as cohort_jobs
from . import memory, mesh_service
from .commands import check_command
from .payloads import files_of, moved, read_twin, size_of, stored
from .progress import Costs, JobProgress, RunProgress, effort, kind_of, steps_of
from .run_events import OnPlaced, RunEvents, settings_of

Watch = Callable[[JobProgress], None]


class Service:
    """The engine that was used last and the twin that was placed last, and what can be done with them."""

    def __init__(self) -> None:
        quiet_threads()
        self._resident = memory.resident()  # before any model was loaded
        self.costs = Costs()
        self._engine: tuple[object, Engine] | None = None
        self._twin: tuple[object, PlacedTwin] | None = None

    def do(self, command: dict[str, Any], task: Any, watch: Watch) -> dict[str, Any]:
        """Does one command -> the values of its "done" event. Raises SiblingsError, or what went wrong."""
        jobs = {"hello": self.hello, "run": self.run, "replay": self.replay, "measure": self.measure,
                "draw": self.draw, "estimate": self.estimate, "cohort": cohort_jobs.open_cohort,
                "member": cohort_jobs.read_member, "compare": cohort_jobs.compare, "report": cohort_jobs.report,
                "mesh": mesh_service.mesh}
        check_command(command)
        job = jobs[command["command"]]
        progress = JobProgress(self.costs, lambda done, what, left: task.emit("progress", done=done, what=what,
                                                                       seconds_left=left))
        watch(progress)
        return job(command, task, progress)

    def explain(self, error: BaseException) -> BaseException:
        """An error as the user should hear it; after one of memory, what can be given up is given up."""
        if means_memory(error):
            self._twin = self._engine = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return too_little_memory(f"{type(error).__name__} while the run was under way")
        return error

    def hello(self, command: dict[str, Any], task: Any, progress: JobProgress) -> dict[str, Any]:
        """Versions and devices."""
        free = memory.free_memory()
        devices = [{"id": "cpu", "name": platform.processor() or platform.machine(), "free": free}]
        if torch.cuda.is_available():
            count = torch.cuda.device_count()
            devices[:0] = [{"id": f"cuda:{card}" if count > 1 else "cuda", "name": torch.cuda.get_device_name(card),
                            "free": torch.cuda.mem_get_info(card)[0]} for card in range(count)]
        if torch.backends.mps.is_available():
            devices.insert(0, {"id": "mps", "name": "Apple GPU", "free": free})
        return {"version": __version__, "torch": torch.__version__, "python": platform.python_version(),
                "executable": sys.executable, "threads": torch.get_num_threads(), "devices": devices}

    def estimate(self, command: dict[str, Any], task: Any, progress: JobProgress) -> dict[str, Any]:
        """Memory that a run on a twin's grid would take, and what is free. shape: (D, H, W)."""
        card = find_model(command.get("model", DEFAULT_MODEL))
        shape = command.get("shape") or load_anatomy(card.anatomy).shape
        wanted = self._still_needed(memory.needed(tuple(int(n) for n in shape), size_of(card.weights_path)))
        free = memory.free_memory()
        return {"needed": wanted, "free": free, "enough": wanted <= free}

    def _still_needed(self, wanted: int) -> int:
        """What of that the worker does not hold already."""
        return max(memory.SPARE, wanted - max(0, memory.resident() - self._resident))

    def measure(self, command: dict[str, Any], task: Any, progress: JobProgress) -> dict[str, Any]:
        """Rows of metrics.csv of label maps as they are; with a `control` also what they have in its domains.

        The control lies in the maps' own frame.
        """
        control = Control.from_json(command["control"]) if command.get("control") else None
        domains: list[dict[str, Any]] = []
        anatomy = load_anatomy(command.get("anatomy", "heart"))
        names = command.get("names") or [Path(stem).name for stem in command["maps"]]
        rows = []
        progress.plan("measure", 12.0 * len(names))
        for stem, name in zip(command["maps"], names, strict=True):
            progress.start("measure", f"Measuring {name}", 12.0)
            labelmap = read_exchange(stem)
            known = known_labels(labelmap, anatomy)
            rows.append(MeasuredMap.of(labelmap, known, anatomy).row(name))
            for domain in control.domains if control is not None else ():
                domains.append({"map": name, **measure(known, labelmap.affine, domain, anatomy).to_json()})
        progress.finish()
        return {"rows": rows} if control is None else {"rows": rows, "domains": domains}

    def draw(self, command: dict[str, Any], task: Any, progress: JobProgress) -> dict[str, Any]:
        """Where the measures of a label map are, as a drawing in the file `out`."""
        anatomy = load_anatomy(command.get("anatomy", "heart"))
        progress.plan("draw", 1)
        progress.start("draw", f"Finding the measures of {command.get('title') or Path(command['map']).name}", 1)
        labelmap = read_exchange(command["map"])
        found = find_measures(known_labels(labelmap, anatomy), labelmap.affine, anatomy)
        progress.finish()
        return {"drawing": str(write_drawing(drawing_of(found, anatomy), command["out"]))}

    def run(self, command: dict[str, Any], task: Any, progress: JobProgress) -> dict[str, Any]:
        """Makes the siblings of all requests into the run folder `out`; an event tells of each as soon as it is there.

        The siblings are handed over in the folder `exchange`, which is `out` unless it is given.

        A request may have `preset`, `amount` and `hold` beside its settings: they become part of its control. What a
        guided request asks for is told before it is made, by an event "guided". gate, limit, jobs, resume, replace,
        format, overview: as `RunSettings` has them; all may be left away.
        """
        began = time.monotonic()
        parted = [PresetsAndHolds.taken_from(values) for values in command["requests"]]
        requests, shorthand = [Request.from_json(values) for values, _ in parted], [named for _, named in parted]
        settings = settings_of(command)
        require_twin(requests, command.get("twin"))
        require_apart(Path(command["out"]), files_of(command))
        room = self._open(command, settings, requests, shorthand, progress)
        plan = Plan.of(requests, room.twin, settings, shorthand=shorthand, facts=room.facts)
        events = RunEvents(task, plan, Path(command["out"]), Path(command.get("exchange", command["out"])))
        events.planned()
        run_plan(plan, events.out, self._hooks(room, plan, task, progress, events.placed))
        record = json.loads((events.out / RECORD_NAME).read_text(encoding="utf-8"))
        progress.finish()
        return {"record": record, "rows": events.rows, "seconds": round(time.monotonic() - began, 3)}

    def replay(self, command: dict[str, Any], task: Any, progress: JobProgress) -> dict[str, Any]:
        """Makes a record's siblings again -> one verdict each. siblings: folder of the recorded ones, if they are left.

        region: the file that now holds the region of the record's requests.
        """
        began, record = time.monotonic(), Record.from_json(command["record"])
        requests = tuple(Request.from_json(moved(run["request"], command.get("region"))) for run in record.runs)
        if record.twin is not None and not command.get("twin"):
            raise InputError("The twin of the record is not there", rule="the segmentation that was edited",
                             hint="choose it as the twin, then replay")
        settings = RunSettings(record.model["id"], command.get("device", "auto"), dtype=record.compute["dtype"])
        installed(record)
        room = self._open(command, settings, requests, [PresetsAndHolds()] * len(requests), progress)
        if room.twin is not None:
            check_twin(room.twin, record.twin or {}, named="the segmentation chosen as twin",
                       hint="choose the unchanged segmentation, with the same tissues")
        again = Replay(record, room.facts, room.twin, requests,
                       partial(stored, command.get("siblings"), room.facts.anatomy))
        plan = again.plan(settings.device)
        rows = again.run(plan, None, self._hooks(room, plan, task, progress), partial(_judged, task))
        progress.finish()
        return {"rows": rows, "seconds": round(time.monotonic() - began, 3)}

    def engine(self, model: str, device: str, *, dtype: str | None = None, progress: JobProgress) -> Engine:
        """The engine kept from before if it is the one, else it is opened."""
        card, compute = find_model(model), find_compute(device, dtype)
        key = (card.id, card.sha256, compute)
        if self._engine is None or self._engine[0] != key:
            progress.start("open", f"Opening model {card.id}", 1)
            memory.require(self._still_needed(memory.needed((0,), size_of(card.weights_path))), memory.free_memory())
            self._engine = self._twin = None
            self._engine = (key, Engine.open(model, device, dtype=dtype))
        progress.drop("open")
        return self._engine[1]

    def _open(self, command: dict[str, Any], settings: RunSettings, requests: Sequence[Request],
              shorthand: Sequence[PresetsAndHolds], progress: JobProgress) -> _Room:
        """The model and the twin of a command, those kept from before if they are the same; plans all that is to come.

        Raises DeviceError without memory, InputError for a twin that cannot be used.
        """
        anatomy = load_anatomy(find_model(settings.model).anatomy)
        source = read_twin(command, anatomy) if command.get("twin") else None
        shape = source.labels.shape if source is not None else anatomy.shape
        self._foresee(settings, requests, shorthand, progress, shape, placing=source is not None)
        engine = None
        if settings.jobs == 1:
            engine = self.engine(settings.model, settings.device, dtype=settings.dtype, progress=progress)
        facts = engine.facts if engine is not None else ModelFacts.of(settings.model)
        self._require_memory(facts, shape, settings.jobs, engine)
        return _Room(engine, facts, self._place(facts, source, progress) if source is not None else None, effort(shape))

    def _foresee(self, settings: RunSettings, requests: Sequence[Request], shorthand: Sequence[PresetsAndHolds],
                 progress: JobProgress, shape: tuple[int, ...], *, placing: bool) -> None:
        """Plans the work that is to come."""
        if placing:
            progress.plan("place", effort(shape))
            progress.plan("measure", effort(shape))
        if settings.jobs > 1:
            progress.plan("sibling", sum(request.count for request in requests))
            return
        progress.plan("open", 1)
        for request, named in zip(requests, shorthand, strict=True):
            progress.plan("guide" if named else kind_of(request), request.count * steps_of(request))
            progress.plan("finish", request.count * effort(shape))

    def _require_memory(self, facts: ModelFacts, shape: tuple[int, ...], jobs: int, engine: Engine | None) -> None:
        """Raises DeviceError where the run does not fit."""
        on_card = engine is not None and engine.compute.device.type == "cuda"  # where it is the card's memory
        batch = engine.compute.batch if engine is not None and not on_card else 1
        wanted = memory.needed(shape, size_of(facts.card.weights_path), batch)
        memory.require(jobs * wanted if jobs > 1 else self._still_needed(wanted), memory.free_memory())

    def _place(self, facts: ModelFacts, source: LabelMap, progress: JobProgress) -> PlacedTwin:
        """The twin placed and measured, if it is not the one kept from before."""
        key = (facts.card.id, facts.card.sha256, hash_labelmap(source),
               tuple((s.value, s.name, s.tissue, s.identifier) for s in source.segments))
        if self._twin is None or self._twin[0] != key:
            self._twin = None
            progress.start("place", "Placing the twin in the model's frame", effort(source.labels.shape))
            twin = open_twin(source, facts.anatomy, facts.reference)
            progress.start("measure", "Measuring the twin", effort(source.labels.shape))
            self._twin = (key, PlacedTwin.of(twin, facts))
            progress.finish()
        progress.drop("place")
        progress.drop("measure")
        return self._twin[1]

    def _hooks(self, room: _Room, plan: Plan, task: Any, progress: JobProgress,
               placed: OnPlaced | None = None) -> Hooks:
        """What the pipeline calls: progress, cancelling, and siblings that have their place."""
        follower = RunProgress(progress, plan, room.finish, task.check)

        def on_placed(folder: RunFolder, at: Placed, sibling: Sibling | None) -> None:
            task.check()
            if placed is not None:
                placed(folder, at, sibling)
            follower.placed()

        engine = room.engine
        if engine is None:
            progress.start("sibling", f"Making {plan.asked} siblings in {plan.settings.jobs} processes", plan.asked)
            return Hooks(follower.elsewhere, placed=on_placed)
        return Hooks(sampling=follower.sampling, placed=on_placed, engine=lambda: engine)


@dataclass(frozen=True)
class _Room:
    """What a command works with. engine: None where other processes open their own. finish: units of finishing."""

    engine: Engine | None
    facts: ModelFacts
    twin: PlacedTwin | None
    finish: float


def _judged(task: Any, row: dict[str, object]) -> None:
    task.emit("replayed", row=row)
