"""What tables and closing words say of a run, all of it read from the entries of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..cohorts.measured_map import named_of
from ..cohorts.training_distance import TrainingDistance
from ..cohorts.training_statistics import UNUSUAL
from ..core.anatomy import Anatomy
from ..core.errors import InputError, reason_of
from ..core.json_files import MALFORMED
from ..editing.planned import PlacedTwin
from ..editing.record_entries import guidance_of
from ..editing.result import CUT_OFF, WITHHELD
from ..editing.target_rows import looked_at, twin_columns
from ..metrics.measurement import MeasurementKey
from ..metrics.measures.measure import headlines

Row = dict[str, object]
Entry = Mapping[str, Any]


def name_of(entry: Entry) -> str:
    """A sibling's name in tables."""
    return str(entry["file"]).split(".")[0]


@dataclass
class Tally:
    """What is said of all siblings of a run together; it grows by one sibling after the other.

    twin_columns: of the twin's row, what it had of each target. remarks: what a person should look at, a line each.
    siblings: their number; beyond: of those beyond the training hearts in a measurement; near: of those suspiciously
    near to one; odd: of those whose volumes combine in an unusual way.
    cut: tissue -> ml that each sibling lost of it at the edge of the grid; siblings_cut: how many lost any. withheld:
    unknown segment -> ml of it that each sibling wanted and did not get. unchanged: siblings that equal their twin.
    measures: what the siblings have of each measure by name.
    """

    twin_columns: Row = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    siblings: int = 0
    beyond: int = 0
    near: int = 0
    odd: int = 0
    cut: dict[str, list[float]] = field(default_factory=dict)
    withheld: dict[str, list[float]] = field(default_factory=dict)
    siblings_cut: int = 0
    siblings_withheld: int = 0
    unchanged: int = 0
    measures: dict[MeasurementKey, list[float]] = field(default_factory=dict)

    def add(self, name: str, entry: Entry) -> None:
        """Takes a sibling in. name: in tables. Raises InputError for an entry that cannot be read."""
        try:
            guidance = guidance_of(entry)
            self.twin_columns |= twin_columns(guidance)
            looked = looked_at(guidance, entry.get("guidance_notes", ()), entry.get("repair"))
            self.remarks += [f"{name}: {words}" for words in looked]
            distance = entry.get("bias") or {}  # the training distance, where the model ships statistics
            self.siblings += 1
            self.beyond += bool(distance.get("outside_training_range"))
            self.near += bool(distance.get("suspiciously_near"))
            self.odd += bool(distance and TrainingDistance.from_json(distance).unusual)
            self.siblings_cut += _collect(entry.get(CUT_OFF), self.cut)
            self.siblings_withheld += _collect(entry.get(WITHHELD), self.withheld)
            self.unchanged += (entry.get("voxels_changed") or {}).get("inside") == 0
            for key, value in named_of(entry).items():
                self.measures.setdefault(key, []).append(value)
        except MALFORMED as error:
            raise InputError("An entry of the record cannot be read", value=f"{name}: {reason_of(error)}",
                             rule="the entry of a sibling as this program writes it") from error

    def doubts(self) -> tuple[str, ...]:
        """What makes siblings doubtful, with their number, a line each."""
        siblings = self.siblings
        counted = {"beyond every training heart in a measurement": self.beyond,
                   f"proportions (RV/LV and others) beyond those of {UNUSUAL:g} % of the training hearts, which is no "
                   "clinical range": self.odd,
                   "suspiciously near to a training heart, possibly near-copies": self.near}
        words = [f"{count} of {siblings} siblings: {doubt}" for doubt, count in counted.items() if count]
        if self.unchanged:
            words.append(f"{self.unchanged} of {siblings} siblings equal their twin: the edit changed no voxel. Give a "
                         "larger region or a higher --ratio")
        if self.siblings_cut:
            words.append(f"{self.siblings_cut} of {siblings} siblings reach the edge of the grid and are cut off "
                         f"there: {_most(self.cut)}. Give them room with --margin 20, or save the twin on a larger "
                         "grid")
        if self.siblings_withheld:
            words.append(f"{self.siblings_withheld} of {siblings} siblings wanted room that segments outside the model "
                         f"keep: {_most(self.withheld)}. --overwrite lets siblings have that room")
        return tuple(words)

    def measure_rows(self, anatomy: Anatomy, twin: PlacedTwin | None) -> tuple[Row, ...]:
        """The measures that are shown first, each at the place that it has in each sibling: a row each.

        Empty where the siblings have none, as those of earlier versions.
        """
        own = twin.measured.measures.values if twin is not None and twin.measured.measures is not None else {}
        rows: list[Row] = []
        for key in headlines(anatomy):
            values = self.measures.get(key, [])
            if key not in own and not values:
                continue
            row: Row = {"place": key.tissue, "measure": f"{key.name} [{key.unit}]"}
            row |= {} if twin is None else {"twin": own.get(key)}
            spread = np.quantile(values, (0, 0.5, 1)) if values else (None, None, None)
            row |= dict(zip(("least", "median", "greatest"), spread, strict=True))
            rows.append({**row, "siblings without it": self.siblings - len(values)})
        return tuple(rows) if self.measures else ()

    def twin_row(self, twin: PlacedTwin) -> Row:
        """The twin's row of metrics.csv."""
        return {**twin.measured.row("twin", "twin"), **self.twin_columns}


def _collect(ml: Mapping[str, float] | None, into: dict[str, list[float]]) -> bool:
    """Takes a sibling's volumes in -> whether it has any."""
    for name, volume in (ml or {}).items():
        into.setdefault(str(name), []).append(float(volume))
    return bool(ml)


def _most(ml: Mapping[str, list[float]]) -> str:
    return ", ".join(f"{name} (up to {max(volumes):.1f} ml)" for name, volumes in ml.items())
