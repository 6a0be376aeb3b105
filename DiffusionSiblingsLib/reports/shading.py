"""Light on surfaces: normals, lamps, crevices, and the marks of what changed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..core.palette import CHANGED, Colors
from .slices import stripes
from .tissue_fields import Field, Solid, sample
from .views import Vector, View

Image = npt.NDArray[np.float32]
KEY = np.array([-0.45, 0.60, 0.66])
FILL = np.array([0.70, -0.10, 0.70])
MOVED_VOXELS = 1.5  # what that share means, for a flat surface
MOVED = 0.36  # share of changed voxels around a surface at which it counts as moved


def shade(solid: Solid, view: View, points: Vector, depth: Field, colors: Colors, scale: float) -> Image:
    """(rows, columns, 3) float32 RGB on white: tissue colours, lamps, crevices darkened, changes striped.

    points: (3, rows, columns) KJI of the crop on the view's plane. depth: (rows, columns) from `first_hit`.
    scale: pixels per voxel.
    """
    rays = np.flatnonzero(~np.isnan(depth))
    image = np.ones((depth.size, 3), dtype=np.float32)
    if rays.size:
        hits = points.reshape(3, -1)[:, rays] + view.toward[::-1, None] * depth.reshape(-1)[rays]
        smooth = ndimage.gaussian_filter(solid.solid, 0.7, truncate=3.0)
        slope = -np.stack([sample(ndimage.correlate1d(smooth, [-0.5, 0.0, 0.5], axis=axis), hits) for axis in range(3)])
        normal = np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=0), 1e-6))  # (3, n) unit, outward, KJI
        base = paint(solid, hits, normal, colors, stripes(depth.shape).reshape(-1)[rays])
        local = np.stack([normal.T @ axis[::-1] for axis in (view.right, view.up, view.toward)])  # (3, n)
        image[rays] = lit(base, local, crevices(depth, scale).reshape(-1)[rays])
    return image.reshape(*depth.shape, 3)


def paint(solid: Solid, hits: Vector, normal: Vector, colors: Colors, striped: npt.NDArray[np.bool_]) -> Image:
    """(n, 3) float32 colours before lighting: those of the tissue just below the surface, striped where it moved."""
    below = hits - normal * 0.7
    tissue = np.stack([sample(field, below) for field in solid.fields]).argmax(axis=0)
    base = colors[np.array(solid.values)[tissue]]
    if solid.changed is not None:
        around = [sample(solid.changed, hits + normal * offset) for offset in (-1.0, 0.0, 1.0)]
        base[striped & (np.max(around, axis=0) > MOVED)] = CHANGED
    return np.asarray(base, dtype=np.float32)


def crevices(depth: Field, scale: float) -> Field:
    """(rows, columns) float32 in 0..1: how much lower than its surroundings a pixel lies (screen-space occlusion)."""
    known = ~np.isnan(depth)
    filled = np.where(known, depth, np.float32(0.0))
    total = np.zeros_like(depth)
    for radius in (1.5, 5.0):
        sigma = radius * scale
        weight = ndimage.gaussian_filter(known.astype(np.float32), sigma, truncate=2.0)
        mean = ndimage.gaussian_filter(filled, sigma, truncate=2.0) / np.maximum(weight, 1e-3)
        total += np.clip((mean - filled) / (2.2 * radius), 0.0, 1.0)
    return np.asarray(np.clip(total / 1.4, 0.0, 1.0), dtype=np.float32)


def lit(base: Image, normal: Vector, crevice: Field) -> Image:
    """(n, 3) float32: base colours under a key light from the upper left, a fill from the right, and a soft highlight.

    normal: (3, n) unit, in the view's right, up and toward.
    """
    diffuse = 0.48 + 0.56 * np.clip(KEY @ normal, 0, 1) + 0.20 * np.clip(FILL @ normal, 0, 1)
    half = KEY + np.array([0.0, 0.0, 1.0])
    gloss = 0.20 * np.clip((half / np.linalg.norm(half)) @ normal, 0, 1) ** 28
    rim = 1.0 - 0.34 * (1.0 - np.clip(normal[2], 0, 1)) ** 3
    bright = (diffuse * rim * (1.0 - 0.55 * crevice))[:, None]
    shine = (gloss * (1.0 - 0.5 * crevice))[:, None]
    return np.asarray(np.clip(base * bright + shine, 0.0, 1.0), dtype=np.float32)
