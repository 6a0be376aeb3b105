"""Achieved against asked, target by target, for records and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .absolute_targets import Asked
from .measure import Measurement
from .terms import Quantity, Value, plain, quantity_unit, quantity_word, unplain

REACHED = "targets reached"


@dataclass(frozen=True)
class Achieved:
    """What became of one target.

    unit: of before, asked and achieved ("" for pure numbers). error: in the tolerance's measure (see
    `default_tolerance`), never negative; None where the sibling had nothing to measure. reached: error <= tolerance.
    id: of the term that asked for it; "" in records of earlier versions. follows: whether the value was measured where
    this map has the place, as measures by name are; else in a control domain that stays where it was put.
    """

    domain: str
    quantity: str
    unit: str
    before: Value | None
    asked: Value
    achieved: Value | None
    error: float | None
    tolerance: float
    reached: bool
    id: str = ""
    follows: bool = False

    @property
    def label(self) -> str:
        """Domain and quantity as people call it: "RV volume"."""
        return f"{self.domain} {quantity_word(self.quantity, self.unit)}"

    @property
    def asked_title(self) -> str:
        """The title of the column with the value that was asked: "RV volume asked [ml]"."""
        return f"{self.label} asked{self._bracketed_unit}"

    @property
    def achieved_title(self) -> str:
        """The title of the column with the value that was achieved: "RV volume achieved [ml]"."""
        return f"{self.label} achieved{self._bracketed_unit}"

    @property
    def _bracketed_unit(self) -> str:
        return f" [{self.unit}]" if self.unit else ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        follows = {"follows": True} if self.follows else {}
        return {"id": self.id, "domain": self.domain, "quantity": self.quantity, "unit": self.unit, **follows,
                "before": plain(self.before), "asked": plain(self.asked), "achieved": plain(self.achieved),
                "error": self.error, "tolerance": self.tolerance, "reached": self.reached}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Achieved:
        """What `to_json` wrote, now or in an earlier version; KeyError or TypeError for anything else."""
        later = {"id": "", "follows": False}  # which some records do not have
        found = {name: unplain(values[name]) for name in cls.__dataclass_fields__ if name not in later}
        found |= {name: values.get(name, default) for name, default in later.items()}
        return cls(**found)


def achieved_of(asked: Sequence[Asked], measured: Mapping[str, Measurement]) -> tuple[Achieved, ...]:
    """What became of every target. measured: domain name -> what the sibling has there."""
    found = []
    for target in asked:
        there = measured.get(target.domain)
        value = None if there is None else there.get(target.quantity)
        error = None if value is None else error_of(target.quantity, target.value, value)
        reached = error is not None and error <= target.tolerance + 1e-12
        unit = quantity_unit(target.quantity, "" if there is None else there.unit)
        found.append(Achieved(target.domain, target.quantity, unit, target.before, target.value, value, error,
                              target.tolerance, reached, target.id))
    return tuple(found)


def error_of(quantity: Quantity, asked: Value, achieved: Value) -> float:
    """How far off, in the measure of the tolerance; never negative.

    mass and size (amount and extent): relative to what was asked. position: mm. shape, covariance: the largest
    difference of an entry. orientation: the largest angle between two axes, degrees. betti: the largest difference of
    an asked number.
    """
    if quantity == "betti" and isinstance(asked, tuple) and isinstance(achieved, tuple):
        return float(max(abs(got - want) for want, got in zip(asked, achieved, strict=True) if want is not None))
    want, got = np.asarray(asked, dtype=np.float64), np.asarray(achieved, dtype=np.float64)
    if quantity in ("mass", "size"):
        return float(abs(got - want) / abs(want))
    if quantity == "position":
        return float(np.linalg.norm(got - want))
    if quantity == "orientation":
        cosines = np.clip(np.abs((want * got).sum(axis=1)), 0.0, 1.0)
        return math.degrees(math.acos(float(cosines.min())))
    return float(np.abs(got - want).max())


def cell_text(value: Value | None) -> Any:
    """A table cell: a number as it is, several as text ("12.1 -4 30.25", "1 - 0" where one is not asked)."""
    if isinstance(value, tuple):
        rows = isinstance(value[0], tuple)
        return ("; " if rows else " ").join(str(cell_text(item)) for item in value) if rows else " ".join(
            "-" if item is None else f"{item:.6g}" for item in value)
    return "" if value is None else value
