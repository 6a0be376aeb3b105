"""A twin's tetrahedra carried to a sibling: the same nodes and elements, moved onto the sibling's surfaces.

The nodes of each surface and line of the twin are drawn to the same surface and line of the sibling, while neighbours
keep together: at first so stiffly that the mesh moves almost as one, then ever more loosely (Amberg et al., "Optimal
step nonrigid ICP algorithms for surface registration", 2007, with the tetrahedra's edges as springs). No step may spoil
an element.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .improving import guarded, held, improved
from .mesh import OUTSIDE, Points, SurfaceMesh, VolumeMesh
from .placing import Target, masks_of, popcount
from .quality import EDGES, Floats, scaled_jacobian
from .quality_report import quality_of
from .volumes import corrected

PULLS = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""How strongly a node of a surface is drawn to its place, against the springs to its neighbours, stage by stage."""
TURNS = 1  # of looking for the nearest places in each stage
LEAST = 0.05  # scaled Jacobian that every element must keep
GOAL = 0.35  # mean ratio that elements are improved to in each stage
BACK = 0.15  # scaled Jacobian down to which nodes return to their surface at the end
MOST_MEAN_MM = 0.3  # mean distance between the carried surfaces and the sibling's
_LARGE_MM2, _LEAST_SHARE = 100.0, 0.1
"""A contact of so many mm^2 in one map must have a tenth of its area in the other: elements cannot make it anew."""
_FAR = 5.0  # times the usual distance, beyond which a node is not drawn
_LINE = 4.0  # times as strongly a node of a junction line is drawn
_SWEEPS = 8
_TOLERANCE = 1e-2  # of the pulls, that may be left unbalanced; each turn begins where the last one ended
_MOST_ROUNDS = 200


def carried_to(twin: VolumeMesh, surface: SurfaceMesh, volumes: Mapping[int, float],
               names: Mapping[int, str] | None = None) -> tuple[VolumeMesh | None, dict[str, Any]]:
    """The twin's mesh with the nodes of a sibling, and what there is to say about it as plain JSON types.

    surface: of the sibling, in the same space and as fine as its voxels. volumes: label -> mm^3 in the sibling's map.
    names: label -> tissue, for the reason. The mesh is None where it would not be sound; "why" then says why not.
    """
    tissues = np.unique(np.concatenate([twin.surface.sides.ravel(), surface.sides.ravel(), [OUTSIDE]])).astype(np.int16)
    if why := _differences(twin.surface, surface, names or {}):
        return None, {"carried": False, "why": why}
    target = Target(surface, tissues)
    points = _fitted(twin, target)
    faces = (twin.surface.triangles, twin.surface.sides)
    points = np.ascontiguousarray(corrected(points, twin.tetrahedra, twin.tissue, faces, volumes, LEAST))
    least = float(scaled_jacobian(points[twin.tetrahedra]).min())
    moved = SurfaceMesh(points, *faces)
    distances = surface_distances(moved, surface, tissues)
    mean = float(np.average([row["mean_mm"] for row in distances], weights=[row["points"] for row in distances]))
    said: dict[str, Any] = {"mean_distance_mm": round(mean, 3), "distances": distances}
    if least < LEAST - 1e-9:
        why = f"an element would have a scaled Jacobian of {least:.3f}, where at least {LEAST:g} is needed"
        return None, {"carried": False, "why": why, **said}
    if mean > MOST_MEAN_MM:
        why = (f"its surfaces would be {mean:.2f} mm from the sibling's on average, where at most {MOST_MEAN_MM:g} mm "
               "are allowed")
        return None, {"carried": False, "why": why, **said}
    mesh = VolumeMesh(points, twin.tetrahedra, twin.tissue, moved)
    return mesh, {"carried": True, **said, **quality_of(mesh, volumes)}


def _differences(twin: SurfaceMesh, sibling: SurfaceMesh, names: Mapping[int, str]) -> str:
    """Why meshes cannot have the same elements, "" where nothing speaks against it."""
    lost = sorted(set(twin.tissues) ^ set(sibling.tissues))
    if lost:
        return f"only one of the maps has {', '.join(names.get(label, f'label {label}') for label in lost)}"
    for pair in sorted({*twin.pairs, *sibling.pairs}):
        areas = [mesh.area(mesh.between(*pair)) for mesh in (twin, sibling)]
        if max(areas) >= _LARGE_MM2 and min(areas) < _LEAST_SHARE * max(areas):
            both = " and ".join("the outside" if label == OUTSIDE else names.get(label, f"label {label}")
                                for label in pair)
            return (f"{both} touch in one of the maps alone: {areas[0]:.0f} mm² in the twin, {areas[1]:.0f} mm² in "
                    "the sibling")
    return ""


def _fitted(twin: VolumeMesh, target: Target) -> Points:
    """The twin's nodes after all stages."""
    start, tetrahedra, triangles = twin.points, twin.tetrahedra, twin.surface.triangles
    springs, size = _springs(start, tetrahedra)
    masks = masks_of(len(start), triangles, twin.surface.sides, target.labels)
    nodes = np.flatnonzero(masks)
    pull = np.where(popcount(masks[nodes]) > 2, _LINE, 1.0)
    points, moves = start.copy(), np.zeros_like(start)
    for strength in PULLS:
        for _ in range(TURNS):
            there, known = _near(target, (start + moves)[nodes], masks[nodes], size[nodes])
            weight = np.zeros(len(start))
            weight[nodes] = strength * pull * known
            aim = np.zeros_like(start)
            aim[nodes] = there - start[nodes]
            moves = _solved(springs, weight, aim, moves)
        points = guarded(points, start + moves, tetrahedra, LEAST)
        points = improved(points, tetrahedra, held(points, start + moves, triangles, masks, size), size, GOAL, _SWEEPS,
                          LEAST)
    wanted = points.copy()
    there, known = _near(target, points[nodes], masks[nodes], size[nodes])
    wanted[nodes[known]] = there[known]
    return guarded(points, wanted, tetrahedra, BACK)


def _near(target: Target, points: Points, masks: npt.NDArray[np.uint64],
          size: Floats) -> tuple[Points, npt.NDArray[np.bool_]]:
    """The places that nodes are drawn to, and which nodes these are.

    Where tissues touch in one map and not in the other, the nearest place between them may lie anywhere: a node that is
    much farther from its place than most are is drawn by its neighbours alone.
    """
    there, known = target.nearest(points, masks)
    away = np.linalg.norm(there - points, axis=1)
    usual = float(np.median(away[known])) if known.any() else 0.0
    return there, known & (away <= _FAR * usual + size)


def _springs(points: Points, tetrahedra: npt.NDArray[np.int32]) -> tuple[sparse.csr_matrix, Floats]:
    """The Laplacian of the mesh's edges, each counted once, and the mean length (n,) mm of those at each node."""
    ends = np.concatenate([tetrahedra[:, list(pair)] for pair in EDGES]).astype(np.int64)
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    both = np.concatenate([ends, ends[:, ::-1]])
    count = len(points)
    matrix = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count))
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    length = np.linalg.norm(points[both[:, 0]] - points[both[:, 1]], axis=1)
    mean = np.bincount(both[:, 0], length, minlength=count) / degree
    return (sparse.diags(degree) - matrix).tocsr(), mean / 1.2


def _solved(springs: sparse.csr_matrix, weight: Floats, aim: Points, first: Points) -> Points:
    """Displacements (n, 3) in balance between springs and pulls: conjugate gradients, all three axes together."""
    matrix = (springs + sparse.diags(weight)).tocsr()
    inverse = 1.0 / matrix.diagonal().clip(1e-12)[:, None]
    found, wanted = first.copy(), weight[:, None] * aim
    rest = wanted - matrix @ found
    enough = _TOLERANCE ** 2 * np.sum(wanted * wanted, axis=0)
    way = scaled = inverse * rest
    size = np.sum(rest * scaled, axis=0)
    for _ in range(_MOST_ROUNDS):
        if (np.sum(rest * rest, axis=0) <= enough).all():
            break
        onward = matrix @ way
        step = size / np.sum(way * onward, axis=0).clip(1e-300)
        found += step * way
        rest = rest - step * onward
        scaled = inverse * rest
        before, size = size, np.sum(rest * scaled, axis=0)
        way = scaled + size / before.clip(1e-300) * way
    return found


def surface_distances(carried: SurfaceMesh, surface: SurfaceMesh,
                      tissues: npt.NDArray[np.int16]) -> list[dict[str, Any]]:
    """Distances between two meshes of the same surfaces, both ways, a row for each pair of labels.

    Points of one mesh that lie between two labels are sent to the other's surface between the same labels.
    """
    to, back = Target(surface, tissues), Target(carried, tissues)
    rows = []
    for first, second in sorted({*carried.pairs, *surface.pairs}):
        found = [_distances(mesh, other, (first, second), tissues) for mesh, other in ((carried, to), (surface, back))]
        both = np.concatenate(found)
        if len(both):
            rows.append({"between": [first, second], "points": len(both), "mean_mm": round(float(both.mean()), 3),
                         "p95_mm": round(float(np.percentile(both, 95)), 3), "most_mm": round(float(both.max()), 3)})
    return rows


def _distances(mesh: SurfaceMesh, other: Target, pair: tuple[int, int], tissues: npt.NDArray[np.int16]) -> Floats:
    corners = mesh.triangles[mesh.between(*pair)]
    if not len(corners):
        return np.zeros(0)
    bits = np.uint64(0)
    for label in pair:
        bits |= np.uint64(1) << np.uint64(np.searchsorted(tissues, label))
    points = mesh.points[corners].mean(axis=1)
    there, known = other.nearest(points, np.full(len(points), bits, dtype=np.uint64))
    return np.asarray(np.linalg.norm(there - points, axis=1)[known])
