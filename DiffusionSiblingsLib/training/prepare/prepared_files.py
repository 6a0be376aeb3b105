"""The files that a preparation writes, and the only ones that it removes or writes over."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from ...cohorts.dataset_file import read_pack
from ...core.errors import InputError, OutputError
from ...core.files import is_temporary
from .contact_sheet import sheet_of

FIRST_COLUMNS = ["case", "status"]  # of the table
MARK = "started"  # file in the folder of a step
ENDINGS = (".json", ".npz", ".safetensors")  # of what a step keeps


def require_own(pack: Path, work: Path) -> None:
    """Raises OutputError where a file has the name of one of the data set's, and no preparation has written it.

    work: the folder of intermediate results, which tells of an earlier preparation of the data set.
    """
    if (work / "done.json").is_file() or any(work.glob(f"*/{MARK}")) or _is_pack(pack):
        return
    table, sheet = pack.with_suffix(".csv"), pack.with_suffix(".png")
    if others := [path for path in (pack, table, sheet) if path.exists() and not _is_table(path)]:
        raise OutputError("The data set would be written over a file that no preparation has written",
                          value=", ".join(map(str, others)),
                          rule=f"{pack.name}, {table.name} and {sheet.name} are written",
                          hint="choose another name for the data set with --out")


def remove_sheets(first: Path, pages: int) -> None:
    """Removes the contact sheets that follow those of this data set, from an earlier one that had more of them."""
    for page in count(pages + 1):
        with suppress(OSError):
            sheet_of(first, page).unlink()
            continue
        return


def remove_step(folder: Path) -> None:
    """Removes what a step has kept; what else is in its folder stays, and with it the folder."""
    with suppress(OSError):
        for path in _kept_in(folder):
            path.unlink()
        folder.rmdir()


def _kept_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir() and not folder.is_symlink():
        for path in folder.iterdir():
            if path.name == MARK or path.suffix in ENDINGS or is_temporary(path):
                yield path


def _is_pack(path: Path) -> bool:
    try:
        return len(read_pack(path)) >= 0
    except (InputError, OSError):
        return False


def _is_table(path: Path) -> bool:
    """Whether this is the table of a preparation that was stopped before its data set was written."""
    if path.suffix != ".csv":
        return False
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return next(csv.reader(file), [])[: len(FIRST_COLUMNS)] == FIRST_COLUMNS
    except (OSError, ValueError, csv.Error):
        return False
