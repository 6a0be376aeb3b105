"""The table of a cohort's members, filled in short steps and sorted by any of its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsUI.cohorts import cohorts
from DiffusionSiblingsUI.panels import result_table
from DiffusionSiblingsUI.panels.result_table import Cell
from DiffusionSiblingsUI.runs.operation import Operation

NAME, CHECKS, OUTSIDE = _("Sibling"), _("Checks"), _("Outside training range")
PASSED = _("all passed")
MOST = 8  # rows that are seen without scrolling
Row = Mapping[str, Any]


class MemberTable:
    """Shows name, the two measurements, checks and training range of each member; on_chosen(number) hears of one."""

    def __init__(self, table: Any, on_chosen: Callable[[int], None]) -> None:
        self._table, self._on_chosen = table, on_chosen
        self._rows: Sequence[Row] = ()
        self._axes, self._sorted = ("", ""), (-1, False)  # sorted: column, descending
        self._order: list[int] = []
        self._chosen = -1
        self._work: Operation | None = None
        table.connect("itemSelectionChanged()", self._on_row)
        table.horizontalHeader().setSectionsClickable(True)
        table.horizontalHeader().connect("sectionClicked(int)", self.sort)

    def fill(self, rows: Sequence[Row], axes: tuple[str, str]) -> None:
        """Shows other members, or other measurements of them."""
        if rows is not self._rows:
            self._chosen = -1
        self._rows, self._axes = rows, axes
        self._sorted = (-1, False)
        self._order = list(range(len(rows)))
        self._show()

    def sort(self, column: int) -> None:
        """Sorts by a column: upwards, a second time downwards."""
        self._sorted = (column, self._sorted == (column, False))
        values = [self._value(row, column) for row in self._rows]
        self._order = cohorts.sorted_order(values, descending=self._sorted[1])
        self._show()

    def choose(self, number: int) -> None:
        """Marks a member's row, and no other, without telling."""
        self._chosen = number
        result_table.select(self._table, self._order.index(number) if number in self._order else -1)

    @property
    def chosen(self) -> int | None:
        """The member that is marked, or None."""
        return self._chosen if self._chosen >= 0 else None

    def stop(self) -> None:
        """Fills no more."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def _show(self) -> None:
        self.stop()
        heads = [NAME, *self._axes, CHECKS, OUTSIDE]
        cells = _Cells(self._rows, self._order, self._axes)
        self._work = Operation(result_table.filling(self._table, heads, cells, most=MOST), title=_("Filling the table"),
                               on_finished=lambda _operation: self.choose(self._chosen))
        self._work.step()  # the rows that are seen are there at once
        if not self._work.finished:
            self._work.start()

    def _on_row(self) -> None:
        row = int(self._table.currentRow())
        if 0 <= row < len(self._order):
            self._chosen = self._order[row]
            self._on_chosen(self._chosen)

    def _value(self, row: Row, column: int) -> Any:
        names = ("map", *self._axes, "failed checks", "outside the training range")
        value = row.get(names[column])
        return len(_listed(value)) if column > 2 else value


class _Cells(Sequence[Any]):
    """Rows of cells, made when they are asked for."""

    def __init__(self, rows: Sequence[Row], order: Sequence[int], axes: tuple[str, str]) -> None:
        self._rows, self._order, self._axes = rows, order, axes

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, number: Any) -> Any:
        row = self._rows[self._order[number]]
        failed, outside = (_listed(row.get(name)) for name in ("failed checks", "outside the training range"))
        checks = Cell(_("{count} failed").format(count=len(failed)), bad=True, tip="\n".join(failed)) if failed \
            else Cell(PASSED)
        beyond = Cell(", ".join(outside), bad=bool(outside), tip="\n".join(outside))
        return [Cell(str(row.get("map", "")), tip=str(row.get("edit") or "")),
                *(result_table.number_cell(row.get(axis), 1) for axis in self._axes), checks, beyond]


def _listed(value: Any) -> list[str]:
    return [part for part in str(value or "").split("; ") if part]
