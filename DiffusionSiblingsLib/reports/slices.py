"""Oblique slices of label maps: smooth class fields on a plane, and the coloured picture with its marks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..core.palette import CHANGED, STRIPE, Colors
from .views import Labels, View, present

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
SMOOTH = 0.6  # voxels: enough to round voxel corners, too little to close a gap of two voxels
FINE = 2  # label pixels per pixel of the fields


@dataclass(frozen=True)
class Slice:
    """One map on one plane; rows from the top. values: the labels that occur, background first.

    fields: (values, rows, columns) float32, each label's share of a pixel. labels: (FINE rows, FINE columns) uint8.
    """

    values: tuple[int, ...]
    fields: Image
    labels: npt.NDArray[np.uint8]

    def outlines(self) -> tuple[Image, ...]:
        """One (rows, columns) float32 for every tissue, whose zero line is the tissue's outline."""
        if len(self.fields) < 2:
            return ()
        top = np.sort(self.fields, axis=0)[-2:]
        lead = self.fields - top[1] + np.where(self.fields >= top[1], top[1] - top[0], 0.0)
        return tuple(lead[1:])


def cut(labels: Labels, view: View, scale: float) -> Slice:
    """The map (D, H, W) on the plane of `view`, anti-aliased; scale: pixels per voxel. Background outside the grid."""
    points = view.grid(scale)
    values = (0, *present(ndimage.map_coordinates(labels, points, order=0, cval=0)))
    tissues = [smooth_mask(labels == value, points, scale) for value in values[1:]]
    background = np.ones(points.shape[1:], dtype=np.float32) - sum(tissues)
    fields = np.stack([background, *tissues])
    fine = np.stack([ndimage.zoom(field, FINE, order=1, mode="nearest", grid_mode=True) for field in fields])
    return Slice(values, fields, np.array(values, dtype=np.uint8)[fine.argmax(axis=0)])


def smooth_mask(mask: Mask, points: npt.NDArray[np.float64], scale: float) -> Image:
    """A mask sampled linearly at (3, rows, columns) KJI points, then smoothed in the plane: (rows, columns) float32."""
    sampled = ndimage.map_coordinates(mask.view(np.uint8), points, order=1, cval=0, output=np.float32)
    return np.asarray(ndimage.gaussian_filter(sampled, SMOOTH * scale, truncate=2.5), dtype=np.float32)


def painted(slice_: Slice, colors: Colors, twin: Slice | None) -> Image:
    """(FINE rows, FINE columns, 3) float32 RGB in 0..1: tissue colours; what differs from the twin is striped."""
    image = colors[slice_.labels]
    if twin is not None:
        changed = slice_.labels != twin.labels
        image[changed & stripes(changed.shape)] = CHANGED
    return image


def stripes(shape: tuple[int, ...]) -> Mask:
    """(rows, columns) bool: diagonal stripes, the same for every picture of a shape."""
    rows, columns = np.indices(shape[:2])
    return np.asarray((rows + columns) % STRIPE < STRIPE * 0.32)
