"""Shaded surface pictures of label maps in plain numpy: rays marched through smoothed fields, no graphics library.

See docs/decisions/0002-surface-pictures.md for why not VTK. The picture is orthographic: one pixel is one ray.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..core.palette import Colors
from .shading import shade
from .tissue_fields import LEVEL, Field, Solid, sample
from .views import Vector, View

Image = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
CELL = 1.25  # voxels: pixels of the coarse pass
STEP = 0.5  # voxels: of a ray near the surface
REACH = 1.2  # voxels from a voxel's centre to the end of what it can fill


def render(solid: Solid | None, view: View, scale: float, colors: Colors, supersample: int = 2) -> Bytes:
    """(rows, columns, 3) uint8 RGB on white; scale: pixels per voxel. A white picture for no solid."""
    fine = scale * supersample
    points = view.grid(fine, supersample)
    rows, columns = (n // supersample for n in points.shape[1:])
    if solid is None:
        return np.full((rows, columns, 3), 255, dtype=np.uint8)
    points = points - solid.origin[:, None, None]
    image = shade(solid, view, points, first_hit(solid, view, points), colors, fine)
    return reduced(image, supersample)


def reduced(image: Image, factor: int) -> Bytes:
    """The image, float 0..1, with blocks of factor x factor pixels averaged to bytes; its sides are multiples of it."""
    rows, columns, channels = image.shape
    blocks = image.reshape(rows // factor, factor, columns // factor, factor, channels)
    return np.asarray(np.round(blocks.mean(axis=(1, 3)) * 255.0), dtype=np.uint8)


def first_hit(solid: Solid, view: View, points: Vector) -> Field:
    """Height of the first surface over the view's plane, toward the viewer: (rows, columns) float32, NaN where none.

    points: (3, rows, columns) KJI of the crop, pixel centres on the view's plane. A coarse pass says between which
    heights a ray may meet tissue; there it takes long steps where the field is zero and half voxels near the surface.
    """
    toward = view.toward[::-1]
    flat = points.reshape(3, -1)
    start, stop = (bound.reshape(-1) for bound in bounds(solid, view, points))
    found = np.full(start.shape, np.nan)
    active = np.flatnonzero(np.isfinite(start))
    height = start[active]
    while active.size:
        value = sample(solid.solid, flat[:, active] + toward[:, None] * height)
        hit = value > LEVEL
        found[active[hit]] = height[hit]
        height = height - np.where(value < 0.02, 1.5, STEP)
        going = ~hit & (height > stop[active])
        active, height = active[going], height[going]
    rays = np.flatnonzero(~np.isnan(found))
    low = found[rays]  # just inside; the crossing lies up to a step before it, where the field is taken as linear
    inside = sample(solid.solid, flat[:, rays] + toward[:, None] * low)
    outside = sample(solid.solid, flat[:, rays] + toward[:, None] * (low + STEP))
    found[rays] = low + STEP * np.clip((inside - LEVEL) / np.maximum(inside - outside, 1e-6), 0.0, 1.0)
    return found.reshape(points.shape[1:]).astype(np.float32)


def bounds(solid: Solid, view: View, points: Vector) -> tuple[Vector, Vector]:
    """Highest and lowest tissue near each pixel's ray, (rows, columns) over the view's plane; infinite if none."""
    axes = np.stack([view.right[::-1], view.up[::-1], view.toward[::-1]], axis=1)
    plane = points[:, 0, 0]
    place = (np.argwhere(solid.solid > 0.5 * LEVEL) - plane) @ axes  # (n, 3): right, up, height from the first pixel
    cells = np.floor(place[:, :2] / CELL).astype(np.int64)
    pixels = np.floor(np.tensordot(axes[:, :2].T, points - plane[:, None, None], axes=1) / CELL).astype(np.int64)
    low = np.minimum(cells.min(axis=0), pixels.min(axis=(1, 2))) - 1
    size = np.maximum(cells.max(axis=0), pixels.max(axis=(1, 2))) - low + 2
    top, bottom = np.full(size, -np.inf), np.full(size, np.inf)
    where = tuple((cells - low).T)
    np.maximum.at(top, where, place[:, 2])
    np.minimum.at(bottom, where, place[:, 2])
    top, bottom = ndimage.maximum_filter(top, 3), ndimage.minimum_filter(bottom, 3)
    pick = tuple(pixels - low[:, None, None])
    return top[pick] + REACH, bottom[pick] - REACH
