"""Eccentric plaques in a vessel's wall: how they narrow the lumen, exactly, and where calcium and lipid lie in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .coronary_tree import Vessel
from .curves import FloatArray
from .morphometry import Morphometry

CAP = 0.42  # mm of wall between lumen and deposit (assumed)
COVER = 0.38  # mm of wall outside a deposit, a voxel at least (assumed)
OUTWARD = 0.35  # of a plaque's thickness by which the vessel widens (positive remodelling, assumed)
MEAN = 2 / np.pi  # of cos(theta / 2) over the circle
SPOT = 1.7  # mm, half of the length of a spot of calcium: below 4 mm in all
APART = 2.6  # mm between two spots at least
LIPID_ARC = 150.0  # degrees
LEAST, MOST = 0.25, 0.75  # of the area; a deposit needs as much, and more would leave a lumen thinner than voxels show


@dataclass(frozen=True)
class Deposit:
    """Calcium or lipid within a plaque: from `start` to `end` mm along the vessel and `arc` degrees about its angle."""

    tissue: str
    start: float
    end: float
    arc: float


@dataclass(frozen=True)
class Plaque:
    """vessel: name. middle, length: mm along it. angle: radians from the direction away from the heart. stenosis: share
    of the lumen's area that is lost in the middle. deposits: within it.

    The lumen's radius at angle theta is r - T g(s) cos((theta - angle) / 2), with g a squared cosine over the length.
    """

    vessel: str
    middle: float
    length: float
    angle: float
    stenosis: float
    kind: str
    deposits: tuple[Deposit, ...]

    def depth(self) -> float:
        """T / r: the root of 1 - 2 MEAN x + x^2 / 2 = 1 - stenosis below 1."""
        return float(2 * MEAN - np.sqrt(4 * MEAN**2 - 2 * self.stenosis))

    def share(self, s: FloatArray) -> FloatArray:
        """g(s), 0 outside the plaque."""
        along = np.abs(s - self.middle) / self.length
        return np.asarray(np.where(along < 0.5, np.cos(np.pi * along) ** 2, 0.0), dtype=np.float64)

    def thickness(self, s: FloatArray, theta: FloatArray, radius: FloatArray) -> FloatArray:
        """Mm by which it narrows a lumen of `radius` at places (n,)."""
        facing = np.cos(turned(theta, self.angle) / 2)
        return self.depth() * radius * self.share(s) * facing

    def area(self, s: float, radius: float) -> float:
        """Mm^2 of the lumen at a place."""
        x = self.depth() * float(self.share(np.array(s)))
        return float(np.pi * radius**2 * (1 - 2 * MEAN * x + x**2 / 2))

    def truth(self, vessel: Vessel) -> dict[str, Any]:
        """Plain values."""
        radius = float(vessel.tube.radius_at(self.middle))
        return {"vessel": self.vessel, "kind": self.kind, "middle_mm": round(self.middle, 3),
                "length_mm": round(self.length, 3), "angle_degrees": round(float(np.degrees(self.angle)), 2),
                "area_stenosis_percent": round(100 * self.stenosis, 2),
                "reference_diameter_mm": round(2 * radius, 3),
                "lumen_area_mm2": round(self.area(self.middle, radius), 4),
                "deposits": [{"tissue": d.tissue, "from_mm": round(d.start, 3), "to_mm": round(d.end, 3),
                              "arc_degrees": round(d.arc, 1)} for d in self.deposits]}


def turned(theta: FloatArray, angle: float) -> FloatArray:
    """Theta minus angle, in -pi..pi."""
    return np.asarray((theta - angle + np.pi) % (2 * np.pi) - np.pi, dtype=np.float64)


def draw_plaques(morphometry: Morphometry, vessels: dict[str, Vessel]) -> list[Plaque]:
    """None to three plaques in the large vessels, at most one in each."""
    hosts = ["LM", "LAD", "LCx"]
    count = int(morphometry.choice("plaques"))
    order = morphometry.rng.permutation(len(hosts))[:count]
    return [_draw(morphometry, vessels[hosts[int(i)]]) for i in sorted(order)]


def _draw(morphometry: Morphometry, vessel: Vessel) -> Plaque:
    kind = morphometry.choice("plaque kind", vessel.name)
    room = vessel.tube.curve.length - 2.0
    length = min(morphometry.value("plaque length", vessel.name), room)
    low, high = 1.0 + length / 2, min(1.0 + room - length / 2, 22.0)
    middle = float(morphometry.rng.uniform(low, max(low, high)))
    angle = float(morphometry.rng.uniform(-np.pi, np.pi))
    stenosis = float(np.clip(morphometry.value("area stenosis", vessel.name) / 100, LEAST, MOST))
    deposits = _deposits(morphometry, vessel.name, kind, (middle, length))
    return Plaque(vessel.name, middle, length, angle, stenosis, kind, deposits)


def _deposits(morphometry: Morphometry, vessel: str, kind: str, extent: tuple[float, float]) -> tuple[Deposit, ...]:
    """Where the plaque is thick enough for them: within a quarter of its length from the middle.

    extent: middle and length of the plaque.
    """
    middle, length = extent
    low, high = middle - length / 4, middle + length / 4
    if kind == "lipid":
        return (Deposit("lipid", low, high, LIPID_ARC),)
    if kind == "calcified sheet":
        return (Deposit("calcium", low, high, morphometry.value("sheet arc", vessel)),)
    arc = morphometry.value("spot arc", vessel)
    if kind == "mixed":
        return (Deposit("lipid", low, middle - 0.3, LIPID_ARC),
                Deposit("calcium", middle + 0.3, min(high, middle + 0.3 + 2 * SPOT), arc))
    count = max(1, min(3, int((high - low + APART) // (SPOT + APART))))
    centres = np.linspace(low + SPOT / 2, high - SPOT / 2, count) if count > 1 else [middle]
    return tuple(Deposit("calcium", float(c) - SPOT / 2, float(c) + SPOT / 2, arc) for c in centres)


def layers(vessel: Vessel, plaques: list[Plaque], places: FloatArray) -> dict[str, npt.NDArray[np.bool_]]:
    """Which of (n, 3) places lie in the lumen, within the outer wall, in calcium and in lipid of a vessel."""
    tube, widest = vessel.tube, float(vessel.tube.radii.max())
    s, away = tube.curve.nearest(places, widest * (1 + OUTWARD) + vessel.wall)
    near = np.isfinite(away) & _between_ends(vessel, places, s)
    inside = {name: np.zeros(len(places), dtype=np.bool_) for name in ("lumen", "outer", "calcium", "lipid")}
    s, away, radius = s[near], away[near], tube.radius_at(s[near])
    _, out, side = vessel.frame(s)
    offset = places[near] - tube.curve.at(s)
    theta = np.arctan2((offset * side).sum(1), (offset * out).sum(1))
    narrowed = sum((plaque.thickness(s, theta, radius) for plaque in plaques), np.zeros(len(s)))
    inner, outer = radius - narrowed, radius + vessel.wall + OUTWARD * narrowed
    inside["lumen"][near], inside["outer"][near] = away <= inner, away <= outer
    for plaque in plaques:
        for deposit in plaque.deposits:
            within = (s >= deposit.start) & (s <= deposit.end) & (away >= inner + CAP) & (away <= outer - COVER)
            within &= np.abs(turned(theta, plaque.angle)) <= np.radians(deposit.arc) / 2
            inside[deposit.tissue][near] |= within
    return inside


def _between_ends(vessel: Vessel, places: FloatArray, s: FloatArray) -> npt.NDArray[np.bool_]:
    """Places before the flat end of a vessel, and behind that of the left main's start."""
    curve = vessel.tube.curve
    beyond = (places - curve.at(curve.length)) @ curve.tangent(curve.length) > 0
    cut = beyond & (s >= curve.length - 1e-6)
    if not vessel.parent:
        cut |= ((places - curve.at(0.0)) @ curve.tangent(0.0) < 0) & (s <= 1e-6)
    return np.asarray(~cut)
