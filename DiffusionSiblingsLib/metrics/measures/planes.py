"""Planes through a heart, and the outlines that tissues and openings have in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from .fields import SMOOTHING_MM, FloatArray, TissueFields

STEP_MM = 0.5  # between the points at which a plane is asked
ALONG_MM = 1.0  # standard deviation by which a picture in a plane is smoothed, so that its outline has no steps
ALIKE = (0.15, 0.35)  # two fields that differ by no more than the first are alike, by more than the second are not
PAD = 12  # points around the grid, outside everything
DIRECTIONS = 180  # in which the width of an outline is measured, over half a turn


@dataclass(frozen=True)
class Plane:
    """center: (3,) RAS mm, on the plane. normal: (3,) unit vector."""

    center: FloatArray
    normal: FloatArray

    @property
    def axes(self) -> tuple[FloatArray, FloatArray]:
        """Two unit vectors in the plane at right angles; with the normal they are right-handed."""
        least = np.eye(3)[int(np.argmin(np.abs(self.normal)))]
        first = np.cross(self.normal, least)
        first /= np.linalg.norm(first)
        return first, np.cross(self.normal, first)

    def points(self, flat: FloatArray) -> FloatArray:
        """(..., 3) RAS mm of (..., 2) coordinates in the plane, mm from its center."""
        first, second = self.axes
        return np.asarray(self.center + flat[..., :1] * first + flat[..., 1:] * second)

    def flat(self, points: FloatArray) -> FloatArray:
        """(..., 2) coordinates in the plane, mm from its center, of (..., 3) points in RAS mm."""
        return np.asarray((points - self.center) @ np.stack(self.axes, axis=1))

    def height(self, points: FloatArray) -> FloatArray:
        """(...) mm above the plane, along its normal, of (..., 3) points in RAS mm."""
        return np.asarray((points - self.center) @ self.normal)

    def shifted(self, mm: float) -> Plane:
        """The same plane moved along its normal."""
        return Plane(self.center + mm * self.normal, self.normal)


@dataclass(frozen=True)
class Outline:
    """A closed outline in a plane. flat: (n, 2) mm from the plane's center; the first point is not repeated."""

    plane: Plane
    flat: FloatArray

    @property
    def points(self) -> FloatArray:
        """(n, 3) RAS mm."""
        return self.plane.points(self.flat)

    @property
    def area(self) -> float:
        """mm^2 within the outline."""
        return abs(_signed_area(self.flat))

    @property
    def perimeter(self) -> float:
        """mm."""
        return float(np.linalg.norm(self.flat - np.roll(self.flat, 1, axis=0), axis=1).sum())

    @property
    def centroid(self) -> FloatArray:
        """(3,) RAS mm: centre of the area."""
        x, y = (self.flat - self.flat.mean(axis=0)).T
        cross = x * np.roll(y, -1) - np.roll(x, -1) * y
        center = np.array([((part + np.roll(part, -1)) * cross).sum() for part in (x, y)]) / (3 * cross.sum())
        return self.plane.points(center + self.flat.mean(axis=0))

    @property
    def diameters(self) -> tuple[float, float]:
        """Least and greatest distance in mm of two parallel lines that the outline touches (caliper diameters)."""
        angle = np.arange(DIRECTIONS) * (np.pi / DIRECTIONS)
        along = self.flat @ np.stack([np.cos(angle), np.sin(angle)])
        width = along.max(axis=0) - along.min(axis=0)
        return float(width.min()), float(width.max())

    def holds(self, flat: FloatArray) -> bool:
        """Whether a point (2,) of the plane lies within the outline."""
        (x, y), (nx, ny) = self.flat.T, np.roll(self.flat, -1, axis=0).T
        crosses = (y > flat[1]) != (ny > flat[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            where = x + (flat[1] - y) * (nx - x) / (ny - y)
        return bool(np.count_nonzero(crosses & (flat[0] < where)) % 2)


def grid_of(reach_mm: float) -> FloatArray:
    """(n, n, 2) coordinates in mm of a square grid of points that reaches so far from the plane's center."""
    side = np.arange(-np.ceil(reach_mm / STEP_MM), np.ceil(reach_mm / STEP_MM) + 1) * STEP_MM
    return np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)


def outlines(values: FloatArray, grid: FloatArray, plane: Plane) -> list[Outline]:
    """The closed outlines within which values on a plane's grid exceed one half, the largest first; holes left out.

    Smoothing draws a round outline in, by its variance over twice the radius. What a second smoothing of the same
    width takes away is therefore put back (twice the once smoothed less the twice smoothed).
    values: (n, n) float64, or (m, n, n) of which the least counts: each is smoothed for itself, so that the unevenness
    of one does not take from the other. grid: (n, n, 2), as `grid_of` makes it.
    """
    from scipy import ndimage
    from skimage import measure

    found = []
    fields = []
    for one in values.reshape(-1, *values.shape[-2:]):
        smooth = ndimage.gaussian_filter(np.pad(one, PAD), ALONG_MM / STEP_MM)
        fields.append(2 * smooth - ndimage.gaussian_filter(smooth, np.hypot(ALONG_MM, SMOOTHING_MM) / STEP_MM))
    find_contours: Any = measure.find_contours  # which says nothing of its types
    for line in find_contours(reduce(_narrower, fields), 0.5):
        flat = grid[0, 0] + (line[:-1] - PAD) * STEP_MM
        if len(flat) > 2 and _signed_area(flat) < 0:  # it has higher values on its left: clockwise here
            found.append(Outline(plane, flat))
    return sorted(found, key=lambda outline: -outline.area)


def _narrower(one: FloatArray, other: FloatArray) -> FloatArray:
    """The lesser of two fields where they differ, their mean where they are alike: there the lesser would be that of
    their noise, which draws an outline in.
    """
    apart = np.abs(one - other)
    low, high = ALIKE
    return np.asarray((one + other - apart * np.clip((apart - low) / (high - low), 0, 1)) / 2)


def section(fields: TissueFields, plane: Plane, reach_mm: float, *tissues: str) -> list[Outline]:
    """The outlines that tissues taken together have in a plane, the largest first."""
    grid = grid_of(reach_mm)
    return outlines(fields.sample(plane.points(grid), *tissues), grid, plane)


def section_at(fields: TissueFields, plane: Plane, reach_mm: float, *tissues: str) -> Outline | None:
    """The outline around the plane's center; None where the center is outside the tissues."""
    around = [outline for outline in section(fields, plane, reach_mm, *tissues) if outline.holds(np.zeros(2))]
    return around[0] if around else None


def _signed_area(flat: npt.NDArray[np.float64]) -> float:
    x, y = flat.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)
