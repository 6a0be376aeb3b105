"""Where tissues are: their voxels, surfaces and contacts as points in mm. Shared by the builders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..labelmaps.geometry.frame import checked_affine, spacing_of
from .checks import FloatArray

Labels = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]


class Place(NamedTuple):
    """A tissue's (or several tissues') voxels, cropped. mask: (d, h, w) bool. affine: (4, 4) IJK of the crop -> mm."""

    mask: Mask
    affine: FloatArray

    def points(self, mask: Mask | None = None) -> FloatArray:
        """(n, 3) float64, mm: centres of the true voxels, of another mask of the same grid if one is given."""
        index = np.argwhere(self.mask if mask is None else mask)[:, ::-1]  # IJK
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3])

    @property
    def spacing(self) -> FloatArray:
        """(3,) mm along I, J, K."""
        return spacing_of(self.affine)


def place_of(labels: Labels, affine: npt.NDArray[Any], anatomy: Anatomy, tissues: Sequence[str]) -> Place:
    """The voxels of the tissues taken together. labels: (D, H, W), KJI order. affine: (4, 4) voxel IJK -> mm.

    Raises InputError for a tissue that the anatomy does not have and where no voxel has any of them.
    """
    world = checked_affine(affine)
    if not tissues:
        raise InputError("A control domain cannot be placed", value="no tissue", rule="at least one tissue")
    values = [anatomy.label_of(tissue) for tissue in tissues]
    mask = labels == values[0]
    for value in values[1:]:
        mask |= labels == value
    box = foreground_box(mask) if labels.ndim == 3 else None
    if box is None:
        names = " and ".join(f"{anatomy.tissue(tissue).name} ({tissue})" for tissue in tissues)
        raise InputError(f"There is no {names} in the label map",
                         rule="a control domain is placed where its tissues are",
                         hint="choose another tissue, or check how the label map's tissues are named")
    start = np.array([part.start for part in box[::-1]], dtype=np.float64)  # IJK
    cropped = world.copy()
    cropped[:3, 3] = world[:3, :3] @ start + world[:3, 3]
    return Place(mask[box], cropped)


def centroid(place: Place) -> FloatArray:
    """(3,) mm."""
    index = np.array([(np.arange(n) @ place.mask.sum(axis=tuple(a for a in range(3) if a != axis)))
                      for axis, n in enumerate(place.mask.shape)], dtype=np.float64) / place.mask.sum()  # KJI
    return np.asarray(place.affine[:3, :3] @ index[::-1] + place.affine[:3, 3])


def surface_points(place: Place) -> FloatArray:
    """(n, 3) mm: centres of the voxels with a face that is not the tissue's (also at the border of the map)."""
    padded = np.pad(place.mask, 1)
    within = place.mask.copy()
    for axis in range(3):
        for step in (-1, 1):
            within &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return place.points(place.mask & ~within)


def extent(place: Place, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest coordinates (3,) along the rows of `axes`, voxels taken as bodies."""
    along = surface_points(place) @ axes.T
    half = np.abs(axes @ place.affine[:3, :3]).sum(axis=1) / 2
    return along.min(axis=0) - half, along.max(axis=0) + half


def contact(first: Place, second: Place, gap_mm: float) -> tuple[FloatArray, FloatArray] | None:
    """Where two tissues meet: points (n, 3) mm halfway between them, and (n, 3) steps from the first to the second.

    Surface voxels of the first that are as near to the second as any, within half a voxel. None where the gap between
    the two is wider than `gap_mm` (between voxel centres, beyond a voxel).
    """
    from scipy.spatial import cKDTree

    a, b = surface_points(first), surface_points(second)
    voxel = float(max(first.spacing.max(), second.spacing.max()))
    distance, nearest = cKDTree(b).query(a, distance_upper_bound=gap_mm + 2 * voxel)
    least = float(distance.min())
    if not least <= gap_mm + voxel:
        return None
    near = distance <= least + 0.5 * voxel
    step = b[nearest[near]] - a[near]
    return a[near] + step / 2, step
