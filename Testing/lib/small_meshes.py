"""Small meshes with exact volumes: blocks of cubes, each of six tetrahedra, whose labels we choose."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh, VolumeMesh
from DiffusionSiblingsLib.meshing.meshed import Meshed, Part
from DiffusionSiblingsLib.meshing.patches import patches_of

ANATOMY = load_anatomy()
LABELS = {tissue.id: tissue.label for tissue in ANATOMY.tissues}
TISSUES = {label: tissue for tissue, label in LABELS.items()}
SPACING = 5.0


def block_labels() -> np.ndarray:
    """(6, 5, 5) KJI labels: a ventricle in its wall, and an atrium on top of it."""
    labels = np.full((6, 5, 5), LABELS["Myo"], dtype=np.int16)
    labels[1:4, 1:4, 1:4] = LABELS["LV"]
    labels[4:] = 0
    labels[4:, 1:4, 1:4] = LABELS["LA"]
    return labels


def volume_of(labels: np.ndarray, spacing: float = SPACING) -> VolumeMesh:
    """Every cube of a label as six tetrahedra around its diagonal; all faces between labels, and to the outside."""
    size = np.array(labels.shape) + 1
    grid = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1).reshape(-1, 3)
    number = np.arange(len(grid)).reshape(size)
    cells, tissue = [], []
    for k, j, i in np.argwhere(labels > 0):
        for order in permutations(range(3)):
            corner = np.array([k, j, i])
            path = [number[tuple(corner)]]
            for axis in order:
                corner[axis] += 1
                path.append(number[tuple(corner)])
            cells.append(path)
            tissue.append(labels[k, j, i])
    points = np.ascontiguousarray(grid[:, ::-1] * spacing + [10.0, -20.0, 30.0])
    tetrahedra, found = np.array(cells, dtype=np.int32), np.array(tissue, dtype=np.int16)
    used = np.unique(tetrahedra)
    tetrahedra = np.searchsorted(used, tetrahedra).astype(np.int32)
    points = points[used]
    a, b, c, d = (points[tetrahedra[:, n]] for n in range(4))
    inverted = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) < 0
    tetrahedra[inverted] = tetrahedra[inverted][:, [0, 2, 1, 3]]
    return VolumeMesh(points, tetrahedra, found, _surface(points, tetrahedra, found))


def _surface(points: np.ndarray, tetrahedra: np.ndarray, tissue: np.ndarray) -> SurfaceMesh:
    faces: dict[tuple[int, ...], list[tuple[tuple[int, ...], int]]] = {}
    for cell, label in zip(tetrahedra.tolist(), tissue.tolist(), strict=True):
        for a, b, c in ((0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)):  # outwards
            face = (cell[a], cell[b], cell[c])
            faces.setdefault(tuple(sorted(face)), []).append((face, label))
    triangles, sides = [], []
    for both in faces.values():
        if len(both) == 1:
            triangles.append(both[0][0])
            sides.append((both[0][1], 0))
        elif both[0][1] != both[1][1]:
            first, second = sorted(both, key=lambda one: one[1])
            triangles.append(first[0])
            sides.append((first[1], second[1]))
    return SurfaceMesh(points, np.array(triangles, dtype=np.int32), np.array(sides, dtype=np.int16))


def small_heart(*, solid: bool = True, space: str = "LPS") -> Meshed:
    """The block as a mesh ready to be written."""
    volume = volume_of(block_labels())
    parts = {label: Part(TISSUES[label], ANATOMY.tissue(TISSUES[label]).name, label)
             for label in volume.surface.tissues}
    patches = patches_of(volume.surface, ANATOMY, TISSUES)
    return Meshed("block", volume.surface, patches, parts, volume if solid else None, space)  # type: ignore[arg-type]
