"""Absolute targets: what guidance steers towards, and what the report compares the result with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import InputError
from .domain import ControlDomain
from .limits import check_value
from .measure import Measurement
from .terms import Quantity, Term, Value, checked_value, plain, quantity_word

SAME = 1e-6  # relative: two targets for one thing that differ by less are one target


@dataclass(frozen=True)
class Asked:
    """One absolute target. value and before (measured on the twin, None where it was not) as `Term` describes them.

    id: of the term that asks for it.
    """

    domain: str
    quantity: Quantity
    value: Value
    tolerance: float
    weight: float = 1.0
    before: Value | None = None
    id: str = ""

    @property
    def label(self) -> str:
        """Domain and quantity: "RV amount"."""
        return f"{self.domain} {quantity_word(self.quantity, '')}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"id": self.id, "domain": self.domain, "quantity": self.quantity, "value": plain(self.value),
                "tolerance": self.tolerance, "weight": self.weight, "before": plain(self.before)}


def resolved(
    terms: Sequence[Term], domains: Mapping[str, ControlDomain], measured: Mapping[str, Measurement]
) -> tuple[Asked, ...]:
    """Absolute targets of `terms`, each thing asked for once; errors as for `Control.resolve`."""
    found: list[Asked] = []
    for term in terms:
        domain = domains[term.domain]
        there = measured.get(term.domain)
        before = None if there is None else there.get(term.quantity)
        value = absolute(term, before)
        check_value(term.quantity, value, domain)
        asked = Asked(term.domain, term.quantity, value, term.allowed, term.weight, before, term.id)
        rivals = [other for other in found
                  if other.quantity == asked.quantity and domains[other.domain].same_place(domain)]
        for other in rivals:
            if contradict(other, asked):
                raise InputError("Two targets contradict each other",
                                 value=" and ".join(
                                     f"{one.domain} {quantity_word(one.quantity, domain.unit)} {_short(one.value)}"
                                     for one in (other, asked)),
                                 rule="one target for each quantity of a place", hint="switch one of them off")
        if not any(other.value == value for other in rivals):
            found.append(asked)
    return tuple(found)


def in_frame(
    asked: Sequence[Asked], terms: Mapping[str, Term], measured: Mapping[str, Measurement]
) -> tuple[Asked, ...]:
    """Resolved targets in another frame. terms: id -> the term in that frame. measured: as for `resolved`, there."""
    found = []
    for target in asked:
        there = measured.get(target.domain)
        before = None if there is None else there.get(target.quantity)
        found.append(replace(target, value=absolute(terms[target.id], before), before=before))
    return tuple(found)


def absolute(term: Term, before: Value | None) -> Value:
    """The term's target as an absolute value. before: what the twin has, needed for relative targets."""
    target = term.target
    if target.value is not None:
        return target.value
    of = f"The target of {term.label} cannot be used"
    if before is None or before == 0.0:
        raise InputError(of, value="the domain holds none of its tissues",
                         rule="times and plus are relative to what the domain holds now",
                         hint="check the domain's place and tissues, or give an absolute value")
    if target.times is not None and isinstance(before, float):
        return checked_value(term.quantity, before * target.times, of)
    total = np.asarray(before, dtype=np.float64) + np.asarray(target.plus, dtype=np.float64)
    return checked_value(term.quantity, total.tolist(), of)


def contradict(one: Asked, other: Asked) -> bool:
    """Whether two targets of the same quantity in the same place cannot both be reached."""
    first, second = (np.array(_flat(asked.value), dtype=np.float64) for asked in (one, other))  # None -> NaN
    if first.shape != second.shape:
        return True
    if one.quantity == "orientation":  # rows are axes: their sign says nothing
        return bool((np.abs((first * second).reshape(3, 3).sum(axis=1)) < 1 - SAME).any())
    both = ~(np.isnan(first) | np.isnan(second))
    gap = np.abs(first - second)[both]
    scale = np.maximum(np.abs(first), 1e-3)[both]
    return bool((gap > SAME * scale).any())


def _flat(value: Any) -> list[Any]:
    """All numbers of a value in one list."""
    return [number for item in value for number in _flat(item)] if isinstance(value, tuple) else [value]


def _short(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(plain(value))
