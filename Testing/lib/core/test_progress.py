"""The progress bar: on a terminal with the time left, silent elsewhere, and never in the way of other output."""

from __future__ import annotations

import subprocess
import sys

import pytest
from terminals import on_terminal

CODE = """
import sys
from DiffusionSiblingsLib.core.progress import ProgressBar
with ProgressBar("Making [some]", total=8, unit="siblings") as bar:
    for done in range(9):
        bar.show(done, 8, "heart [a] 1")
        if done == 4:
            print("a result")
            print("a note [b]", file=sys.stderr)
    bar.close()
    bar.close()
    bar.show(8, 8)
with ProgressBar("of one", total=1, shown=False) as bar:
    bar.show(1, 1)
print("rich" in sys.modules)
"""


def test_without_a_terminal_there_is_no_bar_and_rich_is_not_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("a result\nFalse\n", "a note [b]\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
def test_on_a_terminal_it_counts_and_tells_the_time_left() -> None:
    text = on_terminal("-c", CODE)
    assert "Making [some]" in text and "heart [a] 1" in text
    assert "8 of 8 siblings" in text and "left" in text and "of one" not in text
    assert "a result\n" in text and "a note [b]\n" in text


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
def test_standard_output_in_a_pipe_gets_nothing_of_the_bar() -> None:
    whole = f"import subprocess, sys; sys.stderr.write(repr(subprocess.run([sys.executable, '-c', {CODE!r}], " \
            "stdout=subprocess.PIPE, text=True).stdout))"
    assert repr("a result\nTrue\n") in on_terminal("-c", whole)


def test_a_total_may_be_unknown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from DiffusionSiblingsLib.core.progress import ProgressBar

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressBar("Comparing", unit="steps", kept=False) as bar:
        pass
    assert "0 of ? steps" in capsys.readouterr().err
    assert bar._progress is None
