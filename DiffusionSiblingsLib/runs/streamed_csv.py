"""A CSV file that grows row by row, so that a run that is stopped keeps what it has measured."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from ..core.files import output_error
from ..core.tables import Row, columns_of, csv_text, text_of_cell, write_metrics_csv


class StreamedTable:
    """Rows for `path`, written at once to `path` with ".part" after its name, which takes the name at the end.

    path: None writes nothing. first: columns that lead. The others are those of the first rows; where a later row has
    more, the file is written again with all of them. To be used in a `with` block; after an exception the part stays.
    Raises OutputError.
    """

    def __init__(self, path: Path | None, first: Sequence[str] = ()) -> None:
        self.path = path
        self._first = first
        self._file: TextIO | None = None
        self._writer: Any = None
        self._columns: list[str] = []

    def __enter__(self) -> StreamedTable:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._file is None or self.path is None:
            return
        self._file.close()
        if kind is None:
            try:
                self._part.replace(self.path)
            except OSError as error:
                raise output_error(self.path, error) from error

    def add(self, rows: Sequence[Row]) -> None:
        """Writes some rows."""
        if self.path is None or not rows:
            return
        try:
            columns = list(dict.fromkeys([*self._first, *columns_of(rows)]))
            if self._file is None:
                self._open(columns)
            elif not set(columns) <= set(self._columns):
                self._widen([*self._columns, *(name for name in columns if name not in self._columns)])
            self._write(rows)
        except OSError as error:
            raise output_error(self.path, error) from error

    @property
    def _part(self) -> Path:
        assert self.path is not None
        return self.path.with_name(self.path.name + ".part")

    def _open(self, columns: list[str]) -> None:
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._columns = columns
        self._file = self._part.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow([csv_text(column) for column in columns])

    def _write(self, rows: Sequence[Row]) -> None:
        assert self._file is not None
        self._writer.writerows([csv_text(row.get(column)) for column in self._columns] for row in rows)
        self._file.flush()

    def _widen(self, columns: list[str]) -> None:
        """The file again with more columns."""
        assert self._file is not None
        self._file.close()
        with self._part.open(encoding="utf-8", newline="") as file:
            _, *lines = csv.reader(file)
        written = [dict(zip(self._columns, map(text_of_cell, line), strict=True)) for line in lines]
        write_metrics_csv(self._part, [{name: row.get(name, "") for name in columns} for row in written])
        self._columns = columns
        self._file = self._part.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
