"""Perturb: a sibling of the whole heart, at the scale that the sampling ratio sets."""

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
from DiffusionSiblingsUI.effects.options import Option, put
from DiffusionSiblingsUI.effects.work import Plan
from DiffusionSiblingsUI.runs.edit_request import scale_words
from DiffusionSiblingsUI.runs.edits import Task

from DiffusionSiblingsLib.editing.request import Request


class SegmentEditorEffect(SiblingsEffect):
    """Options of Perturb -> request."""

    name = "DiffusionSiblingsPerturb"
    title = _("Perturb")
    per_segment = False
    form_file = "PerturbEffect.ui"
    folder = Path(__file__).resolve().parent
    options = (Option("Ratio", "ratioSlider", "0.5", "number"),)

    def helpText(self) -> str:
        """What the Segment Editor shows above the options."""
        return "<html>" + _("""Make a <b>digital sibling</b> of the whole heart<br>. The generative diffusion model (not
diffusion MRI) blurs the heart and then draws a heart from it again; the sampling ratio sets how much is lost by
blurring.<p>
<b>Preview</b> shows a sibling over the segmentation, <b>Next seed</b> shows another one, and <b>Apply</b> changes all
segments in one undo step. Hidden segments and everything outside the editable area stay as they are.""")

    def plan(self, node: Any) -> Plan:
        """All tissues of the heart, with the ratio of the options."""
        settings = effect_work.module_settings(node)
        tissues, _anatomy = self.tissues(node)
        request = Request("perturb", **self.settings())
        edited = frozenset(segment for segment, tissue in tissues.items() if tissue)
        return Plan(Task((request,), node, **settings), node, edited)

    def show_options(self) -> None:
        """Describes what the ratio changes."""
        put(self.ui.scaleLabel, "text", scale_words("perturb", self.scriptedEffect.doubleParameter("Ratio")))
