"""What a volume mesh says about itself: counts, shapes, volumes against the map's, and whether it fits together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .mesh import VolumeMesh
from .quality import EDGES, Floats, dihedral_angles, interfaces, mean_ratio, scaled_jacobian
from .volumes import tissue_volumes

BINS = 20  # of the histogram, from 0 to 1
_AT_ONCE = 200_000  # tetrahedra whose angles are computed together, to keep memory flat


def quality_of(mesh: VolumeMesh, wanted: Mapping[int, float]) -> dict[str, Any]:
    """Quality of a mesh as plain JSON types. wanted: label -> mm^3 that the tissue has in its map.

    Shapes are scaled Jacobian (the Verdict library's) and mean ratio: 1 for a regular tetrahedron, 0 for a flat one.
    """
    corners = mesh.points[mesh.tetrahedra]
    jacobian = scaled_jacobian(corners)
    edges = np.concatenate([np.linalg.norm(corners[:, first] - corners[:, second], axis=1) for first, second in EDGES])
    least, greatest = _extreme_angles(corners)
    return {
        "points": len(mesh.points), "tetrahedra": len(mesh.tetrahedra),
        "mean_edge_mm": round(float(edges.mean()), 3), "shortest_edge_mm": round(float(edges.min()), 3),
        "longest_edge_mm": round(float(edges.max()), 3),
        "scaled_jacobian": {**_spread(jacobian), "histogram": np.histogram(jacobian, BINS, (0.0, 1.0))[0].tolist()},
        "mean_ratio": _spread(mean_ratio(corners)),
        "dihedral_angles_deg": {"least": round(least, 2), "greatest": round(greatest, 2)},
        "volumes": _volumes(tissue_volumes(mesh.points, mesh.tetrahedra, mesh.tissue), wanted),
    }


def faults_of(mesh: VolumeMesh) -> list[str]:
    """What keeps a mesh from fitting together, a sentence each; empty for a sound mesh.

    Every face belongs to one or two tetrahedra, and the surface is exactly the faces between two tissues and at the
    outside, turned as it should be. That no tetrahedron is inverted is checked by VolumeMesh itself.
    """
    try:
        triangles, sides = interfaces(mesh.tetrahedra, mesh.tissue, len(mesh.points))
    except ValueError as problem:
        return [f"{problem}."]
    own = _sorted_rows(mesh.surface.triangles, mesh.surface.sides)
    if not np.array_equal(own, _sorted_rows(triangles, sides)):
        return ["the surface is not made of the faces between tissues and at the outside."]
    unused = len(mesh.points) - len(np.unique(mesh.tetrahedra))
    return [f"{unused} points belong to no tetrahedron."] if unused else []


def _sorted_rows(triangles: npt.NDArray[np.int32], sides: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """Triangles turned so that the smallest row stands first, with their sides, in ascending order."""
    first = np.argmin(triangles, axis=1)
    turned = triangles[np.arange(len(triangles))[:, None], (first[:, None] + np.arange(3)) % 3]
    return np.unique(np.concatenate([turned, sides], axis=1).astype(np.int64), axis=0)


def _spread(values: Floats) -> dict[str, float]:
    parts = np.percentile(values, [0, 1, 5, 50])
    return {name: round(float(part), 4) for name, part in zip(("least", "p1", "p5", "median"), parts, strict=True)}


def _extreme_angles(corners: Floats) -> tuple[float, float]:
    least, greatest = 180.0, 0.0
    for begin in range(0, len(corners), _AT_ONCE):
        angles = dihedral_angles(corners[begin:begin + _AT_ONCE])
        least, greatest = min(least, float(angles.min())), max(greatest, float(angles.max()))
    return least, greatest


def _volumes(now: Mapping[int, float], wanted: Mapping[int, float]) -> dict[str, Any]:
    return {str(label): {"mesh_ml": round(now.get(label, 0.0) / 1000.0, 4), "map_ml": round(volume / 1000.0, 4),
                         "difference_percent": round(100.0 * (now.get(label, 0.0) / volume - 1.0), 4)}
            for label, volume in sorted(wanted.items())}
