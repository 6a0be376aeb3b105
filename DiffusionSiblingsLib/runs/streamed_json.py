"""JSON files whose long lists never lie in memory as a whole."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.files import atomic_path, json_values


def write_json(path: Path, value: Any, lists: Mapping[str, Iterable[Any]]) -> None:
    """Writes a value as json.dump with indent=1 would, its long lists item by item. Atomic. Raises OutputError.

    Numbers that are not finite become null.

    lists: a string that stands in `value` in the place of a list -> the items of that list, walked once, in the order
    in which the strings occur. The strings must occur once each, and nowhere in what they stand beside.
    """
    rest = json.dumps(json_values(value), indent=1, allow_nan=False)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for token, items in lists.items():
            before, rest = rest.split(json.dumps(token), 1)
            file.write(before)
            line = before[before.rfind("\n") + 1 :]
            depth, empty = len(line) - len(line.lstrip()), True
            for item in items:
                file.write("[\n" if empty else ",\n")
                text = json.dumps(json_values(item), indent=1, allow_nan=False)
                file.write(textwrap.indent(text, " " * (depth + 1)))
                empty = False
            file.write("[]" if empty else "\n" + " " * depth + "]")
        file.write(rest + "\n")
