"""A label map as smooth tissue fields, ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .views import Labels, Vector, occupied_box, present

Field = npt.NDArray[np.float32]
SMOOTH = 1.0  # voxels; below 0.8 the voxel steps show in the shading
LEVEL = 0.42  # a little below one half, so that walls of two voxels stay closed
PAD = 4


@dataclass(frozen=True)
class Solid:
    """A label map ready to be rendered. fields: (tissues, d, h, w) float32 smoothed occupancy, cropped to the tissue.

    values: label of each field. solid: (d, h, w) float32, the largest field everywhere, so that neighbouring tissues
    keep a groove between them. origin: (3,) KJI index of the crop's first voxel. changed: (d, h, w) float32, how
    much of the neighbourhood differs from the twin; None without a twin.
    """

    values: tuple[int, ...]
    fields: Field
    solid: Field
    origin: Vector
    changed: Field | None


def solid_of(labels: Labels, twin: Labels | None = None) -> Solid | None:
    """Smoothed tissue fields of a map, and of what differs from the twin; None where there is no tissue but specks.

    labels, twin: (D, H, W) of the same shape.
    """
    if not labels.any():
        return None
    low, high = occupied_box([labels])
    low, high = low - PAD, high + PAD
    crop = cropped(labels, low, high)
    values = present(crop)
    masks = [(crop == value).astype(np.float32) for value in values]
    fields = np.stack([ndimage.gaussian_filter(mask, SMOOTH, truncate=3.0) for mask in masks])
    if fields.max() <= LEVEL:
        return None
    changed = None
    if twin is not None:
        differs = (crop != cropped(twin, low, high)).astype(np.float32)
        changed = np.asarray(ndimage.gaussian_filter(differs, 1.5 * SMOOTH, truncate=3.0), dtype=np.float32)
    return Solid(values, fields, fields.max(axis=0), low, changed)


def cropped(labels: Labels, low: Vector, high: Vector) -> Labels:
    """The box low..high (KJI, may reach outside) of a map, background outside."""
    inside = tuple(slice(max(int(a), 0), min(int(b), n)) for a, b, n in zip(low, high, labels.shape, strict=True))
    pad = [(max(-int(a), 0), max(int(b) - n, 0)) for a, b, n in zip(low, high, labels.shape, strict=True)]
    return np.pad(labels[inside], pad)


def sample(field: Field, points: Vector) -> Field:
    """A field at (3, n) KJI points of its own grid, linearly; 0 outside."""
    return np.asarray(ndimage.map_coordinates(field, points, order=1, output=np.float32))
