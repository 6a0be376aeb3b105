"""Meshes of spherical shells, for tests: what a wall is without a map."""

from __future__ import annotations

import numpy as np

from DiffusionSiblingsLib.simulation.wall import Wall


def shell(parts: int, layers: int, inner: float, outer: float, *, upper: bool = True) -> Wall:
    """A shell around the origin, an octahedron's faces in parts^2 triangles each. upper: False leaves out z > 0."""
    rows: dict[tuple[int, ...], int] = {}
    triangles = []
    for signs in np.array(np.meshgrid((1, -1), (1, -1), (1, -1) if upper else (-1,))).reshape(3, -1).T:
        def node(i: int, j: int, signs: np.ndarray = signs) -> int:
            return rows.setdefault(tuple(int(x) for x in (i, j, parts - i - j) * signs), len(rows))

        for i in range(parts):
            for j in range(parts - i):
                found = [(node(i, j), node(i + 1, j), node(i, j + 1))]
                if i + j < parts - 1:
                    found.append((node(i + 1, j), node(i + 1, j + 1), node(i, j + 1)))
                triangles += [one if signs.prod() > 0 else one[::-1] for one in found]
    unit = np.array(list(rows), dtype=np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    faces, count = np.array(triangles, dtype=np.int32), len(unit)
    points = np.concatenate([unit * radius for radius in np.linspace(inner, outer, layers + 1)])
    cells = []
    for layer in range(layers):
        low = np.sort(faces, axis=1) + layer * count
        a, b, c = low.T
        u, v, w = (low + count).T
        cells += [np.stack(four, axis=1) for four in ((a, b, c, w), (a, b, w, v), (a, v, w, u))]
    tetrahedra = np.concatenate(cells).astype(np.int32)
    edges = points[tetrahedra[:, 1:]] - points[tetrahedra[:, :1]]
    turned = np.linalg.det(edges) < 0
    tetrahedra[turned] = tetrahedra[turned][:, [0, 2, 1, 3]]
    return Wall(points, tetrahedra, faces, faces + np.int32(layers * count))
