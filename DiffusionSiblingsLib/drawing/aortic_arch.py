"""The aorta itself, from the sinus over the arch to the diaphragm, and where branches leave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .curves import Curve, FloatArray, across
from .morphometry import Morphometry
from .tubes import Grid, Tube

STATIONS = ("sinus", "ascending", "before trunk", "proximal arch", "distal arch", "isthmus", "diaphragm")
SHARED = 0.6  # of the variance of calibres that is the subject's size (assumed)
UNEVEN = 2.0  # mm, standard deviation of the knots of the centre line (assumed)
STEP = 1.0  # mm between points of the centre line
ISTHMUS = 22.0  # mm behind the last branch (assumed)
DROPS = {"I": (0.1, 0.9), "II": (1.1, 1.9), "III": (2.1, 2.8)}  # of the trunk below the top, in carotid diameters
ROUNDS = 3  # where the first branch leaves depends on calibres whose places depend on it


@dataclass(frozen=True)
class Arch:
    """tube: of the aorta. places: station -> mm along its centre line. origins: branch -> mm along it. top: mm, highest
    point of its wall. drop: mm that the first branch leaves below that.
    """

    tube: Tube
    places: dict[str, float]
    origins: dict[str, float]
    top: float
    drop: float

    def wall(self, s: float, back: float = 0.0) -> FloatArray:
        """(3,) the point of the outer wall above a place of the centre line. back: 0..1, turned towards behind."""
        out = (1 - back) * outward(self.tube.curve, s) + back * np.array([0.0, -1.0, 0.0])
        return self.tube.curve.at(s) + self.tube.radius_at(s) * across(out, self.tube.curve.tangent(s, 3.0))

    def stations(self, grid: Grid) -> list[dict[str, Any]]:
        """Name, place, direction and exact diameter of each station, and whether the field of view holds it."""
        return [{"name": name, "point": self.tube.curve.at(s).round(3).tolist(),
                 "normal": self.tube.curve.tangent(s).round(4).tolist(),
                 "diameter_mm": round(2 * float(self.tube.radius_at(s)), 3),
                 "in_view": grid.holds(self.tube.curve.at(s), float(self.tube.radius_at(s)))}
                for name, s in self.places.items()]


def draw_arch(morphometry: Morphometry, kind: str, widths: dict[str, float]) -> Arch:
    """An aorta whose first branch drops as the type of its arch asks.

    widths: diameters in mm of the branches that leave it, in their order, and "gap" entries between them.
    """
    common = morphometry.score()
    curve = _centre_line(morphometry)
    calibres = {name: morphometry.value(name, common=common, share=SHARED) for name in STATIONS}
    change = _pathology(morphometry, kind)
    low, high = DROPS[morphometry.choice("arch type")]
    drop = float(morphometry.rng.uniform(low, high) * morphometry.once("LCCA"))
    apex = float(curve.along[int(np.argmax(curve.points[:, 2]))])
    first = apex
    for _ in range(ROUNDS):
        origins = _origins(curve, first, calibres["proximal arch"] / 2, widths)
        places = _places(curve, origins)
        tube = Tube("Ao", curve, _radii(curve, places, calibres) * change.factor(curve, places))
        heights = curve.points[:, 2] + tube.radii * outward(curve, curve.along)[:, 2]
        rising = curve.along <= apex
        first = float(np.interp(heights.max() - drop, heights[rising], curve.along[rising]))
    return Arch(tube, places, origins, float(heights.max()), drop)


@dataclass(frozen=True)
class Pathology:
    """Calibres times `times` about `offset` mm behind a station, fading out over `width` mm (a Gaussian)."""

    station: str = "sinus"
    offset: float = 0.0
    times: float = 1.0
    width: float = 1.0

    def factor(self, curve: Curve, places: dict[str, float]) -> FloatArray:
        """(N,) at the points of the centre line."""
        away = (curve.along - places[self.station] - self.offset) / self.width
        return np.asarray(1 + (self.times - 1) * np.exp(-0.5 * away**2), dtype=np.float64)


def _pathology(morphometry: Morphometry, kind: str) -> Pathology:
    """What a kind of aorta does to the calibres (all assumed)."""
    times = morphometry.rng.uniform
    return {"ascending aneurysm": Pathology("ascending", 0.0, float(times(1.35, 1.7)), 18.0),
            "descending aneurysm": Pathology("isthmus", 35.0, float(times(1.35, 1.8)), 18.0),
            "coarctation": Pathology("isthmus", 0.0, float(times(0.4, 0.7)), 6.0)}.get(kind, Pathology())


def _centre_line(morphometry: Morphometry) -> Curve:
    """Two legs and half an ellipse between them, in a plane from the front right to the back left, made uneven."""
    height, width = morphometry.value("height"), morphometry.value("width")
    below, turn = morphometry.value("below"), np.radians(morphometry.value("turn"))
    bow = min(width / 2, 0.7 * height)  # height of the half ellipse
    legs = height - bow
    angles = np.linspace(0, np.pi, 7)
    across = [0.0, 0.0, *(width / 2 * (1 - np.cos(angles))), width, width]
    up = [0.0, legs / 2, *(legs + bow * np.sin(angles)), (legs - below) / 2, -below]
    plane = np.stack([np.array(across), np.zeros(len(up)), np.array(up)], axis=1)
    plane += morphometry.rng.normal(0.0, UNEVEN, plane.shape)
    u, w, v = plane.T
    knots = np.stack([-np.cos(turn) * u + np.sin(turn) * w, -np.sin(turn) * u - np.cos(turn) * w, v], axis=1)
    return Curve.through(knots, STEP)


def _origins(curve: Curve, first: float, radius: float, widths: dict[str, float]) -> dict[str, float]:
    """Branch -> mm along the centre line, so that gaps between the branches' rims are as drawn on the outer wall."""
    wall = curve.points + radius * outward(curve, curve.along)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(wall, axis=0), axis=1))])
    found: dict[str, float] = {}
    place, before = float(np.interp(first, curve.along, length)), 0.0
    for name, width in widths.items():
        if name.startswith("gap"):
            place += width
            continue
        place += before / 2 + (width / 2 if found else 0.0)
        found[name], before = float(np.interp(place, length, curve.along)), width
    return found


def _places(curve: Curve, origins: dict[str, float]) -> dict[str, float]:
    """Station -> mm along the centre line."""
    first, last = min(origins.values()), max(origins.values())
    isthmus = min(last + ISTHMUS, curve.length - 20.0)
    found = (0.0, 0.5 * first, 0.85 * first, (first + last) / 2, (last + isthmus) / 2, isthmus, curve.length)
    return dict(zip(STATIONS, found, strict=True))


def _radii(curve: Curve, places: dict[str, float], calibres: dict[str, float]) -> FloatArray:
    """(N,) mm: half of the stations' calibres, without overshoot between them."""
    from scipy.interpolate import PchipInterpolator

    between = PchipInterpolator([places[name] for name in STATIONS], [calibres[name] / 2 for name in STATIONS])
    return np.asarray(between(curve.along), dtype=np.float64)


def outward(curve: Curve, s: npt.ArrayLike) -> FloatArray:
    """Lengths (...,) -> unit directions (..., 3) away from the middle of the arch, across the centre line."""
    middle = (curve.points.min(0) + curve.points.max(0)) / 2
    return across(curve.at(s) - middle, curve.tangent(s, 3.0))
