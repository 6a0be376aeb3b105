"""What the worker does for each command; the model and the twin stay loaded between commands."""

from __future__ import annotations

import gc
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ...cohorts.measured_map import Measured
from ...cohorts.training_distance import bias_words
from ...cohorts.training_statistics import read_cohort
from ...control.control import Control
from ...control.measure import measure
from ...core.anatomy import load_anatomy
from ...core.errors import InputError
from ...core.labelmap import LabelMap
from ...core.record import hash_labelmap
from ...editing.composite import edit_scope
from ...editing.entries import describe_twin, run_entry, sibling_entry, sibling_row, twin_row
from ...editing.guided_plan import plan_guidance
from ...editing.presets_and_holds import PresetsAndHolds
from ...editing.request import Request
from ...editing.result import Sibling
from ...editing.target_rows import twin_columns
from ...engine.compute import find_compute, quiet_threads
from ...engine.engine import Encoded, Engine
from ...engine.replay import check_twin, compare, new_record, open_recorded, stretches
from ...labelmaps.ipc_labelmap import read_exchange, write_exchange
from ...labelmaps.tissues import known_labels
from ...models.registry import DEFAULT_MODEL, find_model
from . import cohort_service as cohort_jobs
from . import memory
from .payloads import moved, read_twin, size_of, stored
from .progress import Costs, JobProgress, Sampling, effort

Watch = Callable[[JobProgress], None]
NEEDED = {"run": ("requests", "out"), "replay": ("record",), "measure": ("maps",), "cohort": ("folder",),
          "member": ("file", "out"), "compare": ("real", "synthetic", "out", "maps"),
          "report": ("source", "out", "maps")}


class Service:
    """The engine that was used last and the twin that was placed last, and what can be done with them."""

    def __init__(self) -> None:
        quiet_threads()
        self._resident = memory.resident()  # before any model was loaded
        self.costs = Costs()
        self._engine: tuple[object, Engine] | None = None
        self._twin: tuple[object, Encoded, Measured] | None = None

    def do(self, command: dict[str, Any], task: Any, watch: Watch) -> dict[str, Any]:
        """Does one command -> the values of its "done" event. Raises SiblingsError, or what went wrong."""
        jobs = {"hello": self.hello, "run": self.run, "replay": self.replay, "measure": self.measure,
                "estimate": self.estimate, "cohort": cohort_jobs.open_cohort, "member": cohort_jobs.read_member,
                "compare": cohort_jobs.compare, "report": cohort_jobs.report}
        job = jobs.get(command["command"])
        if job is None:
            raise InputError("The worker does not know this command", value=command["command"],
                             rule=f"one of {', '.join(jobs)}, cancel, quit")
        course = JobProgress(self.costs, lambda done, what, left: task.emit("progress", done=done, what=what,
                                                                       seconds_left=left))
        watch(course)
        if missing := [name for name in NEEDED.get(command["command"], ()) if name not in command]:
            raise InputError("The command lacks something", value=command["command"],
                             rule=f"it has {', '.join(missing)}")
        return job(command, task, course)

    def explain(self, error: Exception) -> Exception:
        """An error as the user should hear it; after one of memory, what can be given up is given up."""
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or _means_memory(error):
            self._twin = self._engine = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return memory.too_little(f"{type(error).__name__} while the run was under way")
        return error

    def hello(self, command: dict[str, Any], task: Any, course: JobProgress) -> dict[str, Any]:
        """Versions and devices."""
        free = memory.free_memory()
        devices = [{"id": "cpu", "name": platform.processor() or platform.machine(), "free": free}]
        if torch.cuda.is_available():
            devices.insert(0, {"id": "cuda", "name": torch.cuda.get_device_name(0),
                               "free": torch.cuda.mem_get_info(0)[0]})
        if torch.backends.mps.is_available():
            devices.insert(0, {"id": "mps", "name": "Apple GPU", "free": free})
        return {"version": __version__, "torch": torch.__version__, "python": platform.python_version(),
                "executable": sys.executable, "threads": torch.get_num_threads(), "devices": devices}

    def estimate(self, command: dict[str, Any], task: Any, course: JobProgress) -> dict[str, Any]:
        """Memory that a run on a twin's grid would take, and what is free. shape: (D, H, W)."""
        card = find_model(command.get("model", DEFAULT_MODEL))
        shape = command.get("shape") or load_anatomy(card.anatomy).shape
        wanted = self._still_needed(memory.needed(tuple(int(n) for n in shape), size_of(card.weights_path)))
        free = memory.free_memory()
        return {"needed": wanted, "free": free, "enough": free is None or wanted <= free}

    def _still_needed(self, wanted: int) -> int:
        """What of that the worker does not hold already."""
        now = memory.resident()
        held = max(0, now - self._resident) if now is not None and self._resident is not None else 0
        return max(memory.SPARE, wanted - held)

    def measure(self, command: dict[str, Any], task: Any, course: JobProgress) -> dict[str, Any]:
        """Rows of metrics.csv of label maps as they are; with a `control` also what they have in its domains.

        The control lies in the maps' own frame.
        """
        control = Control.from_json(command["control"]) if command.get("control") else None
        domains: list[dict[str, Any]] = []
        anatomy = load_anatomy(command.get("anatomy", "heart"))
        names = command.get("names") or [Path(stem).name for stem in command["maps"]]
        rows = []
        course.plan("measure", 12.0 * len(names))
        for stem, name in zip(command["maps"], names, strict=True):
            course.start("measure", f"Measuring {name}", 12.0)
            labelmap = read_exchange(stem)
            known = known_labels(labelmap, anatomy)
            rows.append(Measured.of(labelmap, known, anatomy).row(name))
            for domain in control.domains if control is not None else ():
                domains.append({"map": name, **measure(known, labelmap.affine, domain, anatomy).to_json()})
        course.finish()
        return {"rows": rows} if control is None else {"rows": rows, "domains": domains}

    def run(self, command: dict[str, Any], task: Any, course: JobProgress) -> dict[str, Any]:
        """Makes the siblings of all requests into `out`, each told as soon as it is there.

        A request may have `preset`, `amount` and `hold` beside its settings: they become part of its control. What a
        guided request asks for is told before it is made, by an event "guided".
        """
        began, out = time.monotonic(), Path(command["out"])
        parted = [PresetsAndHolds.taken_from(values) for values in command["requests"]]
        requests, wishes = [Request.from_json(settings) for settings, _ in parted], [wish for _, wish in parted]
        if not requests:
            raise InputError("There is nothing to do", rule="at least one request")
        model = command.get("model", DEFAULT_MODEL)
        twin = self._take(command, model, requests, course, wishes)
        engine = self.engine(model, command.get("device", "auto"), course=course)
        encoded, measured = self._place(engine, twin, requests, course)
        planned = plan_guidance(requests, wishes, encoded.twin if encoded is not None else None, engine.anatomy,
                                engine.reference, read_cohort(engine.card.folder))
        requests = [guided.request for guided in planned]
        record, rows = new_record(engine), []
        if encoded is not None and measured is not None:
            for request in requests:  # says what is wrong with the last request before the first is made
                edit_scope(request, encoded.twin, engine.anatomy)
            record.twin = describe_twin(encoded.twin, measured)
            rows.append(twin_row(measured))
            task.emit("twin", row=rows[0], warnings=[*encoded.twin.warnings, *bias_words("The twin", measured.bias)],
                      entry=record.twin)
        for number, guided in enumerate(planned):
            if guided.request.control is not None:
                task.emit("guided", request=number, **guided.to_json())
        out.mkdir(parents=True, exist_ok=True)
        record.runs = [run_entry(guided.request, guided.warnings) for guided in planned]
        since = time.monotonic()
        for index, (number, sibling) in enumerate(self._make(engine, encoded, requests, task, course)):
            name = f"sibling_{index:04d}"
            stem = write_exchange(sibling.labelmap, out / name)
            entry, row = sibling_entry(name, sibling), sibling_row(name, sibling)
            record.runs[number]["siblings"].append(entry)
            rows.append(row)
            if encoded is not None:
                rows[0] = {**rows[0], **twin_columns(sibling.guidance)}
            task.emit("sibling", index=index, request=number, k=sibling.k, stem=str(stem), row=row, entry=entry,
                      seconds=round(time.monotonic() - since, 3))
            since = time.monotonic()
        record.complete = True
        return {"record": record.to_json(), "rows": rows, "seconds": round(time.monotonic() - began, 3)}

    def replay(self, command: dict[str, Any], task: Any, course: JobProgress) -> dict[str, Any]:
        """Makes a record's siblings again -> one verdict each. siblings: folder of the recorded ones, if they are left.

        region: the file that now holds the region of the record's requests.
        """
        began, record = time.monotonic(), command["record"]

        def opener(model: str, device: str, *, dtype: str) -> Engine:
            return self.engine(model, device, dtype=dtype, course=course)

        runs = [stretch for run in record["runs"] for stretch in stretches(
            Request.from_json(moved(run["request"], command.get("region"))), run["siblings"])]
        if record["twin"] is not None and not command.get("twin"):
            raise InputError("The twin of the record is not there", rule="the segmentation that was edited",
                             hint="choose it as the twin, then replay")
        requests = [request for request, _ in runs]
        twin = self._take(command, record["model"]["id"], requests, course)
        engine = open_recorded(record["model"], record["compute"], command.get("device", "auto"), opener)
        encoded, _ = self._place(engine, twin, requests, course)
        if encoded is not None:
            check_twin(encoded, record["twin"], named="the segmentation chosen as twin",
                       hint="choose the unchanged segmentation, with the same tissues")
        folder, rows = command.get("siblings"), []
        entries = (entry for _, wanted in runs for entry in wanted)
        for entry, (_, sibling) in zip(entries, self._make(engine, encoded, requests, task, course), strict=True):
            rows.append(compare(entry, sibling, partial(stored, folder, entry["file"])))
            task.emit("replayed", row=rows[-1])
        return {"rows": rows, "seconds": round(time.monotonic() - began, 3)}

    def engine(self, model: str, device: str, *, dtype: str | None = None, course: JobProgress) -> Engine:
        """The engine kept from before if it is the one, else it is opened."""
        card, compute = find_model(model), find_compute(device, dtype)
        key = (card.id, card.sha256, compute)
        if self._engine is None or self._engine[0] != key:
            course.start("open", f"Opening model {card.id}", 1)
            memory.require(self._still_needed(memory.needed((0,), size_of(card.weights_path))), memory.free_memory())
            self._engine = self._twin = None
            self._engine = (key, Engine.open(model, device, dtype=dtype))
        course.drop("open")
        return self._engine[1]

    def _take(self, command: dict[str, Any], model: str, requests: list[Request], course: JobProgress,
              wishes: Sequence[PresetsAndHolds] = ()) -> LabelMap | None:
        """The twin of a command as it was handed over; all that is to come is planned."""
        anatomy = load_anatomy(find_model(model).anatomy)
        twin = read_twin(command, anatomy) if command.get("twin") else None
        shape = twin.labels.shape if twin is not None else anatomy.shape
        course.plan("open", 1)
        if twin is not None:
            course.plan("place", effort(shape))
            course.plan("measure", effort(shape))
        for request, wish in zip_longest(requests, wishes):
            if request.needs_twin and twin is None:
                raise InputError("The edit needs a twin", value=request.edit, rule="a label map to start from")
            course.plan("guide" if wish else _sampling(request), request.count * _steps(request))
            course.plan("finish", request.count * effort(shape))
        return twin

    def _place(self, engine: Engine, twin: LabelMap | None, requests: list[Request],
               course: JobProgress) -> tuple[Encoded | None, Measured | None]:
        """The twin placed and measured, if it is not the one kept from before. Raises DeviceError without memory."""
        shape = twin.labels.shape if twin is not None else engine.anatomy.shape
        batch = engine.compute.batch if engine.compute.device.type != "cuda" else 1  # there it is the card's memory
        wanted = memory.needed(shape, size_of(engine.card.weights_path), batch)
        memory.require(self._still_needed(wanted), memory.free_memory())
        if twin is None:
            return None, None
        key = (self._engine[0] if self._engine else None, hash_labelmap(twin),
               tuple((s.value, s.name, s.tissue, s.identifier) for s in twin.segments))
        if self._twin is None or self._twin[0] != key:
            self._twin = None
            course.start("place", "Placing the twin in the model's frame", effort(shape))
            encoded = engine.twin(twin)
            course.start("measure", "Measuring the twin", effort(shape))
            measured = Measured.of(encoded.twin.labelmap, encoded.twin.known, engine.anatomy, engine.meter)
            course.finish()
            self._twin = (key, encoded, measured)
        course.drop("place")
        course.drop("measure")
        return self._twin[1], self._twin[2]

    def _make(self, engine: Engine, encoded: Encoded | None, requests: list[Request], task: Any,
              course: JobProgress) -> Iterator[tuple[int, Sibling]]:
        """(number of the request, sibling), with the course kept up to date."""
        shape = encoded.twin.known.shape if encoded is not None else engine.anatomy.shape
        whole, made = sum(request.count for request in requests), 0
        for number, request in enumerate(requests):
            steps, finished = _steps(request), 0
            sampling = Sampling(course, task, request.count, steps, engine.compute.batch, effort(shape),
                                kind=_sampling(request))
            sampling.begin(finished, made, whole)
            for sibling in engine.run(request, encoded, progress=sampling):
                task.check()
                yield number, sibling
                finished, made = finished + 1, made + 1
                sampling.begin(finished, made, whole)
        course.finish()


def _steps(request: Request) -> int:
    """Solver steps of one sibling, for the plan: the schedule itself may take one more."""
    return math.ceil(request.steps * request.psi) * request.resample


def _sampling(request: Request) -> str:
    """The kind of work that its steps are; a guided step is another than a plain one."""
    return "sample" if request.control is None else "guide"


def _means_memory(error: Exception) -> bool:
    """torch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("not enough memory", "can't allocate memory", "out of memory"))
