"""What `siblings measure` prints at its end, kept in a way that memory does not grow with the number of maps."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from types import TracebackType
from typing import IO

from ...core.files import json_values
from ...core.tables import Row
from .terminal import print_table

SHOWN = 100  # rows on the terminal; for more of them a summary of each column, as nobody reads that many


class MeasuredRows:
    """Rows as JSON, which wait in a temporary file, or as a table: the first rows and every column's numbers.

    To be used in a `with` block.
    """

    def __init__(self, as_json: bool) -> None:
        self._spool: IO[str] | None = None
        if as_json:
            self._spool = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        self._first: list[Row] = []
        self._numbers: dict[str, array[float]] = {}
        self.count = 0

    def __enter__(self) -> MeasuredRows:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._spool is not None:
            self._spool.close()

    def add(self, rows: Sequence[Row], shown: Sequence[Row]) -> None:
        """Takes some rows. shown: the same rows with the columns that a table on the terminal has."""
        for row, short in zip(rows, shown, strict=True):
            self.count += 1
            if self._spool is not None:
                text = indent(json.dumps(json_values(row), indent=1), " ")
                self._spool.write(f"\n{text}" if self.count == 1 else f",\n{text}")
                continue
            if self.count <= SHOWN:
                self._first.append(short)
            for column, number in short.items():
                numbers = self._numbers.setdefault(column, array("d"))
                if isinstance(number, (int, float)):
                    numbers.append(number)

    def show(self, table: Path | None) -> None:
        """Prints all rows, or for many of them a summary of every column, and where the rows are."""
        if self._spool is not None:
            self._spool.seek(0)
            print("[", end="")
            for line in self._spool:
                print(line, end="")
            print("\n]" if self.count else "]")
        elif self.count <= SHOWN:
            print_table(self._first)
        else:
            where = f"all rows are in {table}" if table is not None else "give --out DIR for all rows"
            print_table(self._spread())
            print(f"\n{self.count} maps; {where}")

    def _spread(self) -> list[Row]:
        """One row for each column of numbers: mean, deviation and percentiles."""
        from ...metrics.summary import summary_of

        found: list[Row] = []
        for column, values in self._numbers.items():
            if len(values) < self.count / 2:
                continue
            summary = summary_of(values)
            found.append({"measurement": column, "mean": summary.mean, "sd": summary.deviation,
                          "least": summary.least, **summary.percentile_cells(), "most": summary.most})
        return found
