"""What is asked of a control domain: one quantity, its target, how near is near enough."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import numpy as np

from ..core.errors import InputError
from .checks import (
    FloatArray,
    as_rows,
    as_vector,
    fields,
    matrix_rows,
    number,
    orthonormal_rows,
    sequence,
    text,
    vector,
)

Quantity = Literal["mass", "position", "size", "shape", "orientation", "covariance", "betti"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
Value = float | tuple[Any, ...]

# Amount (mass) and extent (size): relative. Position: mm. Shape and covariance: differences of shares. Orientation:
# degrees.
_TOLERANCES = {"mass": 0.01, "size": 0.01, "position": 0.5, "shape": 0.02, "covariance": 0.02, "orientation": 5.0,
               "betti": 0.0}
SCALABLE: tuple[Quantity, ...] = ("mass", "size")  # may be a multiple of what the twin has
ADDABLE: tuple[Quantity, ...] = ("mass", "size", "position")  # may be so much more than the twin has


@dataclass(frozen=True)
class Target:
    """Exactly one of: value (absolute), times (a factor on the measured value), plus (added to the measured value)."""

    value: Value | None = None
    times: float | None = None
    plus: Value | None = None

    def __post_init__(self) -> None:
        given = {key: got for key, got in (("value", self.value), ("times", self.times), ("plus", self.plus))
                 if got is not None}
        if len(given) != 1:
            raise InputError("A target cannot be used", value=given or "no value",
                             rule="exactly one of value (absolute), times (a factor) and plus (a difference)")

    @property
    def kind(self) -> str:
        """"value", "times" or "plus"."""
        return "value" if self.value is not None else "times" if self.times is not None else "plus"

    @property
    def relative(self) -> bool:
        """Whether it needs a measured value to become absolute."""
        return self.value is None

    @property
    def keeps(self) -> bool:
        """Whether what is measured is to stay as it is."""
        return self.times == 1 or self.plus in (0, (0, 0, 0))

    def of(self, before: float) -> float:
        """The target as one absolute number. before: the measured value. For targets that are one number."""
        if self.times is not None:
            return before * self.times
        return float(cast("float", self.value)) if self.plus is None else before + float(cast("float", self.plus))


@dataclass(frozen=True)
class Term:
    """One request: the quantity of a domain should have the target's value.

    domain: name of a ControlDomain of the same Control. quantity, with its value:
      mass         the amount of tissue: ml in a box, mm^2 in a plane, mm on a line
      position     the centroid, three numbers, mm
      size         the extent of the tissue: the trace of its covariance, mm^2
      shape        eigenvalues of covariance / size, descending, one per dimension
      orientation  rows: eigenvectors in that order; their signs do not matter
      covariance   covariance / size, 3 x 3
      betti        (components, loops, voids); None = not asked
    tolerance: how near counts as reached, None = `default_tolerance`. weight: used by guiders that weigh terms. on:
    False keeps the term without using it. id: names the term in its Control and in everything that reports on it;
    "" until the Control assigns one. Raises InputError for values that no tissue can have.
    """

    domain: str
    quantity: Quantity
    target: Target
    tolerance: float | None = None
    weight: float = 1.0
    on: bool = True
    id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", text(self.domain, "A term names no control domain"))
        if self.quantity not in QUANTITIES:
            raise InputError("A term's quantity cannot be used", value=repr(self.quantity),
                             rule=f"one of {', '.join(QUANTITIES)}")
        if not isinstance(self.target, Target):
            raise InputError(f"{self.label} has no target", value=repr(self.target), rule="a Target")
        if not isinstance(self.on, bool):
            raise InputError(f"The field 'on' of {self.label} cannot be used", value=repr(self.on),
                             rule="true or false")
        if self.id != "":
            object.__setattr__(self, "id", text(self.id, f"The id of {self.label} cannot be used"))
        object.__setattr__(self, "target", _checked_target(self))
        if self.tolerance is not None:
            object.__setattr__(self, "tolerance", _from_zero(self.tolerance, f"The tolerance of {self.label}"))
        object.__setattr__(self, "weight", _from_zero(self.weight, f"The weight of {self.label}"))

    @property
    def label(self) -> str:
        """Domain and quantity, for messages that do not know the domain's dimension: "RV amount"."""
        return f"{self.domain} {quantity_word(self.quantity, '')}"

    @property
    def allowed(self) -> float:
        """The tolerance that holds: the term's own or the default."""
        return default_tolerance(self.quantity) if self.tolerance is None else self.tolerance

    def moved(self, matrix: FloatArray) -> Term:
        """The term in another frame: positions, offsets, orientations and covariances turn with it.

        matrix: (4, 4) rigid, mm of this frame -> mm of the other.
        """
        target = self.target
        if target.value is not None:
            target = Target(value=moved_value(self.quantity, target.value, matrix))
        elif target.plus is not None and self.quantity == "position":
            target = Target(plus=as_vector(matrix[:3, :3] @ np.array(target.plus)))
        return replace(self, target=target)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what has its default is left out."""
        kind = self.target.kind
        found: dict[str, Any] = {"id": self.id} if self.id else {}
        found |= {"domain": self.domain, "quantity": self.quantity, kind: plain(getattr(self.target, kind))}
        if self.tolerance is not None:
            found["tolerance"] = self.tolerance
        if self.weight != 1.0:
            found["weight"] = self.weight
        if not self.on:
            found["on"] = False
        return found

    @classmethod
    def from_json(cls, values: object) -> Term:
        """The term that `to_json` wrote; InputError for unknown or missing fields and for impossible values."""
        found = fields(values, "A term cannot be read", ("domain", "quantity"),
                       ("id", "value", "times", "plus", "tolerance", "weight", "on"))
        target = Target(**{key: found.pop(key) for key in ("value", "times", "plus") if key in found})
        return cls(target=target, **found)


def with_ids(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The terms, each with an id of its own: domain and quantity where it has none yet, with a number where that is
    taken.

    Raises InputError where two terms came with the same id.
    """
    given = [term.id for term in terms if term.id]
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise InputError("Two terms have the same id", value=", ".join(twice), rule="each id once in a control",
                         hint="leave the ids out, and they are assigned")
    taken, found = set(given), []
    for term in terms:
        name = term.id or free_name(f"{term.domain} {term.quantity}", taken)
        taken.add(name)
        found.append(term if term.id else replace(term, id=name))
    return tuple(found)


def free_name(name: str, taken: Collection[str]) -> str:
    """`name`, or where it is taken with the first free number from 2 on."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free


def default_tolerance(quantity: Quantity) -> float:
    """How near counts as reached, see the table above; Betti numbers have to be exact."""
    return _TOLERANCES[quantity]


def quantity_word(quantity: str, unit: str) -> str:
    """What people call a quantity in a domain of that unit: "volume", "area" or "length" of what control files call
    "mass", "amount" where the unit is not known.
    """
    return {"ml": "volume", "mm^2": "area", "mm": "length"}.get(unit, "amount") if quantity == "mass" else quantity


def quantity_unit(quantity: Quantity, domain_unit: str) -> str:
    """Unit of a quantity's values, "" for pure numbers."""
    return {"mass": domain_unit, "position": "mm", "size": "mm^2"}.get(quantity, "")


def moved_value(quantity: Quantity, value: Value, matrix: FloatArray) -> Value:
    """An absolute value in another frame. matrix: (4, 4) rigid, mm of this frame -> mm of the other."""
    turn = matrix[:3, :3]
    if quantity == "position":
        return as_vector(turn @ np.array(value) + matrix[:3, 3])
    if quantity == "orientation":
        return as_rows(np.array(value) @ turn.T)
    if quantity == "covariance":
        return as_rows(turn @ np.array(value) @ turn.T)
    return value


def checked_value(quantity: Quantity, value: object, of: str) -> Value:
    """An absolute value in the quantity's own form; InputError where no tissue can have it."""
    if quantity in ("mass", "size"):
        rule = "a number above 0"
        found = number(value, of, rule)
        if found <= 0:
            raise InputError(of, value=found, rule=rule)
        return found
    if quantity == "position":
        return vector(value, of, "three numbers, mm")
    if quantity == "orientation":
        return orthonormal_rows(value, of)
    if quantity == "covariance":
        return _covariance(value, of)
    return _shape(value, of) if quantity == "shape" else _betti(value, of)


def plain(value: Any) -> Any:
    """Tuples as lists, for JSON."""
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def unplain(value: Any) -> Any:
    """Lists of JSON as the tuples that `plain` was given."""
    return tuple(unplain(item) for item in value) if isinstance(value, list) else value


def _checked_target(term: Term) -> Target:
    """The term's target with its value in the quantity's own form."""
    target, quantity, of = term.target, term.quantity, f"The target of {term.label} cannot be used"
    if target.value is not None:
        return Target(value=checked_value(quantity, target.value, of))
    if target.times is not None:
        if quantity not in SCALABLE:
            raise InputError(of, value=f"times {target.times}", rule=f"'times' works for {' and '.join(SCALABLE)} only",
                             hint="give the value itself")
        return Target(times=cast("float", checked_value(quantity, target.times, of)))
    if quantity not in ADDABLE:
        raise InputError(of, value=f"plus {target.plus}", rule=f"'plus' works for {', '.join(ADDABLE)} only",
                         hint="give the value itself")
    if quantity == "position":
        return Target(plus=vector(target.plus, of, "three numbers, mm"))
    return Target(plus=number(target.plus, of))


def _from_zero(value: object, what: str) -> float:
    rule = "a number from 0"
    found = number(value, f"{what} cannot be used", rule)
    if found < 0:
        raise InputError(f"{what} cannot be used", value=found, rule=rule)
    return found


def _shape(value: object, of: str) -> Value:
    rule = "shares of the extent along the principal axes, largest first: none below 0, together 1, one per dimension"
    found = tuple(number(item, of, rule) for item in sequence(value, of, rule))
    falling = all(a >= b - 1e-6 for a, b in pairwise(found))
    if not 1 <= len(found) <= 3 or min(found) < 0 or not falling or abs(sum(found) - 1) > 1e-3:
        raise InputError(of, value=found, rule=rule, hint="divide the eigenvalues by their sum")
    return found


def _covariance(value: object, of: str) -> Value:
    rule = "a symmetric 3 x 3 matrix with trace 1 and no negative eigenvalue (a covariance divided by its trace)"
    rows = matrix_rows(value, of, rule)
    matrix = np.array(rows)
    odd = np.abs(matrix - matrix.T).max() > 1e-6 or abs(np.trace(matrix) - 1) > 1e-3
    if odd or np.linalg.eigvalsh((matrix + matrix.T) / 2).min() < -1e-6:
        raise InputError(of, value=rows, rule=rule)
    return rows


def _betti(value: object, of: str) -> Value:
    rule = "three counts (components, loops, voids), whole numbers from 0; null leaves one open, but not all three"
    found = sequence(value, of, rule)
    whole = [n is None or (isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 0) for n in found]
    if len(found) != 3 or not all(whole) or all(n is None for n in found):
        raise InputError(of, value=found, rule=rule)
    return tuple(None if n is None else int(n) for n in found)
