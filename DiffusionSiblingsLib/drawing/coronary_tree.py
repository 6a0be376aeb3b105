"""The left main bifurcation as courses on an epicardial sphere: published calibres and angles, assumed tortuosity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .curves import Curve, FloatArray, across, unit
from .morphometry import Morphometry
from .tubes import Tube

STEP = 0.5  # mm between points of a course
REACH = 35.0  # mm of LAD and circumflex
SIDE = 16.0  # mm of a side branch
NARROWEST = 0.75  # mm radius; thinner lumens are fewer than four voxels wide
TOWARDS_LAD = 0.4  # of the angle between LAD and circumflex, from the direction of the left main
WAVE = (16.0, 34.0)  # mm, shortest and longest wave of a course
SIDES = {"D1": ("LAD", 7.0, 12.0, 1), "D2": ("LAD", 18.0, 24.0, 1), "OM1": ("LCx", 10.0, 18.0, -1)}  # parent, from, to


@dataclass(frozen=True)
class Vessel:
    """tube: centre line and radii of the lumen without plaque. parent: name, "" for the left main. heart: (3,) RAS mm,
    centre of the epicardial sphere. wall: mm.
    """

    tube: Tube
    parent: str
    heart: FloatArray
    wall: float

    @property
    def name(self) -> str:
        """LM, LAD, LCx, Ramus, D1, D2 or OM1."""
        return self.tube.tissue

    def frame(self, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lengths (n,) -> directions (n, 3): ahead, away from the heart, and across both."""
        ahead = self.tube.curve.tangent(s)
        out = across(self.tube.curve.at(s) - self.heart, ahead)
        return ahead, out, np.cross(ahead, out)


@dataclass(frozen=True)
class _Course:
    """A place on the sphere (unit vector from its centre) and a direction along it."""

    place: FloatArray
    ahead: FloatArray

    def turned(self, degrees: float) -> _Course:
        """Turned to the left, seen from outside."""
        angle = np.radians(degrees)
        side = np.cross(self.place, self.ahead)
        return _Course(self.place, unit(np.cos(angle) * self.ahead + np.sin(angle) * side))

    def moved(self, angle: float) -> _Course:
        """Moved ahead along a great circle by an angle in radians."""
        return _Course(np.cos(angle) * self.place + np.sin(angle) * self.ahead,
                       np.cos(angle) * self.ahead - np.sin(angle) * self.place)


def draw_tree(morphometry: Morphometry) -> list[Vessel]:
    """Left main, LAD, circumflex, sometimes a ramus, diagonals and an obtuse marginal; parents before children."""
    ramus = morphometry.choice("ramus") == "yes"
    angle = morphometry.value("angle with ramus" if ramus else "angle")
    main, lad = morphometry.value("LM"), morphometry.value("LAD")
    lad = min(lad, 0.95 * main)
    lcx = float(np.clip(main / morphometry.value("Finet ratio") - lad, 2 * NARROWEST + 0.8, 0.95 * main))
    radius, wall = morphometry.value("heart radius"), morphometry.value("wall")
    grow = _Grower(morphometry, radius, wall)
    start = _Course(np.array([0.0, 0.0, 1.0]), np.array([-1.0, 0.0, 0.0]))
    left_main, fork = grow.vessel("LM", "", start, morphometry.value("LM length"), main / 2)
    found = {"LM": left_main}
    for name, turn, width in (("LAD", TOWARDS_LAD * angle, lad), ("LCx", (TOWARDS_LAD - 1) * angle, lcx)):
        found[name], _ = grow.vessel(name, "LM", fork.turned(turn), REACH, width / 2)
    if ramus:
        middle = (TOWARDS_LAD - 0.5) * angle
        found["Ramus"], _ = grow.vessel("Ramus", "LM", fork.turned(middle), SIDE, 0.6 * lad / 2)
    for name, (parent, low, high, side) in SIDES.items():
        found[name] = grow.side(name, found[parent], float(morphometry.rng.uniform(low, high)), -side)
    return list(found.values())


@dataclass(frozen=True)
class _Grower:
    """Grows vessels on a sphere of `radius` mm about the origin. wall: mm."""

    morphometry: Morphometry
    radius: float
    wall: float

    def vessel(self, name: str, parent: str, course: _Course, length: float,
               radius: float) -> tuple[Vessel, _Course]:
        """A vessel from a place on the sphere, tapering and bending, and where it ends."""
        bend, taper = self.morphometry.value("bend", name), self.morphometry.value("taper", name) / 100
        wave, phase = self.morphometry.rng.uniform(*WAVE), self.morphometry.rng.uniform(0, 2 * np.pi)
        count = max(2, round(length / STEP))
        s = np.linspace(0.0, length, count + 1)
        points = [course.place]
        for at in s[1:]:
            course = course.moved(length / count / self.radius).turned(
                length / count * bend * np.sin(2 * np.pi * at / wave + phase))
            points.append(course.place)
        radii = np.maximum(radius * (1 - taper * s), min(NARROWEST, radius))
        curve = Curve(self.radius * np.array(points))
        return Vessel(Tube(name, curve, radii), parent, np.zeros(3), self.wall), course

    def side(self, name: str, parent: Vessel, place: float, side: int) -> Vessel:
        """A side branch of a vessel, to its left (1) or right (-1)."""
        curve = parent.tube.curve
        course = _Course(unit(curve.at(place)), across(curve.tangent(place), unit(curve.at(place))))
        angle = side * self.morphometry.value("side angle", name)
        radius = max(float(parent.tube.radius_at(place)) * self.morphometry.value("side ratio", name), NARROWEST)
        return self.vessel(name, parent.name, course.turned(angle), SIDE, radius)[0]
