"""All measures of a label map by name, each at the place that it finds in this map."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ...core.labelmap import Affine
from ..measurement import MeasurementKey, titled
from ..morphology import tissue_volumes
from ..run_lengths import LabelArray
from .definition import Definition, definitions_of, kind_of
from .fields import TissueFields
from .kinds import ABSENT, KINDS, Found, NotFound


@dataclass(frozen=True)
class Measured:
    """The measures of one map.

    values: by key, in the anatomy's order; what was not found is not among them. missing: measure's id -> why it was
    not found. found: the planes, outlines, axes and thicknesses behind the numbers, for pictures; None if they were
    read from a record.
    """

    values: dict[MeasurementKey, float]
    missing: dict[str, str]
    found: Found | None = field(default=None, compare=False)

    @property
    def columns(self) -> dict[str, object]:
        """The columns of metrics.csv."""
        return dict(titled(self.values))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of measures without a number: one sentence, empty where all were found."""
        if not self.missing:
            return ()
        why = "; ".join(f"{id} ({reason})" for id, reason in self.missing.items() if not reason.endswith(ABSENT))
        rest = [id for id, reason in self.missing.items() if reason.endswith(ABSENT)]
        return (f"Measures without a number: {why}" + (f"; and what builds on it: {', '.join(rest)}" if rest else ""),)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the record; numbers keep their names and units apart."""
        return {"numbers": [{"of": key.tissue, "name": key.name, "unit": key.unit, "value": round(float(value), 6)}
                            for key, value in self.values.items()], "missing": self.missing}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Measured:
        """The inverse of `to_json`; KeyError, TypeError or InputError for anything else."""
        values = {MeasurementKey(number["name"], number["of"], number["unit"]): _number(number["value"])
                  for number in entry["numbers"]}
        return cls(values, dict(entry["missing"]))


def measure(labels: LabelArray, affine: Affine, anatomy: Anatomy, only: Collection[str] | None = None) -> Measured:
    """Every measure that the anatomy defines, found anew in this map.

    labels: (D, H, W) integer, KJI order, the anatomy's label values. affine: (4, 4) float64, voxel IJK -> RAS mm.
    only: ids of the measures that are needed; they and what they build on are found, the rest is left out.
    Definitions and sources: docs/measures.md. Without scikit-image, which draws the outlines, no measure has a number.
    Raises InputError for an anatomy whose measures are not sound.
    """
    if importlib.util.find_spec("skimage") is None:
        return Measured({}, {definition.id: "scikit-image is not installed" for definition in definitions_of(anatomy)})
    found = Found(TissueFields(labels, affine, anatomy), tissue_volumes(labels, affine, anatomy))
    values: dict[MeasurementKey, float] = {}
    missing: dict[str, str] = {}
    for definition in _needed(definitions_of(anatomy), only):
        try:
            given = kind_of(definition, KINDS)(found, definition)
            numbers = {key: value for key, value in given if math.isfinite(value)}
            if not numbers:
                raise NotFound("too little of it is in the map")
            values |= numbers
        except NotFound as reason:
            missing[definition.id] = str(reason)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"The measure {definition.id} of the {anatomy.id} anatomy is not sound",
                             value=repr(error), rule="docs/measures.md says what each kind needs") from error
    return Measured(values, missing, found)


def _needed(definitions: Sequence[Definition], only: Collection[str] | None) -> list[Definition]:
    """The definitions of `only`, and those that they build on, which come before them."""
    if only is None:
        return list(definitions)
    needed = set(only)
    for definition in reversed(definitions):
        if definition.id in needed:
            needed.update(definition.builds_on)
    return [definition for definition in definitions if definition.id in needed]


def headlines(anatomy: Anatomy) -> list[MeasurementKey]:
    """The few measures that tables on a screen show, in the anatomy's order."""
    return [definition.key(name, unit) for definition in definitions_of(anatomy)
            for name, unit in definition.headlines.items()]


def _number(value: float | None) -> float:
    """null, which stands in a record for a number that is not finite, is nan."""
    return math.nan if value is None else float(value)
