"""Inpaint: a sibling that differs from the twin in one tissue, or inside a region, and nowhere else."""

# ruff: noqa: E402, N802 - the library is found by the module; names that Slicer and Qt have given
from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

sys.path.append(str(Path(__file__).absolute().parents[1]))  # should the effect be loaded without its module
importlib.import_module("DiffusionSiblings")  # makes the library importable
from DiffusionSiblingsUI.effects import work as effect_work
from DiffusionSiblingsUI.effects.base import SiblingsEffect
from DiffusionSiblingsUI.effects.options import Option, put, reveal
from DiffusionSiblingsUI.effects.work import Plan
from DiffusionSiblingsUI.runs.edit_request import scale_words
from DiffusionSiblingsUI.runs.edits import REGION_TO_COME, Task
from DiffusionSiblingsUI.scene import markups

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request

REGIONS = ("selected", "roi", "segment")


class SegmentEditorEffect(SiblingsEffect):
    """Options of Inpaint -> request."""

    name = "DiffusionSiblingsInpaint"
    title = _("Inpaint")
    per_segment = True
    form_file = "InpaintEffect.ui"
    folder = Path(__file__).resolve().parent
    options = (
        Option("Region", "regionComboBox", "selected", "choice", REGIONS),
        Option("Ratio", "ratioSlider", "1", "number"),
    )

    def helpText(self) -> str:
        """What the Segment Editor shows above the options."""
        return "<html>" + _("""Draw the <b>selected segment</b>, or everything inside a region, anew<br>. The generative
diffusion model (not diffusion MRI) fits it to the rest of the heart, which stays, voxel for voxel; the myocardium
changes with a ventricle.<p>
<b>Preview</b> shows a sibling over the segmentation, <b>Next seed</b> shows another one, and <b>Apply</b> changes all
segments in one undo step. Hidden segments and everything outside the editable area stay as they are.""")

    def setupOptionsFrame(self) -> None:
        """The selectors of nodes are connected here: they are no plain options."""
        super().setupOptionsFrame()
        ui = self.ui
        for selector in (ui.roiSelector, ui.segmentSelector):
            selector.setMRMLScene(slicer.mrmlScene)
        ui.roiSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onRoi)
        ui.placeButton.connect("clicked()", self.onPlace)
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onRegionSegment)
        ui.segmentSelector.connect("currentSegmentChanged(QString)", self.onRegionSegment)

    def cleanup(self) -> None:
        """Before the effect is deleted."""
        if self.form is not None:
            ui = self.ui
            ui.roiSelector.disconnect("currentNodeChanged(vtkMRMLNode*)", self.onRoi)
            ui.placeButton.disconnect("clicked()", self.onPlace)
            ui.segmentSelector.disconnect("currentNodeChanged(vtkMRMLNode*)", self.onRegionSegment)
            ui.segmentSelector.disconnect("currentSegmentChanged(QString)", self.onRegionSegment)
        super().cleanup()

    def onRoi(self, node: Any) -> None:
        """Another ROI was chosen; one that was just made lies nowhere yet, and is placed."""
        if self.scriptedEffect.parameterSetNode() is not None:
            self.scriptedEffect.setNodeReference("ROI", node)
            if node is not None and not markups.is_placed(node):
                self._place(node)
            self.refresh()

    def onPlace(self) -> None:
        """A box around the selected segment: the chosen ROI, or a new one."""
        if self.scriptedEffect.parameterSetNode() is not None:
            self.scriptedEffect.setNodeReference("ROI", self._place(self.scriptedEffect.nodeReference("ROI")))
            self.refresh()

    def _place(self, node: Any) -> Any:
        selected = self.scriptedEffect.parameterSetNode().GetSelectedSegmentID() or ""
        return markups.place_box(node, self.segmentation_node, selected)

    def onRegionSegment(self, *_value: Any) -> None:
        """Another segment was chosen as region."""
        if self.scriptedEffect.parameterSetNode() is None:
            return
        selector = self.ui.segmentSelector
        self.scriptedEffect.setNodeReference("RegionSegmentation", selector.currentNode())
        self.scriptedEffect.setParameter("RegionSegment", selector.currentSegmentID() or "")
        self.refresh()

    def plan(self, node: Any) -> Plan:
        """The selected segment's tissue, or what lies in the region."""
        settings = effect_work.module_settings(node)
        region = self.scriptedEffect.parameter("Region")
        tissue_of, anatomy = self.tissues(node)
        tissues: tuple[str, ...] = ()
        roi, segment = None, None
        edited = frozenset(i for i, tissue in tissue_of.items() if tissue)
        if region == "selected":
            tissues = (self.selected_tissue(node, tissue_of),)
            free = {*tissues, *anatomy.follows.get(tissues[0], ())}
            edited = frozenset(i for i, tissue in tissue_of.items() if tissue in free)
        elif region == "roi":
            roi = self._roi()
        else:
            segment = self._region_segment()
        request = Request("inpaint", tissues=tissues, region=None if region == "selected" else REGION_TO_COME,
                          **self.settings())
        return Plan(Task((request,), node, roi=roi, segment=segment, **settings), node, edited)

    def show_options(self) -> None:
        """The selectors of the chosen kind of region, and what would be edited."""
        ui, region = self.ui, self.scriptedEffect.parameter("Region")
        for widget, kind in ((ui.roiOptions, "roi"), (ui.roiLabel, "roi"), (ui.segmentSelector, "segment"),
                             (ui.segmentLabel, "segment")):
            reveal(widget, region == kind)
        for selector in (ui.roiSelector, ui.segmentSelector):
            selector.blockSignals(True)
        ui.roiSelector.setCurrentNode(self.scriptedEffect.nodeReference("ROI"))
        ui.segmentSelector.setCurrentNode(self.scriptedEffect.nodeReference("RegionSegmentation"))
        ui.segmentSelector.setCurrentSegmentID(self._region_segment_id())
        for selector in (ui.roiSelector, ui.segmentSelector):
            selector.blockSignals(False)
        put(ui.editedLabel, "text", self._edited_text())
        put(ui.scaleLabel, "text", scale_words("inpaint", self.scriptedEffect.doubleParameter("Ratio")))

    def _edited_text(self) -> str:
        """What an Apply would change, in words."""
        node = self.segmentation_node
        if node is None or self.scriptedEffect.parameter("Region") != "selected":
            return _("All tissues inside the region.")
        tissue_of, anatomy = self.tissues(node)
        tissue = tissue_of.get(self.scriptedEffect.parameterSetNode().GetSelectedSegmentID() or "")
        if not tissue:
            return _("The selected segment is not a tissue of the heart.")
        followers = [anatomy.tissue(each).name.lower() for each in anatomy.follows.get(tissue, ())]
        name = anatomy.tissue(tissue).name
        if not followers:
            return name + "."
        return _("{name}; the {followers} changes with it.").format(name=name, followers=", ".join(followers))

    def _roi(self) -> Any:
        roi = self.scriptedEffect.nodeReference("ROI")
        if roi is None:
            raise InputError(_("No ROI is chosen"),
                             hint=_("press Place box, or choose one that lies around what should change"))
        if not markups.is_placed(roi):
            raise InputError(_("The ROI is not placed yet"), value=roi.GetName(),
                             hint=_("press Place box, or place it in the views"))
        return roi

    def _region_segment(self) -> tuple[Any, str]:
        node, segment = self.scriptedEffect.nodeReference("RegionSegmentation"), self._region_segment_id()
        if node is None or node.GetSegmentation().GetSegment(segment) is None:
            raise InputError(_("No segment is chosen as the region"),
                             hint=_("choose a painted segment of any segmentation"))
        return node, segment

    def _region_segment_id(self) -> str:
        effect = self.scriptedEffect  # an empty parameter counts as not defined, and asking for it is an error
        return effect.parameter("RegionSegment") if effect.parameterDefined("RegionSegment") else ""
