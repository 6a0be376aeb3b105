"""Recorded requests compared with each other."""

from __future__ import annotations

from typing import Any


def same_but_count(request: dict[str, Any]) -> dict[str, Any]:
    """A request's JSON without what does not decide sibling k: how many were asked for, and from which on."""
    return {key: value for key, value in request.items() if key not in ("count", "first")}
