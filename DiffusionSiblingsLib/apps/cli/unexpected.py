"""What the command line says of an error that nobody foresaw: one line, and where the rest of it is."""

from __future__ import annotations

import contextlib
import datetime
import platform
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import OutputError
from ...core.files import atomic_path
from ...core.version import __version__
from ...models.registry import own_model_folder

REPORT_TO = "https://github.com/DiffusionSiblings/SlicerDiffusionSiblings/issues"
FILE_NAME = "last-error.txt"
MOST_SHOWN = 300  # letters of an error in the line


def unexpected(error: BaseException, words: Sequence[str]) -> str:
    """The one line for an error that nobody foresaw. words: of the command line.

    The traceback is written to a file of the user's own, which the line names; where that is not possible it follows
    the line.
    """
    text = "".join(traceback.format_exception(error))
    said = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
    what = " ".join(said.split())[:MOST_SHOWN].rstrip(": ")
    line = f"The program met an error of its own: {what}."
    request = f"Please report it with that text at {REPORT_TO}"
    with contextlib.suppress(OutputError, MemoryError):
        return f"{line} The full text is in {_write(text, words)}. {request}"
    return f"{line} The full text is below. {request}\n{text}"


def _write(text: str, words: Sequence[str]) -> Path:
    """The traceback of the latest error in a file, with what whoever mends it needs to know."""
    about = [f"siblings {__version__}, Python {sys.version.split()[0]}, {platform.platform()}",
             f"{datetime.datetime.now().astimezone().isoformat(timespec='seconds')}",
             shlex.join(["siblings", *words])]
    path = own_model_folder().parent / FILE_NAME
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([*about, "", text]), encoding="utf-8", errors="backslashreplace")
    return path
