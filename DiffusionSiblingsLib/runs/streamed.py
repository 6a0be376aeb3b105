"""Lists that never lie in memory as a whole, and JSON files with such lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..core.files import atomic_path, json_values

Item = TypeVar("Item")


class Streamed(list[Item]):
    """A list whose items are read anew each time it is walked; it can be walked and written, but not indexed.

    read: begins a walk. It is a `list` so that the json module takes it for one.
    """

    def __init__(self, read: Callable[[], Iterator[Item]]) -> None:
        super().__init__()
        self._read = read

    def __iter__(self) -> Iterator[Item]:
        return self._read()

    def __bool__(self) -> bool:
        return next(self._read(), None) is not None


def write_json(path: Path, value: Any) -> None:
    """Writes a value with indent 1, streamed lists item by item. Atomic. Raises OutputError.

    Numbers that are not finite become null.
    """
    encoder = json.JSONEncoder(indent=1, allow_nan=False)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(encoder.iterencode(_plain(value)))
        file.write("\n")


def _plain(value: Any) -> Any:
    """The value as JSON has it; streamed lists stay streamed."""
    if isinstance(value, Streamed):
        return Streamed(lambda: map(json_values, iter(value)))
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return json_values(value)
