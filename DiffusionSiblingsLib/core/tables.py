"""Tables of results: a CSV file for programs and spreadsheets, a short aligned table for the terminal."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .files import atomic_path

Row = Mapping[str, object]
MAX_TEXT = 32
GAP = "  "
# What spreadsheets run, also in letters of full width; with apostrophes before it, so that all text reads back.
_FORMULA = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]\s*\S")


def write_metrics_csv(path: Path, rows: Sequence[Row], first: Sequence[str] = ()) -> Path:
    """Write rows as CSV: UTF-8, comma, '.' decimals, quoted where needed, one line per row, units in the header.

    rows: column name (with unit, "LV volume [ml]") -> value. Columns in the order in which they first occur, so
    equal requests give equal headers; those in `first` lead, whether a row has them or not. A row without a column
    leaves it empty, as do None and NaN. True and False are written in words, sequences joined by "; ". Text that a
    spreadsheet would run as a formula follows an apostrophe, which `text_of_cell` takes away. Atomic: an
    interrupted write leaves the old file. Raises OutputError.
    """
    columns = list(dict.fromkeys([*first, *columns_of(rows)]))
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([csv_text(column) for column in columns])
        writer.writerows([csv_text(row.get(column)) for column in columns] for row in rows)
    return path


@dataclass(frozen=True)
class Column:
    """A column of a table in text. head: its lines. cells: one for each row. numeric: aligned at the right."""

    head: tuple[str, ...]
    cells: tuple[str, ...]
    numeric: bool

    @property
    def width(self) -> int:
        """Characters of the longest line."""
        return max(map(len, (*self.head, *self.cells)))


def short_table(rows: Sequence[Row], width: int = 100) -> str:
    """Rows as aligned plain text: headers wrapped at spaces, numbers right, columns beyond `width` in blocks below.

    The first column names the row and is repeated in each block. Numbers of one column share their decimals.
    """
    written = []
    for block in table_blocks(rows, width):
        height = max(len(column.head) for column in block)  # headers are aligned at the bottom, a rule below them
        stacks = [[""] * (height - len(column.head)) + [*column.head, "-" * column.width, *column.cells]
                  for column in block]
        lines = (GAP.join(text.rjust(column.width) if column.numeric else text.ljust(column.width)
                          for column, text in zip(block, line, strict=True)).rstrip()
                 for line in zip(*stacks, strict=True))
        written.append("\n".join(lines))
    return "\n\n".join(written)


def table_blocks(rows: Sequence[Row], width: int) -> list[list[Column]]:
    """The columns of `short_table`, block by block; none without columns. The first column leads every block."""
    columns = [_column(name, [row.get(name) for row in rows]) for name in columns_of(rows)]
    blocks, used = [columns[:1]] if columns else [], 0
    for column in columns[1:]:
        used = used or columns[0].width
        needed = len(GAP) + column.width
        if used + needed > width and len(blocks[-1]) > 1:
            blocks.append(columns[:1])
            used = columns[0].width
        blocks[-1].append(column)
        used += needed
    return blocks


def columns_of(rows: Sequence[Row]) -> list[str]:
    """All column names in the order in which they first occur."""
    return list(dict.fromkeys(column for row in rows for column in row))


def csv_text(value: object) -> str:
    """One value as the CSV file has it: seven significant digits, no locale, and no formula."""
    text = plain_text(value)
    return f"'{text}" if _FORMULA.match(text) and not _reads_as_number(text) else text


def text_of_cell(cell: str) -> str:
    """The text of a cell that `csv_text` wrote."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def plain_text(value: object) -> str:
    """One value as text for people and files."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _is_number(value):
        return f"{float(value):.7g}"  # type: ignore[arg-type]
    if isinstance(value, (list, tuple, set, frozenset)):
        return "; ".join(plain_text(item) for item in value)
    return _one_line(str(value))


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _one_line(text: str) -> str:
    """Text without what would break a row in some reader: line ends and NUL become spaces, lone surrogates escapes."""
    plain = text.encode("utf-8", errors="backslashreplace").decode("utf-8")
    return plain.replace("\r\n", " ").translate({ord("\r"): " ", ord("\n"): " ", 0: " "})


def _is_number(value: object) -> bool:
    """True for numbers (numpy's too) and for None, which stands for a missing number; not for bool."""
    if value is None:
        return True
    return not isinstance(value, (bool, np.bool_, str, bytes)) and hasattr(value, "__float__")


def _column(name: str, values: Sequence[object]) -> Column:
    """One column; its numbers have the decimals that suit the largest."""
    fractions = [float(v) for v in values if _is_number(v) and v is not None and not hasattr(v, "__index__")]  # type: ignore[arg-type]
    largest = max((abs(v) for v in fractions if math.isfinite(v)), default=0.0)
    return Column(tuple(name.split() or [""]), tuple(_cell(value, decimals_of(largest)) for value in values),
                  all(map(_is_number, values)))


def decimals_of(largest: float) -> int:
    """The decimals that suit a column of numbers. largest: the largest of their absolute values."""
    return 0 if largest >= 1000 else 1 if largest >= 20 else 2 if largest >= 1 else 3


def _cell(value: object, decimals: int) -> str:
    """One cell of the terminal table; long text loses its middle."""
    if value is None:
        return "-"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if _is_number(value) and not hasattr(value, "__index__"):  # which whole numbers have, numpy's too
        number = float(value)  # type: ignore[arg-type]
        return f"{number:.{decimals}f}" if math.isfinite(number) else "-"
    text = " ".join(plain_text(value).split())
    if len(text) <= MAX_TEXT:
        return text
    half = (MAX_TEXT - 2) // 2
    return f"{text[:half]}..{text[-half:]}"
