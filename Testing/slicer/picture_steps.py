"""What the steps of the tutorial have in common: time for Slicer to work, and pictures of its panels."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from offscreen import shrink

WIDTH = 500  # pixels of a panel
PATIENCE_S = 400.0
GAP, WALL = 4, 90  # pixels between views, and their grey


def turn() -> None:
    """Lets Slicer's event loop turn."""
    for _ in range(4):
        slicer.app.processEvents()


def wait(until: Callable[[], bool]) -> None:
    """Until something is so, as a user waits."""
    end = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
        slicer.app.processEvents()
    turn()


def fit(widget: Any) -> None:
    """Gives a module's panel the height that it wants, as Slicer's scroll area does."""
    top = widget.window()
    top.resize(WIDTH, top.sizeHint.height())
    turn()
    top.resize(WIDTH, top.sizeHint.height())
    turn()


def grab(widget: Any, path: Path) -> None:
    """A picture of a widget."""
    turn()
    widget.grab().save(str(path))
    shrink(path)
