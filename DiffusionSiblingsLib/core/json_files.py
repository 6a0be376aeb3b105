"""JSON from files that strangers may have written: bounded in bytes, depth and digits, and one kind of error.

`json` alone raises RecursionError for deep nesting and takes a number of any length, which numpy and floats then refuse
with an OverflowError somewhere else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .limits import MOST_DIGITS, MOST_JSON_BYTES

MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What reading values of the wrong types or shapes can raise, for the one place that turns it into an error."""


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError for anything else, for nesting too deep and for numbers too long."""
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path, most: int = MOST_JSON_BYTES) -> Any:
    """The value of a JSON file of UTF-8. most: bytes. Raises OSError or ValueError."""
    return parse_json(read_text(path, most))


def read_text(path: Path, most: int = MOST_JSON_BYTES) -> str:
    """The text of a UTF-8 file, without a byte order mark. most: bytes. Raises OSError or ValueError."""
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it has more than {most >> 20} MiB")
    return raw.decode("utf-8-sig")


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits, at most {MOST_DIGITS} are read")
    return int(digits)
