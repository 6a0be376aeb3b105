"""The branches of the aortic arch in their common variants: published calibres and gaps, assumed courses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .aortic_arch import Arch
from .curves import Curve, FloatArray, angle_between, unit
from .morphometry import Morphometry
from .tubes import Tube

Offsets = tuple[tuple[float, float, float], ...]  # mm to the left, to the front, upwards
STEP = 1.0  # mm between points of a centre line
UNEVEN = 1.5  # mm, standard deviation of the knots of a course
FROM_TRUNK = 0.45  # of the trunk's length, where a common trunk gives off the left carotid
COURSES: dict[str, Offsets] = {
    "RCCA": ((-2, 0, 16), (-5, 2, 36), (-7, 4, 80)),
    "RSA": ((-13, -3, 9), (-32, -6, 15), (-75, -10, 4)),
    "LCCA": ((3, 0, 18), (6, 1, 40), (8, 3, 90)),
    "LCCA from trunk": ((11, -2, 12), (17, -4, 34), (19, -2, 85)),
    "LSA": ((3, -3, 16), (15, -6, 34), (36, -8, 40), (75, -10, 22)),
    "LVA": ((0, -6, 18), (2, -11, 40), (2, -13, 85)),
    "RSA from behind": ((-2, -13, 6), (-18, -18, 18), (-44, -16, 30), (-100, -10, 22)),
}
RIGHT = ("RCCA", "RSA")


@dataclass(frozen=True)
class Branch:
    """tube: from the middle of its parent. parent: tissue. origin: (3,) RAS mm, on the parent's wall. takeoff: degrees
    between the branch and the parent's direction of flow there.
    """

    tube: Tube
    parent: str
    origin: FloatArray
    takeoff: float

    def truth(self) -> dict[str, Any]:
        """Plain values."""
        return {"diameter_mm": round(2 * float(self.tube.radii[0]), 3), "parent": self.parent,
                "origin": self.origin.round(3).tolist(), "takeoff_degrees": round(self.takeoff, 2)}


def draw_widths(morphometry: Morphometry, variant: str) -> dict[str, float]:
    """Diameters of the branches that leave the arch, in their order, with gaps of the wall between them, in mm."""
    trunk = "RCCA" if variant == "aberrant right subclavian" else "BCT"
    found = {trunk: morphometry.value(trunk)}
    if variant != "common trunk":
        found |= {"gap to LCCA": morphometry.value("gap trunk to carotid"), "LCCA": morphometry.value("LCCA")}
    later = ["LSA"]
    if variant == "left vertebral":
        later = ["LVA", "LSA"]
    if variant == "aberrant right subclavian":
        later = ["LSA", "RSA"]
    for name in later:
        found |= {f"gap to {name}": morphometry.value("gap carotid to subclavian", f"({name})"),
                  name: morphometry.value(name)}
    return found


def draw_branches(morphometry: Morphometry, arch: Arch, variant: str) -> tuple[Branch, ...]:
    """All branches, parents before children. The arch knows where those that leave it begin."""
    found = []
    for name in arch.origins:
        if name == "BCT":
            found += _trunk(morphometry, arch, variant)
        else:
            course = "RSA from behind" if name == "RSA" else name
            found.append(_from_arch(morphometry, arch, name, COURSES[course]))
    return tuple(found)


def _trunk(morphometry: Morphometry, arch: Arch, variant: str) -> list[Branch]:
    """The brachiocephalic trunk and what it gives off."""
    length = morphometry.value("trunk length")
    offsets = ((-0.2 * length, 0.0, 0.5 * length), (-0.45 * length, 0.0, 0.9 * length))
    trunk = _from_arch(morphometry, arch, "BCT", offsets)
    curve = trunk.tube.curve
    end = float(curve.length)
    children = [_child(morphometry, trunk.tube, name, end - float(trunk.tube.radii[-1]) / 2, COURSES[name])
                for name in RIGHT]
    if variant == "common trunk":
        children.append(_child(morphometry, trunk.tube, "LCCA", FROM_TRUNK * end, COURSES["LCCA from trunk"]))
    return [trunk, *children]


def _from_arch(morphometry: Morphometry, arch: Arch, name: str, offsets: Offsets) -> Branch:
    place = arch.origins[name]
    origin = arch.wall(place, 0.6 if name == "RSA" else 0.0)
    return _branch(morphometry, arch.tube, name, place, (origin, offsets))


def _child(morphometry: Morphometry, parent: Tube, name: str, place: float, offsets: Offsets) -> Branch:
    start = parent.curve.at(place)
    ahead = unit(_places(start, offsets)[0] - start)
    ray = start + np.arange(0.0, 6 * float(parent.radii.max()), 0.1)[:, None] * ahead
    leaves = int(np.argmax(parent.depth(ray) <= 0))  # where the ray comes out of the wall
    return _branch(morphometry, parent, name, place, (ray[leaves], offsets))


def _branch(morphometry: Morphometry, parent: Tube, name: str, place: float,
            course: tuple[FloatArray, Offsets]) -> Branch:
    """A branch from the middle of its parent through a point of the wall along its course."""
    origin, offsets = course
    radius = morphometry.once(name) / 2
    beyond = _places(origin, offsets)
    beyond = beyond + morphometry.rng.normal(0.0, UNEVEN, beyond.shape)
    curve = Curve.through(np.stack([parent.curve.at(place), origin, *beyond]), STEP)
    at_wall = float(np.linalg.norm(origin - parent.curve.at(place)))
    return Branch(Tube(name, curve, np.full(len(curve.points), radius)), parent.tissue, origin,
                  angle_between(curve.tangent(at_wall, 3.0), parent.curve.tangent(place, 3.0)))


def _places(origin: FloatArray, offsets: Offsets) -> FloatArray:
    """(n, 3) RAS mm: offsets to the left, front and top from a point."""
    return np.asarray(origin + np.array(offsets, dtype=np.float64) * [-1.0, 1.0, 1.0], dtype=np.float64)
