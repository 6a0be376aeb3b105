"""How thick the wall of a ventricle is, between the surfaces of its cavity and of what lies outside, finer than voxels.

Both surfaces are where a slightly smoothed map of the region passes one half, so that a smooth wall is measured to a
fraction of a voxel. The cavity and the outside are smoothed each for itself: a thin wall between them is not washed
away, as it would be if the wall itself were smoothed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..core.labelmap import Affine
from .run_lengths import LabelArray, require_labels

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CAVITY, WALL = "LV", "Myo"
SMOOTHING = 0.8  # voxels: enough to take the steps off a slanting surface, too little to shrink a ventricle
LEAFLET_MM = 3.0  # of anything between the cavity and an atrium or a great vessel is a valve and no wall
NEAR_VALVES_MM = 8.0  # from a valve the muscle is still coming to its end, at whatever thickness
MARGIN = 4  # voxels around the region: more than the smoothing reaches


@dataclass(frozen=True)
class Thickness:
    """Wall thickness at points of the cavity's surface.

    thickness: (N,) mm, near 0 where the cavity is open to the outside. area: (N,) mm^2 of surface that each point
    stands for. points: (N, 3) RAS mm.
    """

    thickness: FloatArray
    area: FloatArray
    points: FloatArray

    def area_below(self, limit: float) -> float:
        """How much of the wall is thinner than `limit` mm, in mm^2."""
        return float(self.area[self.thickness < limit].sum())

    def share_below(self, limit: float) -> float:
        """The share of the wall's area that is thinner than `limit` mm, 0..1; 0 without a wall."""
        whole = float(self.area.sum())
        return self.area_below(limit) / whole if whole > 0 else 0.0

    def quantile(self, share: float) -> float:
        """The thickness in mm that this share of the area stays below; nan without a wall."""
        if not len(self.area):
            return float("nan")
        order = np.argsort(self.thickness)
        reached = np.cumsum(self.area[order]) / self.area.sum()
        return float(self.thickness[order][min(int(np.searchsorted(reached, share)), len(order) - 1)])


def wall_thickness(labels: LabelArray, affine: Affine, anatomy: Anatomy, *, cavity: str = CAVITY, wall: str = WALL,
                   near_valves: float = NEAR_VALVES_MM) -> Thickness:
    """Thickness of the wall around a cavity: from each point of its surface to the nearest point of the outer surface.

    labels: (D, H, W) integer, KJI order, the anatomy's label values. affine: (4, 4), voxel IJK -> RAS mm.
    The outside is all that is neither cavity nor wall. Where the cavity comes within LEAFLET_MM of tissues that the
    anatomy requires it to touch (LA, Ao) is a valve and no wall, drawn closed or open: what lies within `near_valves`
    mm of one is left out. Where it meets anything else, the wall is missing and its thickness near 0.
    Traps: thickness is the shortest way out, which is never more than the way along a normal; papillary muscles and
    trabeculae count as wall; a wall thinner than a voxel is one voxel thick in the map or is not there. Raises
    InputError where the cavity or the wall is missing.
    """
    labels = require_labels(labels)
    inside, around = labels == anatomy.label_of(cavity), labels == anatomy.label_of(wall)
    valves = np.isin(labels, _valves(anatomy, cavity, wall))
    box = foreground_box(inside | around | valves)
    if box is None or not inside.any() or not around.any():
        raise InputError("The wall cannot be measured", value=f"{cavity}, {wall}", rule="voxels of both tissues")
    inside, around, valves = inside[box], around[box], valves[box]
    matrix = np.asarray(affine, dtype=np.float64)
    corner = np.array([part.start for part in box])[::-1]  # IJK

    def surface(region: BoolArray) -> tuple[FloatArray, FloatArray]:
        index, area = _surface(region, matrix[:3, :3])
        return np.asarray((index[:, ::-1] + corner) @ matrix[:3, :3].T + matrix[:3, 3], dtype=np.float64), area

    points, area = surface(inside)
    thickness = _nearest(points, surface(inside | around)[0])
    openings = points[_nearest(points, surface(valves)[0], LEAFLET_MM) < LEAFLET_MM]
    kept = _nearest(points, openings, near_valves) >= near_valves
    return Thickness(thickness[kept], area[kept], points[kept])


def surface_area(share: npt.NDArray[np.float32], affine: Affine) -> float:
    """Area in mm^2 of the surface where a smoothed (D, H, W) field of 0..1 passes one half; KJI order."""
    return float(_surface(share, np.asarray(affine, dtype=np.float64)[:3, :3])[1].sum())


def _valves(anatomy: Anatomy, cavity: str, wall: str) -> list[int]:
    """Label values of the tissues that the cavity opens into."""
    pairs = [set(pair) for pair in anatomy.required_contacts if cavity in pair and wall not in pair]
    return [anatomy.label_of(tissue) for pair in pairs for tissue in pair - {cavity}]


def _surface(region: npt.NDArray[Any], matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points (N, 3) in KJI where the smoothed region passes one half on the lines between voxels, and mm^2 of each.

    A surface with unit normal n meets the lines along each axis as often as its projection across it: sum over axes of
    |n_a| / (area of a voxel's face across a) points per mm^2; a point stands for one over that.
    matrix: (3, 3), voxel IJK -> mm.
    """
    from scipy import ndimage

    soft = ndimage.gaussian_filter(np.pad(region, MARGIN).astype(np.float32), SMOOTHING, mode="nearest")
    places, areas = [], []
    slopes = np.gradient(soft)
    inverse = np.linalg.inv(matrix)[::-1]  # rows: gradients of K, J, I in mm
    cell = abs(float(np.linalg.det(matrix)))
    for axis in range(3):
        first, second = (np.moveaxis(soft, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        found = np.argwhere((first >= 0.5) != (second >= 0.5))
        low, high = (part[tuple(found.T)] for part in (first, second))
        share = (0.5 - low) / (high - low)
        index = np.insert(found[:, 1:], axis, found[:, 0], axis=1)
        step = np.eye(3, dtype=np.int64)[axis]
        slope = np.stack([(1 - share) * s[tuple(index.T)] + share * s[tuple((index + step).T)] for s in slopes], axis=1)
        normal = slope @ inverse
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        crossings = np.abs(normal @ matrix[:, ::-1]).sum(axis=1) / cell
        places.append(index + share[:, None] * step - MARGIN)
        areas.append(1 / crossings)
    return np.concatenate(places).astype(np.float64), np.concatenate(areas).astype(np.float64)


def _nearest(points: FloatArray, others: FloatArray, most: float = np.inf) -> FloatArray:
    """(N,) distance of each point to the nearest of the others; infinite if none is nearer than `most`."""
    from scipy.spatial import cKDTree

    if not len(others):
        return np.full(len(points), np.inf)
    return np.asarray(cKDTree(others).query(points, distance_upper_bound=most)[0], dtype=np.float64)
