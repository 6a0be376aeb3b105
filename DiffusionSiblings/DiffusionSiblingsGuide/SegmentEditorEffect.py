"""Guide: a sibling of the whole heart that has a volume, or another measurement, that the user asks for."""

# ruff: noqa: E402, N802 - the library is found by the module; names that Slicer and Qt have given
from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

sys.path.append(str(Path(__file__).absolute().parents[1]))  # should the effect be loaded without its module
importlib.import_module("DiffusionSiblings")  # makes the library importable
from DiffusionSiblingsUI.effects import work as effect_work
from DiffusionSiblingsUI.effects.base import SiblingsEffect
from DiffusionSiblingsUI.effects.goal import DOMAINS, GOALS, SCALED, VOLUME, Goal, goal_title, goal_words, ratio_words
from DiffusionSiblingsUI.effects.options import Option, put, reveal
from DiffusionSiblingsUI.effects.work import Plan
from DiffusionSiblingsUI.guide import domains
from DiffusionSiblingsUI.runs.edits import Task
from DiffusionSiblingsUI.scene.volumes import Volumes, segments_of

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request


class SegmentEditorEffect(SiblingsEffect):
    """Options of Guide -> request with a goal."""

    name = "DiffusionSiblingsGuide"
    title = _("Guide")
    per_segment = False
    form_file = "GuideEffect.ui"
    folder = Path(__file__).resolve().parent
    options = (
        Option("Goal", "goalComboBox", VOLUME, "choice", GOALS),
        Option("Change", "changeSlider", "20", "number"),
        Option("Amount", "amountSlider", "20", "number"),
        Option("Hold", "holdCheckBox", "1", "check"),
        Option("Domains", "domainsCheckBox", "0", "check"),
        Option("Ratio", "ratioSlider", "0.6", "number"),
    )

    def __init__(self, scriptedEffect: Any) -> None:
        super().__init__(scriptedEffect)
        self._volumes = Volumes()

    def helpText(self) -> str:
        """What the Segment Editor shows above the options."""
        return "<html>" + _("""Make a <b>digital sibling</b> that <b>reaches a target</b><br>. A target is, for
example, 20 % more volume of the selected segment. The generative diffusion model (not diffusion MRI) draws the heart
anew around it.<p>
<b>Preview</b> shows a sibling over the segmentation and lists what it reaches, <b>Next seed</b> shows another one, and
<b>Apply</b> changes all segments in one undo step. Hidden segments and everything outside the editable area stay as
they are. Targets in places of your own, such as the plane of a valve, are set in the Diffusion Siblings module.""")

    def setupOptionsFrame(self) -> None:
        """The list of goals is the library's; the target in ml is another way to give the change."""
        super().setupOptionsFrame()
        ui = self.ui
        blocked = ui.goalComboBox.blockSignals(True)
        for goal in GOALS:
            ui.goalComboBox.addItem(goal_title(goal))
        ui.goalComboBox.blockSignals(blocked)
        ui.targetSpinBox.connect("valueChanged(double)", self.onTarget)

    def cleanup(self) -> None:
        """Before the effect is deleted."""
        if self.form is not None:
            self.ui.targetSpinBox.disconnect("valueChanged(double)", self.onTarget)
        super().cleanup()

    def watched(self) -> list[Any]:
        """Markups that may ask for something."""
        return domains.find_domains()

    def onTarget(self, ml: float) -> None:
        """A volume was given: the slider has it as a change."""
        now = self._now()
        if now:
            self.ui.changeSlider.value = 100.0 * (ml / now - 1.0)
            self._show_volumes()  # the slider has its bounds

    def plan(self, node: Any) -> Plan:
        """All tissues of the heart may change for the goal."""
        settings = effect_work.module_settings(node)
        tissue_of, _anatomy = self.tissues(node)
        goal = self._goal(node, tissue_of)
        edited = frozenset(segment for segment, tissue in tissue_of.items() if tissue)
        return Plan(Task((Request("perturb", **self.settings()),), node, **settings), node, edited, goal)

    def _goal(self, node: Any, tissue_of: dict[str, str | None]) -> Goal:
        """What the options ask for. Raises InputError where that is nothing, or cannot be."""
        effect = self.scriptedEffect
        kind, tissue = effect.parameter("Goal"), ""
        change = effect.doubleParameter("Change" if kind == VOLUME else "Amount") / 100.0
        marked = self.watched()
        hold = effect.integerParameter("Hold") == 1
        if kind == VOLUME:
            tissue = self.selected_tissue(node, tissue_of)
            if self._now() == 0:
                raise InputError(_("The selected segment is empty"), hint=_("select another segment"))
        asked = None
        if kind == DOMAINS or (marked and effect.integerParameter("Domains") == 1):
            asked = _asked_by(marked)
        return Goal(kind, tissue, change if kind in (VOLUME, *SCALED) else 0.0, hold, asked)

    def show_options(self) -> None:
        """Which options belong to the goal, the volume of now and of then, and the rest in words."""
        ui, effect = self.ui, self.scriptedEffect
        kind, marked = effect.parameter("Goal"), self.watched()
        for widgets, on in (((ui.changeLabel, ui.changeSlider, ui.targetLabel, ui.targetSpinBox, ui.nowLabel),
                             kind == VOLUME), ((ui.amountLabel, ui.amountSlider), kind in SCALED),
                            ((ui.domainsCheckBox,), bool(marked) and kind != DOMAINS)):
            for widget in widgets:
                reveal(widget, on)
        self._show_volumes()
        put(ui.domainsCheckBox, "text", _("Also the targets of {names}").format(names=_names(marked)))
        put(ui.askedLabel, "text", goal_words(kind, self._selected_name(), _names(marked)))
        put(ui.scaleLabel, "text", ratio_words(effect.doubleParameter("Ratio")))

    def _show_volumes(self) -> None:
        ui, now = self.ui, self._now()
        put(ui.targetSpinBox, "enabled", bool(now))
        put(ui.nowLabel, "text", _("now {ml:.1f} ml").format(ml=now) if now is not None else "")
        if now:
            blocked = ui.targetSpinBox.blockSignals(True)
            put(ui.targetSpinBox, "value", round(now * (1 + self.scriptedEffect.doubleParameter("Change") / 100), 1))
            ui.targetSpinBox.blockSignals(blocked)

    def _selected_name(self) -> str:
        node, selected = self.segmentation_node, self.scriptedEffect.parameterSetNode().GetSelectedSegmentID() or ""
        segment = node.GetSegmentation().GetSegment(selected) if node is not None and selected else None
        return segment.GetName() if segment is not None else ""

    def _now(self) -> float | None:
        """Volume of the selected segment's tissue in ml as it is, None if it cannot be told."""
        node = self.segmentation_node
        if node is None:
            return None
        tissue_of, _anatomy = self.tissues(node)
        tissue = tissue_of.get(self.scriptedEffect.parameterSetNode().GetSelectedSegmentID() or "")
        return self._volumes.ml(node, segments_of(tissue, tissue_of)) if tissue else None


def _asked_by(nodes: list[Any]) -> Any:
    """The control of these markups. Raises InputError where they ask for nothing."""
    if not nodes:
        raise InputError(_("There is no control domain in the scene"), rule=_("a markup with a target is needed"),
                         hint=_("make one in the Diffusion Siblings module, or choose another target"))
    control = domains.control_of(nodes)
    if not control.active:
        raise InputError(_("The control domains have no targets"), value=_names(nodes),
                         hint=_("set a target in the Diffusion Siblings module"))
    return control


def _names(nodes: list[Any]) -> str:
    return ", ".join(node.GetName() for node in nodes)
