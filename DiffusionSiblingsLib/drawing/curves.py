"""Centre lines: smooth curves through points, evenly sampled, with places along them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

FINE = 0.1  # mm between the places of a curve among which the nearest one is sought
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """points: (N, 3) float64, RAS mm, close to each other. The length along the curve is the parameter, in mm."""

    points: FloatArray

    @classmethod
    def through(cls, knots: npt.ArrayLike, step: float) -> Curve:
        """A cubic spline through (n, 3) knots, sampled about every `step` mm."""
        from scipy.interpolate import CubicSpline

        fixed = np.asarray(knots, dtype=np.float64)
        chords = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fixed, axis=0), axis=1))])
        spline = CubicSpline(chords, fixed)
        dense = cls(spline(np.linspace(0.0, chords[-1], 20 * len(fixed))))
        return cls(dense.at(np.linspace(0.0, dense.length, max(2, round(dense.length / step) + 1))))

    @cached_property
    def along(self) -> FloatArray:
        """(N,) mm from the start to each point."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length(self) -> float:
        """Mm from end to end."""
        return float(self.along[-1])

    def at(self, s: npt.ArrayLike) -> FloatArray:
        """Lengths (...,) in mm -> places (..., 3)."""
        place = np.asarray(s, dtype=np.float64)
        return np.stack([np.interp(place, self.along, self.points[:, axis]) for axis in range(3)], axis=-1)

    def tangent(self, s: npt.ArrayLike, reach: float = 1.0) -> FloatArray:
        """Lengths (...,) -> unit directions (..., 3), over `reach` mm to both sides."""
        place = np.asarray(s, dtype=np.float64)
        return unit(self.at(np.minimum(place + reach, self.length)) - self.at(np.maximum(place - reach, 0.0)))

    def nearest(self, places: FloatArray, reach: float) -> tuple[FloatArray, FloatArray]:
        """(n, 3) -> lengths (n,) of the nearest places on the curve, and how far away these are; further away than
        `reach` mm the distance is inf and the length 0.
        """
        from scipy.spatial import cKDTree

        s = np.linspace(0.0, self.length, max(2, round(self.length / FINE) + 1))
        away, index = cKDTree(self.at(s)).query(places, distance_upper_bound=reach + FINE)
        return np.append(s, 0.0)[index], np.asarray(away, dtype=np.float64)


def unit(vectors: FloatArray) -> FloatArray:
    """(..., 3) the same directions with length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float64)


def across(vectors: FloatArray, ahead: FloatArray) -> FloatArray:
    """(..., 3) unit directions: of vectors, without their part along unit directions `ahead`."""
    return unit(vectors - (vectors * ahead).sum(-1, keepdims=True) * ahead)


def angle_between(a: FloatArray, b: FloatArray) -> float:
    """Degrees between two directions (3,)."""
    cosine = float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
