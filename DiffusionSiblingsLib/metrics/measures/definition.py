"""Measures as an anatomy file defines them: a kind in code, and the tissues and distances that it is applied to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ..measurement import SHARE, VOLUME_RATIO, MeasurementKey

AREA, LENGTH, ANGLE = "mm^2", "mm", "deg"
OfKind = TypeVar("OfKind")


@dataclass(frozen=True)
class Definition:
    """One entry of an anatomy's measures. id: what has the measure ("mitral annulus"). kind: one of `kinds.KINDS`.
    options: the rest of the entry. headlines: name -> unit of the numbers that tables on a screen show. synonyms: what
    else people call a number ("wall thickness") -> its name.
    """

    id: str
    kind: str
    options: Mapping[str, Any]
    headlines: Mapping[str, str] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Ids of the measures whose places it needs."""
        named = [self.options.get("opening"), self.options.get("axis")]
        return tuple(id for id in [*named, *(self.options["between"] if self.kind == "angle" else ())] if id)

    def key(self, name: str, unit: str) -> MeasurementKey:
        """The key of one of its numbers."""
        return MeasurementKey(name, self.id, unit)


def definitions_of(anatomy: Anatomy) -> tuple[Definition, ...]:
    """The measures of an anatomy in the order in which they build on each other.

    Raises InputError for an entry without an id or a kind.
    """
    found = []
    for entry in anatomy.measures:
        if not isinstance(entry.get("id"), str) or not isinstance(entry.get("kind"), str):
            raise InputError(f"A measure of the {anatomy.id} anatomy is not sound", value=dict(entry),
                             rule='an "id" and a "kind"')
        own = ("id", "kind", "headlines", "synonyms")
        options = {name: value for name, value in entry.items() if name not in own}
        found.append(Definition(entry["id"], entry["kind"], options, dict(entry.get("headlines", {})),
                                dict(entry.get("synonyms", {}))))
    return tuple(found)


def ratios_of(anatomy: Anatomy) -> dict[MeasurementKey, tuple[str, str]]:
    """The ratios of volumes among the measures of an anatomy: key -> the tissue above and the tissue below the line."""
    return {measure.key(VOLUME_RATIO, SHARE): (str(measure.options["of"]), str(measure.options["over"]))
            for measure in definitions_of(anatomy) if measure.kind == "ratio"}


def kind_of(measure: Definition, kinds: Mapping[str, OfKind]) -> OfKind:
    """What stands for the kind of a measure. kinds: by name. Raises InputError for an unknown kind."""
    if measure.kind not in kinds:
        raise InputError(f"The measure {measure.id} is of an unknown kind", value=measure.kind,
                         rule=f"one of {', '.join(kinds)}")
    return kinds[measure.kind]
