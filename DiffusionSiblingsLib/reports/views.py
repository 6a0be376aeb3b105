"""Viewing frames: how a slice or a surface picture lies in the canonical grid, and how its pixels map to voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy

Vector = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class View:
    """An orthographic view. All vectors are (3,) float64 in xyz order, in voxels.

    centre: the point in the middle of the picture (or on the slice). right, up, toward: orthonormal, right x up =
    toward, which points at the viewer. extent: (left, right, down, up) in voxels; left and down are negative.
    """

    centre: Vector
    right: Vector
    up: Vector
    toward: Vector
    extent: tuple[float, float, float, float] = (-64.0, 64.0, -64.0, 64.0)

    def pixels(self, scale: float) -> tuple[int, int]:
        """Rows and columns of the picture at `scale` pixels per voxel."""
        left, right, down, up = self.extent
        return max(1, round((up - down) * scale)), max(1, round((right - left) * scale))

    def grid(self, scale: float, multiple: int = 1) -> Vector:
        """Pixel centres, (3, rows, columns) in KJI index order, first row at the top; scale: pixels per voxel.

        multiple: rows and columns are those at scale / multiple, times multiple.
        """
        rows, columns = (n * multiple for n in self.pixels(scale / multiple))
        u = self.extent[0] + (np.arange(columns) + 0.5) / scale
        v = self.extent[3] - (np.arange(rows) + 0.5) / scale
        points = (
            self.centre[:, None, None]
            + self.right[:, None, None] * u[None, None, :]
            + self.up[:, None, None] * v[None, :, None]
        )
        return points[::-1]  # (3, rows, columns), xyz -> KJI


def frame(centre: Vector, right: Vector, up: Vector) -> View:
    """A view whose up is `up` and whose right is `right` made orthogonal to it."""
    up = up / np.linalg.norm(up)
    right = right - up * (right @ up)
    right = right / np.linalg.norm(right)
    return View(centre, right, up, np.cross(right, up))


def centroids(labels: Labels, values: Sequence[int]) -> Vector:
    """(len(values), 3) float64: centroid of each label in xyz voxels; NaN where it has no voxel."""
    found = np.full((len(values), 3), np.nan)
    for row, value in enumerate(values):
        points = np.nonzero(labels == value)
        if points[0].size:
            found[row] = [axis.mean() for axis in points[::-1]]
    return found


def present(labels: Labels) -> tuple[int, ...]:
    """The values that occur, without background; labels: uint8 of any shape."""
    return tuple(int(value) for value in np.flatnonzero(np.bincount(labels.ravel(), minlength=1)) if value)


def tissue_centre(labels: Labels) -> Vector:
    """(3,) float64: middle of the box around all tissue in xyz voxels, or of the grid where there is none."""
    low, high = occupied_box([labels])
    return ((low + high - 1) / 2.0)[::-1].copy()


def occupied_box(maps: Sequence[Labels]) -> tuple[Vector, Vector]:
    """First and one-past-last KJI index of the box around the tissue of all maps; the whole grid if there is none."""
    low = np.array(maps[0].shape)
    high = np.zeros(3, dtype=low.dtype)
    for labels in maps:
        for axis in range(3):
            used = np.flatnonzero((labels != 0).any(axis=tuple(a for a in range(3) if a != axis)))
            if used.size:
                low[axis], high[axis] = min(low[axis], used[0]), max(high[axis], used[-1] + 1)
    if (high <= low).any():
        return np.zeros(3), np.array(maps[0].shape, dtype=np.float64)
    return low.astype(np.float64), high.astype(np.float64)


def four_chamber(labels: Labels, anatomy: Anatomy) -> View:
    """Least-squares plane through the chambers' centroids: axis_to above axis_from, second chamber left of the first.

    For the heart: atria above, right side of the heart on the left, as it is seen facing a person. Where chambers are
    missing, the canonical plane y = const through the middle of the tissue, +z up, +x on the left: the same for an
    average heart.
    """
    points = centroids(labels, [anatomy.label_of(name) for name in anatomy.chambers])
    ends = centroids(labels, [anatomy.label_of(anatomy.axis_from), anatomy.label_of(anatomy.axis_to)])
    fallback = frame(tissue_centre(labels), np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    if len(points) < 3 or np.isnan(points).any() or np.isnan(ends).any():
        return fallback
    centre = points.mean(axis=0)
    normal = np.linalg.svd(points - centre)[2][-1]
    up, right = (vector - normal * (vector @ normal) for vector in (ends[1] - ends[0], points[0] - points[1]))
    if np.linalg.norm(np.cross(up, right)) < 0.3 * np.linalg.norm(up) * np.linalg.norm(right) + 1e-6:
        return fallback
    return frame(centre, right, up)


def short_axis(labels: Labels, anatomy: Anatomy, long: View) -> View:
    """Plane across the long axis at the height of the first two chambers, seen from the apex; left as in `long`."""
    points = centroids(labels, [anatomy.label_of(name) for name in anatomy.chambers[:2]])
    centre = tissue_centre(labels) if np.isnan(points).any() or not len(points) else points.mean(axis=0)
    centre = long.centre + long.up * ((centre - long.centre) @ long.up)
    return frame(centre, long.right, long.toward)


def three_planes(labels: Labels, anatomy: Anatomy, *, slab: float | None, margin: float) -> list[View]:
    """Through the chambers, across the long axis, and along it at a right angle to the first; fitted, of one size."""
    chambers = four_chamber(labels, anatomy)
    across = short_axis(labels, anatomy, chambers)
    along = frame(chambers.centre, chambers.toward, chambers.up)
    return alike([fitted(view, [labels], slab=slab, margin=margin) for view in (chambers, across, along)])


def alike(views: Sequence[View]) -> list[View]:
    """The views with extents of one size, each about the middle of its own: pictures at one scale, in line."""
    extents = np.array([view.extent for view in views])  # left, right, down, up
    middles = (extents[:, ::2] + extents[:, 1::2]) / 2
    wide, tall = np.ptp(extents[:, :2], axis=1).max() / 2, np.ptp(extents[:, 2:], axis=1).max() / 2
    return [replace(view, extent=(float(x - wide), float(x + wide), float(y - tall), float(y + tall)))
            for view, (x, y) in zip(views, middles, strict=True)]


def fitted(view: View, maps: Sequence[Labels], *, slab: float | None, margin: float = 3.0) -> View:
    """The view with the extent of all tissue in all maps; slab: count only voxels this close to the plane (voxels)."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for labels in maps:
        points = 2 * np.argwhere(labels[::2, ::2, ::2])[:, ::-1] - view.centre  # (n, 3) xyz
        if slab is not None:
            points = points[np.abs(points @ view.toward) <= slab]
        if len(points):
            flat = points @ np.stack([view.right, view.up], axis=1)  # (n, 2)
            low, high = np.minimum(low, flat.min(axis=0)), np.maximum(high, flat.max(axis=0))
    if not np.isfinite(low).all():
        low, high = np.full(2, -32.0), np.full(2, 32.0)
    extent = (float(low[0]) - margin, float(high[0]) + margin, float(low[1]) - margin, float(high[1]) + margin)
    return View(view.centre, view.right, view.up, view.toward, extent)
