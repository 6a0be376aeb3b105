"""The work of an effect in short steps: make a sibling, show it over the twin, put it into a segmentation (no Qt)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import Anatomy
from DiffusionSiblingsLib.core.defaults import DEFAULT_MODEL
from DiffusionSiblingsLib.core.errors import InputError, SiblingsError
from DiffusionSiblingsUI.effects.commit import EDIT_TAG, changing, commit, refreshing
from DiffusionSiblingsUI.effects.goal import Goal, guided
from DiffusionSiblingsUI.effects.masking import composing, rules_of
from DiffusionSiblingsUI.effects.preview import Preview
from DiffusionSiblingsUI.runs.edits import Task, edit_steps
from DiffusionSiblingsUI.runs.operation import Outcome, Steps, part
from DiffusionSiblingsUI.scene import bridge
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.comparison_view import restore
from DiffusionSiblingsUI.scene.stamps import moved_by, stamp_of
from DiffusionSiblingsUI.scene.terminology import missing_tissues, read_overrides
from DiffusionSiblingsUI.setup import environment

if TYPE_CHECKING:
    from DiffusionSiblingsUI.runs.session import Session

MODULE = "DiffusionSiblings"
ASKED, MADE, COMPOSED = 0.02, 0.92, 0.96  # shares of the whole: what is asked is known; the sibling is made; masked


class SetUpError(InputError):
    """What the user can put right in the module's panel, to which the effect then shows the way."""


@dataclass(frozen=True)
class Plan:
    """What is to be made of which segmentation.

    task: one request for one sibling. edited: IDs of its segments. goal: what the sibling must have, if anything.
    """

    task: Task
    node: slicer.vtkMRMLSegmentationNode
    edited: frozenset[str]
    goal: Goal | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for plans that would make the same sibling."""
        task = self.task
        region: tuple[Any, ...] = ()
        if task.roi is not None:
            region = (task.roi.GetID(), task.roi.GetMTime(), moved_by(task.roi))
        if task.segment is not None:
            other, segment_id = task.segment
            region += (other.GetID(), segment_id, stamp_of(other))
        overrides = tuple(sorted((task.tissue_of or {}).items()))
        return (task.requests, self.goal, task.model, task.device, overrides, region, self.node.GetID(),
                stamp_of(self.node))


@dataclass(frozen=True)
class Made:
    """A sibling that the worker has made.

    key: of its plan at the time when it was begun. masked: tissue ID -> ml that the masking leaves of it, None where
    the masking takes nothing from the sibling.
    """

    plan: Plan
    key: tuple[Any, ...]
    outcome: Outcome
    masked: Mapping[str, float] | None = None

    @property
    def labels(self) -> np.ndarray:
        """(D, H, W) in the values of `bridged`."""
        return np.asarray(self.outcome.siblings[0].labels)

    @property
    def bridged(self) -> bridge.Bridged:
        """The twin that it was made from."""
        bridged: bridge.Bridged = self.outcome.bridged
        return bridged

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is known from before the sibling was made: small overlaps in the twin that were settled, and warnings
        about the goal, such as that no training heart is like it.
        """
        return (*self.bridged.labelmap.notes, *self._run.get("warnings", ()))

    @property
    def _run(self) -> Mapping[str, Any]:
        """The run in the record, with the request in which the worker has made the goal into a control."""
        runs = self.outcome.record.get("runs")
        return runs[0] if runs else {}

    @property
    def tag(self) -> str:
        """What makes the same sibling again, for the tag of its segments."""
        record, run = self.outcome.record, self._run
        request = run["request"] if run else self.plan.task.requests[0].to_json()
        return json.dumps({"request": request, "k": self.outcome.siblings[0].k,
                           "model": record.get("model"), "program": record.get("program")}, separators=(",", ":"))


@dataclass(frozen=True)
class Applied:
    """What an Apply has done. node: the segmentation that holds the result, new or the twin's own."""

    made: Made
    node: slicer.vtkMRMLSegmentationNode
    segments: int
    voxels: int


def previewing(session: Session, plan: Plan, editor_node: slicer.vtkMRMLSegmentEditorNode, preview: Preview, *,
               made: Made | None = None,
               surfaces: bool = False) -> Steps[Made]:
    """Shows the plan's sibling over the twin, which stays untouched. made: the sibling, if it is there already."""
    made, labels = yield from _composed(session, plan, editor_node, made)
    showing = preview.showing(labels, made.bridged, plan.node, _touched(labels, made.bridged, plan), surfaces)
    yield from part(showing, COMPOSED, 1.0, _("Showing the sibling"))
    return made


def applying(session: Session, plan: Plan, editor_node: slicer.vtkMRMLSegmentEditorNode, save: Callable[[], None], *,
             made: Made | None = None,
             new_name: str = "") -> Steps[Applied]:
    """Puts the plan's sibling into its segmentation as one undo step, or into a new one called `new_name`.

    save: the effect's saveStateForUndo. made: the sibling, if it is there already.
    """
    made, labels = yield from _composed(session, plan, editor_node, made)
    changes = yield from part(changing(labels, made.bridged), COMPOSED, 0.98, _("Comparing with the twin"))
    voxels = int(sum(change.voxels for change in changes))
    _refuse_changed(made)
    if new_name:
        node = yield from part(bridge.writing(labels, made.bridged, name=new_name, twin_node=plan.node), 0.98, 1.0)
        for segment_id in node.GetSegmentation().GetSegmentIDs():
            node.GetSegmentation().GetSegment(segment_id).SetTag(EDIT_TAG, made.tag)
        _beside(node, plan.node)
        return Applied(made, node, len(changes), voxels)
    commit(plan.node, changes, save=save, tag=made.tag, apart=made.bridged.apart)
    restore(plan.node)  # as an outline over siblings of a run it would mislead: they were made from another twin
    yield from part(refreshing(plan.node, changes), 0.98, 1.0, _("Updating surfaces"))
    return Applied(made, plan.node, len(changes), voxels)


def surfacing(preview: Preview) -> Steps[None]:
    """Shows the preview in 3D."""
    yield from part(preview.surfacing(), 0.0, 1.0, _("Making surfaces"))


def _composed(session: Session, plan: Plan, editor_node: slicer.vtkMRMLSegmentEditorNode,
              made: Made | None) -> Steps[tuple[Made, np.ndarray]]:
    """The sibling, made if need be, under the masking as it is when the sibling is there."""
    if made is None:
        key, task, done = plan.key, plan.task, 0.0
        if plan.goal is not None:
            task, done = (yield from part(guided(task, plan.goal), 0.0, ASKED, _("Reading the twin"))), ASKED
        outcome = yield from part(edit_steps(session, task), done, MADE)
        made = Made(plan, key, outcome)
    _refuse_changed(made)
    steps = composing(made.labels, made.bridged, rules_of(editor_node), plan.edited)
    labels = yield from part(steps, MADE, COMPOSED, _("Applying the masking"))
    masked = yield from _masked(labels, made)
    return replace(made, masked=masked), labels


def _masked(labels: np.ndarray, made: Made) -> Steps[dict[str, float] | None]:
    """Tissue ID -> ml of what the masking has left, None if that is all of the sibling."""
    heart, same = made.bridged.labelmap, True
    counts = np.zeros(len(heart.segments) + 1, dtype=np.int64)
    for slab in grids.slabs(labels.shape):
        same = same and np.array_equal(labels[slab], made.labels[slab])
        counts += np.bincount(labels[slab].ravel(), minlength=len(counts))
        yield None
    if same:
        return None
    return {tissue: float(counts[list(values)].sum()) * heart.voxel_volume_ml
            for tissue, values in heart.tissues.items()}


def _refuse_changed(made: Made) -> None:
    """The result holds the twin's voxels wherever masking wants them: those of now, or none."""
    if made.plan.key != made.key:
        what = _("{twin} or the region changed while the sibling was made").format(twin=made.plan.node.GetName())
        raise InputError(what, rule=_("do not change the segmentation until the sibling is done"),
                         hint=_("start again"))


def _touched(labels: np.ndarray, bridged: bridge.Bridged, plan: Plan) -> set[str]:
    """IDs of segments worth showing: those that are edited, and those that lose voxels to them."""
    lose = {int(value) for value in np.unique(bridged.labelmap.labels[bridged.labelmap.labels != labels])} - {0}
    return {identifier for value, identifier in enumerate(bridged.segment_ids, start=1)
            if identifier in plan.edited or value in lose}


def _beside(node: slicer.vtkMRMLSegmentationNode, twin_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Puts the node into the twin's folder of the subject hierarchy."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    twin = tree.GetItemByDataNode(twin_node)
    if twin:
        tree.CreateItem(tree.GetItemParent(twin), node)  # moves the item if there is one


def check_twin(node: slicer.vtkMRMLSegmentationNode | None, tissue_of: Mapping[str, str | None],
               anatomy: Anatomy) -> None:
    """Raises InputError if the segmentation cannot be a twin, as far as can be told without reading voxels."""
    if node is None or not node.GetSegmentation().GetNumberOfSegments():
        raise InputError(_("There is no heart to edit"), rule=_("a segmentation with one segment for each tissue"),
                         hint=_("choose a segmentation, or load the synthetic heart from Sample Data"))
    missing = missing_tissues(tissue_of, anatomy)
    if len(missing) == len(anatomy.ids):
        raise SetUpError(_("No segment is assigned to a tissue of the heart"),
                         hint=_("choose another segmentation, or choose the tissue of each segment in the "
                                "Diffusion Siblings module"))
    if missing:
        names = ", ".join(anatomy.tissue(tissue).name.lower() for tissue in missing)
        raise SetUpError(_("No segment is assigned to these tissues: {names}").format(names=names),
                         hint=_("choose the tissue of each segment in the Diffusion Siblings module"))
    grids.to_world(node)


def module_settings(node: slicer.vtkMRMLSegmentationNode) -> dict[str, Any]:
    """Model, device and corrected tissues of the segmentation as the module's panel has them."""
    stored = slicer.mrmlScene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")
    if stored is None:
        return {"model": DEFAULT_MODEL, "device": "auto", "tissue_of": {}}
    return {"model": stored.GetParameter("model") or DEFAULT_MODEL, "device": stored.GetParameter("device") or "auto",
            "tissue_of": read_overrides(stored.GetParameter("tissue_overrides"), node)}


def what_is_not_installed() -> SiblingsError | None:
    """What the worker lacks and where it is installed, None if it has all. Takes some milliseconds."""
    try:
        environment.require()
    except environment.InstallError as error:
        return SetUpError(error.what, hint=error.hint)
    return None
