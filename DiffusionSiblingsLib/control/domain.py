"""Control domains: a grid of points in a box, a plane or on a line, at which a tissue is measured (METHODS.md).

X = R diag(s) X_temp + t: the template's points, scaled by `size`, turned by `axes`, set at `centre`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import InputError
from .checks import (
    FloatArray,
    Rows,
    Vector,
    as_rows,
    as_vector,
    fields,
    number,
    orthonormal_rows,
    rigid,
    sequence,
    text,
    vector,
)

UNITS = {3: "ml", 2: "mm^2", 1: "mm"}
MAX_POINTS = 256  # along an axis; finer than any label map's voxels in a field of view of 180 mm
MAX_TOTAL = 128**3 * 4
MAX_SIZE_MM = 1000.0
MAX_PLACE_MM = 1e6  # from 0 along an axis


@dataclass(frozen=True)
class ControlDomain:
    """A box, plane or line with the tissues that are measured in it, taken together (a boolean sum).

    name: what tables and terms call it. tissues: ids of the anatomy's tissues. centre: mm, in the frame that its
    Control names. axes: rows are the orthonormal unit vectors of the domain's own first, second and third axis. size:
    mm along them. template: number of points along them, (alpha, beta, gamma). A plane has gamma = 1 and a third size
    of 0, a line also beta = 1 and a second size of 0. Raises InputError for anything else.
    """

    name: str
    tissues: tuple[str, ...]
    centre: Vector
    axes: Rows
    size: Vector
    template: tuple[int, int, int]

    def __post_init__(self) -> None:
        name = text(self.name, "A control domain has no name")
        of = f"The control domain {name} cannot be used"
        values = {
            "name": name,
            "tissues": _tissues(self.tissues, of),
            "centre": vector(self.centre, f"{of}: its centre", "three finite numbers, mm"),
            "axes": orthonormal_rows(self.axes, f"{of}: its axes"),
            "size": vector(self.size, f"{of}: its size", "three finite numbers, mm"),
            "template": _template(self.template, of),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        _check_extent(self, of)

    @property
    def dimension(self) -> int:
        """3 for a box, 2 for a plane, 1 for a line."""
        return sum(n > 1 for n in self.template)

    @property
    def unit(self) -> str:
        """Unit of an amount of tissue in the domain: "ml", "mm^2" or "mm"."""
        return UNITS[self.dimension]

    @property
    def whole(self) -> float:
        """Measure of the whole domain in `unit`: the largest amount of tissue that it can hold."""
        product = float(np.prod(self.size[: self.dimension]))
        return product / 1000.0 if self.dimension == 3 else product

    @property
    def cell(self) -> float:
        """Measure of one point of the template in `unit`."""
        return self.whole / float(np.prod(self.template))

    @property
    def spacing(self) -> Vector:
        """mm between neighbouring points along each axis; 0 along a collapsed one."""
        return as_vector(np.array(self.size) / np.array(self.template))

    def offsets(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """mm from the centre along each axis of its points, (alpha,), (beta,), (gamma,): cell centres."""
        first, second, third = (
            ((np.arange(n, dtype=np.float64) + 0.5) / n - 0.5) * size
            for n, size in zip(self.template, self.size, strict=True)
        )
        return first, second, third

    def points(self) -> FloatArray:
        """(alpha, beta, gamma, 3) float64: where the template's points lie, mm, coordinates of the Control's frame."""
        axes = np.array(self.axes)
        first, second, third = self.offsets()
        return np.asarray(
            first[:, None, None, None] * axes[0]
            + second[None, :, None, None] * axes[1]
            + third[None, None, :, None] * axes[2]
            + np.array(self.centre)
        )

    def corners(self) -> FloatArray:
        """(8, 3) float64, mm: the corners of its extent; they coincide in pairs for a plane."""
        signs = np.array(np.meshgrid(*([(-0.5, 0.5)] * 3), indexing="ij")).reshape(3, 8).T
        return np.asarray((signs * np.array(self.size)) @ np.array(self.axes) + np.array(self.centre))

    def contains(self, point: Vector, slack_mm: float = 1e-6) -> bool:
        """Whether a point (mm, the same frame) lies in the domain."""
        local = np.array(self.axes) @ (np.array(point) - np.array(self.centre))
        return bool((np.abs(local) <= np.array(self.size) / 2 + slack_mm).all())

    def is_aligned(self, tolerance: float = 1e-6) -> bool:
        """Whether the axes are those of the frame, in any order and direction: sampling is then separable."""
        axes = np.abs(np.array(self.axes))
        near = (axes <= tolerance) | (np.abs(axes - 1) <= tolerance)
        return bool(near.all())

    def moved(self, matrix: object) -> ControlDomain:
        """The domain in another frame. matrix: (4, 4) rigid, mm of this frame -> mm of the other."""
        motion = rigid(matrix)
        turn = motion[:3, :3]
        centre = turn @ np.array(self.centre) + motion[:3, 3]
        return replace(self, centre=as_vector(centre), axes=as_rows(np.array(self.axes) @ turn.T))

    def with_template(self, template: tuple[int, int, int]) -> ControlDomain:
        """The same extent with other numbers of points; a collapsed axis keeps its one point."""
        return replace(self, template=template)

    def same_place(self, other: ControlDomain, tolerance_mm: float = 1e-3) -> bool:
        """Whether two domains measure the same: equal tissues, place and template, whatever they are called."""
        if set(self.tissues) != set(other.tissues) or self.template != other.template:
            return False
        mine, its = (np.array([*d.axes, d.centre, d.size]) for d in (self, other))
        return bool(np.abs(mine - its).max() <= tolerance_mm)

    def to_json(self) -> dict[str, Any]:
        """Plain values; lengths in mm."""
        return {
            "name": self.name,
            "tissues": list(self.tissues),
            "centre": list(self.centre),
            "axes": [list(row) for row in self.axes],
            "size": list(self.size),
            "template": list(self.template),
        }

    @classmethod
    def from_json(cls, values: object) -> ControlDomain:
        """The domain that `to_json` wrote; InputError for unknown or missing fields and for impossible values.

        The axes may be left out: they are then the frame's own.
        """
        found = fields(values, "A control domain cannot be read", ("name", "tissues", "centre", "size", "template"),
                       ("axes",))
        return cls(**{"axes": as_rows(np.eye(3)), **found})


def _tissues(values: object, of: str) -> tuple[str, ...]:
    listed = [values] if isinstance(values, str) else sequence(values, of, "a list of tissue ids")
    names = tuple(text(value, f"{of}: its tissues") for value in listed)
    if not names:
        raise InputError(of, value="no tissue", rule="at least one tissue to measure", hint='for example ["RV"]')
    return tuple(dict.fromkeys(names))  # each once, in order


def _template(values: object, of: str) -> tuple[int, int, int]:
    rule = f"three whole numbers from 1 to {MAX_POINTS}: box (n, n, n), plane (n, n, 1), line (n, 1, 1)"
    listed = sequence(values, of, rule)
    whole = [isinstance(n, (int, np.integer)) and not isinstance(n, bool) and 1 <= n <= MAX_POINTS for n in listed]
    if len(listed) != 3 or not all(whole):
        raise InputError(f"{of}: its template", value=listed, rule=rule)
    first, second, third = (int(n) for n in listed)
    if first == 1 or (second == 1 and third > 1):
        raise InputError(f"{of}: its template", value=listed, rule=rule,
                         hint="order the axes so that those with one point come last")
    if first * second * third > MAX_TOTAL:
        raise InputError(f"{of}: its template", value=listed, rule=f"at most {MAX_TOTAL} points in all")
    return first, second, third


def _check_extent(domain: ControlDomain, of: str) -> None:
    """A size of 0 where the template has one point, and only there; and a centre that can be a place."""
    if max(map(abs, domain.centre)) > MAX_PLACE_MM:
        raise InputError(f"{of}: its centre", value=f"{domain.centre} mm",
                         rule=f"at most {MAX_PLACE_MM:g} mm from 0 along each axis")
    for size, n in zip(domain.size, domain.template, strict=True):
        number(size, of)
        if (n == 1) != (size == 0) or not 0 <= size <= MAX_SIZE_MM:
            raise InputError(f"{of}: its size does not fit its template",
                             value=f"size {domain.size} mm, template {domain.template}",
                             rule=f"0 along an axis with one point, else above 0 and at most {MAX_SIZE_MM:g} mm")
