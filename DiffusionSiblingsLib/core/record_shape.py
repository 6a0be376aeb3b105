"""What a record must look like before anything in it is used: the types of its parts, and names of files in its folder.

What the parts hold is checked by those who read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST_NAME = 255

_PARTS = {"model": Mapping, "compute": Mapping, "created": str, "runs": list, "complete": bool}
_RUN = {"request": Mapping, "siblings": list}


def check_record(values: Mapping[str, Any]) -> None:
    """Raises KeyError, TypeError or ValueError unless this is the JSON of a record, of any version."""
    _check(values, _PARTS, "the record")
    _check({"id": "", "version": "", "sha256": "", **values["model"]}, dict.fromkeys(("id", "version", "sha256"), str),
           "its model")
    if values["twin"] is not None:
        _check(values["twin"], {}, "its twin")
        for segment in _list(values["twin"].get("segments", []), "segments of its twin"):
            _check(segment, {"value": int}, "a segment of its twin")
            if not isinstance(segment["tissue"], str | None):
                raise TypeError(f"tissue of a segment of its twin is {str(segment['tissue'])[:60]!r}")
    for number, run in enumerate(values["runs"]):
        _check(run, _RUN, f"run {number}")
        _check(run.get("gate", {"checks": ""}), {"checks": str}, f"the gate of run {number}")
        for entry in run["siblings"]:
            _check(entry, {"file": str, "k": int}, f"a sibling of run {number}")
            if not is_plain_name(entry["file"]):
                raise ValueError(f"a sibling of run {number} has no file name but {entry['file'][:80]!r}")
        for entry in _list(run.get("rejected", []), f"rejected of run {number}"):
            _check(entry, {"k": int}, f"a rejected sibling of run {number}")


def is_plain_name(name: str) -> bool:
    """Whether a text names a file in a folder, and not a path to somewhere else."""
    return name not in ("", ".", "..") and len(name) <= LONGEST_NAME and not set("/\\\0") & set(name)


def _check(values: Any, kinds: Mapping[str, type], what: str) -> None:
    """Raises KeyError or TypeError unless this is an object with fields of these types."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{what} is no object")
    for name, kind in kinds.items():
        if not isinstance(values[name], kind) or (kind is int and isinstance(values[name], bool)):
            raise TypeError(f"{name} of {what} is {str(values[name])[:60]!r}")


def _list(values: Any, what: str) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError(f"{what}: {str(values)[:60]!r}")
    return values
