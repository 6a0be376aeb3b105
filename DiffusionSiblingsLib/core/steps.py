"""Work in short steps: a generator that yields often and returns its result, so that windows stay usable."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


def exhaust(steps: Generator[Any, None, T]) -> T:
    """Runs a generator to its end and returns its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
