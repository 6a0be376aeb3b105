"""Numbers as the lines of a text file, quickly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

DIGITS = "%.10g"  # of a coordinate: a millionth of a micrometre


def lines(rows: npt.NDArray[np.generic], between: str = " ", number: str = "%d", before: str = "") -> str:
    """(n, c) numbers as n lines, each with its line end. number: how each is written. before: begins every line."""
    if not len(rows):
        return ""
    line = before + between.join([number] * rows.shape[1]) + "\n"
    return (line * len(rows)) % tuple(rows.ravel().tolist())


def numbered(rows: npt.NDArray[np.generic], between: str = " ", number: str = "%d", first: int = 1) -> str:
    """The same with the number of each row before it."""
    if not len(rows):
        return ""
    line = between.join(["%d", *[number] * rows.shape[1]]) + "\n"
    table = np.empty((len(rows), rows.shape[1] + 1), dtype=object)
    table[:, 0] = range(first, first + len(rows))
    table[:, 1:] = rows.astype(object)
    return (line * len(rows)) % tuple(table.ravel().tolist())


def write_text(path: Path, *parts: str) -> None:
    """A text file of these parts; only "\\n" ends its lines, on every system."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
