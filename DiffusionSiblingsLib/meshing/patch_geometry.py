"""Centre, normal, area, perimeter and diameters of a patch.

The normal is that of the patch's vector area, which depends on its rim alone: a domed valve has the plane of its ring.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .edges import rims
from .mesh import OUTSIDE, Patch, SurfaceMesh, Triangles, triangle_areas, triangle_normals

FloatArray = npt.NDArray[np.float64]
DIRECTIONS = 180  # in which the width of a rim is measured, over half a turn
LEAST_FACING = 0.2  # of a patch's area that looks one way: less has no plane, as a closed surface has none


def patch_of(surface: SurfaceMesh, triangles: npt.NDArray[np.int32], near: int, name: str, ident: str,
             kind: str) -> Patch:
    """A patch with its geometry. triangles: (k,) rows of the surface's triangles. near: the label that its normal looks
    out from.
    """
    corners = turned(surface, triangles, near)
    areas = triangle_areas(surface.points, corners)
    area = float(areas.sum())
    vector = triangle_normals(surface.points, corners).sum(axis=0) / 2
    projected = float(np.linalg.norm(vector))
    normal = vector / projected if projected > 0 else np.array([0.0, 0.0, 1.0])
    centre = areas @ surface.points[corners].mean(axis=1) / area if area else surface.points[corners[0, 0]]
    rim = rim_of(surface.points, corners)
    perimeter = float(np.linalg.norm(rim - np.roll(rim, 1, axis=0), axis=1).sum()) if len(rim) else 0.0
    diameters = _diameters(rim, normal, projected, perimeter) if projected > LEAST_FACING * area else {}
    return Patch(name, ident, kind, triangles, np.asarray(centre), normal, area, perimeter, diameters)


def same_patches(patches: Sequence[Patch], surface: SurfaceMesh, moved: SurfaceMesh) -> tuple[Patch, ...]:
    """The same patches, triangle by triangle, on a surface whose points have moved; their geometry is new.

    surface: on which the patches were found. moved: has the same triangles.
    """
    found = []
    for patch in patches:
        labels = np.unique(surface.sides[patch.triangles])
        near = max((int(label) for label in labels if label != OUTSIDE), key=lambda label: float(triangle_normals(
            surface.points, turned(surface, patch.triangles, label)).sum(axis=0) @ patch.normal))
        found.append(patch_of(moved, patch.triangles, near, patch.name, patch.id, patch.kind))
    return tuple(found)


def turned(surface: SurfaceMesh, triangles: npt.NDArray[np.int32], near: int) -> Triangles:
    """(k, 3) int32: the triangles with normals that look out of the label `near`, or as they are where they do not
    touch it.
    """
    corners = surface.triangles[triangles].copy()
    other = surface.sides[triangles, 1] == near
    corners[other] = corners[other][:, ::-1]
    return corners


def rim_of(points: FloatArray, corners: Triangles) -> FloatArray:
    """(r, 3) RAS mm: the longest line that bounds a patch, in order; (0, 3) for a closed one."""
    lines = [points[line] for line in rims(corners)]
    return max(lines, key=lambda line: float(np.linalg.norm(line - np.roll(line, 1, axis=0), axis=1).sum()),
               default=np.zeros((0, 3)))


def _diameters(rim: FloatArray, normal: FloatArray, projected: float, perimeter: float) -> dict[str, float]:
    """mm; those of equal area are of the area seen along the normal, as annuli are measured in images."""
    found = {"of equal area": 2 * float(np.sqrt(projected / np.pi)), "of equal perimeter": perimeter / np.pi}
    if not len(rim):
        return found
    first = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    first /= np.linalg.norm(first)
    flat = rim @ np.stack([first, np.cross(normal, first)], axis=1)
    angle = np.arange(DIRECTIONS) * (np.pi / DIRECTIONS)
    along = flat @ np.stack([np.cos(angle), np.sin(angle)])
    width = along.max(axis=0) - along.min(axis=0)
    return {**found, "least": float(width.min()), "greatest": float(width.max())}
