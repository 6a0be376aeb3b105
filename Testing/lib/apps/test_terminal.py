"""Tables on a terminal and in a pipe, and notes."""

from __future__ import annotations

import sys

import pytest
from terminals import COLUMNS, on_terminal

from DiffusionSiblingsLib.apps.cli.terminal import PIPED_WIDTH, FileNotes, note, print_table
from DiffusionSiblingsLib.core.tables import short_table

ROWS = [{"map": f"sibling_{n:04d} [x]", **{f"measurement {m} [mm]": n + m / 7 for m in range(12)}} for n in range(3)]
CODE = f"from DiffusionSiblingsLib.apps.cli.terminal import print_table; print_table({ROWS!r})"


def test_a_table_in_a_pipe_is_plain_text_of_a_fixed_width(capsys: pytest.CaptureFixture[str],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")
    print_table(ROWS)
    text = capsys.readouterr().out
    assert text == short_table(ROWS, PIPED_WIDTH) + "\n"
    assert text.isascii() and max(map(len, text.splitlines())) <= PIPED_WIDTH


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
def test_a_table_on_a_terminal_has_the_same_cells_and_fits() -> None:
    import re

    text = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal("-c", CODE))
    assert max(map(len, text.splitlines())) <= COLUMNS
    plain = short_table(ROWS, COLUMNS)
    words = [word for word in text.split() if set(word) != {"\u2500"}]
    assert words == [word for word in plain.split() if set(word) != {"-"}]


def test_a_note_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    note("something is odd")
    assert capsys.readouterr() == ("", "siblings: note: something is odd\n")


def test_a_note_on_many_files_is_shown_once_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    notes = FileNotes()
    for name in ("a.nii", "b.nii", "c.nii"):
        notes.add(name, ("It has no orientation",) if name != "b.nii" else ("It has no orientation", "Other"))
    notes.close()
    assert capsys.readouterr().err.splitlines() == [
        "siblings: note: a.nii: It has no orientation", "siblings: note: b.nii: Other",
        "siblings: note: the same holds for 2 more files: It has no orientation"]
