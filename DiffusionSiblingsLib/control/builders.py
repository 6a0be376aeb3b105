"""Domains where they are wanted: around a tissue, across a curve, out of a point, between two tissues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..labelmaps.geometry.frame import CanonicalFrame
from .checks import FloatArray, Rows, as_rows, as_vector, number, orthonormal_rows, vector
from .curves import at, measured_curve
from .domain import ControlDomain
from .places import Labels, contact, extent, place_of

LEAST_POINTS, MOST_POINTS = 8, 64
TANGENT_MM = 5.0  # the direction of a curve is taken over so much of it on either side: drawn curves wobble


def around_tissue(
    labels: Labels,
    affine: npt.NDArray[Any],
    anatomy: Anatomy,
    tissues: Sequence[str],
    *,
    margin_mm: float = 15.0,
    spacing_mm: float = 3.0,
    axes: npt.ArrayLike | None = None,
    most_points: int = MOST_POINTS,
    name: str | None = None,
) -> ControlDomain:
    """A box around tissues, `margin_mm` wider on every side, so that they can grow and move in it.

    labels: (D, H, W), KJI order. affine: (4, 4) voxel IJK -> mm. axes: rows, the box's directions; the frame's if None.
    spacing_mm: of its points; coarser where that takes more than `most_points` an axis. name: "LA+RA" if None.
    Raises InputError where no tissue is there.
    """
    margin, spacing = _above(margin_mm, "margin", zero=True), _above(spacing_mm, "spacing")
    rows = np.eye(3) if axes is None else np.array(orthonormal_rows(np.asarray(axes), "The box's axes cannot be used"))
    low, high = extent(place_of(labels, affine, anatomy, tissues), rows)
    size, template = _grid(high - low + 2 * margin, spacing, most_points)
    centre = (low + high) / 2 @ rows
    return ControlDomain(name or "+".join(tissues), tuple(tissues), as_vector(centre), as_rows(rows), as_vector(size),
                         template)


def planes_along(
    curve: npt.ArrayLike,
    count: int,
    tissues: Sequence[str],
    *,
    width_mm: float,
    spacing_mm: float = 1.5,
    name: str | None = None,
) -> tuple[ControlDomain, ...]:
    """`count` square planes across a curve (n, 3) mm, in the middles of as many equal parts of its length.

    Their third axis is the curve's direction. The first two are carried along without turning about it, so that
    neighbouring planes look alike. Raises InputError for a curve without length.
    """
    points, along = measured_curve(curve)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 100:
        raise InputError("The planes cannot be placed", value=f"{count!r} planes", rule="a whole number from 1 to 100")
    reach = min(TANGENT_MM, float(along[-1]) / (2 * count))
    width, n = _plane_grid(width_mm, spacing_mm)
    title = name or "+".join(tissues)
    side = np.zeros(3)
    found = []
    for index in range(count):
        s = (index + 0.5) / count * float(along[-1])
        before, centre, after = at(points, along, [s - reach, s, s + reach])
        rows = frame_across(after - before, side)
        side = np.array(rows[0])
        plane = f"{title} {index + 1}" if count > 1 else title
        found.append(ControlDomain(plane, tuple(tissues), as_vector(centre), rows, (width, width, 0.0), (n, n, 1)))
    return tuple(found)


def lines_from(
    centre: npt.ArrayLike,
    directions: npt.ArrayLike,
    length_mm: float,
    tissues: Sequence[str],
    spacing_mm: float = 0.7,
    *,
    names: Sequence[str] | None = None,
) -> tuple[ControlDomain, ...]:
    """Lines of `length_mm` that begin at a point (3,) mm and radiate along directions (n, 3) of any length.

    Raises InputError for a direction without length.
    """
    what = "The lines cannot be placed"
    origin = np.array(vector(np.asarray(centre), what))
    found = []
    rows = np.atleast_2d(np.asarray(directions, dtype=np.float64))
    length, spacing = _above(length_mm, "length"), _above(spacing_mm, "spacing")
    n = int(np.clip(np.ceil(length / spacing - 1e-9), 2, 256))
    for index, direction in enumerate(rows):
        unit = _unit(np.array(vector(direction, what)), what)
        across = frame_across(unit, np.zeros(3))
        name = names[index] if names else "+".join(tissues) + (f" line {index + 1}" if len(rows) > 1 else " line")
        found.append(ControlDomain(name, tuple(tissues), as_vector(origin + unit * length / 2),
                                   (as_vector(unit), across[0], across[1]), (length, 0.0, 0.0), (n, 1, 1)))
    return tuple(found)


def between_tissues(
    labels: Labels,
    affine: npt.NDArray[Any],
    anatomy: Anatomy,
    first: str,
    second: str,
    tissues: Sequence[str],
    *,
    margin_mm: float = 5.0,
    thickness_mm: float = 0.0,
    spacing_mm: float = 1.5,
    gap_mm: float = 6.0,
    name: str | None = None,
) -> ControlDomain:
    """A plane (or, with a thickness, a box) where two tissues meet, such as a valve.

    It lies in the contact's best plane; its third axis points from the first tissue to the second; it is `margin_mm`
    wider than the contact on every side. tissues: what is measured in it. gap_mm: how far apart the two may be (valve
    leaflets have labels of their own in some maps). Raises InputError where a tissue is absent or they do not meet.
    """
    margin, thickness = _above(margin_mm, "margin", zero=True), _above(thickness_mm, "thickness", zero=True)
    places = [place_of(labels, affine, anatomy, [tissue]) for tissue in (first, second)]
    found = contact(places[0], places[1], gap_mm)
    if found is None:
        raise InputError(f"{first} and {second} do not touch", value=f"more than {gap_mm:g} mm apart",
                         rule="a plane between two tissues lies where they touch",
                         hint="choose two tissues that touch, or draw the plane")
    points, steps = found
    rows = _best_plane(points, steps.mean(axis=0))
    along = points @ np.array(rows).T
    low, high = along.min(axis=0), along.max(axis=0)
    middle = (low + high) / 2
    middle[2] = along[:, 2].mean()
    sides = np.maximum(high - low, float(places[0].spacing.max())) + 2 * margin
    centre = as_vector(middle @ np.array(rows))
    title = name or f"{first}-{second}"
    sides[2] = thickness
    n = [max(2, int(np.ceil(side / _above(spacing_mm, "spacing")))) for side in sides]
    template = (min(n[0], 256), min(n[1], 256), min(n[2], 256) if thickness else 1)
    return ControlDomain(title, tuple(tissues), centre, rows, as_vector(sides), template)


def field_of_view(anatomy: Anatomy, tissues: Sequence[str], template: tuple[int, int, int] | None = None,
                  name: str | None = None) -> ControlDomain:
    """The whole canonical field of view, in the canonical frame. template: in x, y, z order; None = every voxel."""
    frame = CanonicalFrame.of(anatomy)
    size = np.array(frame.shape[::-1]) * frame.spacing
    voxels = (int(anatomy.shape[2]), int(anatomy.shape[1]), int(anatomy.shape[0]))
    return ControlDomain(name or "+".join(tissues), tuple(tissues), (0.0, 0.0, 0.0), as_rows(np.eye(3)),
                         as_vector(size), template or voxels)


def frame_across(direction: npt.ArrayLike, side: FloatArray) -> Rows:
    """Three right-handed orthonormal rows, the third along `direction` (3,), the first as near to `side` as can be.

    side: (3,), zero = anything.
    """
    unit = _unit(np.asarray(direction, dtype=np.float64), "A direction cannot be used")
    first = side - unit * (side @ unit)
    if np.linalg.norm(first) < 1e-3:
        axis = np.eye(3)[int(np.abs(unit).argmin())]
        first = axis - unit * (axis @ unit)
    first = first / np.linalg.norm(first)
    return as_rows(np.stack([first, np.cross(unit, first), unit]))


def _best_plane(points: FloatArray, across: FloatArray) -> Rows:
    """Rows: the two directions in the best plane of points (n, 3), wider first, and its normal along `across` (3,).

    Where the points make no plane (few, or as thick as wide) the normal is `across` itself.
    """
    values, vectors = np.linalg.eigh(np.cov(points.T) if len(points) > 3 else np.zeros((3, 3)))
    flat = values[0] < 0.5 * values[1]
    normal = vectors[:, 0] * (1.0 if vectors[:, 0] @ across > 0 else -1.0) if flat else across
    return frame_across(normal, vectors[:, 2])


def _grid(size: FloatArray, spacing: float, most: int) -> tuple[FloatArray, tuple[int, int, int]]:
    """Size and template of a box at least so large: cells of exactly `spacing` where the number of points allows it."""
    wanted = np.ceil(size / spacing - 1e-9).astype(int)
    n = np.clip(wanted, LEAST_POINTS, most)
    a, b, c = (int(value) for value in n)
    return np.where(n == wanted, n * spacing, size), (a, b, c)


def _plane_grid(width_mm: float, spacing_mm: float) -> tuple[float, int]:
    width = _above(width_mm, "width")
    return width, int(np.clip(np.ceil(width / _above(spacing_mm, "spacing") - 1e-9), 2, 256))


def _unit(direction: FloatArray, what: str) -> FloatArray:
    length = float(np.linalg.norm(direction))
    if not length > 1e-9:
        raise InputError(what, value=f"direction {direction.tolist()}", rule="a direction whose length is not 0")
    return direction / length


def _above(value: float, name: str, *, zero: bool = False) -> float:
    rule = "a number from 0, mm" if zero else "a number above 0, mm"
    found = number(value, f"The {name} of a control domain cannot be used", rule)
    if found < 0 or (found == 0 and not zero):
        raise InputError(f"The {name} of a control domain cannot be used", value=found, rule=rule)
    return found
