"""What tables and closing words say of a run, all of it read from the entries of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cohorts.training_distance import Doubtful
from ..editing.planned import PlacedTwin
from ..editing.record_entries import guidance_of
from ..editing.result import CUT_OFF
from ..editing.target_rows import looked_at, twin_columns

Row = dict[str, object]
Entry = Mapping[str, Any]


def name_of(entry: Entry) -> str:
    """A sibling's name in tables."""
    return str(entry["file"]).split(".")[0]


@dataclass
class Tally:
    """What is said of all siblings of a run together; it grows by one sibling after the other.

    twin_columns: of the twin's row, what it had of each target. remarks: what a person should look at, a line each.
    cut: tissue -> ml that each sibling lost of it at the edge of the grid; siblings_cut: how many lost any.
    """

    twin_columns: Row = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    doubtful: Doubtful = field(default_factory=Doubtful)
    cut: dict[str, list[float]] = field(default_factory=dict)
    siblings_cut: int = 0

    def add(self, name: str, entry: Entry) -> None:
        """Takes a sibling in. name: in tables."""
        guidance = guidance_of(entry)
        self.twin_columns |= twin_columns(guidance)
        looked = looked_at(guidance, entry.get("guidance_notes", ()), entry.get("repair"))
        self.remarks += [f"{name}: {words}" for words in looked]
        self.doubtful.add(entry)
        cut = entry.get(CUT_OFF) or {}
        self.siblings_cut += bool(cut)
        for tissue, ml in cut.items():
            self.cut.setdefault(tissue, []).append(ml)

    def doubts(self) -> tuple[str, ...]:
        """What makes siblings doubtful, with their number, a line each."""
        if not self.siblings_cut:
            return self.doubtful.words()
        tissues = ", ".join(f"{tissue} (up to {max(ml):.1f} ml)" for tissue, ml in self.cut.items())
        return (*self.doubtful.words(), f"{self.siblings_cut} of {self.doubtful.siblings} siblings reach the edge of "
                f"the grid and are cut off there: {tissues}. Give them room with --margin 20, or save the twin on a "
                "larger grid")

    def twin_row(self, twin: PlacedTwin) -> Row:
        """The twin's row of metrics.csv."""
        return {**twin.measured.row("twin", "twin"), **self.twin_columns}
