"""From a folder of label maps to one training data set: filtered, canonical, split by subject, packed."""

from __future__ import annotations

from .run import Summary, prepare

__all__ = ["Summary", "prepare"]
