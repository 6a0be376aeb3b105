"""Where the measures of a heart are, as lines and a surface that any program can draw.

A ring stands for an annulus or a section, with its plane's normal; a length for a long axis or a depth; the centre line
for a vessel, with a ring at each of its stations; and the wall's thickness is a number at each point of the cavity's
surface, from which it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ..walls import Thickness
from .definition import Definition, definitions_of
from .fields import FloatArray, TissueFields
from .kinds import Found
from .measure import Measured
from .planes import Outline
from .vessel import Vessel

Kind = Literal["ring", "normal", "length", "centre line"]
NORMAL_MM = 15.0  # length of a normal
NEAR = 1.5  # voxels: a point of the surface has the thickness of a measured point that is nearer


@dataclass(frozen=True)
class Line:
    """Points that are joined in their order; the last one of a ring is joined with the first.

    name: of the measure, for people. text: the name with its numbers and units; "" where another line says it. points:
    (n, 3) RAS mm. headline: the name with those of its numbers that tables on a screen show, "" without any.
    """

    name: str
    kind: Kind
    points: FloatArray
    text: str = ""
    headline: str = ""

    @property
    def closed(self) -> bool:
        """Whether it comes back to its first point."""
        return self.kind == "ring"


@dataclass(frozen=True)
class Wall:
    """The wall's thickness over the cavity's surface, without what lies next to a valve.

    name, text: as of a `Line`. points: (n, 3) RAS mm. triangles: (m, 3) indices of points, seen from outside against
    the clock. thickness: (n,) mm.
    """

    name: str
    points: FloatArray
    triangles: npt.NDArray[np.int64]
    thickness: FloatArray
    text: str = ""


@dataclass(frozen=True)
class Drawing:
    """All that can be drawn of one heart's measures. missing: measure -> why it was not found."""

    lines: tuple[Line, ...] = ()
    walls: tuple[Wall, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    def line(self, name: str, kind: Kind) -> Line:
        """The line of that name and kind. Raises KeyError."""
        for line in self.lines:
            if (line.name, line.kind) == (name, kind):
                return line
        raise KeyError(f"{name}, {kind}")


def drawing_of(measured: Measured, anatomy: Anatomy) -> Drawing:
    """Where the measures are that `measure` has found. Empty for measures that were read from a record."""
    found, lines, walls = measured.found, list[Line](), list[Wall]()
    if found is None:
        return Drawing(missing=measured.missing)
    for measure in definitions_of(anatomy):
        said = _Said(measure, measured)
        lines += _lines_of(found, measure, said)
        if measure.id in found.walls:
            walls.append(_wall(found.fields, measure, found.walls[measure.id], said))
    return Drawing(tuple(lines), tuple(walls), measured.missing)


class _Said:
    """What is written at the lines of one measure: its numbers, as tables have them."""

    def __init__(self, measure: Definition, measured: Measured) -> None:
        self._headlines = measure.headlines
        self._numbers = {key.name: f"{value:.{0 if key.unit == 'mm^2' else 1}f} {key.unit.replace('^2', '²')}"
                         for key, value in measured.values.items() if key.tissue == measure.id}

    def has(self, name: str) -> bool:
        """Whether the measure has that number."""
        return name in self._numbers

    def line(self, name: str, kind: Kind, points: FloatArray, *numbers: str) -> Line:
        """A line with its numbers."""
        shown = [number for number in numbers if number in self._headlines]
        return Line(name, kind, points, self.text(name, *numbers), self.text(name, *shown) if shown else "")

    def text(self, name: str, *numbers: str) -> str:
        """The name, and those of the numbers that there are."""
        there = [self._numbers[number] for number in numbers if number in self._numbers]
        return f"{name} {', '.join(there)}".rstrip()


def _lines_of(found: Found, measure: Definition, said: _Said) -> Iterator[Line]:
    """The lines of one measure, by what its kind has left."""
    id = measure.id
    if measure.kind == "opening" and id in found.outlines:
        ring = found.outlines[id]
        yield said.line(id, "ring", ring.points, "area", "area diameter")
        yield Line(id, "normal", np.stack([ring.centroid, ring.centroid + NORMAL_MM * ring.plane.normal]))
    if measure.kind == "section":
        for mm in measure.options["at_mm"]:
            if (name := f"{id} at {mm:g} mm") in found.outlines:
                points = found.outlines[name].points
                yield said.line(name, "ring", points, f"area at {mm:g} mm", f"area diameter at {mm:g} mm")
    if id in found.vessels:
        yield from _vessel(found.vessels[id], measure, said)
    if measure.kind == "axis" and id in found.axes:
        yield said.line(f"{id} length", "length", np.stack([found.axes[id].base, found.axes[id].apex]), "length")
    for name, ends in found.chords.items():
        if name.startswith(f"{id} ") and said.has(number := name.removeprefix(f"{id} ")):
            yield said.line(name, "length", np.stack(ends), number)
    if (halfway := f"{id} halfway") in found.outlines:
        yield said.line(f"{id} width", "ring", found.outlines[halfway].points, "width")


def _vessel(vessel: Vessel, measure: Definition, said: _Said) -> Iterator[Line]:
    """The centre line, and the section of each station whose diameter is the station's."""
    if len(vessel.sections) > 1:
        yield Line(measure.id, "centre line", vessel.centers)
    for station in measure.options["stations"]:
        if said.has(station["name"]):
            ring = _section_of(vessel, station["from_mm"], station["to_mm"], station["take"])
            yield said.line(f"{measure.id} {station['name']}", "ring", ring.points, station["name"])


def _section_of(vessel: Vessel, start: float, end: float, take: str) -> Outline:
    """The section between two distances that has the greatest diameter, or the one nearest to their median."""
    there = [ring for ring, at in zip(vessel.sections, vessel.along, strict=True) if start <= at <= end]
    sizes = vessel.diameters(start, end)
    wanted = sizes.max() if take == "greatest" else np.median(sizes)
    return there[int(np.argmin(np.abs(sizes - wanted)))]


def _wall(fields: TissueFields, measure: Definition, whole: Thickness, said: _Said) -> Wall:
    """The cavity's surface where the wall was measured."""
    from scipy.spatial import cKDTree

    text = said.text(f"{measure.id}, median", "median thickness")
    points, triangles = fields.surface(measure.options["cavity"])
    if not len(points) or not len(whole.points):
        return Wall(measure.id, np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64), np.zeros(0), text)
    away, nearest = cKDTree(whole.points).query(points)
    measured = away < NEAR * fields.spacing.max()
    used, renumbered = np.unique(triangles[measured[triangles].all(axis=1)], return_inverse=True)
    return Wall(measure.id, points[used], renumbered.reshape(-1, 3), whole.thickness[nearest[used]], text)
