"""The kinds of measures. Each finds its place in a heart and gives numbers there, or says why it cannot.

A kind is a function (Found, Definition) -> list of Number; it leaves what others build on (outlines, axes) in Found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ..measurement import SHARE, VOLUME_RATIO, MeasurementKey
from ..walls import Thickness, wall_thickness
from .definition import ANGLE, AREA, LENGTH, Definition
from .extent import ends_across, tip, way_out, widths
from .fields import FloatArray, TissueFields
from .opening import opening
from .planes import Outline, Plane, section_at
from .segments import NAMES, SEPTAL, segments_of
from .vessel import Vessel, follow

MOST_LVOT = 2.0  # times the annulus: a section below it that is larger has run into the rest of the ventricle
LEAST_WALL = 0.02  # share of the wall's area that is thinner than its "least thickness"
LEAST_SEGMENT_MM2 = 30.0  # of wall: a segment of which less is seen has no thickness
RV_BASE = (0.05, 1 / 3)  # of the right ventricle's length: where its basal diameter is looked for
ABSENT = "was not found"  # ends the reason of a measure that builds on another one
WIDEST_MM = 90.0  # from the middle of a plane through a chamber


class NotFound(Exception):  # noqa: N818 - not an error: some hearts have no such place
    """A measure has no place in this label map. The message says why, for people."""


class Number(NamedTuple):
    """value: in the key's unit."""

    key: MeasurementKey
    value: float


@dataclass(frozen=True)
class Axis:
    """A chamber's long axis. base, apex: (3,) RAS mm."""

    base: FloatArray
    apex: FloatArray

    @property
    def length(self) -> float:
        """mm."""
        return float(np.linalg.norm(self.apex - self.base))

    @property
    def direction(self) -> FloatArray:
        """(3,) unit vector from apex to base."""
        return np.asarray((self.base - self.apex) / self.length)


@dataclass
class Found:
    """A heart's fields, the volumes of its tissues in ml, and what has been found in it so far, by the measure's id."""

    fields: TissueFields
    volumes: Mapping[str, float]
    outlines: dict[str, Outline] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    vessels: dict[str, Vessel] = field(default_factory=dict)
    walls: dict[str, Thickness] = field(default_factory=dict)
    chords: dict[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)

    def outline(self, id: str) -> Outline:
        """The outline of an opening; NotFound where the heart does not have it."""
        if id not in self.outlines:
            raise NotFound(f"the {id} {ABSENT}")
        return self.outlines[id]

    def axis(self, id: str) -> Axis:
        """The long axis of a chamber; NotFound where the heart does not have it."""
        if id not in self.axes:
            raise NotFound(f"the long axis of {id} {ABSENT}")
        return self.axes[id]


def of_opening(found: Found, measure: Definition) -> list[Number]:
    """The ring between two tissues. options: between: two tissues; least_mm2: less contact is no valve."""
    first, second = measure.options["between"]
    _need(found, first, second)
    ring, least = opening(found.fields, first, second), float(measure.options.get("least_mm2", 0))
    if ring is None:
        raise NotFound(f"{first} and {second} do not touch in one opening: the valve may be drawn closed")
    if ring.area < least:
        raise NotFound(f"{first} and {second} touch over {ring.area:.0f} mm^2 only, less than a valve ({least:.0f})")
    found.outlines[measure.id] = ring
    return _numbers_of(measure, ring)


def of_section(found: Found, measure: Definition) -> list[Number]:
    """A tissue's section at distances below an opening. options: tissue, opening, at_mm."""
    tissue, ring = measure.options["tissue"], found.outline(measure.options["opening"])
    center, normal = ring.centroid, ring.plane.normal
    numbers = []
    for mm in measure.options["at_mm"]:
        plane = Plane(center - mm * normal, normal)
        here = section_at(found.fields, plane, 1.5 * ring.diameters[1], tissue)
        if here is None or here.area > MOST_LVOT * ring.area:
            raise NotFound(f"{mm:g} mm below the {measure.options['opening']} {tissue} has no section of its own")
        found.outlines[f"{measure.id} at {mm:g} mm"] = here
        numbers += [Number(measure.key(f"area at {mm:g} mm", AREA), here.area),
                    Number(measure.key(f"area diameter at {mm:g} mm", LENGTH), _diameter(here.area))]
    return numbers


def of_vessel(found: Found, measure: Definition) -> list[Number]:
    """Diameters along a vessel. options: tissue, opening, stations: name, from_mm, to_mm, take greatest or median."""
    ring = found.outline(measure.options["opening"])
    vessel = found.vessels[measure.id] = follow(found.fields, measure.options["tissue"], ring)
    numbers = []
    for station in measure.options["stations"]:
        sizes = vessel.diameters(station["from_mm"], station["to_mm"])
        if vessel.length < station["to_mm"] or not len(sizes):
            continue  # the vessel ends before: that number stays empty
        take = np.max if station["take"] == "greatest" else np.median
        numbers.append(Number(measure.key(station["name"], LENGTH), float(take(sizes))))
    if not numbers:
        raise NotFound(f"{measure.options['tissue']} is {vessel.length:.0f} mm long, too short for a diameter")
    return numbers


def of_axis(found: Found, measure: Definition) -> list[Number]:
    """A chamber's long axis from an opening to its tip, and how round it is. options: tissue, opening."""
    tissue, ring = measure.options["tissue"], found.outline(measure.options["opening"])
    apex = tip(found.fields, tissue, ring.centroid)
    if apex is None:
        raise NotFound(f"{tissue} reaches the edge of the grid")
    axis = found.axes[measure.id] = Axis(ring.centroid, apex)
    sphere = np.pi / 6 * axis.length**3 / 1000
    return [Number(measure.key("length", LENGTH), axis.length),
            Number(measure.key("sphericity", SHARE), found.volumes[tissue] / sphere)]


def of_depth(found: Found, measure: Definition) -> list[Number]:
    """A chamber's length straight away from an opening, and its least width halfway, which veins and appendages that
    lie in the same plane do not change. options: tissue, opening.
    """
    tissue, ring = measure.options["tissue"], found.outline(measure.options["opening"])
    out = ring.plane.normal
    length = way_out(found.fields, tissue, ring.centroid, out)
    if length is None:
        raise NotFound(f"{tissue} does not lie beyond the {measure.options['opening']}")
    plane = Plane(ring.centroid + length / 2 * out, out)
    halfway = section_at(found.fields, plane, WIDEST_MM, tissue)
    found.chords[f"{measure.id} length"] = (ring.centroid, ring.centroid + length * out)
    numbers = [Number(measure.key("length", LENGTH), length)]
    if halfway is not None:
        found.outlines[f"{measure.id} halfway"] = halfway
        numbers.append(Number(measure.key("width", LENGTH), halfway.diameters[0]))
    return numbers


def of_chords(found: Found, measure: Definition) -> list[Number]:
    """A ventricle's basal and mid diameters in the plane of an axis and an opening, as an echo shows four chambers.

    options: tissue; opening: at its base; axis: the other ventricle's long axis, which spans the plane.
    """
    tissue, ring = measure.options["tissue"], found.outline(measure.options["opening"])
    other = found.axis(measure.options["axis"])
    apex = tip(found.fields, tissue, ring.centroid)
    if apex is None:
        raise NotFound(f"{tissue} reaches the edge of the grid")
    long = (apex - ring.centroid) / np.linalg.norm(apex - ring.centroid)
    normal = np.cross(long, other.base - ring.centroid)
    plane = Plane(ring.centroid, normal / np.linalg.norm(normal))
    rows = widths(found.fields, tissue, plane, long, float(np.linalg.norm(apex - ring.centroid)) + 5)
    share = rows[:, 0] / np.linalg.norm(apex - ring.centroid)
    basal, mid = (rows[(share >= low) & (share <= high), 1] for low, high in (RV_BASE, (0.48, 0.52)))
    if not len(basal) or not len(mid):
        raise NotFound(f"{tissue} has no section in the plane of {measure.options['axis']}'s axis")
    numbers = {"basal diameter": float(basal.max()), "mid diameter": float(mid.mean()),
               "length": float(np.linalg.norm(apex - ring.centroid))}
    across = np.cross(plane.normal, long)
    widest = rows[rows[:, 1] == basal.max(), 0][0]
    for name, at in (("basal diameter", widest), ("mid diameter", numbers["length"] / 2)):
        found.chords[f"{measure.id} {name}"] = ends_across(found.fields, tissue, plane.center + at * long, across)
    found.chords[f"{measure.id} length"] = (ring.centroid, apex)
    return [Number(measure.key(name, LENGTH), value) for name, value in numbers.items()]


def of_angle(found: Found, measure: Definition) -> list[Number]:
    """The angle between two planes, or between a plane's normal and an axis. options: between: two ids; supplement:
    whether it is measured on the other side (of planes that face each other like the pages of an open book).
    """
    directions = [direction_of(found, id) for id in measure.options["between"]]
    angle = float(np.degrees(np.arccos(np.clip(directions[0] @ directions[1], -1, 1))))
    return [Number(measure.key("angle", ANGLE), 180 - angle if measure.options.get("supplement") else angle)]


def of_wall(found: Found, measure: Definition) -> list[Number]:
    """Thickness of the wall around a cavity: all of it, the septum, and each of the 17 segments.

    options: cavity, wall, axis: the cavity's long axis, septum: the tissue beyond the septum.
    """
    cavity, wall = (measure.options[name] for name in ("cavity", "wall"))
    _need(found, cavity, wall)
    fields = found.fields
    try:
        whole = wall_thickness(fields.labels, fields.affine, fields.anatomy, cavity=cavity, wall=wall)
    except InputError as error:
        raise NotFound(str(error)) from error
    found.walls[measure.id] = whole
    numbers = [Number(measure.key("least thickness", LENGTH), whole.quantile(LEAST_WALL))]
    for name, kept in parts_of_wall(found, measure, whole).items():
        numbers += _thickness(measure, name, whole, kept)
    return sorted(numbers, key=lambda number: number.key.name != "median thickness")


def parts_of_wall(found: Found, measure: Definition, whole: Thickness) -> dict[str, npt.NDArray[np.bool_]]:
    """The numbers of a wall that are medians -> which of its points (n,) they are about.

    All of the wall; where the heart shows how it lies, the septum and the 17 segments, too.
    """
    fields, beyond = found.fields, measure.options["septum"]
    parts = {"median thickness": np.ones(len(whole.points), dtype=bool)}
    if measure.options["axis"] not in found.axes or not fields.has(beyond):
        return parts
    axis = found.axis(measure.options["axis"])
    septum = fields.to_mm(np.argwhere(fields.mask([beyond])).astype(np.float64)).mean(axis=0)
    segment = segments_of(whole.points, axis.base, axis.apex, septum)
    parts["septal thickness"] = np.isin(segment, SEPTAL)
    return parts | {f"thickness AHA {number} {name}": segment == number for number, name in enumerate(NAMES, 1)}


def of_ratio(found: Found, measure: Definition) -> list[Number]:
    """The ratio of two tissues' volumes. options: of, over."""
    of, over = measure.options["of"], measure.options["over"]
    _need(found, of, over)
    return [Number(measure.key(VOLUME_RATIO, SHARE), found.volumes[of] / found.volumes[over])]


KINDS: dict[str, Callable[[Found, Definition], list[Number]]] = {
    "opening": of_opening, "section": of_section, "vessel": of_vessel, "axis": of_axis, "depth": of_depth,
    "chords": of_chords, "angle": of_angle, "wall": of_wall, "ratio": of_ratio,
}


def _numbers_of(measure: Definition, ring: Outline) -> list[Number]:
    """All that is told of an outline."""
    least, greatest = ring.diameters
    return [Number(measure.key("area", AREA), ring.area), Number(measure.key("perimeter", LENGTH), ring.perimeter),
            Number(measure.key("area diameter", LENGTH), _diameter(ring.area)),
            Number(measure.key("perimeter diameter", LENGTH), ring.perimeter / np.pi),
            Number(measure.key("least diameter", LENGTH), least),
            Number(measure.key("greatest diameter", LENGTH), greatest),
            Number(measure.key("eccentricity", SHARE), 1 - least / greatest)]


def _thickness(measure: Definition, name: str, whole: Thickness, kept: npt.NDArray[np.bool_]) -> list[Number]:
    """The median thickness of a part of the wall; nothing where too little of it is seen."""
    part = Thickness(whole.thickness[kept], whole.area[kept], whole.points[kept])
    return [Number(measure.key(name, LENGTH), part.quantile(0.5))] if part.area.sum() >= LEAST_SEGMENT_MM2 else []


def direction_of(found: Found, id: str) -> FloatArray:
    """The normal of an opening or the direction of a long axis, towards the base."""
    return found.axes[id].direction if id in found.axes else found.outline(id).plane.normal


def _diameter(area: float) -> float:
    """mm: of the circle with an area in mm^2."""
    return float(2 * np.sqrt(area / np.pi))


def _need(found: Found, *tissues: str) -> None:
    """NotFound for tissues that the map does not have."""
    lacking: Sequence[str] = [tissue for tissue in tissues if not found.fields.has(tissue)]
    if lacking:
        raise NotFound(f"the map has no {' and no '.join(lacking)}")
