"""A terminal for tests: what a Python program shows on one."""

from __future__ import annotations

import os
import sys

import pytest

COLUMNS = 100


def on_terminal(*arguments: str) -> str:
    """What `python ARGUMENTS` shows on a terminal of 100 columns, standard output and standard error together."""
    import pty

    found = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 1024)
        found.extend(data)
        return data

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "PYTHONUTF8": "1"}.items():
            patch.setenv(name, value)
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            patch.delenv(name, raising=False)
        pty.spawn([sys.executable, *arguments], read, lambda descriptor: b"")
    return found.decode("utf-8", "replace").replace("\r\n", "\n")
