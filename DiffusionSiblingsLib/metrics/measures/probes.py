"""Where a measure answers to a change of the tissues: what guidance holds on to, placed anew in every heart.

A probe is a weighted sum of tissues' shares at points around the place that a measure has found: the blood in the plane
of an annulus, the muscle around a stretch of wall. Its value is not the measure. It grows and shrinks as the measure
does, and it can be asked of a model's probabilities, so that it says in which direction a heart has to be changed. How
far is said by the measure alone, taken of a finished map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ..measurement import MeasurementKey
from ..walls import Thickness
from .definition import Definition, definitions_of
from .fields import FloatArray
from .kinds import Found, direction_of, parts_of_wall
from .measure import Measured
from .planes import Outline, Plane

RIM_MM = 1.5  # above and below an opening, where the blood around it is looked at
RIM_SHARE = 0.6  # of the change in each of the two planes that the opening's area follows: most of it where they agree
MOST_PLANES = 6
GROW_MM = 3.0  # beyond an outline: as far as it is expected to move from one step to the next
PLANE_MM = 1.5  # between the points of a plane
LINE_MM = 0.7  # between the points of a line
BEYOND_MM = 15.0  # of a line, past both of its ends
BUNDLE_MM = 3.0  # between a line and those beside it: one alone would move a single bump, and the tip beside it stays
SLAB_MM = 6.0  # above and below an opening, in which its tilt is felt
MOST_OF_WALL = (0.15, 0.85)  # shares of a stretch's area between whose thicknesses the wall is looked at
PARALLEL = 1e-6  # sine of an angle: below it every way is as steep
WALL_MM = 5.0  # inside the cavity and outside the wall
MOST_POINTS = 3000
CHANGING = {"wall": "wall", "vessel": "tissue"}  # kind -> the option that names what gets more or less with the measure

Weights = Mapping[str, FloatArray]  # tissue -> (N,)


@dataclass(frozen=True)
class Probe:
    """points: (N, 3) RAS mm. weights: tissue -> (N,) what its share (0..1) at each point adds to the probe's value.

    factor, power: a measure of value v goes with a probe of factor * v ** power: an area with the square of a diameter.
    """

    points: FloatArray
    weights: Weights
    factor: float = 1.0
    power: int = 1

    def amount(self, value: float) -> float:
        """The value of the probe that goes with a value of the measure, up to a constant."""
        return float(self.factor * value**self.power)


def probe_of(measured: Measured, key: MeasurementKey, anatomy: Anatomy) -> Probe | None:
    """The probe of a measure at the place that was found in a map; None where it was not found.

    measured: of the map, with what was found. Raises KeyError for a measure that cannot be steered: ask `steerable`.
    """
    if measured.found is None or key not in measured.values:
        return None
    definition = next(entry for entry in definitions_of(anatomy) if entry.id == key.tissue and _steers(entry, key.name))
    return _PROBES[definition.kind](measured.found, definition, key.name, measured.values[key])


def steerable(key: MeasurementKey, anatomy: Anatomy) -> bool:
    """Whether guidance can be asked to bring a measure to a value."""
    return any(entry.id == key.tissue and _steers(entry, key.name) for entry in definitions_of(anatomy))


def moves(key: MeasurementKey, anatomy: Anatomy) -> tuple[str, ...]:
    """Tissues whose volumes have to change with a measure: the wall that thickens, the vessel that widens."""
    for entry in definitions_of(anatomy):
        if entry.id == key.tissue and _steers(entry, key.name):
            return (entry.options[CHANGING[entry.kind]],) if entry.kind in CHANGING else ()
    return ()


def _of_opening(found: Found, definition: Definition, name: str, value: float) -> Probe:
    """The blood of both tissues in planes just above and below their opening: where one of them is wide around it, as a
    chamber under a vessel is, only the other one decides how large the opening is.
    """
    ring = found.outline(definition.id)
    planes = [Outline(ring.plane.shifted(mm), ring.flat) for mm in (-RIM_MM, RIM_MM)]
    both = _of_outlines(planes, definition.options["between"], ring.area, value, is_area=name == "area")
    weights = {tissue: 2 * RIM_SHARE * weight for tissue, weight in both.weights.items()}
    return replace(both, weights=weights)


def _of_section(found: Found, definition: Definition, name: str, value: float) -> Probe:
    """The tissue in the plane of the section."""
    at = float(name.removesuffix(" mm").rsplit(" ", 1)[1])
    here = found.outline(f"{definition.id} at {at:g} mm")
    return _of_outlines([here], [definition.options["tissue"]], here.area, value, is_area=name.startswith("area at"))


def _of_vessel(found: Found, definition: Definition, name: str, value: float) -> Probe:
    """The tissue in all planes of the station: the vessel is to widen along all of it."""
    station = next(entry for entry in definition.options["stations"] if entry["name"] == name)
    vessel = found.vessels[definition.id]
    here = [section for section, at in zip(vessel.sections, vessel.along, strict=True)
            if station["from_mm"] <= at <= station["to_mm"]]
    area = float(np.mean([section.area for section in here]))
    return _of_outlines(here, [definition.options["tissue"]], area, value, is_area=False)


def _of_axis(found: Found, definition: Definition, name: str, value: float) -> Probe:
    axis = found.axis(definition.id)
    return _of_line(axis.base, axis.apex, definition.options["tissue"])


def _of_depth(found: Found, definition: Definition, name: str, value: float) -> Probe:
    start, end = found.chords[f"{definition.id} {name}"]
    return _of_line(start, end, definition.options["tissue"])


def _of_angle(found: Found, definition: Definition, name: str, value: float) -> Probe:
    """How the surfaces of the openings slope towards each other, in degrees."""
    ids = definition.options["between"]
    sign = -1.0 if definition.options.get("supplement") else 1.0
    points, weights = [], list[dict[str, FloatArray]]()
    openings = {entry.id: entry for entry in definitions_of(found.fields.anatomy) if entry.kind == "opening"}
    for id, other in (ids, ids[::-1]):
        if id in openings:
            place, slope = _slope(found.outline(id), direction_of(found, other))
            first, second = openings[id].options["between"]
            points.append(place)
            weights.append({first: sign * np.degrees(slope) / 2, second: -sign * np.degrees(slope) / 2})
    tissues = dict.fromkeys(tissue for part in weights for tissue in part)
    joined = {tissue: np.concatenate([part.get(tissue, np.zeros(len(place)))
                                      for part, place in zip(weights, points, strict=True)]) for tissue in tissues}
    return Probe(np.concatenate(points), joined)


def _of_wall(found: Found, definition: Definition, name: str, value: float) -> Probe:
    """The wall's volume over its outer surface, around that stretch of it.

    Where the wall is much thicker or thinner than most of the stretch, more or less of it does not change the median: a
    hump must not do for a wall that thickens everywhere.
    """
    from scipy.spatial import cKDTree

    whole = found.walls[definition.id]
    kept = parts_of_wall(found, definition, whole)[name]
    part = Thickness(whole.thickness[kept], whole.area[kept], whole.points[kept])
    low, high = (part.quantile(share) for share in MOST_OF_WALL)
    kept = kept & (whole.thickness >= low) & (whole.thickness <= high)
    part = Thickness(whole.thickness[kept], whole.area[kept], whole.points[kept])
    reach = float(part.thickness.max()) + WALL_MM
    corner, other = part.points.min(axis=0) - reach, part.points.max(axis=0) + reach
    volume = float(part.area.sum()) * (value + 2 * WALL_MM)
    step = max(PLANE_MM, (volume / MOST_POINTS) ** (1 / 3))
    axes = [np.arange(a, b + step, step) for a, b in zip(corner, other, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distance, nearest = cKDTree(whole.points).query(grid, distance_upper_bound=reach)
    near = np.isfinite(distance)
    nearest, distance, grid = nearest[near], distance[near], grid[near]
    within = kept[nearest] & (distance <= whole.thickness[nearest] + WALL_MM)
    outer = within & (np.abs(distance - whole.thickness[nearest]) <= step)
    outside = found.fields.sample(grid[outer], definition.options["cavity"]) < 0.5
    area = max(float(np.count_nonzero(outside)) * step**2 / 2, float(part.area.sum()))  # of the outer surface
    points = grid[within]
    return Probe(points, {definition.options["wall"]: np.full(len(points), step**3 / area)})


_PROBES: dict[str, Callable[[Found, Definition, str, float], Probe]] = {
    "opening": _of_opening, "section": _of_section, "vessel": _of_vessel, "axis": _of_axis, "depth": _of_depth,
    "chords": _of_depth, "angle": _of_angle, "wall": _of_wall,
}
_NOT_STEERED = {"opening": ("least diameter", "greatest diameter", "eccentricity"), "axis": ("sphericity",),
                "depth": ("width",), "wall": ("least thickness",)}


def _steers(definition: Definition, name: str) -> bool:
    return definition.kind in _PROBES and name not in _NOT_STEERED.get(definition.kind, ())


def _of_outlines(here: Iterable[Outline], tissues: Iterable[str], area: float, value: float, *,
                 is_area: bool) -> Probe:
    """The mean area of tissues in planes, within their outlines and a margin. area: mm^2 that goes with `value`."""
    here = list(here)
    step = PLANE_MM * min(len(here), MOST_PLANES) ** 0.5  # many planes see as much with fewer points each
    points = np.concatenate([_around(outline, step) for outline in here])
    weight = np.full(len(points), step**2 / len(here))
    power = 1 if is_area else 2
    return Probe(points, dict.fromkeys(tissues, weight), area / value**power, power)


def _around(outline: Outline, step: float) -> FloatArray:
    """(n, 3) RAS mm: points of the outline's plane inside it and up to GROW_MM outside, `step` mm apart."""
    from scipy.spatial import cKDTree

    low, high = outline.flat.min(axis=0) - GROW_MM, outline.flat.max(axis=0) + GROW_MM
    flat = np.stack(np.meshgrid(*(np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)),
                                indexing="ij"), axis=-1).reshape(-1, 2)
    near = cKDTree(outline.flat).query(flat)[0] <= GROW_MM
    return outline.plane.points(flat[near | _inside(outline, flat)])


def _inside(outline: Outline, flat: FloatArray) -> npt.NDArray[np.bool_]:
    """(n,) bool: which points of the plane lie within the outline."""
    from skimage import measure

    points_in_poly: Any = measure.points_in_poly  # which says nothing of its types
    return np.asarray(points_in_poly(flat, outline.flat), dtype=np.bool_)


def _of_line(start: FloatArray, end: FloatArray, tissue: str) -> Probe:
    """The length of a tissue along a bundle of lines from before `start` to past `end`, on average."""
    length = float(np.linalg.norm(end - start))
    plane = Plane(start, (end - start) / length)
    along = np.arange(-BEYOND_MM, length + BEYOND_MM, LINE_MM)
    around = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], dtype=np.float64)
    beside = BUNDLE_MM * np.concatenate([around, 2 * around[1:]])
    points = plane.points(beside)[:, None, :] + along[:, None] * plane.normal
    points = points.reshape(-1, 3)
    return Probe(points, {tissue: np.full(len(points), LINE_MM / len(beside))})


def _slope(ring: Outline, toward: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points around an opening, and their weights (N,) in the slope of its surface, which opens its angle to a
    direction.

    The height of the surface over a point of the plane is half of the first tissue's length less half of the second's
    along the normal there; the slope is a straight line's through the heights.
    """
    normal = ring.plane.normal
    uphill = toward - (toward @ normal) * normal
    steep = float(np.linalg.norm(uphill))
    uphill = uphill / steep if steep > PARALLEL else ring.plane.axes[0]
    low, high = ring.flat.min(axis=0), ring.flat.max(axis=0)
    flat = np.stack(np.meshgrid(*(np.arange(a, b, 2 * PLANE_MM) for a, b in zip(low, high, strict=True)),
                                indexing="ij"), axis=-1).reshape(-1, 2)
    base = ring.plane.points(flat[_inside(ring, flat)])
    lever = (base - base.mean(axis=0)) @ uphill
    heights = np.arange(-SLAB_MM, SLAB_MM + PLANE_MM, PLANE_MM)
    points = base[:, None, :] + heights[:, None] * normal
    weights = np.repeat(lever / np.square(lever).sum() * PLANE_MM, len(heights))
    return points.reshape(-1, 3), weights
