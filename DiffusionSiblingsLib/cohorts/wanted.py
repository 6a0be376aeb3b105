"""Written targets of a cohort: "RV>115", "100<RV<150", "RV>p90", "aortic annulus diameter>26".

A small grammar of its own, nothing is evaluated:

    wanted   = clause { ("and" | "," | ";" | "&") clause }
    clause   = measure op number | number op measure | number op measure op number
    op       = ">" | ">=" | "<" | "<="
    number   = decimal [unit] | "p" decimal                 p90: the 90th percentile of a reference cohort
    measure  = tissue ["volume"] | tissue "major axis" | tissue "minor axis" | measure by name
             | control domain ["volume|area|length"]

A tissue is named by its id or any name that the anatomy knows ("right ventricle"). Volumes are ml, axes mm; a domain's
unit is that of its dimension. Measures by name ("aortic annulus diameter") find their own place in each heart; a heart
without one does not meet a target that names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..control.control import Control
from ..control.domain import ControlDomain
from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.tissue_names import name_key
from ..metrics.measurement import MAJOR_AXIS, MINOR_AXIS, SHARE, VOLUME, MeasurementKey, tissue_key
from ..metrics.measures.definition import ratios_of
from ..metrics.measures.names import find_named
from ..metrics.measures.probes import steerable

_WHAT = "The target cannot be read"
_HINT = 'for example "RV>115", "LV volume<90 and LA>60", "100<RV<150" or "RV>p90"'
_AND = re.compile(r"\s+and\s+|\s*[,;&]\s*", re.IGNORECASE)
_OP = re.compile(r"(<=|>=|=<|=>|≤|≥|<|>)")
_NUMBER = re.compile(r"(?P<p>[pP]\s*)?(?P<value>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)\s*(?P<unit>%|[^\s\d].*)?")
_SAME_OP = {"≤": "<=", "≥": ">=", "=<": "<=", "=>": ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_AMOUNTS = {3: "volume", 2: "area", 1: "length"}


@dataclass(frozen=True)
class Measure:
    """What a clause is about. key: of the measurement. in_domain: whether `key.tissue` is a control domain, in which it
    is then measured, and not a tissue of the anatomy. by_name: whether it is a measure by name, which some hearts lack.
    steered: whether guidance can lead siblings to a value of it.
    """

    key: MeasurementKey
    in_domain: bool = False
    by_name: bool = False
    steered: bool = True

    @property
    def label(self) -> str:
        """For people, without the unit: "RV volume"."""
        return self.key.label

    @property
    def unit(self) -> str:
        """"ml", "mm^2", "mm" or "deg"; "" for a ratio."""
        return "" if self.key.unit == SHARE else self.key.unit

    @property
    def tissue(self) -> str | None:
        """The tissue of a volume or an axis, None for a control domain and a measure by name."""
        return None if self.in_domain or self.by_name else self.key.tissue

    @property
    def domain(self) -> str | None:
        """The control domain where it is measured, None for a tissue."""
        return self.key.tissue if self.in_domain else None

    @property
    def is_volume(self) -> bool:
        """Whether it is the volume of a whole tissue."""
        return self.key.is_volume and self.tissue is not None


@dataclass(frozen=True)
class Clause:
    """One condition. op: "<", "<=", ">" or ">=". value: in the measure's unit, or a percentile (0..100) of a reference
    cohort, which `Wanted.resolved` turns into a value.
    """

    measure: Measure
    op: str
    value: float
    percentile: bool = False

    @property
    def above(self) -> bool:
        """Whether larger values meet it."""
        return self.op.startswith(">")

    def met_by(self, value: float) -> bool:
        """Whether a value meets the condition. Raises InputError for a percentile that was not resolved."""
        if self.percentile:
            raise InputError("The percentile of the target has no value yet", value=self.words(),
                             rule="a percentile gets its value from a reference cohort")
        compare: dict[str, Callable[[float], bool]] = {
            ">": lambda v: v > self.value, ">=": lambda v: v >= self.value,
            "<": lambda v: v < self.value, "<=": lambda v: v <= self.value}
        return compare[self.op](value)

    def words(self) -> str:
        """The condition as a person writes it: "RV volume > 115 ml"."""
        number = f"p{self.value:g}" if self.percentile else f"{self.value:g} {self.measure.unit}".rstrip()
        return f"{self.measure.label} {self.op} {number}"


@dataclass(frozen=True)
class Wanted:
    """All conditions of a target; a wanted heart meets every one of them."""

    clauses: tuple[Clause, ...]

    def __str__(self) -> str:
        return " and ".join(clause.words() for clause in self.clauses)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measurements that the target needs, each once."""
        return tuple(dict.fromkeys(clause.measure for clause in self.clauses))

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the control domains in which it measures."""
        return tuple(measure.domain for measure in self.measures if measure.domain is not None)

    @property
    def by_name(self) -> bool:
        """Whether it needs measures by name."""
        return any(measure.by_name for measure in self.measures)

    @property
    def steered(self) -> Wanted:
        """The conditions that guidance can lead siblings to; the others, such as eccentricities, only sort them."""
        return Wanted(tuple(clause for clause in self.clauses if clause.measure.steered))

    @property
    def axis_pairs(self) -> tuple[tuple[Measure, Measure], ...]:
        """The minor and the major axis of every chamber for which the target names both."""
        of_tissues = {(measure.tissue, measure.key.name): measure for measure in self.measures if measure.tissue}
        return tuple((minor, major) for (tissue, name), minor in of_tissues.items()
                     if name == MINOR_AXIS and (major := of_tissues.get((tissue, MAJOR_AXIS))) is not None)

    def met_by(self, measured: Mapping[MeasurementKey, float]) -> bool:
        """Whether a heart is wanted. InputError where `measured` lacks a measurement that the target names."""
        return all(clause.met_by(_of(measured, clause.measure)) for clause in self.clauses)

    def missed(self, measured: Mapping[MeasurementKey, float]) -> tuple[str, ...]:
        """The conditions that a heart does not meet, with what it has: "RV volume 98.2, wanted > 115 ml"."""
        values = ((clause, _of(measured, clause.measure)) for clause in self.clauses)
        return tuple(f"{clause.measure.label} {'not found' if math.isnan(value) else f'{value:.4g}'}, wanted "
                     f"{clause.words().removeprefix(clause.measure.label).strip()}"
                     for clause, value in values if not clause.met_by(value))

    def bounds(self, measure: Measure) -> tuple[float, float]:
        """Lowest and highest value of a measure that meets all conditions; -inf or inf where it has no bound."""
        of = [clause for clause in self.clauses if clause.measure == measure]
        low = max((clause.value for clause in of if clause.above), default=float("-inf"))
        high = min((clause.value for clause in of if not clause.above), default=float("inf"))
        return low, high

    def resolved(self, columns: Mapping[MeasurementKey, npt.ArrayLike]) -> Wanted:
        """The same with every percentile as a number. columns: measurement -> values of a reference cohort.

        Raises InputError where the cohort has not measured it, and where no heart can meet all conditions.
        """
        found = []
        for clause in self.clauses:
            if clause.percentile:
                values = np.asarray(columns.get(clause.measure.key, ()), dtype=np.float64)
                values = values[np.isfinite(values)]
                if not len(values):
                    raise InputError("The percentile cannot be computed", value=clause.words(),
                                     rule="a measurement of the reference cohort",
                                     hint=f"write a number{f' of {unit}' if (unit := clause.measure.unit) else ''} "
                                     "instead")
                value = float(np.percentile(values, clause.value))
                clause = replace(clause, value=float(f"{value:.5g}"), percentile=False)
            found.append(clause)
        return _possible(Wanted(tuple(found)))


def parse_wanted(text: str, anatomy: Anatomy, control: Control | None = None) -> Wanted:
    """Reads a written target. control: its domains can be named as well. Raises InputError saying what is wrong."""
    parts = [part for part in _AND.split(text.strip()) if part.strip()]
    if not parts:
        raise InputError(_WHAT, value=repr(text), rule="at least one condition", hint=_HINT)
    clauses = tuple(clause for part in parts for clause in _clauses(part.strip(), anatomy, control))
    wanted = Wanted(clauses)
    return wanted if any(clause.percentile for clause in clauses) else _possible(wanted)


def _clauses(text: str, anatomy: Anatomy, control: Control | None) -> list[Clause]:
    """The one or two conditions of "RV>115", "115<RV" or "100<RV<150"."""
    pieces = [piece.strip() for piece in _OP.split(text)]
    if len(pieces) not in (3, 5) or not all(pieces):
        raise InputError(_WHAT, value=repr(text), rule="a measurement, one of > >= < <=, and a number", hint=_HINT)
    operators = [_SAME_OP.get(op, op) for op in pieces[1::2]]
    if len(pieces) == 5:
        if operators[0][0] != operators[1][0]:
            raise InputError(_WHAT, value=repr(text), rule="a range has one direction, as in 100<RV<150")
        measure = find_measure(pieces[2], anatomy, control)
        return [_clause(measure, _TURNED[operators[0]], pieces[0], text),
                _clause(measure, operators[1], pieces[4], text)]
    if _NUMBER.fullmatch(pieces[0]) and not _NUMBER.fullmatch(pieces[2]):
        return [_clause(find_measure(pieces[2], anatomy, control), _TURNED[operators[0]], pieces[0], text)]
    return [_clause(find_measure(pieces[0], anatomy, control), operators[0], pieces[2], text)]


def _clause(measure: Measure, op: str, number: str, text: str) -> Clause:
    found = _NUMBER.fullmatch(number)
    if found is None:
        raise InputError(_WHAT, value=repr(text), rule=f'"{number}" should be a number', hint=_HINT)
    value, unit = float(found["value"]), (found["unit"] or "").strip()
    if found["p"]:
        if unit not in ("", "%") or not 0 <= value <= 100:
            raise InputError(_WHAT, value=repr(text), rule="a percentile from p0 to p100", hint=_HINT)
        return Clause(measure, op, value, percentile=True)
    if unit and unit.replace("²", "^2").replace("mm2", "mm^2").replace("°", "deg").lower() != measure.unit:
        raise InputError(_WHAT, value=repr(text), rule=f"{measure.label} "
                         + (f"is measured in {measure.unit}" if measure.unit else "has no unit"),
                         hint="leave out the unit" + (f", or write {measure.unit}" if measure.unit else ""))
    if not value >= 0:
        raise InputError(_WHAT, value=repr(text), rule="a number from 0 on")
    return Clause(measure, op, value)


def find_measure(text: str, anatomy: Anatomy, control: Control | None = None) -> Measure:
    """The measurement that a text names: a control's domain, a tissue's axis, a measure by name, or a tissue's volume,
    in this order. Raises InputError.
    """
    words = " ".join(re.sub(r"\[.*?\]|_", " ", text).split())
    if (domain := _domain(words, control)) is not None:
        return Measure(MeasurementKey(_AMOUNTS[domain.dimension], domain.name, domain.unit), in_domain=True)
    lower = words.lower()
    for axis in (MAJOR_AXIS, MINOR_AXIS):
        if lower.endswith((axis, axis.removesuffix(" axis"))):
            tissue = _tissue(lower.removesuffix(" axis").rsplit(" ", 1)[0], anatomy)
            if tissue in anatomy.chambers:
                return Measure(tissue_key(tissue, axis))
            raise InputError(_WHAT, value=text, rule=f"axes are measured only for {', '.join(anatomy.chambers)}")
    if (named := find_named(words, anatomy)) is not None:
        return Measure(named, by_name=True, steered=steerable(named, anatomy) or named in ratios_of(anatomy))
    tissue = _tissue(lower.removesuffix(VOLUME).strip(), anatomy)
    if tissue is not None:
        return Measure(tissue_key(tissue))
    domains = ", ".join(domain.name for domain in control.domains) if control else ""
    raise InputError("The target names no known measurement", value=text,
                     rule=f"a tissue ({', '.join(anatomy.ids)}), with volume, major axis or minor axis; a measure "
                     "(aortic annulus area; docs/measures.md lists them)"
                     + (f"; or a domain of the control ({domains})" if domains else ""),
                     hint="to measure in other places, give a control: --control FILE or --preset NAME")


def _domain(words: str, control: Control | None) -> ControlDomain | None:
    """The control's domain that the words name, with or without the name of its amount."""
    for domain in control.domains if control is not None else ():
        kind = _AMOUNTS[domain.dimension]
        if words.lower() in (domain.name.lower(), f"{domain.name} {kind}".lower(), f"{domain.name} mass".lower()):
            return domain
    return None


def _tissue(name: str, anatomy: Anatomy) -> str | None:
    """The tissue by its id (any case) or by a name."""
    ids = {tissue.lower(): tissue for tissue in anatomy.ids}
    return ids.get(name.lower()) or (anatomy.identify(name) if name_key(name) else None)


def _of(measured: Mapping[MeasurementKey, float], measure: Measure) -> float:
    """The value of a measure; nan for one by name that the heart lacks, which meets no condition."""
    if measure.key not in measured:
        if measure.by_name:
            return math.nan
        raise InputError("The target names a measurement that the heart does not have", value=measure.label,
                         rule=f"one of {', '.join(key.label for key in measured)}")
    return measured[measure.key]


def _possible(wanted: Wanted) -> Wanted:
    """The target, unless no heart can meet it: every tissue has some volume, and a minor axis is not the major one."""
    for measure in wanted.measures:
        low, high = wanted.bounds(measure)
        strict = any(clause.op in "<>" for clause in wanted.clauses
                     if clause.measure == measure and clause.value in (low, high))
        if low > high or (low == high and strict) or (high == 0 and (strict or not measure.in_domain)):
            raise InputError("No heart can meet the target", value=str(wanted),
                             rule=f"{measure.label} above {max(low, 0.0):g} and below {high:g}")
    for minor, major in wanted.axis_pairs:
        if wanted.bounds(minor)[0] >= wanted.bounds(major)[1]:
            raise InputError("No heart can meet the target", value=str(wanted),
                             rule=f"the {minor.label} is shorter than the {major.label}")
    return wanted
