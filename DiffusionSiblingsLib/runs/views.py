"""What tables and closing words say of a run, all of it read from the entries of its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cohorts.training_distance import Doubtful
from ..control.achieved import Achieved
from ..core.errors import InputError
from ..editing.entries import sibling_row, twin_row
from ..editing.planned import PlacedTwin
from ..editing.result import RecordedSibling
from ..editing.target_rows import looked_at, twin_columns

Row = dict[str, object]
Entry = Mapping[str, Any]


def row_of(name: str, request: Entry, entry: Entry) -> Row:
    """A sibling's row of metrics.csv. request, entry: of the record. Raises InputError for an incomplete entry."""
    try:
        return sibling_row(name, RecordedSibling.from_json(request, entry))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("An entry of the record cannot be read", value=f"{name}: {error!r}",
                         rule="features, volumes and checks of a sibling") from error


def name_of(entry: Entry) -> str:
    """A sibling's name in tables."""
    return str(entry["file"]).split(".")[0]


def remarks_of(entry: Entry) -> tuple[str, ...]:
    """What a person should look at in a sibling: missed targets, notes of the guidance, cavities."""
    return looked_at(_guidance(entry), entry.get("guidance_notes", ()), entry.get("repair"))


def _guidance(entry: Entry) -> Sequence[Achieved]:
    return [Achieved.from_json(values) for values in entry.get("guidance", ())]


@dataclass
class Tally:
    """What is said of all siblings of a run together; it grows by one sibling after the other.

    twin_columns: of the twin's row, what it had of each target. remarks: what a person should look at, a line each.
    """

    twin_columns: Row = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    doubtful: Doubtful = field(default_factory=Doubtful)

    def add(self, name: str, entry: Entry) -> None:
        """Takes a sibling in. name: in tables."""
        self.twin_columns |= twin_columns(_guidance(entry))
        self.remarks += [f"{name}: {words}" for words in remarks_of(entry)]
        self.doubtful.add(entry)

    def twin_row(self, twin: PlacedTwin) -> Row:
        """The twin's row of metrics.csv."""
        return {**twin_row(twin.measured), **self.twin_columns}
