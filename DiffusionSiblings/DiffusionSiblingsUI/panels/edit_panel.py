"""The Edit section: what to make, how many, Run and Cancel, progress, and errors."""

from __future__ import annotations

import random
import time
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.cores import usable_cores
from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsUI.context import Context, as_html
from DiffusionSiblingsUI.rich_text import literal, plain
from DiffusionSiblingsUI.runs.edit_request import (
    EDITS,
    REGIONS,
    chosen_tissues,
    edit_words,
    guide_words,
    missing,
    progress_words,
    scale_words,
    task_of,
)
from DiffusionSiblingsUI.runs.making import CHECKS, WALL
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.runs.result_words import cancelled_words, result_as_html
from DiffusionSiblingsUI.scene import markups
from DiffusionSiblingsUI.setup import environment

BAR = 1000  # steps of the progress bar
LARGEST_SEED = 2**31 - 1  # of a spin box
MOST_PROCESSES = 64


class EditPanel:
    """Shows and changes the parameters of an edit; `widget` is the form."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/EditPanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._filling = False
        self._notice, self._log, self._began = "", "", 0.0
        self._folder = ""  # in which the files of the latest run stay
        self._tissue_boxes = self._make_tissue_boxes()
        self._check_boxes = self._check_boxes_of()
        self.ui.jobsBox.maximum = max(1, min(MOST_PROCESSES, usable_cores()))
        self._connect()

    def cleanup(self) -> None:
        """Nothing of the panel's outlives it: an operation on its way belongs to the context."""

    def refresh(self) -> None:
        """Shows the parameters, and what can be done now."""
        parameters = self.context.parameters
        self.widget.enabled = parameters is not None
        if parameters is None:  # the scene closes: what is said of its runs goes with it
            self._notice = self._log = ""
            return
        self._filling = True
        try:
            self._fill(parameters)
        finally:
            self._filling = False
        self._show_state()

    def progressed(self, operation: Operation) -> None:
        """Shows how far an operation is."""
        self.ui.progressBar.value = int(BAR * operation.progress)
        self.ui.progressLabel.text = progress_words(operation)

    def run(self) -> None:
        """Begins the edit that the panel describes."""
        self._say("")
        self._began = time.monotonic()
        try:
            task = task_of(self.context)
            self._folder = task.making.folder
            if not environment.ensure():  # asks what may be installed; the user said no
                return
            self.context.begin(self.context.logic.run_operation(task, on_finished=self._finished))
        except SiblingsError as error:
            self._say_error(error, "")

    def cancel(self) -> None:
        """Stops the operation that is on its way; nothing of it stays in the scene."""
        self.context.cancel()

    # What the widgets say

    def _connect(self) -> None:
        ui, write = self.ui, self._write
        for button, edit in self._edit_buttons():
            button.connect("toggled(bool)", lambda on, edit=edit: write("edit", edit) if on else None)
        ui.ratioSlider.connect("valueChanged(double)", lambda value: write("ratio", round(float(value), 4)))
        ui.inpaintRatioSlider.connect("valueChanged(double)",
                                      lambda value: write("inpaint_ratio", round(float(value), 4)))
        ui.regionCombo.connect("currentIndexChanged(int)", lambda index: write("region_kind", REGIONS[index]))
        ui.roiSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: write("roi", node))
        ui.segmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: write("region_segmentation", node))
        ui.segmentSelector.connect("currentSegmentChanged(QString)", lambda name: write("region_segment", str(name)))
        ui.countBox.connect("valueChanged(int)", lambda value: write("count", int(value)))
        ui.stepsBox.connect("valueChanged(int)", lambda value: write("steps", int(value)))
        ui.seedBox.connect("valueChanged(int)", lambda value: write("seed", int(value)))
        ui.resampleBox.connect("valueChanged(int)", lambda value: write("resample", int(value)))
        ui.guidanceCheck.connect("toggled(bool)", lambda on: write("method", "guidance" if on else "replace"))
        ui.overwriteCheck.connect("toggled(bool)", lambda on: write("overwrite", bool(on)))
        ui.repairCheck.connect("toggled(bool)", lambda on: write("repair", bool(on)))
        ui.wallBox.connect("valueChanged(double)", lambda value: write("wall", round(float(value), 1)))
        ui.mostBox.connect("valueChanged(int)", lambda value: write("most_drawn", int(value)))
        ui.jobsBox.connect("valueChanged(int)", lambda value: write("jobs", int(value)))
        ui.folderPath.connect("currentPathChanged(QString)", lambda path: write("folder", str(path)))
        ui.resumeCheck.connect("toggled(bool)", lambda on: write("resume", bool(on)))
        ui.newSeedButton.connect("clicked()", lambda: write("seed", random.randint(0, LARGEST_SEED)))
        ui.newBoxButton.connect("clicked()", self._new_box)
        ui.runButton.connect("clicked()", self.run)
        ui.cancelButton.connect("clicked()", self.cancel)
        ui.logButton.connect("clicked()", self._show_log)

    def _write(self, name: str, value: Any) -> None:
        """A choice of the user's into the parameters, which brings all panels up to date."""
        if self._filling or self.context.parameters is None:
            return
        if getattr(self.context.parameters, name) != value:
            setattr(self.context.parameters, name, value)
            self.context.changed()

    def _edit_buttons(self) -> list[tuple[Any, str]]:
        ui = self.ui
        return list(zip((ui.perturbButton, ui.inpaintButton, ui.generateButton), EDITS, strict=True))

    def _make_tissue_boxes(self) -> dict[str, Any]:
        """A tick box for each tissue of the anatomy, three in a row."""
        boxes = {}
        for number, tissue in enumerate(self.context.anatomy.tissues):
            box = qt.QCheckBox(tissue.name)
            box.setObjectName(f"tissue{tissue.id}")
            follows = self.context.anatomy.follows.get(tissue.id, ())
            tip = _("Draw the {tissue} ({id}) anew; {followers} changes with it") if follows \
                else _("Draw the {tissue} ({id}) anew")
            box.setToolTip(tip.format(tissue=tissue.name.lower(), id=tissue.id, followers=", ".join(follows)))
            self.ui.tissueFrame.layout().addWidget(box, number // 2, number % 2)
            box.connect("toggled(bool)", lambda _on: self._tissues_chosen())
            boxes[tissue.id] = box
        return boxes

    def _tissues_chosen(self) -> None:
        self._write("tissues", ",".join(tissue for tissue, box in self._tissue_boxes.items() if box.checked))

    def _new_box(self) -> None:
        """A ROI on the first tissue that is ticked, or on the heart's middle."""
        ticked = chosen_tissues(self.context.parameters)
        segment = next((each for each, tissue in self.context.tissue_of.items() if tissue in ticked), "")
        self._write("roi", markups.place_box(self.context.parameters.roi, self.context.twin, segment))

    def _check_boxes_of(self) -> dict[str, Any]:
        """A tick box for each acceptance check, that of the wall beside its thickness."""
        boxes = {}
        for name, words in CHECKS.items():
            boxes[name] = box = self.ui.wallCheck if name == WALL else qt.QCheckBox(words.label)
            box.connect("toggled(bool)", lambda _on: self._checks_chosen())
            if name != WALL:
                box.setObjectName(f"{name}Check")
                box.setToolTip(words.tip)
                self.ui.checksFrame.layout().addWidget(box)
        return boxes

    def _checks_chosen(self) -> None:
        self._write("checks", ",".join(name for name, box in self._check_boxes.items() if box.checked))

    # What the widgets show

    def _fill(self, parameters: Any) -> None:
        ui = self.ui
        for button, edit in self._edit_buttons():
            button.checked = parameters.edit == edit
        ui.ratioSlider.value, ui.inpaintRatioSlider.value = parameters.ratio, parameters.inpaint_ratio
        ui.countBox.value, ui.stepsBox.value, ui.seedBox.value = parameters.count, parameters.steps, parameters.seed
        ui.resampleBox.value = parameters.resample
        ui.guidanceCheck.checked = parameters.method == "guidance"
        ui.overwriteCheck.checked, ui.repairCheck.checked = parameters.overwrite, parameters.repair
        ui.wallBox.value, ui.mostBox.value, ui.jobsBox.value = parameters.wall, parameters.most_drawn, parameters.jobs
        if str(ui.folderPath.currentPath) != parameters.folder:
            ui.folderPath.currentPath = parameters.folder
        ui.resumeCheck.checked = parameters.resume
        for check, box in self._check_boxes.items():
            box.checked = check in names_of(parameters.checks)
        ui.regionCombo.currentIndex = REGIONS.index(parameters.region_kind)
        for tissue, box in self._tissue_boxes.items():
            box.checked = tissue in chosen_tissues(parameters)
        ui.roiSelector.setCurrentNode(parameters.roi)
        ui.segmentSelector.setCurrentNode(parameters.region_segmentation)
        ui.segmentSelector.setCurrentSegmentID(parameters.region_segment)

    def _show_state(self) -> None:
        """What belongs to the chosen edit, and whether it can start."""
        ui, parameters, busy = self.ui, self.context.parameters, self.context.busy
        inpaint = parameters.edit == "inpaint"
        words = edit_words(parameters.edit, chosen_tissues(parameters), self.context.anatomy)
        ui.editWords.text = f"{words} {guide_words(parameters)}".strip()
        ui.perturbOptions.visible, ui.inpaintOptions.visible = parameters.edit == "perturb", inpaint
        rows = {"roi": (ui.roiLabel, ui.roiOptions), "segment": (ui.segmentLabel, ui.segmentSelector)}
        for kind, widgets in rows.items():
            for widget in widgets:
                widget.visible = parameters.region_kind == kind
        for widget in (ui.resampleLabel, ui.resampleBox, ui.guidanceCheck):
            widget.enabled = inpaint
        ui.overwriteCheck.enabled = parameters.edit != "generate"
        ticked = len(names_of(parameters.checks))
        ui.acceptanceBox.title = (_("Acceptance checks ({count})").format(count=ticked) if ticked
                                  else _("Acceptance checks"))
        ui.wallBox.enabled = self._check_boxes[WALL].checked
        ui.mostBox.enabled = ui.mostLabel.enabled = bool(ticked)
        ui.resumeCheck.enabled = bool(parameters.folder)
        ui.scaleWords.text = scale_words("perturb", parameters.ratio)
        ui.inpaintScaleWords.text = scale_words("inpaint", parameters.inpaint_ratio)
        reason = missing(self.context)
        ui.runButton.enabled, ui.cancelButton.enabled = not (busy or reason), busy
        ui.runButton.toolTip = literal(reason) or (_("Only one operation runs at a time") if busy
                                                   else _("Make the siblings"))
        ui.reasonLabel.text, ui.reasonLabel.visible = reason, bool(reason)
        ui.progressFrame.visible = busy
        if busy and self.context.operation is not None:
            self.progressed(self.context.operation)
        ui.noticeFrame.visible = bool(self._notice)
        ui.noticeLabel.text = self._notice
        ui.logButton.visible = bool(self._log)

    def _finished(self, operation: Operation) -> None:
        """The end of an edit, whatever it is."""
        if operation.error is not None:
            self._say_error(operation.error, operation.log)
        elif operation.state == "cancelled":
            self._say(plain(cancelled_words(self._folder)))
        else:
            run = operation.result
            self._say(result_as_html(run.record, time.monotonic() - self._began, self._folder))
            if self.context.parameters is not None:
                self.context.parameters.run, self.context.parameters.sibling = run.id, 0

    def _say_error(self, error: SiblingsError, log: str) -> None:
        self._say(as_html(error), log or self.context.log_text())

    def _say(self, text: str, log: str = "") -> None:
        self._notice, self._log = text, log
        if self.context.parameters is not None:
            self._show_state()

    def _show_log(self) -> None:
        slicer.util.infoDisplay(_("The last lines of the worker's log:"), windowTitle=_("Diffusion Siblings log"),
                                detailedText=self._log)
