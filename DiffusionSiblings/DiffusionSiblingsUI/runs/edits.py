"""An edit from a twin in the scene to siblings in memory, in small steps: read, send, wait, take back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.defaults import DEFAULT_MODEL
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import read_exchange, remove_exchange, write_exchange
from DiffusionSiblingsUI.runs.making import Making
from DiffusionSiblingsUI.runs.operation import OperationCancelled, Outcome, SiblingResult, Status, Steps, part
from DiffusionSiblingsUI.scene import bridge, terminology
from DiffusionSiblingsUI.scene.regions import write_mask

if TYPE_CHECKING:
    from DiffusionSiblingsUI.runs.session import Session

REGION_TO_COME = "region"  # in a request until its file is written, on the grid of the twin
READ, PLACED = 0.03, 0.04  # shares of the whole at which reading and handing over have ended


@dataclass(frozen=True)
class Task:
    """An edit as the scene describes it.

    requests: with one twin and one region for all. twin: segmentation node, `Bridged`, or None (generate).
    tissue_of: segment ID -> tissue ID, None or "" for none; segments that it leaves out are found by terminology and
    name. roi: markups ROI node. segment: (segmentation node, segment ID), a painted region. With both an edit acts
    where they overlap. mask: (D, H, W) bool on the grid of a `Bridged` twin, the region once it is known. targets: what
    guides all requests besides their controls: "preset", "amount" and "hold" of
    `DiffusionSiblingsLib.editing.presets_and_holds.PresetsAndHolds`. The worker places the twin and turns them into
    controls. making: acceptance checks, processes, and where the run folder stays.
    """

    requests: tuple[Request, ...]
    twin: Any = None
    tissue_of: Mapping[str, str | None] | None = None
    roi: Any = None
    segment: tuple[Any, str] | None = None
    model: str = DEFAULT_MODEL
    device: str = "auto"
    mask: Any = None
    targets: Mapping[str, Any] = field(default_factory=dict)
    making: Making = field(default_factory=Making)

    def __post_init__(self) -> None:
        if not self.requests:
            raise InputError(_("There is nothing to do"), rule=_("at least one request is needed"))
        if self.twin is None and any(request.needs_twin for request in self.requests):
            raise InputError(_("No twin is chosen"), rule=_("an edit starts from a segmentation"),
                             hint=_("choose a segmentation as the twin, or load the sample twin from Sample Data"))


def edit_steps(session: Session, task: Task) -> Steps[Outcome]:
    """Makes the siblings of a task -> Outcome; the scene is not touched. Raises SiblingsError."""
    task = yield from part(prepared(task), 0.0, READ, _("Reading the twin"))
    folder, siblings = session.new_folder(), []
    try:
        command = yield from part(_commanded(task, folder), READ, PLACED, _("Sending the twin to the worker"))
        files = {Path(each["region"]).name for each in command["requests"] if each.get("region")}
        job = job_steps(session, command, "sibling", lambda event: siblings.append(_taken(event, task.twin, files)))
        result = yield from part(job, PLACED, 1.0)
        return Outcome(siblings, result["record"], [_worded(row, files) for row in result["rows"]], task.twin)
    finally:
        session.remove(folder)


def prepared(task: Task) -> Steps[Task]:
    """The same task with its twin as `Bridged` and its region as a mask: no longer bound to nodes that may change."""
    if task.twin is None:
        return task
    bridged = task.twin
    if not isinstance(bridged, bridge.Bridged):
        anatomy = load_anatomy()
        found = terminology.match_tissues(bridged, anatomy)
        tissue_of = terminology.with_overrides(found, task.tissue_of or {}, anatomy)
        bridged = yield from bridge.reading(bridged, tissue_of)
    mask = task.mask
    if mask is None and (task.roi is not None or task.segment is not None):
        mask = yield from bridge.masking(bridged, roi=task.roi, segment=task.segment)
    return replace(task, twin=bridged, mask=mask)


def job_steps(session: Session, command: Mapping[str, Any], kind: str = "",
              take: Callable[[dict[str, Any]], None] | None = None) -> Steps[dict[str, Any]]:
    """Sends the worker a command and waits for its end -> the values of its last event. Raises its error.

    take: called with each event of that kind, one a step.
    """
    job, taken = session.client.submit(command), 0
    session.ensure_pump()
    try:
        while True:
            session.client.poll()
            ended = not job.running  # asked before its events are counted, so that none is left over
            if take is not None:
                for event in job.of(kind)[taken:]:
                    take(event)
                    taken += 1
                    yield None
            if ended:
                break
            yield Status(job.progress, job.what, job.seconds_left, idle=True)
    finally:
        if job.running:
            session.client.cancel(job)
    if job.state == "cancelled":
        raise OperationCancelled
    if job.error is not None:
        job.error.log = getattr(job.error, "log", "") or job.log  # type: ignore[attr-defined]
        raise job.error
    return dict(job.result or {})


def _commanded(task: Task, folder: Path) -> Steps[dict[str, Any]]:
    """Writes twin and region for the worker -> its command. folder: of the session, for what is handed over."""
    requests, stem = task.requests, None
    out = Path(task.making.folder) if task.making.folder else folder
    if task.twin is not None:
        stem = str(write_exchange(task.twin.labelmap, folder / "twin"))
        yield None
    if task.mask is not None:
        region = write_mask(task.mask, task.twin.grid.affine, out / task.making.region_name(task.mask))
        requests = tuple(replace(request, region=str(region)) for request in requests)
        yield None
    return {"command": "run", "model": task.model, "device": task.device, "twin": stem, "out": str(out),
            "exchange": str(folder), **task.making.settings(),
            "requests": [{**request.to_json(), **task.targets} for request in requests]}


def _worded(row: Mapping[str, Any], files: Collection[str]) -> dict[str, Any]:
    """A row whose edit names no file of ours. files: names of the files of regions."""
    edit = str(row.get("edit", ""))
    for file in files:
        edit = edit.replace(file, _("region"))
    return {**row, "edit": edit}


def _taken(event: Mapping[str, Any], bridged: Any, files: Collection[str]) -> SiblingResult:
    """A sibling that the worker has put down, taken into memory. files: as `_worded` has them."""
    labelmap = read_exchange(event["stem"])
    remove_exchange(event["stem"])
    return SiblingResult(event["index"], event["k"], event["request"],
                         labelmap.labels if bridged is not None else labelmap, _worded(event["row"], files),
                         event["entry"])
