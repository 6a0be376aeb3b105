"""A control: domains, terms and their frame. Becomes absolute targets once the twin is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..core.anatomy import Anatomy
from ..core.errors import InputError, reason_of
from ..core.files import reachable, write_json
from ..core.json_files import read_json
from ..metrics.measurement import MeasurementKey
from .absolute_targets import Asked, resolved
from .checks import fields, rigid, sequence
from .domain import ControlDomain
from .limits import check_possible
from .measure import Measurement
from .measure_terms import AskedMeasure, MeasureTerm, measure_ids, require_steerable, resolved_measures
from .terms import Term, free_name, with_ids

SCHEMA = "siblings-control/1"
Frame = Literal["world", "canonical"]
FRAMES = ("world", "canonical")


@dataclass(frozen=True)
class Control:
    """Domains and what is asked of them.

    frame: of all coordinates, "world" (RAS mm of the twin) or "canonical" (mm of the model's frame, 0 at its centre,
    x y z order). measures: targets for measures by name, which find their own place. Terms without an id get one.
    Raises InputError for two domains of one name, two terms of one id, a term on no domain, and targets that no tissue
    in the domain can have.
    """

    domains: tuple[ControlDomain, ...] = ()
    terms: tuple[Term, ...] = ()
    frame: Frame = "world"
    name: str = ""
    measures: tuple[MeasureTerm, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", tuple(self.domains))
        object.__setattr__(self, "terms", with_ids(tuple(self.terms)))
        object.__setattr__(self, "measures", measure_ids(self.measures, {term.id for term in self.terms}))
        if self.frame not in FRAMES:
            raise InputError("The control's frame cannot be used", value=repr(self.frame),
                             rule=f"one of {', '.join(FRAMES)}")
        names = [domain.name for domain in self.domains]
        if not names and not self.measures:
            raise InputError("The control has no domain", rule="at least one control domain, or a target for a measure")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError("Two control domains have one name", value=", ".join(twice), rule="every name once")
        for term in self.terms:
            check_possible(term, self.domain(term.domain))

    @property
    def tissues(self) -> tuple[str, ...]:
        """Ids of all tissues that a domain measures, each once, in order."""
        return tuple(dict.fromkeys(tissue for domain in self.domains for tissue in domain.tissues))

    @property
    def active(self) -> tuple[Term, ...]:
        """The terms that are on."""
        return tuple(term for term in self.terms if term.on)

    @property
    def active_measures(self) -> tuple[MeasureTerm, ...]:
        """The targets for measures that are on."""
        return tuple(term for term in self.measures if term.on)

    def domain(self, name: str) -> ControlDomain:
        """The domain of that name. Raises InputError for an unknown name."""
        for domain in self.domains:
            if domain.name == name:
                return domain
        known = ", ".join(domain.name for domain in self.domains)
        raise InputError("The control has no such domain", value=name, rule=f"its domains are {known}")

    def term(self, id: str) -> Term:
        """The term of that id. Raises InputError for an unknown id."""
        for term in self.terms:
            if term.id == id:
                return term
        raise InputError("The control has no such term", value=id,
                         rule=f"the ids of its terms are {', '.join(term.id for term in self.terms) or 'none'}")

    def require(self, anatomy: Anatomy) -> None:
        """InputError unless the anatomy has every tissue that is measured, and every measure that has a target."""
        for tissue in self.tissues:
            anatomy.tissue(tissue)
        require_steerable(self.measures, anatomy)

    def moved(self, matrix: object, frame: Frame) -> Control:
        """The control in another frame: domains, and the targets that have a place or a direction.

        matrix: (4, 4) rigid, mm of this frame -> mm of the other.
        """
        motion = rigid(matrix)
        domains = tuple(domain.moved(motion) for domain in self.domains)
        return Control(domains, tuple(term.moved(motion) for term in self.terms), frame, self.name, self.measures)

    def merged(self, other: Control) -> Control:
        """Both controls in one. A domain that both have is kept once; other names and ids in use get a number."""
        if other.frame != self.frame:
            raise InputError("Two controls of different frames cannot be merged",
                             value=f"{self.frame} and {other.frame}", rule="one frame", hint="move one of them first")
        domains, renamed = list(self.domains), {}
        for domain in other.domains:
            same = next((known for known in domains if known.same_place(domain)), None)
            if same is None:
                same = replace(domain, name=free_name(domain.name, [known.name for known in domains]))
                domains.append(same)
            renamed[domain.name] = same.name
        terms, ids = [*self.terms], {term.id for term in self.terms}
        for term in other.terms:
            moved = replace(term, domain=renamed[term.domain], id="" if term.id in ids else term.id)
            if not any(replace(known, id="") == replace(moved, id="") for known in terms):
                terms.append(moved)
        name = " + ".join(part for part in (self.name, other.name) if part)
        added = [term for term in other.measures if term not in self.measures]
        return Control(tuple(domains), tuple(terms), self.frame, name, (*self.measures, *added))

    def resolve(self, measured: Mapping[str, Measurement]) -> tuple[Asked, ...]:
        """Absolute targets of the terms that are on. measured: domain name -> what the twin has there.

        Raises InputError where a relative target has nothing to refer to, where a target is beyond what the domain can
        hold, and where two terms ask for different values of the same thing.
        """
        return resolved(self.active, {domain.name: domain for domain in self.domains}, measured)

    def resolve_measures(self, measured: Mapping[MeasurementKey, float]) -> tuple[AskedMeasure, ...]:
        """Absolute targets of the measures that are on. measured: what the twin has. Raises InputError as `resolve`."""
        return resolved_measures(self.active_measures, measured)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in reading order."""
        measures = {"measures": [term.to_json() for term in self.measures]} if self.measures else {}
        return {"schema": SCHEMA, "name": self.name, "frame": self.frame,
                "domains": [domain.to_json() for domain in self.domains],
                "terms": [term.to_json() for term in self.terms], **measures}

    @classmethod
    def from_json(cls, values: object) -> Control:
        """The control that `to_json` wrote; InputError for another version and for anything that cannot be used."""
        what = "The control cannot be read"
        if not isinstance(values, Mapping) or values.get("schema") != SCHEMA:
            found = values.get("schema", "none") if isinstance(values, Mapping) else type(values).__name__
            raise InputError(what, value=f"schema {found}", rule=f"a JSON object of schema {SCHEMA}",
                             hint="write a control with `siblings measure TWIN --preset NAME --write FILE` and edit it")
        found = fields(values, what, ("schema", "domains"), ("terms", "frame", "name", "measures"))
        if not isinstance(found.get("name", ""), str):
            raise InputError(what, value=found["name"], rule="the name is text")
        domains = sequence(found["domains"], what, "a list of domains")
        terms = sequence(found.get("terms", []), what, "a list of terms")
        measures = sequence(found.get("measures", []), what, "a list of targets for measures")
        return cls(tuple(ControlDomain.from_json(entry) for entry in domains),
                   tuple(Term.from_json(entry) for entry in terms), found.get("frame", "world"), found.get("name", ""),
                   tuple(MeasureTerm.from_json(entry) for entry in measures))


def read_control(path: Path | str, anatomy: Anatomy | None = None) -> Control:
    """Reads a control from a JSON file; with an anatomy its tissues are checked too. Raises InputError."""
    reachable(path)
    try:
        values = read_json(Path(path))
    except (OSError, ValueError) as error:
        raise InputError("The control file cannot be read", value=f"{path}: {reason_of(error)}",
                         rule=f"a JSON file of schema {SCHEMA}") from error
    try:
        control = Control.from_json(values)
        if anatomy is not None:
            control.require(anatomy)
    except InputError as error:
        raise InputError(f"{path}: {error.what}", value=error.value, rule=error.rule, hint=error.hint) from error
    return control


def write_control(path: Path | str, control: Control) -> None:
    """Writes a control as UTF-8 JSON, whole or not at all."""
    write_json(Path(path), control.to_json())
