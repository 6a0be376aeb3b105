"""Smoothing of a surface net without loss of volume: each point stays near the middle of its cell.

Taubin's filter (1995), a step of shrinking followed by one of swelling, each towards or away from the mean of the
neighbours. Where three labels meet, a point has its neighbours on that line alone. The rims of flat ends have theirs on
the rim. What volume is missing then is made up by a step of each surface along its normals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .flat_ends import FlatEnds
from .mesh import Points, SurfaceMesh, triangle_normals
from .surface_nets import BoolArray, FloatArray, Indices, Net

SHRINK, SWELL = 0.7, -0.703  # by hundreds, since the terraces of a slanting surface are many voxels wide
ROUNDS = 80
REACH = 0.6  # voxels that a point may be moved along each axis, just beyond its cell: at 0.5 half of the terraces stay
LINE_REACH = 0.45  # the same where three labels meet: two lines must not be pressed into one
CORRECTIONS = 3  # steps of Newton's method; the first leaves some parts in a million


def smoothed(net: Net, ends: FlatEnds, rounds: int = ROUNDS) -> FloatArray:
    """(n, 3) float64 IJK: the net's points after smoothing, in the order of its cells."""
    means = _neighbours(net, ends)
    points = net.centres.copy()
    free, reach = ~ends.locked, reach_of(net)
    for step in (SHRINK, SWELL) * rounds:
        points += step * free * (means @ points - points)
        np.clip(points, net.centres - reach, net.centres + reach, out=points)
    return points


def reach_of(net: Net) -> FloatArray:
    """(n, 1) float64: how many voxels each point may be moved along each axis."""
    reach = np.full((len(net.centres), 1), REACH)
    reach[net.edges[net.junction].ravel()] = LINE_REACH
    return reach


def with_volumes(mesh: SurfaceMesh, volumes: dict[int, float], fixed: BoolArray, least: Points,
                 most: Points) -> SurfaceMesh:
    """The mesh with each surface moved along its normals, as little as it takes to reach these volumes.

    volumes: label -> mm^3, of the map. fixed: (n,) bool, points that stay. Points on junction lines stay too.
    least, most: (n, 3) how far coordinates may go; a point stops there.
    """
    owner = _only_pair(mesh)
    owner[fixed] = -1
    points = mesh.points
    for _ in range(CORRECTIONS):
        points = _corrected(SurfaceMesh(points, mesh.triangles, mesh.sides), volumes, owner)
        points = np.clip(points, least, most)
    return SurfaceMesh(points, mesh.triangles, mesh.sides)


def _corrected(mesh: SurfaceMesh, volumes: dict[int, float], owner: Indices) -> Points:
    """One step of Newton's method for the volumes: each pair of labels has one distance for all its points.

    owner: (n,) number of the pair whose surface a point lies on, -1 for points that stay.
    """
    pairs, tissues = mesh.pairs, list(volumes)
    normals = triangle_normals(mesh.points, mesh.triangles)
    at_points = np.stack([np.bincount(mesh.triangles.ravel(), np.repeat(normals[:, axis], 3), len(mesh.points))
                          for axis in range(3)], axis=1)
    size = np.linalg.norm(at_points, axis=1)
    direction = at_points / np.maximum(size, 1e-12)[:, None]
    area = np.bincount(owner[owner >= 0], size[owner >= 0] / 6.0, len(pairs))  # mm^3 of volume for each mm
    gain = np.array([[(first == tissue) * 1.0 - (second == tissue) for first, second in pairs] for tissue in tissues])
    cones = np.bincount(np.unique(mesh.side_codes, return_inverse=True)[1],
                        np.einsum("ij,ij->i", normals, mesh.points[mesh.triangles[:, 0]] - mesh.points[0]) / 6.0)
    missing = np.array(list(volumes.values())) - gain @ cones  # cones: mm^3 below each pair's triangles
    root = np.sqrt(area)
    step = root * np.linalg.lstsq(gain * root, missing, rcond=1e-9)[0]  # the least sum of area times distance^2
    distance = np.where(area > 0, step / np.maximum(area, 1e-12), 0.0)
    moved: Points = mesh.points + np.where(owner >= 0, distance[owner], 0.0)[:, None] * direction
    return moved


def _only_pair(mesh: SurfaceMesh) -> Indices:
    """(n,) the number of the one pair of labels whose surface a point lies on, -1 where there are several."""
    pair = np.unique(mesh.side_codes, return_inverse=True)[1]
    triangle = np.zeros(len(mesh.points), dtype=np.int64)
    triangle[mesh.triangles] = np.arange(len(pair))[:, None]  # one of its triangles
    owner = pair[triangle]
    owner[mesh.triangles[owner[mesh.triangles] != pair[:, None]]] = -1
    return owner


def _neighbours(net: Net, ends: FlatEnds) -> Any:
    """(n, n) sparse: each row takes the mean of a point's neighbours; on a line, of those on the line."""
    from scipy.sparse import coo_matrix

    count = len(net.centres)
    on_line = np.zeros(count, dtype=np.bool_)
    on_line[net.edges[net.junction].ravel()] = True
    on_rim = np.zeros(count, dtype=np.bool_)
    on_rim[ends.rim.ravel()] = True
    rows, columns = [], []
    for edges, chosen in ((net.edges, ~on_line & ~on_rim), (net.edges[net.junction], on_line & ~on_rim),
                          (ends.rim, on_rim)):
        for near, far in ((0, 1), (1, 0)):
            kept = edges[chosen[edges[:, near]]]
            rows.append(kept[:, near])
            columns.append(kept[:, far])
    row, column = np.concatenate(rows), np.concatenate(columns)
    weight = 1.0 / np.bincount(row, minlength=count)[row]
    return coo_matrix((weight, (row, column)), shape=(count, count)).tocsr()
