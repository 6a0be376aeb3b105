"""A label map on the cubes that tetrahedra are made from: their labels, and where they are smaller or larger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..core.errors import InputError
from ..core.labelmap import Affine, LabelMap
from ..core.limits import LEAST_MESH_EDGE_MM, MOST_MESH_CUBES, MOST_TETRAHEDRA
from ..editing.repair.composed import well_compose
from .settings import GRADES

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int16]
EDGES_OF_CUBE = (1.0 + np.sqrt(2.0)) / 2.0
"""Mean edge of the five tetrahedra of a cube, by the cube's: three cube edges and three diagonals to each."""
_THIN = 1.5  # cubes from the middle of a wall to its side below which it is thin
_AROUND = 3  # cubes around a thin wall that are smaller, too
_DEPTHS = (2.0, 5.0)  # cubes from a surface to cubes 2 and 4 times as large
_SAME = 0.01  # a cube that differs less from a voxel takes the label of the voxel
_BLUR = 0.35  # of a cube, or of 1.5 voxels if that is more: how far its surroundings count for its label
_RIM = 2  # cubes of background around the map


@dataclass(frozen=True)
class Cubes:
    """labels: (A, B, C) int16, IJK order, with a rim of 0. wanted: the same shape, the greatest level of the octree.

    affine: (4, 4), corners of the smallest cubes -> RAS mm. smallest_mm: edge of the smallest cubes. changed: cubes
    that got another label so that no tissue touches itself only along an edge or a corner.
    """

    labels: Labels
    wanted: npt.NDArray[np.int8]
    affine: Affine
    smallest_mm: float
    changed: int

    def ras(self, corners: npt.NDArray[np.integer]) -> Floats:
        """(n, 3) RAS mm of corners (n, 3) of the smallest cubes."""
        return np.asarray(corners @ self.affine[:3, :3].T + self.affine[:3, 3])


def cubes_of(label_map: LabelMap, edge_mm: float, grade: int = 1, names: Mapping[int, str] | None = None) -> Cubes:
    """The cubes for tetrahedra with a mean edge of edge_mm. grade: one of GRADES. names: label -> tissue, for errors.

    Raises InputError where there would be too many of them, or a tissue would vanish.
    """
    if grade not in GRADES:
        raise InputError("The grading cannot be used", value=grade, rule=f"one of {', '.join(map(str, GRADES))}",
                         hint="choose 1 for elements of one size")
    _require_size(label_map, edge_mm)
    edge = edge_mm / EDGES_OF_CUBE
    frame = _Frame.around(label_map, edge, grade)
    _require_few_cubes(frame, 1 if grade == 1 else 8, edge_mm)
    labels = frame.labels(label_map, 1)
    wanted = np.zeros(labels.shape, dtype=np.int8)
    if grade > 1:
        labels, wanted = _graded(labels, frame.labels(label_map, 2), grade)
    composed = well_compose(labels)
    _require_tissues(label_map, composed.labels, edge_mm, names or {})
    parts = 1 if grade == 1 else 2
    return Cubes(composed.labels.astype(np.int16), wanted, frame.affine(label_map, parts), edge / parts,
                 composed.changed_voxels)


@dataclass(frozen=True)
class _Frame:
    """Where the usual cubes lie. start: (3,) edge of the first, in voxels IJK from the corner of the first voxel.

    step: (3,) voxels to a cube. shape: how many there are.
    """

    start: Floats
    step: Floats
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, label_map: LabelMap, edge: float, grade: int) -> _Frame:
        """Usual cubes around all tissues of a map; a multiple of grade / 2, so that the largest fit."""
        found = [np.flatnonzero(label_map.labels.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]  # I, J, K
        low, high = np.array([[part[0], part[-1] + 1] for part in found], dtype=np.float64).T
        step = edge / label_map.spacing
        same = np.abs(step - 1.0) < _SAME
        step = np.where(same, 1.0, step)
        fit = max(1, grade)
        number = -(-(np.ceil((high - low) / step).astype(np.int64) + 2 * _RIM) // fit) * fit
        start = (low + high - number * step) / 2.0
        start = np.where(same, np.floor(start), start)
        return cls(start, step, (int(number[0]), int(number[1]), int(number[2])))

    def affine(self, label_map: LabelMap, parts: int) -> Affine:
        """Corners of cubes, each usual one divided into `parts` along each axis -> RAS mm."""
        affine = np.eye(4)
        affine[:3, :3] = label_map.affine[:3, :3] * (self.step / parts)
        affine[:3, 3] = label_map.affine[:3, :3] @ (self.start - 0.5) + label_map.affine[:3, 3]
        return affine

    def labels(self, label_map: LabelMap, parts: int) -> Labels:
        """(A, B, C) int16: the label of which each cube, divided into `parts` along each axis, has most."""
        voxels = label_map.labels.transpose(2, 1, 0)
        step = self.step / parts
        middles = [self.start[axis] + step[axis] * (np.arange(self.shape[axis] * parts) + 0.5) - 0.5
                   for axis in range(3)]
        if (step == 1.0).all():
            return _taken(voxels, [np.rint(middle).astype(np.int64) for middle in middles])
        best = np.zeros([len(middle) for middle in middles], dtype=np.int16)
        most = np.full(best.shape, -np.inf, dtype=np.float32)
        for value in np.unique(voxels):
            share = _interpolated((voxels == value).astype(np.float32), middles, step, outside=float(value == 0))
            more = share > most
            best[more], most[more] = value, share[more]
        return best


def _taken(voxels: npt.NDArray[np.integer], rows: list[npt.NDArray[np.int64]]) -> Labels:
    padded = np.pad(voxels, 1).astype(np.int16)
    return padded[np.ix_(*[np.clip(row + 1, 0, size - 1) for row, size in zip(rows, padded.shape, strict=True)])]


def _interpolated(share: npt.NDArray[np.float32], middles: list[Floats], step: Floats,
                  outside: float) -> npt.NDArray[np.float32]:
    """How much of its surroundings has a label, at the middles of cubes. share: (I, J, K), 1 where a voxel has it."""
    share = np.pad(share, 1, constant_values=outside)
    share = ndimage.gaussian_filter(share, _BLUR * np.maximum(step, 1.5), mode="nearest")
    for axis, middle in enumerate(middles):
        place = np.clip(middle + 1.0, 0.0, share.shape[axis] - 1.0)
        low = np.minimum(place.astype(np.int64), share.shape[axis] - 2)
        weight = (place - low).astype(np.float32).reshape([-1 if other == axis else 1 for other in range(3)])
        share = np.take(share, low, axis) * (1.0 - weight) + np.take(share, low + 1, axis) * weight
    return share


def _graded(labels: Labels, finer: Labels, grade: int) -> tuple[Labels, npt.NDArray[np.int8]]:
    """The labels of cubes of half the size, and their levels: 0 at thin walls, 1 at other surfaces, more inside.

    labels: of usual cubes. finer: of cubes of half the size.
    """
    depth = _depth(labels)
    thin = np.zeros(labels.shape, dtype=bool)
    for value in np.unique(labels[labels > 0]):
        tissue = labels == value
        core = tissue & (depth >= _THIN)
        reached = ndimage.distance_transform_edt(~core) <= _THIN + 1.0 if core.any() else core
        thin |= tissue & ~reached
    thin = ndimage.binary_dilation(thin, iterations=_AROUND)
    wanted = np.where(thin, 0, 1).astype(np.int8)
    for level, least in enumerate(_DEPTHS[:int(np.log2(grade))], start=2):
        wanted[(depth >= least) & ~thin] = level
    block = np.ones((2, 2, 2), dtype=np.int8)
    return np.where(np.kron(thin, block), finer, np.kron(labels, block)).astype(np.int16), np.kron(wanted, block)


def _depth(labels: Labels) -> Floats:
    """(A, B, C): cubes from each cube's middle to the nearest cube of another label."""
    differs = np.zeros(labels.shape, dtype=bool)
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        other = labels[tuple(low)] != labels[tuple(high)]
        differs[tuple(low)] |= other
        differs[tuple(high)] |= other
    return np.asarray(ndimage.distance_transform_edt(~differs)) + 0.5


def _require_size(label_map: LabelMap, edge_mm: float) -> None:
    if not LEAST_MESH_EDGE_MM <= edge_mm < np.inf:
        raise InputError("The edge of the elements cannot be used", value=f"{edge_mm:g} mm",
                         rule=f"at least {LEAST_MESH_EDGE_MM:g} mm")
    if not label_map.labels.any():
        raise InputError("The label map has no tissue to mesh", rule="at least one voxel that is not background")
    volume = float(np.count_nonzero(label_map.labels)) * label_map.voxel_volume_ml * 1000.0
    number = 5.0 * volume / (edge_mm / EDGES_OF_CUBE) ** 3
    if number > MOST_TETRAHEDRA:
        least = np.ceil(10.0 * edge_mm * (number / MOST_TETRAHEDRA) ** (1.0 / 3.0)) / 10.0
        raise InputError("The mesh would have too many tetrahedra", value=f"about {number:,.0f}",
                         rule=f"at most {MOST_TETRAHEDRA:,}", hint=f"choose an edge of {least:.1f} mm or more")


def _require_few_cubes(frame: _Frame, parts: int, edge_mm: float) -> None:
    """parts: of each usual cube. Thin tissues far apart, such as vessels, have few tetrahedra in a large box."""
    number = parts * frame.shape[0] * frame.shape[1] * frame.shape[2]
    if number > MOST_MESH_CUBES:
        least = np.ceil(10.0 * edge_mm * (number / MOST_MESH_CUBES) ** (1.0 / 3.0)) / 10.0
        raise InputError("The box around the tissues is too large for such short edges",
                         value=f"{number:,} cubes{'' if parts == 1 else ' with grading'}",
                         rule=f"at most {MOST_MESH_CUBES:,}", hint=f"choose an edge of {least:.1f} mm or more")


def _require_tissues(label_map: LabelMap, labels: npt.NDArray[np.integer], edge_mm: float,
                     names: Mapping[int, str]) -> None:
    there = set(np.unique(labels).tolist())
    for value in np.unique(label_map.labels[label_map.labels != 0]).tolist():
        if value not in there:
            voxels = np.argwhere(label_map.labels == value)
            middle = (label_map.affine @ np.append(voxels.mean(axis=0)[::-1], 1.0))[:3]
            raise InputError(f"The tissue {names.get(value, value)} cannot be meshed",
                             value=f"it vanishes at RAS ({', '.join(f'{x:.0f}' for x in middle)}) mm",
                             rule=f"a tissue is thicker than the edge of the elements, {edge_mm:g} mm",
                             hint="choose a smaller edge")
