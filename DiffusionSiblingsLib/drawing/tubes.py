"""Tubes painted into a label map: what is nearer to its place on a centre line than the radius there.

A union of balls would be wider: where the calibre changes by k mm a mm, its sections have 1 / sqrt(1 - k^2) times the
radius. Here a section across the centre line is the disc of the radius that the truth gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .curves import Curve, FloatArray


@dataclass(frozen=True)
class Tube:
    """tissue: id. curve: centre line. radii: (N,) mm at the curve's points."""

    tissue: str
    curve: Curve
    radii: FloatArray

    def radius_at(self, s: npt.ArrayLike) -> FloatArray:
        """Lengths along the curve (...,) -> radii in mm."""
        return np.asarray(np.interp(np.asarray(s, np.float64), self.curve.along, self.radii), np.float64)

    def depth(self, places: FloatArray) -> FloatArray:
        """(n, 3) RAS mm -> (n,) mm to the wall, above 0 inside; -inf far outside."""
        s, away = self.curve.nearest(places, float(self.radii.max()))
        return np.asarray(np.where(np.isfinite(away), self.radius_at(s) - away, -np.inf))


@dataclass(frozen=True)
class Grid:
    """shape: (D, H, W), KJI order. spacing: mm. The voxels' axes are right, anterior, superior; `centre` (3,) RAS mm is
    the middle of the field of view.
    """

    shape: tuple[int, int, int]
    spacing: float
    centre: tuple[float, float, float]

    @property
    def affine(self) -> FloatArray:
        """(4, 4) float64, voxel IJK -> RAS mm."""
        matrix = np.diag([self.spacing] * 3 + [1.0])
        matrix[:3, 3] = np.array(self.centre) - self.spacing * (np.array(self.shape[::-1]) - 1) / 2
        return matrix

    def holds(self, point: FloatArray, radius: float) -> bool:
        """Whether a ball about a point (3,) RAS mm lies within the voxels' centres."""
        low = self.affine[:3, 3]
        high = low + self.spacing * (np.array(self.shape[::-1]) - 1)
        return bool(((point - radius >= low) & (point + radius <= high)).all())

    def around(self, curve: Curve, reach: float) -> tuple[tuple[slice, ...], FloatArray]:
        """The box (3 slices, KJI) of voxels within `reach` mm of a curve's extent, and their centres (d, h, w, 3)."""
        origin = self.affine[:3, 3]
        low = np.ceil((curve.points.min(0) - reach - origin) / self.spacing).astype(int).clip(0)
        high = np.floor((curve.points.max(0) + reach - origin) / self.spacing).astype(int) + 1
        box = tuple(slice(low[axis], max(low[axis], min(high[axis], self.shape[2 - axis]))) for axis in (2, 1, 0))
        k, j, i = np.meshgrid(*(np.arange(part.start, part.stop) for part in box), indexing="ij")
        return box, np.asarray(origin + self.spacing * np.stack([i, j, k], axis=-1), dtype=np.float64)

    def inside(self, tube: Tube) -> npt.NDArray[np.bool_]:
        """(D, H, W): voxels whose centres lie in the tube."""
        found = np.zeros(self.shape, dtype=np.bool_)
        box, places = self.around(tube.curve, float(tube.radii.max()))
        found[box] = (tube.depth(places.reshape(-1, 3)) >= 0).reshape(places.shape[:3])
        return found


def paint(grid: Grid, tubes: Sequence[Tube], labels: dict[str, int]) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8: each voxel has the label of the first tube in which it lies, or 0. labels: of the tissues."""
    painted = np.zeros(grid.shape, dtype=np.uint8)
    for tube in tubes:
        painted[grid.inside(tube) & (painted == 0)] = labels[tube.tissue]
    return painted
