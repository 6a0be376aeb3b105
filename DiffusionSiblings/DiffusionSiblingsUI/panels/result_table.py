"""A QTableWidget filled with results: numbers to the right with sensible decimals, failures in red, the twin first."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import qt

from DiffusionSiblingsUI.rich_text import literal

BAD = "#c0392b"
STEP = 100  # rows that are filled at once
SCROLL_BAR = 24  # pixels for the horizontal scroll bar and the frame


@dataclass(frozen=True)
class Cell:
    """What stands in a cell. number: aligned to the right. bad: in red. tip: shown over it."""

    text: str
    number: bool = False
    bad: bool = False
    tip: str = ""


def number_cell(value: Any, decimals: int, *, signed: bool = False) -> Cell:
    """A number; empty where there is none."""
    if not isinstance(value, (int, float)) or math.isnan(value):
        return Cell("", number=True)
    return Cell(f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}", number=True)


def fill(table: Any, heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, bold: int | None = None,
         most: int = 9) -> None:
    """Shows rows below heads. bold: a row in bold type, the twin's. most: rows that are seen without scrolling."""
    for _ in filling(table, heads, rows, bold=bold, most=most):
        pass


def filling(table: Any, heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, bold: int | None = None,
            most: int = 9) -> Generator[None, None, None]:
    """`fill` in short steps, for tables of thousands of rows."""
    blocked = table.blockSignals(True)
    table.clear()
    table.setColumnCount(len(heads))
    table.setRowCount(len(rows))
    table.setHorizontalHeaderLabels(list(heads))
    table.blockSignals(blocked)
    for first in range(0, max(len(rows), 1), STEP):
        blocked = table.blockSignals(True)
        for row in range(first, min(first + STEP, len(rows))):
            for column, cell in enumerate(rows[row]):
                table.setItem(row, column, _item(cell, bold == row))
        if not first:
            _resize(table, len(rows), most)
        table.blockSignals(blocked)
        yield


def _resize(table: Any, count: int, most: int) -> None:
    """Columns as wide as what is in them so far, rows of one height."""
    table.resizeColumnsToContents()
    if count <= STEP:
        table.resizeRowsToContents()
    elif count:
        table.resizeRowToContents(0)
        table.verticalHeader().setDefaultSectionSize(table.rowHeight(0))
    heights = [table.rowHeight(row) for row in range(min(count, most))]
    table.setFixedHeight(sum(heights) + max(heights, default=24) + SCROLL_BAR)


def select(table: Any, row: int) -> None:
    """Marks a row without telling those who listen."""
    blocked = table.blockSignals(True)
    table.selectRow(row) if 0 <= row < table.rowCount else table.clearSelection()
    table.blockSignals(blocked)


def _item(cell: Cell, bold: bool) -> Any:
    item = qt.QTableWidgetItem(cell.text)
    if cell.number:
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    if cell.bad:
        item.setForeground(qt.QBrush(qt.QColor(BAD)))
    if bold:
        font = item.font()
        font.setBold(True)
        item.setFont(font)
    if cell.tip:
        item.setToolTip(literal(cell.tip))
    return item
