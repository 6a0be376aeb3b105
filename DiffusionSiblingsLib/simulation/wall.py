"""The wall around a cavity, taken out of a mesh of all tissues."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..meshing.edges import rims
from ..meshing.mesh import Points, Triangles, VolumeMesh, enclosed_volume, triangle_areas

Ints = npt.NDArray[np.int64]
_FACES = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))  # of a tetrahedron, normals outwards


@dataclass(frozen=True)
class Wall:
    """Tetrahedra of a wall with its two sides.

    points: (n, 3) float64, RAS mm. tetrahedra: (t, 4) int32, of positive volume. inner: (k, 3) int32, the faces to the
    cavity, whose normals look out of the cavity into the wall. outer: (m, 3) int32, all other faces; their normals look
    out of the wall. left_out: tetrahedra of crumbs that hang together with the wall over no face.
    """

    points: Points
    tetrahedra: npt.NDArray[np.int32]
    inner: Triangles
    outer: Triangles
    left_out: int = field(default=0, compare=False)

    def volumes(self) -> npt.NDArray[np.float64]:
        """(t,) float64: volume of each tetrahedron in mm^3."""
        first, second, third, fourth = (self.points[self.tetrahedra[:, corner]] for corner in range(4))
        return np.asarray(np.einsum("ij,ij->i", np.cross(second - first, third - first), fourth - first) / 6.0)

    def centres(self) -> Points:
        """(t, 3) float64, RAS mm."""
        return np.asarray(self.points[self.tetrahedra].mean(axis=1))

    @property
    def inner_area(self) -> float:
        """mm^2 of the side that looks to the cavity."""
        return float(triangle_areas(self.points, self.inner).sum())


def wall_of(mesh: VolumeMesh, wall: int, cavity: int) -> Wall:
    """The largest piece of the wall's tetrahedra. wall, cavity: labels. Raises InputError where there is none, or where
    it does not touch the cavity.
    """
    chosen = mesh.tetrahedra[mesh.tissue == wall]
    if not len(chosen):
        raise InputError("The mesh has no wall to simulate", value=f"no tetrahedron of label {wall}",
                         rule="the map has the wall of the ventricle")
    faces, owner = faces_of(chosen)
    kept = _largest(chosen, faces, owner)
    inside = {tuple(row) for row in np.sort(_between(mesh, wall, cavity), axis=1).tolist()}
    own = chosen[kept]
    faces, owner = faces_of(own)
    number = _numbers(faces)
    free = faces[np.bincount(number)[number] == 1]
    at_cavity = np.array([tuple(sorted(row)) in inside for row in free.tolist()], dtype=bool)
    if not at_cavity.any():
        raise InputError("The wall does not touch the cavity", value=f"labels {wall} and {cavity}",
                         rule="the wall encloses the cavity")
    used, rows = np.unique(own, return_inverse=True)
    renumber = np.full(len(mesh.points), -1, dtype=np.int32)
    renumber[used] = np.arange(len(used), dtype=np.int32)
    return Wall(np.ascontiguousarray(mesh.points[used]), rows.reshape(own.shape).astype(np.int32),
                renumber[free[at_cavity]][:, ::-1].copy(), renumber[free[~at_cavity]], int((~kept).sum()))


def faces_of(tetrahedra: npt.NDArray[np.int32]) -> tuple[Triangles, Ints]:
    """(4 t, 3) int32: all faces of tetrahedra of positive volume, normals outwards; and (4 t,) their rows."""
    faces = tetrahedra[:, _FACES].reshape(-1, 3)
    return faces, np.repeat(np.arange(len(tetrahedra)), len(_FACES))


def closed_volume(points: Points, inner: Triangles) -> float:
    """Volume in mm^3 of the cavity that the inner side encloses, every opening closed by a fan around the rim's mean
    point. inner: normals look out of the cavity.
    """
    volume = enclosed_volume(points, inner)
    at = points[inner[0, 0]]  # the same point as enclosed_volume measures from
    for rim in rims(inner):
        line = points[rim] - at
        nearest = np.roll(line, -1, axis=0)
        volume += float(np.einsum("j,ij->", line.mean(axis=0), np.cross(nearest, line)) / 6.0)
    return volume


def _between(mesh: VolumeMesh, wall: int, cavity: int) -> Triangles:
    return np.asarray(mesh.surface.triangles[mesh.surface.between(wall, cavity)], dtype=np.int32)


def _numbers(faces: Triangles) -> Ints:
    """(m,) int64: equal for faces with the same corners."""
    span = int(faces.max(initial=0)) + 1
    low, middle, high = np.sort(faces, axis=1).astype(np.int64).T
    first = np.unique(low * span + middle, return_inverse=True)[1].ravel()
    return np.asarray(np.unique(first * span + high, return_inverse=True)[1], dtype=np.int64).ravel()


def _largest(tetrahedra: npt.NDArray[np.int32], faces: Triangles, owner: Ints) -> npt.NDArray[np.bool_]:
    """(t,) bool: the tetrahedra of the largest piece, connected over faces."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    number, count = _numbers(faces), len(tetrahedra)
    size = count + int(number.max()) + 1
    graph = coo_matrix((np.ones(len(number), dtype=np.int8), (owner, count + number)), shape=(size, size))
    piece = connected_components(graph, directed=False)[1][:count]
    return np.asarray(piece == np.bincount(piece).argmax())
