"""Walls and valves that a label map lacks, grown to a thickness. They are not imaged, and every name says so.

A wall is made of the background within its thickness of a tissue; it leaves cut ends open. A valve is a slab of the
second of its two tissues, within its thickness of the first, as pyCEMRG makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.patch_rules import GrownRule
from .mesh import Patch

Labels = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.float64]
LEAST_VOXELS = 1.5  # thickness of what is grown: thinner, it has holes between voxels that meet at edges


@dataclass(frozen=True)
class Grown:
    """A label map with what was grown. labels: (D, H, W) int16, KJI order; affine: (4, 4), voxel IJK -> RAS mm, of a
    grid that may be larger than before. added: what was grown, with its thickness in mm and its volume in ml.
    """

    labels: npt.NDArray[np.int16]
    affine: FloatArray
    added: tuple[tuple[GrownRule, float, float], ...]

    def to_json(self) -> list[dict[str, Any]]:
        """A row for each thing that was grown."""
        return [{"id": rule.id, "name": rule.name, "label": rule.label, "thickness_mm": mm, "volume_ml": round(ml, 3)}
                for rule, mm, ml in self.added]


@dataclass(frozen=True)
class OpenEnd:
    """A cut end that stays open. tissue: of the vessel. on, off: (k, 3) RAS mm, centres of the triangles of the end,
    and of the other outer triangles of its tissue.
    """

    tissue: str
    patch: Patch
    on: FloatArray
    off: FloatArray


def wanted_rules(anatomy: Anatomy, walls: Mapping[str, float], valves_mm: float | None) -> dict[str, float]:
    """What is to be grown: id -> thickness in mm. walls: tissue -> mm. Raises InputError for what cannot be grown."""
    by_tissue = {rule.around: rule for rule in anatomy.mesh.grown if rule.around}
    if unknown := sorted(set(walls) - set(by_tissue)):
        raise InputError("There is no wall to grow around this tissue", value=", ".join(unknown),
                         rule=f"--walls takes {', '.join(by_tissue)}", hint='for example --walls "RV=3,LA=2"')
    found = {by_tissue[tissue].id: mm for tissue, mm in walls.items()}
    if valves_mm is not None:
        found |= {rule.id: valves_mm for rule in anatomy.mesh.grown if rule.between}
    return found


def grow(labels: Labels, affine: FloatArray, anatomy: Anatomy, wanted: Mapping[str, float],
         ends: Sequence[OpenEnd] = ()) -> Grown:
    """Grows walls and valves. labels: (D, H, W), the anatomy's values. wanted: id of what is grown -> thickness in mm.

    ends: cut ends, which no wall closes. Raises InputError where something would be too thin
    for the voxels, or has nothing to grow from.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    rules = [rule for rule in anatomy.mesh.grown if rule.id in wanted]
    for rule in rules:
        _require_thick(rule, wanted[rule.id], float(spacing.max()))
    room = int(np.ceil(max(wanted.values(), default=0.0) / spacing.min())) + 1
    done = np.pad(np.asarray(labels, dtype=np.int16), room)
    moved = affine.copy()
    moved[:3, 3] -= moved[:3, :3] @ np.full(3, room)
    _grow_walls(done, moved, anatomy, [rule for rule in rules if rule.around], wanted, ends)
    for rule in rules:
        if rule.between:
            _grow_slab(done, spacing, anatomy, rule, wanted[rule.id])
    voxel_ml = float(abs(np.linalg.det(affine[:3, :3]))) / 1000
    added = tuple((rule, wanted[rule.id], float((done == rule.label).sum()) * voxel_ml) for rule in rules)
    for rule, mm, ml in added:
        if ml == 0:
            raise InputError(f"The {rule.name} cannot be grown", value=f"{mm:g} mm give no voxel",
                             rule="a wall has background beside its tissue, a valve two tissues that touch",
                             hint="leave it out")
    return Grown(done, moved, added)


def _require_thick(rule: GrownRule, mm: float, spacing: float) -> None:
    if not mm >= LEAST_VOXELS * spacing:
        raise InputError(f"The {rule.name} would vanish", value=f"{mm:g} mm in voxels of {spacing:g} mm",
                         rule=f"at least {LEAST_VOXELS:g} voxels, {LEAST_VOXELS * spacing:.2g} mm",
                         hint="give a greater thickness, or resample the label map to smaller voxels")


def _grow_walls(labels: npt.NDArray[np.int16], affine: FloatArray, anatomy: Anatomy, rules: Sequence[GrownRule],
                wanted: Mapping[str, float], ends: Sequence[OpenEnd]) -> None:
    """Gives background voxels to the walls of the tissues that are nearest to them."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    free = labels == 0
    best = np.full(labels.shape, np.inf, dtype=np.float32)
    for rule in rules:
        distance = _distance(labels == anatomy.label_of(rule.around), spacing)
        near = free & (distance <= wanted[rule.id]) & (distance < best)
        for end in ends:
            if end.tissue == rule.around:
                near &= ~_beyond(near, affine, end, wanted[rule.id])
        best[near] = distance[near]
        labels[near] = rule.label


def _beyond(near: npt.NDArray[np.bool_], affine: FloatArray, end: OpenEnd, mm: float) -> npt.NDArray[np.bool_]:
    """(D, H, W) bool: voxels on a cut end and in front of it, up to the outer side of the wall around it."""
    from scipy.spatial import cKDTree

    index, patch = np.argwhere(near), end.patch
    points = index[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    height = (points - patch.centre) @ patch.normal
    beside = np.linalg.norm(points - patch.centre - height[:, None] * patch.normal, axis=1)
    reach = patch.diameters.get("greatest", 0.0) / 2 + 2 * mm
    around = np.flatnonzero((beside < reach) & (np.abs(height) < 2 * mm))
    on = cKDTree(end.on).query(points[around])[0] <= cKDTree(end.off).query(points[around])[0]
    hit = index[around[on | (height[around] > 0)]]
    found = np.zeros(near.shape, dtype=np.bool_)
    found[tuple(hit.T)] = True
    return found


def _grow_slab(labels: npt.NDArray[np.int16], spacing: FloatArray, anatomy: Anatomy, rule: GrownRule,
               mm: float) -> None:
    """Gives the part of the second tissue that lies near the first to the valve between them."""
    first, second = (labels == anatomy.label_of(tissue) for tissue in rule.between)
    labels[second & (_distance(first, spacing) <= mm)] = rule.label


def _distance(mask: npt.NDArray[np.bool_], spacing: FloatArray) -> npt.NDArray[np.float32]:
    """(D, H, W) mm from the surface of a mask, inf without one. Over all directions, the surface lies a quarter of a
    voxel beyond the nearest centre.
    """
    from scipy import ndimage

    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    from_centres = ndimage.distance_transform_edt(~mask, sampling=spacing[::-1])
    return np.asarray(from_centres - spacing.mean() / 4, dtype=np.float32)
