"""The result of comparing two cohorts: figures with intervals and floors, features, checks. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..core.errors import InputError, reason_of
from ..core.files import json_values

SCHEMA = "siblings-comparison/1"


@dataclass(frozen=True)
class Figure:
    """One figure of a comparison. low, high: its 95 % interval, nan where it cannot be had.

    unit: "" for a share of 1 or no unit, "%", "x1000", "x100" (a value times that). best: "high", "low", or the best
    value. floor: what the best of cohorts has: two samples of one distribution (precision, recall, FMD, COV), points
    drawn twice from the same surfaces (MMD), the real cohort itself (TV); None where `best` says it (1-NNA) or it
    cannot be had. note: what a reader must know of it.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str = ""
    best: str | float = "low"
    floor: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Side:
    """One of the two cohorts. size: members measured. skipped: name -> why a map could not be measured."""

    name: str
    size: int
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """How a synthetic cohort lies to a real one. per_feature, checks, per_measure: rows of tables (column -> value),
    the last of measures by name.

    violations: "real half", "synthetic half", "real full", "synthetic full" -> failed checks in percent of all.
    seed, draws: of the intervals.
    """

    real: Side
    synthetic: Side
    figures: tuple[Figure, ...]
    per_feature: tuple[dict[str, Any], ...] = ()
    checks: tuple[dict[str, Any], ...] = ()
    violations: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    draws: int = 0
    notes: tuple[str, ...] = ()
    per_measure: tuple[dict[str, Any], ...] = ()

    def figure(self, name: str) -> Figure:
        """The figure of that name, such as "1-NNA-CD". InputError if there is none."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise InputError("The comparison does not have this figure", value=name,
                         rule=", ".join(figure.name for figure in self.figures))

    def has(self, name: str) -> bool:
        """True if there is such a figure; those of EMD are missing where it was left out."""
        return any(figure.name == name for figure in self.figures)

    def row(self) -> dict[str, object]:
        """One row of a table: sizes, and each figure's value, bounds and floor in columns of its own."""
        row: dict[str, object] = {"real": self.real.name, "real members": self.real.size,
                                  "synthetic": self.synthetic.name, "synthetic members": self.synthetic.size}
        for figure in self.figures:
            head = f"{figure.name} [{figure.unit}]" if figure.unit else figure.name
            row |= {head: figure.value, f"{figure.name} low": figure.low, f"{figure.name} high": figure.high}
            row |= {f"{figure.name} floor": figure.floor} if figure.floor is not None else {}
        return row

    def figure_rows(self) -> list[dict[str, object]]:
        """One row for each figure."""
        return [{"figure": f.name, "value": f.value, "low (95 %)": f.low, "high (95 %)": f.high, "unit": f.unit,
                 "best": f.best, "floor": f.floor, "note": f.note} for f in self.figures]

    def to_json(self) -> dict[str, Any]:
        """Plain values; undefined numbers become null."""
        values: dict[str, Any] = json_values({"schema": SCHEMA, **asdict(self)})
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Comparison:
        """Reads what `to_json` gave. InputError where it is something else."""
        try:
            if values["schema"] != SCHEMA:
                raise InputError("Another program version wrote the comparison", value=values["schema"],
                                 rule=f"schema {SCHEMA}", hint="compare the cohorts again with this version")
            figures = tuple(Figure(**{**f, **{key: _number(f[key]) for key in ("value", "low", "high")}})
                            for f in values["figures"])
            return cls(Side(**values["real"]), Side(**values["synthetic"]), figures,
                       tuple(dict(row) for row in values["per_feature"]), tuple(dict(row) for row in values["checks"]),
                       {key: float(value) for key, value in values["violations"].items()}, int(values["seed"]),
                       int(values["draws"]), tuple(values["notes"]),
                       tuple(dict(row) for row in values.get("per_measure", ())))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise InputError("The comparison cannot be read", value=reason_of(problem), rule=f"schema {SCHEMA}",
                             hint="compare the cohorts again") from problem


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
