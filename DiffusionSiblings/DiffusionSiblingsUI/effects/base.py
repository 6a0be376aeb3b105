"""What the effects share: a form of options, Preview, Next seed, Apply and Cancel around one sibling of the worker.

An effect defines what it edits (`plan`) and brings a form with options of its own.
"""

# ruff: noqa: N802, N813 - names that Slicer and Qt have given
from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar

import qt
import slicer
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsLib.core.errors import InputError, SiblingsError
from DiffusionSiblingsUI.effects import actions as effect_actions
from DiffusionSiblingsUI.effects import words as effect_words
from DiffusionSiblingsUI.effects import work as effect_work
from DiffusionSiblingsUI.effects.masking import Rules, rules_of
from DiffusionSiblingsUI.effects.options import Form, Option, put
from DiffusionSiblingsUI.effects.preview import Preview
from DiffusionSiblingsUI.effects.watch import Watch
from DiffusionSiblingsUI.effects.work import Applied, Made, Plan
from DiffusionSiblingsUI.runs.arguments import AUTOMATIC_STEPS, asked_steps
from DiffusionSiblingsUI.runs.operation import Operation, Steps
from DiffusionSiblingsUI.runs.session import shared_session
from DiffusionSiblingsUI.scene.terminology import match_tissues, with_overrides

LARGEST_SEED = 2**31 - 1  # of a spin box


class SiblingsEffect(AbstractScriptedSegmentEditorEffect):
    """Base of the effects. Subclasses set the class variables and implement `helpText` and `plan`."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    per_segment: ClassVar[bool] = False
    form_file: ClassVar[str] = ""
    options: ClassVar[tuple[Option, ...]] = ()
    folder: ClassVar[Path]  # of its SegmentEditorEffect.py and .png

    shared_options = (
        Option("Seed", "seedSpinBox", "0", "whole"),
        Option("Steps", "stepsSpinBox", str(AUTOMATIC_STEPS), "whole"),
        Option("Repair", "repairCheckBox", "1", "check"),
        Option("Result", "resultComboBox", "here", "choice", ("here", "new")),
    )

    def __init__(self, scriptedEffect: Any) -> None:
        scriptedEffect.name = self.name
        scriptedEffect.title = self.title
        scriptedEffect.perSegment = self.per_segment
        scriptedEffect.requireSegments = True
        super().__init__(scriptedEffect)
        self.preview = Preview()
        self.operation: Operation | None = None
        self.made: Made | None = None
        self.form: Form | None = None
        self.actions: effect_actions.Actions | None = None
        self._watch = Watch(self.refresh, self._stop, self.watched)
        self._not_installed: SiblingsError | None = None
        self._held = False
        self._edited: Any = None  # segmentation node of the operation
        self._previewing = False  # whether the operation is for a preview
        self._shown_rules: Rules | None = None  # masking under which the preview was made

    # ---- for subclasses

    def plan(self, node: Any) -> Plan:
        """What the options ask for on this segmentation. Raises SiblingsError if something is missing."""
        raise NotImplementedError

    def show_options(self) -> None:
        """Brings what depends on the options up to date; the options themselves are in their widgets."""

    def watched(self) -> list[Any]:
        """Markups nodes on which the sibling depends as well."""
        return []

    def tissues(self, node: Any) -> tuple[dict[str, str | None], Anatomy]:
        """Segment ID -> tissue ID as module and effects see it, and the anatomy."""
        anatomy = load_anatomy()
        settings = effect_work.module_settings(node)
        return with_overrides(match_tissues(node, anatomy), settings["tissue_of"], anatomy), anatomy

    def selected_tissue(self, node: Any, tissue_of: dict[str, str | None]) -> str:
        """The tissue of the segment that is selected. Raises InputError where it is none that could be edited."""
        selected = self.scriptedEffect.parameterSetNode().GetSelectedSegmentID() or ""
        segment = node.GetSegmentation().GetSegment(selected) if selected else None
        if segment is None:
            raise InputError(_("No segment is selected"), hint=_("select the segment to change in the table above"))
        if not tissue_of.get(selected):
            raise effect_work.SetUpError(
                _("{segment} is not assigned to a tissue of the heart").format(segment=segment.GetName()),
                hint=_("select another segment, or choose its tissue in the Diffusion Siblings module"))
        display = node.GetDisplayNode()
        if display is not None and not display.GetSegmentVisibility(selected):
            raise InputError(_("{segment} is hidden, so it would not change").format(segment=segment.GetName()),
                             hint=_("make it visible to edit it"))
        return str(tissue_of[selected])

    def settings(self) -> dict[str, Any]:
        """Settings of a Request that all effects have: ratio, seed, steps, repair, overwrite."""
        effect, editor = self.scriptedEffect, self.scriptedEffect.parameterSetNode()
        return {"ratio": effect.doubleParameter("Ratio"), "seed": effect.integerParameter("Seed"),
                "steps": asked_steps(effect.integerParameter("Steps")),
                "repair": effect.integerParameter("Repair") == 1, "overwrite": rules_of(editor).overwrite != "none"}

    # ---- what Slicer calls

    def clone(self) -> Any:
        """The effect for one more Segment Editor."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        cloned = effects.qSlicerSegmentEditorScriptedEffect(None)
        cloned.setPythonSource((self.folder / "SegmentEditorEffect.py").as_posix())
        return cloned

    def icon(self) -> Any:
        """The icon beside the effect's file."""
        path = self.folder / "SegmentEditorEffect.png"
        return qt.QIcon(str(path)) if path.is_file() else qt.QIcon()

    def setMRMLDefaults(self) -> None:
        """Every parameter has a value."""
        for option in (*self.options, *self.shared_options):
            self.scriptedEffect.setParameterDefault(option.parameter, option.default)

    def setupOptionsFrame(self) -> None:
        """The effect's own form, and below it what all effects have."""
        self.form = Form(self.scriptedEffect, self.form_file, self.options, self.onOptions)
        self.actions = effect_actions.Actions(self.scriptedEffect, self.shared_options, self)
        width = self.form.ui.ratioLabel.sizeHint.width()  # the widest label of the form above: one column for both
        for label in (self.actions.ui.seedLabel, self.actions.ui.resultLabel):
            label.setMinimumWidth(width)

    def activate(self) -> None:
        """Follows the scene from now on."""
        self._watch.start(self.scriptedEffect.parameterSetNode())
        self._not_installed = effect_work.what_is_not_installed()
        self.refresh()

    def deactivate(self) -> None:
        """Leaves nothing behind: no job, no preview, and no words about one."""
        self._watch.stop()
        self._stop()
        if self.actions is not None:
            self.actions.tell("")

    def cleanup(self) -> None:
        """Before the effect is deleted."""
        self.deactivate()
        for form in (self.form, self.actions):
            if form is not None:
                form.disconnect()

    def updateGUIFromMRML(self) -> None:
        """Parameters -> widgets."""
        self.refresh()

    def updateMRMLFromGUI(self) -> None:
        """Widgets -> parameters."""
        if self.form is None or self.actions is None or self.scriptedEffect.parameterSetNode() is None:
            return
        for parameter, value in {**self.form.read(), **self.actions.read()}.items():  # all are read before any is set
            self._set(parameter, value)

    def interactionNodeModified(self, interactionNode: Any) -> None:
        """Placing a ROI does not end the effect."""

    def createCursor(self, widget: Any) -> Any:
        """The views keep their cursor: this effect is not used by clicking into them."""
        return slicer.util.mainWindow().cursor

    # ---- buttons

    def onOptions(self, *_value: Any) -> None:
        """An option was changed by the user."""
        self.updateMRMLFromGUI()
        self.refresh()

    def onPreview(self) -> None:
        """Shows a sibling over the twin."""
        self._begin(preview=True)

    def onNextSeed(self) -> None:
        """Shows the sibling of the next seed."""
        if not self.busy and self.scriptedEffect.parameterSetNode() is not None:
            seed = self.scriptedEffect.integerParameter("Seed")
            self._set("Seed", str((seed + 1) % LARGEST_SEED))  # the preview of the last one stays until this is there
            self._begin(preview=True)

    def onApply(self) -> None:
        """Puts the sibling that is shown into the segmentation; makes it first if there is none."""
        self._begin(preview=False)

    def onCancel(self) -> None:
        """Stops the work, or takes the preview away."""
        if not self._cancel():
            self._forget()
            self.refresh()

    def _stop(self) -> None:
        """Ends the work and takes the preview away."""
        self._cancel()
        self._forget()

    def _cancel(self) -> bool:
        """Ends the work; whether there was any."""
        if self.operation is None or self.operation.finished:
            return False
        self.operation.cancel()
        return True

    def onShow3D(self, on: bool) -> None:
        """The preview in the 3D views."""
        if not on:
            self.preview.hide_surfaces()
        elif self.preview.node is not None and not self.busy:
            self._start(effect_work.surfacing(self.preview), _("Making surfaces"))

    def onOpenModule(self) -> None:
        """To where packages are installed and tissues are named."""
        slicer.util.selectModule(effect_work.MODULE)

    # ---- work

    @property
    def ui(self) -> Any:
        """The widgets of the effect's own form."""
        assert self.form is not None  # Slicer sets up the options before it shows them
        return self.form.ui

    @property
    def busy(self) -> bool:
        """Whether a sibling is being made, shown or applied."""
        return self.operation is not None and not self.operation.finished

    @property
    def segmentation_node(self) -> Any:
        """The segmentation that is edited, or None."""
        editor = self.scriptedEffect.parameterSetNode()
        return editor.GetSegmentationNode() if editor is not None else None

    def obstacle(self) -> SiblingsError | None:
        """What keeps the effect from working now."""
        node = self.segmentation_node
        if self._not_installed is not None:
            return self._not_installed
        try:
            effect_work.check_twin(node, *(self.tissues(node) if node is not None else ({}, load_anatomy())))
            self.plan(node)
        except SiblingsError as error:
            return error
        return None

    def _begin(self, preview: bool) -> None:
        """Starts an operation on what the options ask for, or says why it cannot."""
        if self.busy or self.actions is None:
            return
        self._not_installed = effect_work.what_is_not_installed()
        if self.obstacle() is not None:
            self.refresh()
            return
        plan, editor = self.plan(self.segmentation_node), self.scriptedEffect.parameterSetNode()
        made = self.made if self.made is not None and self.made.key == plan.key else None
        session, self._edited, self._previewing = shared_session(), plan.node, preview
        if preview:
            self._shown_rules = rules_of(editor)
            steps: Steps[Any] = effect_work.previewing(session, plan, editor, self.preview, made=made,
                                           surfaces=self.actions.wants_3d)
        else:
            new = self.scriptedEffect.parameter("Result") == "new"
            name = _("{twin} sibling {seed}").format(twin=plan.node.GetName(), seed=plan.task.requests[0].seed) \
                if new else ""
            steps = effect_work.applying(session, plan, editor, self.scriptedEffect.saveStateForUndo, made=made,
                                         new_name=name)
        self._start(steps, _("Making a sibling"))

    def _start(self, steps: Any, title: str) -> None:
        self.operation = Operation(steps, title=title, on_update=self._progressed, on_finished=self._ended)
        self._progressed(self.operation)
        self.operation.start()
        self.refresh()

    def _set(self, parameter: str, value: str) -> None:
        """Sets a parameter without bringing the form up to date: that comes when all are set."""
        self._held = True
        try:
            self.scriptedEffect.setParameter(parameter, value)
        finally:
            self._held = False

    def _progressed(self, operation: Operation) -> None:
        if self.actions is not None:
            self.actions.show_progress(operation)

    def _ended(self, operation: Operation) -> None:
        """Whatever the end: the form is free again, and says what came of it."""
        if self.actions is None:
            return
        if operation.state == "done" and isinstance(operation.result, Applied):
            self._forget()
            self.actions.tell(effect_words.applied_text(operation.result))
        elif operation.state == "done" and operation.result is not None:
            self.made = operation.result
            self.actions.tell(effect_words.preview_text(self.made))
        elif operation.error is not None:
            if self._previewing:
                self.preview.remove()  # it does not show what the options and the masking ask for
            self.actions.tell_error(operation.error)
        elif operation.state == "cancelled":
            self._forget()
            self.actions.tell(_("Cancelled. The segmentation is as it was before."))
        self.refresh(keep_text=True)

    def _forget(self) -> None:
        """Lets go of the sibling and its preview."""
        self.made = None
        self.preview.remove()

    def refresh(self, keep_text: bool = False) -> None:
        """Brings form and preview up to date with parameters, segmentation and masking."""
        if self.form is None or self.actions is None or self._held or not self.scriptedEffect.active():
            return
        try:
            self.form.show()
            self.actions.show()
            self.show_options()
            if self.busy and self.segmentation_node is not self._edited:
                self._cancel()
            if not self.busy:
                self._check_preview(quiet=keep_text)
            put(self.form.root, "enabled", not self.busy)
            if self._masking_changed():
                self._begin(preview=True)  # the same sibling under the new masking
            self.actions.update(self.busy, self.preview.node is not None, self.obstacle(), keep_text)
        except Exception:  # called by observers and by Slicer: an error here must not end the edit of something else
            logging.exception("DiffusionSiblings: the options of %s could not be shown", self.name)

    def _masking_changed(self) -> bool:
        """Whether the preview is of another masking than the one that holds now."""
        return (self.made is not None and not self.busy
                and rules_of(self.scriptedEffect.parameterSetNode()) != self._shown_rules)

    def _check_preview(self, quiet: bool) -> None:
        """A preview of other options, or of a segmentation that has changed, would mislead."""
        if self.made is None:
            return
        try:
            stale = self.segmentation_node is None or self.plan(self.segmentation_node).key != self.made.key
        except SiblingsError:
            stale = True
        if stale:
            self._forget()
        if stale and not quiet and self.actions is not None:
            self.actions.tell(_("The preview was removed because the options or the twin changed."))
