"""Edits that end in the scene, replays of runs, measurements of segmentations: the long work behind `logic`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.defaults import DEFAULT_MODEL
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import write_exchange
from DiffusionSiblingsUI.runs.edits import Task, edit_steps, job_steps, prepared
from DiffusionSiblingsUI.runs.operation import Status, Steps, part
from DiffusionSiblingsUI.scene import bridge, measure_view, runs
from DiffusionSiblingsUI.scene.regions import write_mask

if TYPE_CHECKING:
    from DiffusionSiblingsUI.runs.session import Session

READ, MADE = 0.03, 0.92  # shares of the whole at which the twin is read, and at which the siblings are made
REGION_COLOR = (1.0, 0.85, 0.2)


def into_scene(session: Session, task: Task, title: str) -> Steps[Any]:
    """Makes the siblings of a task and puts them into the scene as one run -> Run."""
    twin = task.twin
    task = yield from part(prepared(task), 0.0, READ, _("Reading the twin"))
    outcome = yield from part(edit_steps(session, task), READ, MADE)
    if twin is not None and not slicer.mrmlScene.IsNodePresent(twin):
        raise InputError(_("The twin was removed from the scene while its siblings were made"), value=twin.GetName(),
                         rule=_("the twin stays in the scene until the run ends"),
                         hint=_("load the twin again and run the edit again"))
    adding = _("Adding the siblings to the scene")
    yield Status(MADE, adding)
    region = region_node(task, title) if task.mask is not None else None
    kept = False
    try:
        building = runs.building(outcome.siblings, twin_node=twin, bridged=task.twin, record=outcome.record,
                                 rows=outcome.rows, title=title, region_node=region)
        run = yield from part(building, MADE, 1.0, adding)
        kept = True
        return run
    finally:
        if region is not None and not kept:
            for node in (region.GetDisplayNode(), region):
                slicer.mrmlScene.RemoveNode(node)


def region_node(task: Task, title: str) -> Any:
    """The region of a run as it was, as a segmentation of its own: a ROI may be moved later, and a replay needs it."""
    segment = Segment(1, _("Region"), color=REGION_COLOR, identifier="Region")
    labels = task.mask.astype(np.uint8)
    labelmap = LabelMap(labels, task.twin.grid.affine, (segment,))
    return bridge.new_segmentation(labelmap, _("{title} region").format(title=title), visible=False)


def replaying(session: Session, run: Any, device: str) -> Steps[list[dict[str, Any]]]:
    """Makes the siblings of a run again -> verdicts. Raises InputError if the twin is gone or another one."""
    record, twin = run.record, run.twin_node
    bridged, command = None, {"command": "replay", "record": record, "device": device}
    folder = session.new_folder()
    try:
        if record["twin"] is not None:
            bridged = yield from part(_recorded_twin(twin, record["twin"]), 0.0, READ, _("Reading the twin"))
            command["twin"] = str(write_exchange(bridged.labelmap, folder / "twin"))
            yield None
        region = run.region_node
        if bridged is not None and region is not None:
            segment = (region, region.GetSegmentation().GetNthSegmentID(0))
            mask = yield from bridge.masking(bridged, segment=segment)
            command["region"] = str(write_mask(mask, bridged.grid.affine, folder / "region.nrrd"))
            yield None
        result = yield from part(job_steps(session, command), READ, 1.0)
        return list(result["rows"])
    finally:
        session.remove(folder)


def _recorded_twin(twin: Any, described: Mapping[str, Any]) -> Steps[Any]:
    """The twin of a record, its segments taken for the tissues that the record names."""
    if twin is None:
        raise InputError(_("The twin of this run is not in the scene"),
                         rule=_("the segmentation that was edited is needed"),
                         hint=_("load the scene with the twin, or undo its removal"))
    return (yield from bridge.reading(twin, recorded_tissues(twin, described)))


def recorded_tissues(node: slicer.vtkMRMLSegmentationNode, described: Mapping[str, Any]) -> dict[str, str | None]:
    """Segment ID -> tissue ID of a twin or a sibling, as the record describes the twin."""
    ids = node.GetSegmentation().GetSegmentIDs()
    tissues = {segment["value"]: segment["tissue"] for segment in described["segments"]}
    return {ids[k]: tissues.get(k + 1) for k in range(len(ids))}


def measuring(session: Session, nodes: Sequence[slicer.vtkMRMLSegmentationNode]) -> Steps[list[dict[str, Any]]]:
    """Measures segmentations as they are -> rows of metrics.csv."""
    folder, stems = session.new_folder(), []
    try:
        for number, node in enumerate(nodes):
            bridged = yield from bridge.reading(node, complete=False)
            stems.append(str(write_exchange(bridged.labelmap, folder / f"map_{number:04d}")))
            yield None
        names = [node.GetName() for node in nodes]
        result = yield from job_steps(session, {"command": "measure", "maps": stems, "names": names})
        return list(result["rows"])
    finally:
        session.remove(folder)


def drawing_measures(session: Session, node: slicer.vtkMRMLSegmentationNode,
                     tissues: Mapping[str, str | None] | None = None) -> Steps[Mapping[str, str]]:
    """Finds the measures of a segmentation and shows where they are -> measure -> why it was not found.

    tissues: segment ID -> tissue ID; by default found by terminology and name.
    """
    from DiffusionSiblingsLib.metrics.measures.drawing_file import read_drawing

    folder = session.new_folder()
    try:
        bridged = yield from bridge.reading(node, tissues, complete=False)
        stem = write_exchange(bridged.labelmap, folder / "map")
        yield None
        result = yield from job_steps(session, {"command": "draw", "map": str(stem), "title": node.GetName(),
                                                "out": str(folder / "drawing.npz")})
        drawing = read_drawing(result["drawing"])
    finally:
        session.remove(folder)
    yield None
    if slicer.mrmlScene.IsNodePresent(node):
        yield from measure_view.showing(drawing, node)
    return drawing.missing


def title_of(task: Task) -> str:
    """A name for the run: what was edited, and how."""
    how = ", ".join(dict.fromkeys(request.describe() for request in task.requests))
    name = getattr(task.twin, "GetName", lambda: "")()
    held = [_("hold {tissue}").format(tissue=tissue) for tissue in task.targets.get("hold", ())]
    asked = [*task.targets.get("preset", ()), *held]
    how = ", ".join([how, *asked])
    model = "" if task.model == DEFAULT_MODEL else f", {task.model}"
    return f"{name}: {how}{model}" if name else f"{how.capitalize()}{model}"


def segment_id(node: slicer.vtkMRMLSegmentationNode, name: str) -> str:
    """The ID of the segment with that ID, else with that name. Raises InputError."""
    segmentation = node.GetSegmentation()
    ids = segmentation.GetSegmentIDs()
    if name in ids:
        return name
    found = [identifier for identifier in ids if segmentation.GetSegment(identifier).GetName() == name]
    if len(found) != 1:
        what = (_("{node} has no segment of this name") if not found
                else _("{node} has more than one segment of this name"))
        names = ", ".join(segmentation.GetSegment(i).GetName() for i in ids)
        raise InputError(what.format(node=node.GetName()), value=name,
                         rule=_("its segments are: {names}").format(names=names),
                         hint=_("give the name or the ID of one segment"))
    return str(found[0])


def segments_of(node: slicer.vtkMRMLSegmentationNode, labels: Mapping[str, str | Sequence[str]]) -> dict[str,
                str | None]:
    """{tissue ID: segment name or ID, or several of them} -> {segment ID: tissue ID}."""
    found: dict[str, str | None] = {}
    for tissue, names in labels.items():
        for name in [names] if isinstance(names, str) else names:
            found[segment_id(node, name)] = tissue
    return found
