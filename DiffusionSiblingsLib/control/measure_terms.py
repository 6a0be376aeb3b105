"""Targets for measures by name: the aortic annulus 26 mm wide, the wall 2 mm thicker, wherever the heart has them.

A control domain stays where it was placed; a measure is found anew in every heart. Its target is met when a measurement
of the finished map says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..metrics.measurement import MeasurementKey
from ..metrics.measures.probes import steerable
from .absolute_targets import SAME
from .achieved import Achieved
from .checks import fields, number, text
from .terms import Target

TOLERANCES = {"mm^2": 0.02, "mm": 0.3, "deg": 2.0, "1": 0.01}  # by unit: areas and ratios relative, the others not
RELATIVE = ("mm^2", "1")


@dataclass(frozen=True)
class MeasureTerm:
    """One request: a measure should have the target's value.

    key: the measure. target, tolerance, on, id: as of a `Term`. tolerance None: areas 2 %, lengths 0.3 mm, angles 2
    degrees. Raises InputError for values that no heart can have.
    """

    key: MeasurementKey
    target: Target
    tolerance: float | None = None
    on: bool = True
    id: str = ""

    def __post_init__(self) -> None:
        of = f"The target of {self.label} cannot be used"
        given = getattr(self.target, self.target.kind)
        found = number(given, of, "one number")
        if self.target.kind != "plus" and found <= 0:
            raise InputError(of, value=found, rule="a number above 0")
        if self.key.unit not in TOLERANCES:
            raise InputError(of, value=self.key.title, rule=f"a measure in {', '.join(TOLERANCES)}")
        if self.tolerance is not None and number(self.tolerance, f"The tolerance of {self.label} cannot be used") < 0:
            raise InputError(f"The tolerance of {self.label} cannot be used", value=self.tolerance,
                             rule="a number from 0")
        if not isinstance(self.on, bool):
            raise InputError(f"The field 'on' of {self.label} cannot be used", value=repr(self.on),
                             rule="true or false")
        if self.id != "":
            text(self.id, f"The id of {self.label} cannot be used")

    @property
    def label(self) -> str:
        """The measure, for tables and messages: "aortic annulus area diameter"."""
        return self.key.label

    @property
    def allowed(self) -> float:
        """The tolerance that holds: the term's own or the default."""
        return TOLERANCES[self.key.unit] if self.tolerance is None else self.tolerance

    def resolved(self, before: float | None) -> AskedMeasure:
        """The absolute target. before: what the twin has, None where it was not found there.

        Raises InputError where a relative target has nothing to refer to, and for values that no heart can have.
        """
        of = f"The target of {self.label} cannot be used"
        if before is None:
            raise InputError(of, value="the twin's map has no such place",
                             rule="a target needs a measure that the twin has",
                             hint="`siblings measure TWIN` lists the measures, and says why one was not found")
        found = self.target.of(before)
        if found <= 0:
            raise InputError(of, value=f"{found:.4g} {self.key.unit}", rule="a value above 0",
                             hint=f"the twin has {before:.4g} {self.key.unit}")
        return AskedMeasure(self.key, found, self.allowed, before, self.id)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what has its default is left out."""
        found: dict[str, Any] = {"id": self.id} if self.id else {}
        found |= {"of": self.key.tissue, "name": self.key.name, "unit": self.key.unit,
                  self.target.kind: getattr(self.target, self.target.kind)}
        if self.tolerance is not None:
            found["tolerance"] = self.tolerance
        if not self.on:
            found["on"] = False
        return found

    @classmethod
    def from_json(cls, values: object) -> MeasureTerm:
        """The term that `to_json` wrote; InputError for unknown or missing fields and for impossible values."""
        what = "A target of a measure cannot be read"
        found = fields(values, what, ("of", "name", "unit"), ("id", "value", "times", "plus", "tolerance", "on"))
        key = MeasurementKey(*(text(found.pop(name), what) for name in ("name", "of", "unit")))
        target = Target(**{kind: found.pop(kind) for kind in ("value", "times", "plus") if kind in found})
        return cls(key, target, **found)


@dataclass(frozen=True)
class AskedMeasure:
    """One absolute target. value, before (of the twin): in the key's unit. id: of the term that asks for it."""

    key: MeasurementKey
    value: float
    tolerance: float
    before: float | None = None
    id: str = ""

    @property
    def label(self) -> str:
        """The measure: "aortic annulus area diameter"."""
        return self.key.label

    @property
    def allowed(self) -> float:
        """The tolerance in the key's unit."""
        return self.tolerance * self.value if self.key.unit in RELATIVE else self.tolerance

    def achieved(self, measured: Mapping[MeasurementKey, float]) -> Achieved:
        """What became of it. measured: what a finished map has, by the measures' own way of finding it."""
        value = measured.get(self.key)
        error = None if value is None else abs(value - self.value) / (self.value if self.key.unit in RELATIVE else 1.0)
        unit = "" if self.key.unit == "1" else self.key.unit
        return Achieved(self.key.tissue, self.key.name, unit, self.before, self.value, value, error, self.tolerance,
                        error is not None and error <= self.tolerance + 1e-12, self.id, follows=True)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"id": self.id, "of": self.key.tissue, "name": self.key.name, "unit": self.key.unit,
                "value": self.value, "tolerance": self.tolerance, "before": self.before}


def resolved_measures(terms: Sequence[MeasureTerm], measured: Mapping[MeasurementKey, float]
                      ) -> tuple[AskedMeasure, ...]:
    """Absolute targets, each measure once. measured: of the twin. Raises InputError where two terms differ about one
    measure, and as `MeasureTerm.resolved`.
    """
    found: dict[MeasurementKey, AskedMeasure] = {}
    for term in terms:
        asked = term.resolved(measured.get(term.key))
        known = found.setdefault(term.key, asked)
        if abs(known.value - asked.value) > SAME * known.value:
            raise InputError("Two targets contradict each other", value=f"{known.label} {known.value:.6g} and "
                             f"{asked.value:.6g} {term.key.unit}", rule="one target for each measure",
                             hint="leave one of them out")
    return tuple(found.values())


def require_steerable(terms: Sequence[MeasureTerm], anatomy: Anatomy) -> None:
    """InputError for a measure that guidance cannot be asked for."""
    for term in terms:
        if not steerable(term.key, anatomy):
            raise InputError("A measure has no target that guidance could meet", value=term.label,
                             rule="areas, diameters by area or perimeter, lengths, wall thickness and angles",
                             hint="docs/measures.md says which measures take a target")


def measure_ids(terms: Sequence[MeasureTerm], taken: set[str]) -> tuple[MeasureTerm, ...]:
    """The terms, each with an id of its own, the measure's label where it has none. taken: ids of other terms."""
    found = []
    for term in terms:
        name = term.id or term.label
        if name in taken:
            raise InputError("Two terms have the same id", value=name,
                             rule="each id, and each measure, once in a control", hint="leave one of them out")
        taken.add(name)
        found.append(replace(term, id=name))
    return tuple(found)
