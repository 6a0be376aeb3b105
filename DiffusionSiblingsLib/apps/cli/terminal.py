"""What commands print: tables and texts on standard output, notes and warnings on standard error."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from ...core.tables import Row, short_table, table_blocks

PIPED_WIDTH = 100  # of tables that go to a file or a pipe: the same whatever terminal the command was started in


def note(words: str) -> None:
    """A note or warning on standard error; the command goes on."""
    print(f"siblings: note: {words}", file=sys.stderr, flush=True)


class FileNotes:
    """Notes on many files: each sentence is shown for its first file at once, and counted for the others."""

    def __init__(self) -> None:
        self._others: dict[str, int] = {}

    def add(self, name: object, notes: Sequence[str]) -> None:
        """Shows the notes on one file that no earlier file had."""
        for words in notes:
            if words not in self._others:
                note(f"{name}: {words}")
            self._others[words] = self._others.get(words, -1) + 1

    def close(self) -> None:
        """Tells how many more files each note holds for."""
        for words, others in self._others.items():
            if others:
                note(f"the same holds for {others} more file{'s' if others > 1 else ''}: {words}")


def print_table(rows: Sequence[Row]) -> None:
    """Rows as a table: as wide as the terminal, and plain text of a fixed width where there is none."""
    if not sys.stdout.isatty():
        print(short_table(rows, PIPED_WIDTH))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    for block in table_blocks(rows, shutil.get_terminal_size().columns):
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
        for column in block:
            table.add_column("\n".join(column.head), justify="right" if column.numeric else "left", no_wrap=True,
                             vertical="bottom")
        for cells in zip(*(column.cells for column in block), strict=True):
            table.add_row(*cells)
        console.print(table)
