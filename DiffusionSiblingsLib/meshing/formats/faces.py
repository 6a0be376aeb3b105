"""Which tetrahedron has a triangle as its face, on either side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..mesh import Triangles, VolumeMesh

Ints = npt.NDArray[np.int64]
FACES = ((0, 1, 2), (0, 3, 1), (1, 3, 2), (2, 3, 0))  # S1 to S4 of Abaqus


def faces_of(volume: VolumeMesh, triangles: Triangles, label: int) -> tuple[Ints, Ints]:
    """(k,) rows of the tetrahedra of one label whose faces the triangles are, and (k,) the faces' places in FACES.

    triangles: (k, 3) corners. Where a triangle is no face of the label, both are -1.
    """
    rows = np.flatnonzero(volume.tissue == label)
    faces = volume.tetrahedra[rows][:, FACES].reshape(-1, 3)
    known = _keys(faces, len(volume.points))
    order = np.argsort(known, kind="stable")
    wanted = _keys(triangles, len(volume.points))
    place = np.minimum(np.searchsorted(known[order], wanted), max(len(order) - 1, 0))
    if not len(order):
        return np.full(len(wanted), -1), np.full(len(wanted), -1)
    found = order[place]
    there = known[found] == wanted
    return np.where(there, rows[found // 4], -1), np.where(there, found % 4, -1)


def _keys(corners: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.object_] | Ints:
    """(k,) one number for each triangle, whatever the order of its corners."""
    ordered = np.sort(corners.astype(np.int64), axis=1)
    if count < 1 << 21:  # three times 21 bits
        return np.asarray((ordered[:, 0] * count + ordered[:, 1]) * count + ordered[:, 2])
    _, pairs = np.unique(ordered[:, :2], axis=0, return_inverse=True)
    return np.asarray(pairs.ravel().astype(object) * count + ordered[:, 2])
