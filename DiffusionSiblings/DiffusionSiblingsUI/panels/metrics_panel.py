"""The Metrics section: table and plots of a run, its record, and Replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsUI.guide.rows import achieved_titles, target_heads
from DiffusionSiblingsUI.panels import result_table
from DiffusionSiblingsUI.panels.beside import Beside
from DiffusionSiblingsUI.panels.chosen_run import choose, chosen
from DiffusionSiblingsUI.panels.measures_part import MeasuresPart, heart_of
from DiffusionSiblingsUI.panels.result_table import Cell
from DiffusionSiblingsUI.runs.edit_request import progress_words
from DiffusionSiblingsUI.runs.operation import Operation
from DiffusionSiblingsUI.scene import records, runs, tables

DIFFERENCES, FEATURES, MEASURES, CHECKS, CHANGES, TARGETS, BIAS, EVERYTHING = range(8)
GROUPS = (_("Differences from the twin"), _("Features"), _("Annuli, lengths, walls"), _("Checks"),
          _("Changes and settings"), _("Targets"), _("Training distance"), _("Everything"))
TABLE = _("Metrics table")
VERDICT = _("Replay")
HEADS = {"map": _("Sibling")}  # what the panel calls columns that have another name in the CSV file


class MetricsPanel:
    """Shows the measurements of the chosen run, twin first; a click on a row shows that sibling."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path("UI/MetricsPanel.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self._listed: Any = None
        self._verdicts: dict[str, list[dict[str, Any]]] = {}  # run id -> rows of its last replay
        self._beside = Beside()
        self._filling = False
        self._on_twin: tuple[str, int] | None = None  # run and sibling in whose place the twin's row is selected
        self.measures = MeasuresPart(self)
        for group in GROUPS:
            self.ui.columnsCombo.addItem(group)
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Shows what the scene has now."""
        run, number = chosen(self.context)
        ui, there = self.ui, run is not None
        for widget in (ui.columnsLabel, ui.columnsCombo, ui.metricsTable, ui.viewsLabel, ui.viewsCombo, ui.viewsButton,
                       ui.exportButton, ui.recordButton, ui.replayButton):
            widget.visible = there
        ui.emptyLabel.visible = not there
        ui.messageLabel.visible = bool(ui.messageLabel.text)
        self._list(run)
        self.measures.refresh()
        if run is None:
            return
        has_table = run.table_node is not None
        ui.columnsCombo.enabled = ui.exportButton.enabled = has_table
        ui.replayButton.enabled = not self.context.busy
        if has_table:
            twin = tables.twin_of(tables.rows_of(run.table_node)) is not None
            result_table.select(ui.metricsTable, 0 if self._on_twin == (run.id, number) else number + twin)

    def selected(self) -> tuple[runs.Run | None, Any]:
        """The run, and the heart whose row is selected: a segmentation node, None where it is not in the scene."""
        run, number = chosen(self.context)
        return run, heart_of(run, number, twin=run is not None and self._on_twin == (run.id, number))

    def progressed(self, operation: Operation) -> None:
        """Shows how far a replay is."""
        if operation.title == VERDICT:
            done = _("Replaying, {percent:.0f} %").format(percent=100 * operation.progress)
            self.say(f"{done}: {progress_words(operation)}")

    def cleanup(self) -> None:
        """Nothing of the panel's outlives it."""
        self.measures.stop()
        self.context = None

    def export(self) -> None:
        """Asks where, and writes the table there."""
        run, _number = chosen(self.context)
        if run is None or run.table_node is None:
            return
        path = self._ask_path(_("Export metrics"), "metrics.csv", _("CSV files (*.csv)"))
        if path:
            self._write(lambda: tables.export_csv(run.table_node, path))

    def show_record(self) -> None:
        """The record in words, as the file has it, and a button that saves it."""
        run, _number = chosen(self.context)
        if run is not None:
            dialog = self.record_dialog(run)
            dialog.exec_()
            dialog.deleteLater()

    def record_dialog(self, run: runs.Run) -> Any:
        """The dialog of `show_record`."""
        dialog = qt.QDialog(self.widget)
        dialog.setWindowTitle(_("Record of {run}").format(run=run.title))
        dialog.resize(640, 560)
        layout, pages = qt.QVBoxLayout(dialog), qt.QTabWidget()
        summary, source = qt.QTextBrowser(), qt.QPlainTextEdit()
        summary.setHtml(records.as_html(run.record))
        source.setPlainText(run.node.GetText())
        source.setReadOnly(True)
        pages.addTab(summary, _("Summary"))
        pages.addTab(source, _("File"))
        save, close = qt.QPushButton(_("Save record...")), qt.QPushButton(_("Close"))
        save.setToolTip(_("Save the record as a file. If a region bounded the edit, it is saved next to the record, so "
                          "that the run can also be replayed outside Slicer."))
        save.connect("clicked()", lambda: self._save_record(run))
        close.connect("clicked()", dialog.accept)
        buttons = qt.QHBoxLayout()
        buttons.addStretch(1)
        for button in (save, close):
            buttons.addWidget(button)
        layout.addWidget(pages)
        layout.addLayout(buttons)
        return dialog

    def replay(self) -> None:
        """Makes the siblings again in the worker and says whether they are the same."""
        run, _number = chosen(self.context)
        if run is None:
            return
        device = self.context.parameters.device if self.context.parameters is not None else "auto"
        operation = self.context.logic.replay_operation(run, device=device,
                                                        on_finished=lambda o, key=run.id: self._replayed(o, key))
        operation.title = VERDICT
        try:
            self.context.begin(operation)
            self.say(_("Replaying..."))
        except SiblingsError as error:
            self.context.show_error(error)

    def show_in_views(self, on: bool) -> None:
        """Shows the chosen plot or table beside the views, or gives the layout back."""
        run, _number = chosen(self.context)
        if not on:
            self._beside.leave()
            return
        chart = run.node.GetScene().GetNodeByID(str(self.ui.viewsCombo.currentData)) if run is not None else None
        if chart is not None:
            self._beside.show(chart)

    def _connect(self) -> None:
        ui = self.ui
        ui.columnsCombo.connect("currentIndexChanged(int)", lambda _index: self.refresh())
        ui.metricsTable.connect("itemSelectionChanged()", self._on_row)
        ui.viewsCombo.connect("currentIndexChanged(int)", self._on_view)
        ui.viewsButton.connect("toggled(bool)", self.show_in_views)
        ui.exportButton.connect("clicked()", self.export)
        ui.recordButton.connect("clicked()", self.show_record)
        ui.replayButton.connect("clicked()", self.replay)

    def _on_row(self) -> None:
        run, shown = chosen(self.context)
        if run is None or run.table_node is None or self._filling:
            return
        twin = tables.twin_of(tables.rows_of(run.table_node)) is not None
        number = int(self.ui.metricsTable.currentRow()) - twin
        self._on_twin = (run.id, shown) if number < 0 else None
        if number >= 0:
            choose(self.context, run, number)
        else:
            self.measures.refresh()

    def _on_view(self, _index: int) -> None:
        if not self._filling and self.ui.viewsButton.checked:
            self.show_in_views(True)

    def _list(self, run: runs.Run | None) -> None:
        """Table and choices, filled anew only if something of them changed."""
        node = run.table_node if run is not None else None
        group = int(self.ui.columnsCombo.currentIndex)
        key = run.id if run is not None else ""
        state = (key, node.GetMTime() if node is not None else 0, group, str(self._verdicts.get(key)))
        if state == self._listed:
            return
        if self._listed is not None and self._listed[0] != key:
            self.say(records.verdict_words(self._verdicts[key]) if key in self._verdicts else "")
        self._listed, self._filling = state, True
        try:
            heads, cells = (table_cells(node, group, run.record, self._verdicts.get(key, []))
                            if run is not None and node is not None else ([], []))
            first_is_twin = node is not None and tables.twin_of(tables.rows_of(node)) is not None
            result_table.fill(self.ui.metricsTable, heads, cells, bold=0 if first_is_twin else None)
            self._list_views(run)
        finally:
            self._filling = False

    def _list_views(self, run: runs.Run | None) -> None:
        combo = self.ui.viewsCombo
        combo.clear()
        for chart in run.charts if run is not None else ():
            combo.addItem(str(chart.GetTitle()).rsplit(": ", 1)[-1], chart.GetID())
        if run is not None and run.table_node is not None:
            combo.addItem(TABLE, run.table_node.GetID())

    def _replayed(self, operation: Operation, key: str) -> None:
        if operation.state == "done":
            self._verdicts[key] = operation.result
            self.say(records.verdict_words(operation.result))
        elif operation.state == "failed" and operation.error is not None:
            self.say(_("The replay failed."))
            self.context.show_error(operation.error, operation.log)
        else:
            self.say(_("The replay was cancelled."))

    def _save_record(self, run: runs.Run) -> None:
        path = self._ask_path(_("Save record"), "record.json", _("JSON files (*.json)"))
        if path:
            self._write(lambda: records.save_run(run, path))

    def _ask_path(self, title: str, name: str, kinds: str) -> str:
        return str(qt.QFileDialog.getSaveFileName(self.widget, title, name, kinds) or "")

    def _write(self, write: Any) -> Path | None:
        """Writes a file and says where it is, or why not."""
        try:
            path = Path(write())
        except SiblingsError as error:
            self.context.show_error(error)
            return None
        self.say(_("Saved {path}").format(path=path))
        return path

    def say(self, text: str) -> None:
        """A message below the table."""
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = bool(text)


def table_cells(node: Any, group: int, record: Mapping[str, Any],
                verdicts: list[dict[str, Any]]) -> tuple[list[str], list[list[Cell]]]:
    """Heads and cells of a group of columns of a run's metrics table."""
    names = columns_of_group(node, group, record)
    table = node.GetTable()
    shorter = tables.difference_heads() if group == DIFFERENCES else target_heads(record)
    heads = [HEADS.get(name, shorter.get(name, name)) for name in names]
    maps = table.GetColumnByName("map")
    kinds = [node.GetColumnProperty(name, tables.KIND) for name in names]
    rows = [[_cell(name, kind, table.GetColumnByName(name).GetValue(row))
             for name, kind in zip(names, kinds, strict=True)] for row in range(table.GetNumberOfRows())]
    if tables.twin_of(tables.rows_of(node)) is not None:
        achieved = achieved_titles(record)
        rows[0] = [_of_twin(cell) if name in achieved else cell for name, cell in zip(names, rows[0], strict=True)]
    if verdicts:
        heads.insert(1, VERDICT)
        for row, cells in enumerate(rows):
            verdict = records.verdict_of(verdicts, maps.GetValue(row))
            cells.insert(1, Cell(verdict, bad=verdict == "different"))
    return heads, rows


def columns_of_group(node: Any, group: int, record: Mapping[str, Any]) -> list[str]:
    """The columns that a group shows, the map's name first. record: of the run, which holds its targets."""
    everything = [node.GetColumnName(index) for index in range(node.GetNumberOfColumns())]
    features = tables.measurement_names(everything)
    differences = tables.columns_of_kind(node, "difference")
    checks = tables.columns_of_kind(node, "check")
    if group == EVERYTHING:
        return everything
    if group == DIFFERENCES and differences:
        return ["map", *differences]
    measures = [name for name in tables.measure_names(record) if name in everything]
    if group == MEASURES and measures:
        return ["map", *measures]
    if group == CHECKS and checks:
        return ["map", tables.VIOLATIONS, *checks]
    goals = tables.target_names(record) if group in (TARGETS, CHANGES) else []
    if group == TARGETS and goals:
        return ["map", *goals]
    bias = tables.training_distance_names(everything)
    if group == BIAS and bias:
        return ["map", *bias]
    if group == CHANGES:
        taken = {*features, *measures, *differences, *checks, *goals, *bias}
        return [name for name in everything if name not in taken]
    return ["map", *features]


def _of_twin(cell: Cell) -> Cell:
    """What the twin has where its siblings have what they achieved."""
    return replace(cell, text=_("{value} of the twin").format(value=cell.text)) if cell.text else cell


def _cell(name: str, kind: str, value: Any) -> Cell:
    if isinstance(value, str):
        return Cell(value, bad=value == tables.FAIL)
    decimals = 0 if kind == "whole" else 3 if name == tables.DICE else 1
    return result_table.number_cell(value, decimals, signed=kind == "difference")
