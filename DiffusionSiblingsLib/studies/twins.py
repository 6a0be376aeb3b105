"""Twins of arms: hearts that are read when they are needed, and are known by their voxels and what these mean."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..cohorts.members import Member, read_member
from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap
from ..runs.resume import twin_entry


@dataclass(frozen=True)
class TwinSource:
    """A heart that arms start from. member: its map, numbered as the record of its run has it. labels: tissue id ->
    value, as the user says; wins over the record.
    """

    member: Member
    anatomy: Anatomy
    labels: dict[str, int] | None = None

    def read(self) -> LabelMap:
        """The label map, with every tissue. Raises InputError for one that no edit can start from."""
        return read_member(self.member, self.anatomy, self.labels, whole=True)

    @cached_property
    def entry(self) -> dict[str, Any]:
        """What a record knows the twin by. The map is read once for it, and not kept."""
        return twin_entry(self.read())

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the voxels, their grid and what they mean: the same for a heart under two names."""
        meanings = sorted((segment["value"], segment["tissue"] or "") for segment in self.entry["segments"])
        return hashlib.sha256(json.dumps([self.entry["labels_sha256"], meanings]).encode()).hexdigest()
