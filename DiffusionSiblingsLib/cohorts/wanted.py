"""Written targets of a cohort: "RV>115", "LV volume<90 and LA>=60", "100<RV<150", "RV>p90", "aortic root area>450".

A small grammar of its own, nothing is evaluated:

    wanted   = clause { ("and" | "," | ";" | "&") clause }
    clause   = measure op number | number op measure | number op measure op number
    op       = ">" | ">=" | "<" | "<="
    number   = decimal [unit] | "p" decimal                 p90: the 90th percentile of a reference cohort
    measure  = tissue ["volume"] | tissue "major axis" | tissue "minor axis" | control domain ["volume|area|length"]

A tissue is named by its id or any name that the anatomy knows ("right ventricle"). Volumes are ml, axes mm; a domain's
unit is that of its dimension.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..control.control import Control
from ..control.domain import ControlDomain
from ..core.anatomy import Anatomy, name_key
from ..core.errors import InputError

_WHAT = "The target cannot be read"
_HINT = 'for example "RV>115", "LV volume<90 and LA>60", "100<RV<150" or "RV>p90"'
_AND = re.compile(r"\s+and\s+|\s*[,;&]\s*", re.IGNORECASE)
_OP = re.compile(r"(<=|>=|=<|=>|≤|≥|<|>)")
_NUMBER = re.compile(r"(?P<p>[pP]\s*)?(?P<value>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)\s*(?P<unit>%|[^\s\d].*)?")
_SAME_OP = {"≤": "<=", "≥": ">=", "=<": "<=", "=>": ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_AXES = {"major axis": "major axis [mm]", "minor axis": "minor axis [mm]"}
_MASSES = {3: "volume", 2: "area", 1: "length"}


@dataclass(frozen=True)
class Measure:
    """What a clause is about. label: "RV volume". column: its name in tables, "RV volume [ml]". unit: "ml", "mm" ...
    tissue: of a volume or an axis. domain: of a control, where it is measured in one.
    """

    label: str
    column: str
    unit: str
    tissue: str | None = None
    domain: str | None = None

    @property
    def is_volume(self) -> bool:
        """Whether it is the volume of a whole tissue."""
        return self.tissue is not None and self.unit == "ml"


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
            raise InputError("A percentile has no value yet", value=self.words(), rule="a reference cohort gives it")
        compare: dict[str, Callable[[float], bool]] = {
            ">": lambda v: v > self.value, ">=": lambda v: v >= self.value,
            "<": lambda v: v < self.value, "<=": lambda v: v <= self.value}
        return compare[self.op](value)

    def words(self) -> str:
        """The condition as a person writes it: "RV volume > 115 ml"."""
        number = f"p{self.value:g}" if self.percentile else f"{self.value:g} {self.measure.unit}"
        return f"{self.measure.label} {self.op} {number}"


@dataclass(frozen=True)
class Wanted:
    """All conditions of a target; a heart that is wanted meets every one."""

    clauses: tuple[Clause, ...]

    def __str__(self) -> str:
        return " and ".join(clause.words() for clause in self.clauses)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What has to be measured, each once."""
        return tuple(dict.fromkeys(clause.measure for clause in self.clauses))

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the control domains that have to be measured."""
        return tuple(measure.domain for measure in self.measures if measure.domain is not None)

    @property
    def axis_pairs(self) -> tuple[tuple[Measure, Measure], ...]:
        """The minor and the major axis of every chamber of which both are asked for."""
        lengths = {measure.label: measure for measure in self.measures if measure.unit == "mm" and measure.tissue}
        return tuple((measure, lengths[major]) for label, measure in lengths.items()
                     if "minor axis" in label and (major := label.replace("minor axis", "major axis")) in lengths)

    def met_by(self, measured: Mapping[str, float]) -> bool:
        """Whether a heart is wanted. measured: column ("RV volume [ml]") -> value; InputError where one is missing."""
        return all(clause.met_by(_of(measured, clause.measure)) for clause in self.clauses)

    def missed(self, measured: Mapping[str, float]) -> tuple[str, ...]:
        """The conditions that a heart does not meet, with what it has: "RV volume 98.2, wanted > 115 ml"."""
        return tuple(f"{clause.measure.label} {_of(measured, clause.measure):.4g}, wanted {clause.op} "
                     f"{clause.value:g} {clause.measure.unit}"
                     for clause in self.clauses if not clause.met_by(_of(measured, clause.measure)))

    def bounds(self, measure: Measure) -> tuple[float, float]:
        """Lowest and highest value of a measure that meets all conditions; -inf or inf where there is none."""
        of = [clause for clause in self.clauses if clause.measure == measure]
        low = max((clause.value for clause in of if clause.above), default=float("-inf"))
        high = min((clause.value for clause in of if not clause.above), default=float("inf"))
        return low, high

    def resolved(self, columns: Mapping[str, Sequence[float]]) -> Wanted:
        """The same with every percentile as a number. columns: column -> values of a reference cohort.

        Raises InputError where the cohort has not measured it, and where no heart can meet all conditions.
        """
        import numpy as np

        found = []
        for clause in self.clauses:
            if clause.percentile:
                if clause.measure.column not in columns or not len(columns[clause.measure.column]):
                    raise InputError("There is no percentile of this measurement", value=clause.words(),
                                     rule="the reference cohort has measured it",
                                     hint=f"write a number of {clause.measure.unit} instead")
                value = float(np.percentile(np.asarray(columns[clause.measure.column], dtype=np.float64), clause.value))
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
            raise InputError(_WHAT, value=repr(text), rule="a range is written in one direction, as 100<RV<150")
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
            raise InputError(_WHAT, value=repr(text), rule="a percentile is p0 to p100", hint=_HINT)
        return Clause(measure, op, value, percentile=True)
    if unit and unit.replace("²", "^2").replace("mm2", "mm^2").lower() != measure.unit:
        raise InputError(_WHAT, value=repr(text), rule=f"{measure.label} is measured in {measure.unit}",
                         hint=f"leave the unit away, or write {measure.unit}")
    if not value >= 0:
        raise InputError(_WHAT, value=repr(text), rule="measurements are not below 0")
    return Clause(measure, op, value)


def find_measure(text: str, anatomy: Anatomy, control: Control | None = None) -> Measure:
    """The measurement that a text names; a control's domain before a tissue. Raises InputError."""
    words = " ".join(re.sub(r"\[.*?\]|_", " ", text).split())
    if (domain := _domain(words, control)) is not None:
        kind = _MASSES[domain.dimension]
        return Measure(f"{domain.name} {kind}", f"{domain.name} {kind} [{domain.unit}]", domain.unit, None, domain.name)
    lower = words.lower()
    for ending, column in _AXES.items():
        if lower.endswith((ending, ending.removesuffix(" axis"))):
            tissue = _tissue(lower.removesuffix(" axis").rsplit(" ", 1)[0], anatomy)
            if tissue in anatomy.chambers:
                return Measure(f"{tissue} {ending}", f"{tissue} {column}", "mm", tissue)
            raise InputError(_WHAT, value=text, rule=f"axes are measured of {', '.join(anatomy.chambers)}")
    tissue = _tissue(lower.removesuffix("volume").strip(), anatomy)
    if tissue is not None:
        return Measure(f"{tissue} volume", f"{tissue} volume [ml]", "ml", tissue)
    domains = ", ".join(domain.name for domain in control.domains) if control else ""
    raise InputError("The target names nothing that is measured", value=text,
                     rule=f"a tissue ({', '.join(anatomy.ids)}), with volume, major axis or minor axis"
                     + (f", or a domain of the control ({domains})" if domains else ""),
                     hint="other places are measured with a control: --control FILE or --preset NAME")


def _domain(words: str, control: Control | None) -> ControlDomain | None:
    """The control's domain that the words name, with or without what its mass is called."""
    for domain in control.domains if control is not None else ():
        kind = _MASSES[domain.dimension]
        if words.lower() in (domain.name.lower(), f"{domain.name} {kind}".lower(), f"{domain.name} mass".lower()):
            return domain
    return None


def _tissue(name: str, anatomy: Anatomy) -> str | None:
    """The tissue by its id (any case) or by a name."""
    ids = {tissue.lower(): tissue for tissue in anatomy.ids}
    return ids.get(name.lower()) or (anatomy.identify(name) if name_key(name) else None)


def _of(measured: Mapping[str, float], measure: Measure) -> float:
    if measure.column not in measured:
        raise InputError("A heart was not measured as the target needs it", value=measure.label,
                         rule=f"measured are {', '.join(measured)}")
    return measured[measure.column]


def _possible(wanted: Wanted) -> Wanted:
    """The target, unless no heart can meet it: every tissue has some volume, and a minor axis is not the major one."""
    for measure in wanted.measures:
        low, high = wanted.bounds(measure)
        strict = any(clause.op in "<>" for clause in wanted.clauses
                     if clause.measure == measure and clause.value in (low, high))
        if low > high or (low == high and strict) or (high == 0 and (strict or measure.tissue is not None)):
            raise InputError("No heart can meet the target", value=str(wanted),
                             rule=f"{measure.label} above {max(low, 0.0):g} and below {high:g}")
    for minor, major in wanted.axis_pairs:
        if wanted.bounds(minor)[0] >= wanted.bounds(major)[1]:
            raise InputError("No heart can meet the target", value=str(wanted),
                             rule=f"the {minor.label} is shorter than the {major.label}")
    return wanted
