"""Tetrahedra of all tissues of a label map, which share the nodes of the surfaces between them.

A lattice that fits together for any map, its nodes moved onto the map's surfaces as far as every element stays sound,
and then improved. So each map that has surfaces has tetrahedra; docs/decisions/0018-tetrahedra.md says why no mesher
that fills given surfaces is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.labelmap import LabelMap
from .cubes import Cubes, cubes_of
from .improving import guarded, held, improved, spread_inside
from .lattice import Lattice, lattice_of, levels_of
from .mesh import OUTSIDE, Points, Sides, SurfaceMesh, Triangles, VolumeMesh
from .placing import Target, masks_of, placed
from .quality import interfaces
from .quality_report import quality_of
from .volumes import corrected

LEAST = 0.08  # scaled Jacobian that no element may fall below
GOAL = 0.5  # mean ratio that elements are improved to; about 0.3 of scaled Jacobian
SWEEPS = 15
BACK = 0.2  # scaled Jacobian down to which nodes then return to their surface
MOST_LABELS = 64  # a bit each, the outside included
_REACH = 0.9  # of a cube, that a node of a surface may move from the lattice


def tetrahedra_of(labels: npt.NDArray[np.integer[Any]], affine: npt.NDArray[np.float64], surface: SurfaceMesh,
                  edge_mm: float, grade: int = 1, names: Mapping[int, str] | None = None,
                  ) -> tuple[VolumeMesh, dict[str, Any]]:
    """Tetrahedra of all tissues of a label map, and what there is to say about them as plain JSON types.

    labels: (D, H, W) integer, KJI order. affine: (4, 4), voxel IJK -> RAS mm. surface: of the same map, as fine as its
    voxels. edge_mm: mean edge length. grade: 1 for one size, 2 or 4 for edges up to so many times longer inside tissues
    and half as long at thin walls. names: label -> tissue, for errors. The same input gives the same mesh. Raises
    InputError for what cannot be meshed.
    """
    label_map = LabelMap(labels, np.asarray(affine, dtype=np.float64))
    tissues = _tissues(labels)
    cubes = cubes_of(label_map, edge_mm, grade, names)
    lattice = lattice_of(cubes.labels, levels_of(cubes.labels, cubes.wanted))
    corners = lattice.tetrahedra
    if np.linalg.det(cubes.affine[:3, :3]) < 0:  # turned over on the way to RAS
        corners = corners[:, [0, 2, 1, 3]]
    faces = interfaces(corners, lattice.tissue, len(lattice.points))
    points = _fitted(cubes, lattice, corners, faces, Target(surface, tissues))
    voxel = label_map.voxel_volume_ml * 1000.0
    wanted = {int(label): float(np.count_nonzero(labels == label)) * voxel for label in tissues if label != OUTSIDE}
    points = np.ascontiguousarray(corrected(points, corners, lattice.tissue, faces, wanted, LEAST))
    mesh = VolumeMesh(points, corners.astype(np.int32), lattice.tissue, SurfaceMesh(points, *faces))
    return mesh, {"edge_mm": edge_mm, "grade": grade, "relabelled_cubes": cubes.changed, **quality_of(mesh, wanted)}


def _tissues(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int16]:
    found = np.union1d(np.unique(labels), [OUTSIDE])
    if len(found) > MOST_LABELS or found[0] < 0 or found[-1] > np.iinfo(np.int16).max:
        raise InputError("The label map has too many labels for a mesh, or too large ones",
                         value=f"{len(found)} labels from {found[0]} to {found[-1]}",
                         rule=f"at most {MOST_LABELS} labels from 0 to {np.iinfo(np.int16).max}",
                         hint="leave some out")
    return found.astype(np.int16)


def _fitted(cubes: Cubes, lattice: Lattice, corners: npt.NDArray[np.int64], faces: tuple[Triangles, Sides],
            target: Target) -> Points:
    """The lattice's nodes, moved onto the target and improved."""
    start = cubes.ras(lattice.points)
    size = _node_sizes(lattice, corners) * cubes.smallest_mm
    masks = masks_of(len(start), *faces, target.labels)
    wanted = placed(start, faces, target, _REACH * size)
    wanted = spread_inside(start, wanted, masks != 0, corners)
    points = guarded(start, wanted, corners, LEAST)
    points = improved(points, corners, held(points, wanted, faces[0], masks, size), size, GOAL, SWEEPS, LEAST)
    return guarded(points, np.where((masks != 0)[:, None], wanted, points), corners, BACK)


def _node_sizes(lattice: Lattice, corners: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n,): edge of the smallest cube at each node, in smallest cubes."""
    size = np.full(len(lattice.points), np.inf)
    for corner in range(4):
        np.minimum.at(size, corners[:, corner], lattice.size)
    return size
