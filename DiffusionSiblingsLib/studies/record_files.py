"""Records as plain values, for looking through many of them; `record.read_record` is for one that has to be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_plain(path: Path) -> dict[str, Any] | None:
    """A JSON object, None where there is none (a run that is about to write it, say)."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def same_but_count(request: dict[str, Any]) -> dict[str, Any]:
    """A request's JSON without what does not decide sibling k: how many were asked for, and from which on."""
    return {key: value for key, value in request.items() if key not in ("count", "first")}
