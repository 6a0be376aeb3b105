"""Tables of results: a CSV file for programs and spreadsheets, a short aligned table for the terminal."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .files import atomic_path

Row = Mapping[str, object]
MAX_TEXT = 32
GAP = "  "


def write_metrics_csv(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as CSV: UTF-8, comma, '.' decimals, quoted where needed, one line per row, units in the header.

    rows: column name (with unit, "LV volume [ml]") -> value. Columns in the order in which they first occur, so equal
    requests give equal headers; a row without a column leaves it empty, as do None and NaN. True and False are written
    in words, sequences joined by "; ". Atomic: an interrupted write leaves the old file. Raises OutputError.
    """
    columns = columns_of(rows)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([_one_line(column) for column in columns])
        writer.writerows([csv_text(row.get(column)) for column in columns] for row in rows)
    return path


def short_table(rows: Sequence[Row], width: int = 100) -> str:
    """Rows as aligned text: headers wrapped at spaces, numbers right, columns beyond `width` in blocks below.

    The first column names the row and is repeated in each block. Numbers of one column share their decimals.
    """
    columns = columns_of(rows)
    if not columns:
        return ""
    cells = {column: _column_cells([row.get(column) for row in rows]) for column in columns}
    heads = {column: column.split() or [""] for column in columns}
    widths = {column: max(map(len, [*heads[column], *cells[column]])) for column in columns}
    numeric = {column: all(_is_number(row.get(column)) for row in rows) for column in columns}
    blocks = _blocks(columns, widths, width)
    return "\n\n".join(_block_text(block, heads, cells, widths, numeric) for block in blocks)


def columns_of(rows: Sequence[Row]) -> list[str]:
    """All column names in the order in which they first occur."""
    return list(dict.fromkeys(column for row in rows for column in row))


def csv_text(value: object) -> str:
    """One value as the CSV file has it: seven significant digits, no locale."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _is_number(value):
        return f"{float(value):.7g}"  # type: ignore[arg-type]
    if isinstance(value, (list, tuple, set, frozenset)):
        return "; ".join(csv_text(item) for item in value)
    return _one_line(str(value))


def _one_line(text: str) -> str:
    """Text without what would break a row in some reader: line ends and NUL become spaces, lone surrogates escapes."""
    plain = text.encode("utf-8", errors="backslashreplace").decode("utf-8")
    return plain.replace("\r\n", " ").translate({ord("\r"): " ", ord("\n"): " ", 0: " "})


def _is_number(value: object) -> bool:
    """True for numbers (numpy's too) and for None, which stands for a missing number; not for bool."""
    if value is None:
        return True
    return not isinstance(value, (bool, np.bool_, str, bytes)) and hasattr(value, "__float__")


def _column_cells(values: Sequence[object]) -> list[str]:
    """The cells of one column; numbers with the decimals that suit the largest."""
    fractions = [float(v) for v in values if _is_number(v) and v is not None and not _is_whole(v)]  # type: ignore[arg-type]
    largest = max((abs(v) for v in fractions if math.isfinite(v)), default=0.0)
    return [_cell(value, decimals_of(largest)) for value in values]


def decimals_of(largest: float) -> int:
    """The decimals that suit a column of numbers. largest: the largest of their absolute values."""
    return 0 if largest >= 1000 else 1 if largest >= 20 else 2 if largest >= 1 else 3


def _is_whole(value: object) -> bool:
    """True for integer types, numpy's too."""
    return hasattr(value, "__index__")


def _cell(value: object, decimals: int) -> str:
    """One cell of the terminal table; long text loses its middle."""
    if value is None:
        return "-"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if _is_number(value) and not _is_whole(value):
        number = float(value)  # type: ignore[arg-type]
        return f"{number:.{decimals}f}" if math.isfinite(number) else "-"
    text = " ".join(csv_text(value).split())
    if len(text) <= MAX_TEXT:
        return text
    half = (MAX_TEXT - 2) // 2
    return f"{text[:half]}..{text[-half:]}"


def _blocks(columns: list[str], widths: Mapping[str, int], width: int) -> list[list[str]]:
    """Columns split so that each block fits the width; the first column leads every block."""
    first, blocks = columns[0], [[columns[0]]]
    used = widths[first]
    for column in columns[1:]:
        needed = len(GAP) + widths[column]
        if used + needed > width and len(blocks[-1]) > 1:
            blocks.append([first])
            used = widths[first]
        blocks[-1].append(column)
        used += needed
    return blocks


def _block_text(
    block: list[str],
    heads: Mapping[str, list[str]],
    cells: Mapping[str, list[str]],
    widths: Mapping[str, int],
    numeric: Mapping[str, bool],
) -> str:
    """One block: header lines aligned at the bottom, a rule, one line per row."""
    height = max(len(heads[column]) for column in block)
    stacks = [[""] * (height - len(heads[column])) + heads[column] for column in block]
    lines = [[stack[n] for stack in stacks] for n in range(height)]
    lines.append(["-" * widths[column] for column in block])
    lines += [[cells[column][n] for column in block] for n in range(len(cells[block[0]]))]
    return "\n".join(
        GAP.join(
            text.rjust(widths[column]) if numeric[column] else text.ljust(widths[column])
            for column, text in zip(block, line, strict=True)
        ).rstrip()
        for line in lines
    )
