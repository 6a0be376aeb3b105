"""Twins of conditions: hearts that are read when needed, and identified by their voxels and their tissues."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..cohorts.members import Member, read_member
from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap, LabelValues
from ..runs.resume import twin_entry


@dataclass(frozen=True)
class TwinSource:
    """A heart that conditions start from. member: its map, with the label numbers of its run's record. labels: tissue
    id -> value as the user gave it; wins over the record.
    """

    member: Member
    anatomy: Anatomy
    labels: LabelValues | None = None

    def read(self) -> LabelMap:
        """The label map with every tissue. Raises InputError for a map that cannot be edited."""
        return read_member(self.member, self.anatomy, self.labels, whole=True)

    @cached_property
    def entry(self) -> dict[str, Any]:
        """The twin as a record describes it. The map is read once for this, and not kept."""
        return twin_entry(self.read())

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of voxels, grid and tissues: equal for one heart under two names."""
        meanings = sorted((segment["value"], segment["tissue"] or "") for segment in self.entry["segments"])
        return hashlib.sha256(json.dumps([self.entry["labels_sha256"], meanings]).encode()).hexdigest()
