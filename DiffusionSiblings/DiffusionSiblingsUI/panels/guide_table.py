"""The guide's table: rows shown cell by cell, so that a live value can change while another cell is being edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from DiffusionSiblingsUI.guide.rows import Row
from DiffusionSiblingsUI.panels.result_table import BAD, SCROLL_BAR
from DiffusionSiblingsUI.rich_text import literal

ON, DOMAIN, TISSUES, QUANTITY, TWIN, TARGET, TOLERANCE, ACHIEVED = range(8)
GOOD = "#1e8449"
MOST_ROWS = 9
TIP_COLUMNS = {"domain": DOMAIN, "quantity": QUANTITY, "twin": TWIN, "target": TARGET}


class GuideTable:
    """table: the QTableWidget. rows: as shown. on_switch(row, on), on_target(row, text), on_tolerance(row, text) and
    on_select(row or None) say what the user did.
    """

    def __init__(self, table: Any, *, on_switch: Callable[[Row, bool], None], on_target: Callable[[Row, str], None],
                 on_tolerance: Callable[[Row, str], None], on_select: Callable[[Row | None], None]) -> None:
        self.table, self.rows = table, list[Row]()
        self._switch, self._target, self._tolerance, self._select = on_switch, on_target, on_tolerance, on_select
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(ACHIEVED, qt.QHeaderView.Stretch)
        header.setMinimumSectionSize(24)
        header.setDefaultAlignment(qt.Qt.AlignLeft | qt.Qt.AlignVCenter)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.connect("itemChanged(QTableWidgetItem*)", self._on_changed)
        table.connect("itemSelectionChanged()", lambda: self._select(self.selected))

    @property
    def selected(self) -> Row | None:
        """The row that is selected."""
        number = int(self.table.currentRow())
        return self.rows[number] if 0 <= number < len(self.rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """Shows these rows; the selection stays with its row."""
        kept = self.selected.key if self.selected is not None else None
        new = [row.key for row in rows] != [row.key for row in self.rows]
        blocked = self.table.blockSignals(True)
        try:
            if new:
                self.table.setRowCount(len(rows))
            for number, row in enumerate(rows):
                if new or row != self.rows[number]:
                    self._fill(number, row)
            self.rows = list(rows)
            if new:
                self._fit()
                numbers = [number for number, row in enumerate(rows) if row.key == kept]
                self.table.setCurrentCell(numbers[0], DOMAIN) if numbers else self.table.clearSelection()
        finally:
            self.table.blockSignals(blocked)

    def select(self, node: Any) -> None:
        """Selects the first row of a markups node."""
        for number, row in enumerate(self.rows):
            if row.node is node:
                self.table.setCurrentCell(number, DOMAIN)
                return

    def _fill(self, number: int, row: Row) -> None:
        texts = {DOMAIN: row.shown_domain, TISSUES: row.tissues, QUANTITY: row.quantity, TWIN: row.twin,
                 TARGET: row.target, TOLERANCE: row.tolerance, ACHIEVED: row.achieved}
        tips = {TIP_COLUMNS[name]: text for name, text in row.tips if text}
        for column in range(self.table.columnCount):
            item = self.table.item(number, column)
            if item is None:
                item = qt.QTableWidgetItem()
                self.table.setItem(number, column, item)
            item.setText(texts.get(column, ""))
            item.setToolTip(literal(tips.get(column, texts.get(column, ""))))
            item.setFlags(self._flags(row, column))
            if column in (TWIN, TARGET, TOLERANCE, ACHIEVED):
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        if row.term is not None:
            self.table.item(number, ON).setCheckState(qt.Qt.Checked if row.on else qt.Qt.Unchecked)
        else:
            self.table.item(number, ON).setData(qt.Qt.CheckStateRole, None)
        color = qt.QBrush() if row.reached is None else qt.QBrush(qt.QColor(GOOD if row.reached else BAD))
        self.table.item(number, ACHIEVED).setForeground(color)

    @staticmethod
    def _flags(row: Row, column: int) -> Any:
        flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable
        if row.term is not None and column == ON:
            return flags | qt.Qt.ItemIsUserCheckable
        return flags | qt.Qt.ItemIsEditable if row.term is not None and column in (TARGET, TOLERANCE) else flags

    def _fit(self) -> None:
        """As high as its rows, up to a few."""
        table = self.table
        table.resizeRowsToContents()
        rows = sum(table.rowHeight(number) for number in range(min(len(self.rows), MOST_ROWS)))
        head, wide = table.horizontalHeader(), int(table.horizontalHeader().length()) > int(table.width)
        table.setFixedHeight(rows + head.sizeHint.height() + 2 * table.frameWidth + (SCROLL_BAR if wide else 0))

    def _on_changed(self, item: Any) -> None:
        number, column = int(item.row()), int(item.column())
        if not 0 <= number < len(self.rows):
            return
        row, text = self.rows[number], str(item.text())
        if column == ON:
            self._switch(row, item.checkState() == qt.Qt.Checked)
        elif column == TARGET and text != row.target:
            self._target(row, text)
        elif column == TOLERANCE and text != row.tolerance:
            self._tolerance(row, text)
        self.table.blockSignals(True)  # what could not be taken shows again as it was
        self._fill(number, self.rows[number]) if number < len(self.rows) else None
        self.table.blockSignals(False)
