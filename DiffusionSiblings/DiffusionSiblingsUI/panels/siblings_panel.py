"""The Siblings section: runs of the scene, their siblings over the twin, one after another, and in 3D."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsUI.panels import result_table
from DiffusionSiblingsUI.panels.chosen_run import choose, chosen
from DiffusionSiblingsUI.panels.result_table import Cell
from DiffusionSiblingsUI.rich_text import literal
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.scene import comparison_view as comparison
from DiffusionSiblingsUI.scene import meshes, runs, sequences, tables

LV_VOLUME = tissue_key("LV").title
HEADS = (_("Sibling"), _("Edit"), _("Checks"), _("Dice"), LV_VOLUME)
CHANGED = _("{twin} has changed since this run was made, so its outline would mislead and is not shown. The "
            "measurements are those from when the run was made.")


class SiblingsPanel:
    """Shows a run; what is seen in the views changes when the user, or a finished run, chooses a sibling."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/SiblingsPanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.ui.colorButton.color = qt.QColor.fromRgbF(*comparison.Style().twin_color)
        self._parameters: Any = None
        self._listed: Any = None  # what list and table show
        self._seen: tuple[str, int] | None = None  # what the views show: run, sibling
        self._shown: runs.Run | None = None
        self._work: Operation | None = None  # surfaces or a sequence in the making
        self._filling = self._center = self._changed = False
        self.ui.siblingTable.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Shows what the scene has now; takes a newly finished run into the views."""
        run, number = chosen(self.context)
        now = (run.id, number) if run is not None else None
        if self.context.parameters is not self._parameters:  # another scene: its views stay as they were saved
            self._parameters, self._seen, self._shown = self.context.parameters, now, run
        changed, self._changed = self._changed, self.context.twin_checks.is_changed(run)
        self._list(run)
        self._enable(run, number)
        if now != self._seen:
            self._leave(run)
            self._seen, self._shown = now, run
            self.show()
        elif run is not None and self._changed != changed:
            self._follow_twin(run)

    def cleanup(self) -> None:
        """Stops what is being made."""
        self._stop_work()
        self.context = None

    def style(self) -> comparison.Style:
        """The look that the widgets ask for."""
        color = self.ui.colorButton.color
        return comparison.Style(twin_color=(color.redF(), color.greenF(), color.blueF()),
                                fill=float(self.ui.fillSlider.value))

    def show(self) -> None:
        """Brings the chosen sibling, and it alone, into the views."""
        run, number = chosen(self.context)
        if run is None or not run.siblings:
            return
        sibling, in_3d = run.siblings[number], bool(self.ui.surfaceCheck.checked)
        outline = bool(self.ui.outlineCheck.checked) and run.twin_node is not None and not self._changed
        comparison.compare(run, sibling, self.style(), outline=outline, in_3d=in_3d)
        self._seen, self._shown = (run.id, number), run
        if in_3d:
            self._begin(comparison.preparing_3d(run, sibling, with_twin=outline), _("Making surfaces"))

    def _follow_twin(self, run: runs.Run) -> None:
        """The twin has changed, or is again what it was: its outline goes, or comes back."""
        if self._changed:
            comparison.restore(run.twin_node)
        elif self._shown is not None and self.ui.outlineCheck.checked:
            self.show()

    def flip(self, by: int) -> None:
        """Shows the sibling `by` places further, from the end on from the beginning."""
        run, number = chosen(self.context)
        if run is not None and run.siblings:
            choose(self.context, run, (number + by) % len(run.siblings))

    def delete(self) -> None:
        """Asks once, then removes the run."""
        run, _number = chosen(self.context)
        if run is None:
            return
        count = len(run.siblings)
        siblings = _("1 sibling") if count == 1 else _("{count} siblings").format(count=count)
        text = _("Delete the run \"{run}\" with {siblings}, its table, plots and record? The twin stays. This "
                 "cannot be undone.").format(run=run.title, siblings=siblings)
        if not slicer.util.confirmOkCancelDisplay(literal(text), windowTitle=_("Diffusion Siblings - Delete a run")):
            return
        self._stop_work()
        comparison.restore(run.twin_node)
        for mesh in [mesh for mesh in meshes.find_meshes() if mesh.heart in run.siblings]:
            meshes.delete_mesh(mesh)
        runs.delete_run(run)
        left = runs.find_runs()
        self._shown = None
        self._seen = (left[-1].id, 0) if left else None  # another run is listed, but the views are left in peace
        choose(self.context, left[-1] if left else None)

    def make_sequence(self) -> None:
        """Makes the run's sequence, or shows the one that there is in Slicer's player."""
        run, _number = chosen(self.context)
        if run is None:
            return
        if run.browser_node is not None:
            _show_player(run.browser_node)
            return
        self._begin(sequences.sequencing(run), _("Making the sequence"))

    def _connect(self) -> None:
        ui = self.ui
        ui.runCombo.connect("currentIndexChanged(int)", self._on_run)
        ui.siblingTable.connect("itemSelectionChanged()", self._on_row)
        ui.previousButton.connect("clicked()", lambda: self.flip(-1))
        ui.nextButton.connect("clicked()", lambda: self.flip(1))
        ui.deleteButton.connect("clicked()", self.delete)
        ui.sequenceButton.connect("clicked()", self.make_sequence)
        ui.outlineCheck.connect("toggled(bool)", self._on_look)
        ui.surfaceCheck.connect("toggled(bool)", self._on_surfaces)
        ui.fillSlider.connect("valueChanged(double)", self._on_look)
        ui.colorButton.connect("colorChanged(QColor)", self._on_look)

    def _on_run(self, index: int) -> None:
        if not self._filling and index >= 0:
            choose(self.context, runs.find_run(str(self.ui.runCombo.itemData(index))))

    def _on_row(self) -> None:
        run, _number = chosen(self.context)
        if run is not None and not self._filling and self.ui.siblingTable.currentRow() >= 0:
            choose(self.context, run, int(self.ui.siblingTable.currentRow()))

    def _on_look(self, _value: Any = None) -> None:
        self.show()

    def _on_surfaces(self, on: bool) -> None:
        if not on:
            self._stop_work()
        self._center = on  # once, when the surfaces are there
        self.show()

    def _list(self, run: runs.Run | None) -> None:
        """Runs and siblings, filled anew only if something of them changed."""
        found = runs.find_runs() if run is not None else []
        names = [(sibling.GetID(), sibling.GetName()) for sibling in run.siblings] if run is not None else []
        table = run.table_node if run is not None else None
        state = ([(r.id, r.title) for r in found], run.id if run is not None else "", names,
                 table.GetMTime() if table is not None else 0)
        if state == self._listed:
            return
        self._listed, self._filling = state, True
        try:
            self.ui.runCombo.clear()
            for each in found:
                self.ui.runCombo.addItem(each.title, each.id)
            if run is not None:
                self.ui.runCombo.setCurrentIndex([each.id for each in found].index(run.id))
                rows = run.rows()
                cells = [_cells(node, rows.get(str(node.GetAttribute(runs.MAP)), {})) for node in run.siblings]
                result_table.fill(self.ui.siblingTable, HEADS, cells, most=6)
        finally:
            self._filling = False

    def _enable(self, run: runs.Run | None, number: int) -> None:
        """What can be done now, and which sibling is marked."""
        ui, count = self.ui, len(run.siblings) if run is not None else 0
        for widget in (ui.runLabel, ui.runCombo, ui.deleteButton, ui.siblingTable, ui.previousButton, ui.nextButton,
                       ui.placeLabel, ui.outlineCheck, ui.colorButton, ui.surfaceCheck, ui.fillLabel, ui.fillSlider,
                       ui.sequenceButton, ui.messageLabel):
            widget.visible = run is not None
        ui.emptyLabel.visible = run is None
        ui.changedLabel.visible = False
        if run is None:
            return
        result_table.select(ui.siblingTable, number if count else -1)
        ui.placeLabel.text = _("{number} of {count}").format(number=number + 1, count=count) if count \
            else _("no siblings left")
        ui.previousButton.enabled = ui.nextButton.enabled = count > 1
        ui.outlineCheck.enabled = ui.colorButton.enabled = run.twin_node is not None and not self._changed
        ui.changedLabel.visible = self._changed
        if self._changed and run.twin_node is not None:
            ui.changedLabel.text = CHANGED.format(twin=run.twin_node.GetName())
        ui.sequenceButton.text = _("Play sequence") if run.browser_node is not None else _("Make sequence")
        ui.sequenceButton.enabled = count > 1 and self._work is None

    def _leave(self, run: runs.Run | None) -> None:
        """Takes what the panel last showed out of the views, if another run follows."""
        before = self._shown
        if before is None or (run is not None and before.id == run.id) or before.node.GetScene() is None:
            return
        for node in before.siblings:
            comparison.hide(node)
        if before.twin_node is not (run.twin_node if run is not None else None):
            comparison.restore(before.twin_node)

    def _begin(self, steps: Any, words: str) -> None:
        """Works in the background; what was on its way before is stopped."""
        self._stop_work()
        self.ui.messageLabel.text = f"{words}..."
        self._work = Operation(steps, title=words, on_finished=self._worked)
        self._work.start()

    def _worked(self, operation: Operation) -> None:
        if operation is not self._work:
            return
        self._work = None
        self.ui.messageLabel.text = ""
        if operation.state == "done" and self._center:
            self._center = False
            _center_3d_views()
        if operation.state == "failed" and operation.error is not None:
            self.context.show_error(operation.error, operation.log)
        run, number = chosen(self.context)
        self._enable(run, number)

    def _stop_work(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        self.ui.messageLabel.text = ""


def _cells(node: Any, row: dict[str, Any]) -> list[Cell]:
    """A sibling's row in the list."""
    failed = [name for name in str(row.get(tables.FAILED) or "").split("; ") if name]
    checks = Cell(_("all passed") if row else "")
    if failed:
        checks = Cell(_("{count} failed").format(count=len(failed)), bad=True, tip="\n".join(failed))
    name = str(node.GetAttribute(runs.MAP))
    tip = f"{node.GetName()}: {node.GetDescription() or ''}"
    return [Cell(name, tip=tip), Cell(str(row.get("edit") or "")), checks,
            result_table.number_cell(row.get(tables.DICE), 2),
            result_table.number_cell(row.get(LV_VOLUME), 1)]


def _show_player(browser: Any) -> None:
    """Slicer's sequence tool bar with that sequence."""
    module = slicer.modules.sequences
    module.setToolBarActiveBrowserNode(browser)
    module.setToolBarVisible(True)


def _center_3d_views() -> None:
    manager = slicer.app.layoutManager()
    for number in range(manager.threeDViewCount if manager is not None else 0):
        manager.threeDWidget(number).threeDView().resetFocalPoint()
