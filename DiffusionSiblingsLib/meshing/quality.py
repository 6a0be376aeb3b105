"""How good tetrahedra are: their shapes, their volumes, and whether they fit together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
_MEETING = (((0, 1), (0, 2), (0, 3)), ((0, 1), (1, 2), (1, 3)), ((0, 2), (1, 2), (2, 3)), ((0, 3), (1, 3), (2, 3)))
_OUTWARD = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))  # faces of a tetrahedron, normals outwards


def six_volumes(corners: Floats) -> Floats:
    """(t,) float64: six times the signed volume of tetrahedra (t, 4, 3)."""
    return _six_volumes(_columns(corners))


def scaled_jacobian(corners: Floats) -> Floats:
    """(t,) float64: 1 for a regular tetrahedron, 0 for a flat one, negative for one turned inside out.

    corners: (t, 4, 3). The Verdict library's: sqrt(2) times six volumes by the greatest product of edges that meet.
    """
    columns = _columns(corners)
    square = {pair: _square(columns, *pair) for pair in EDGES}
    products = [square[first] * square[second] * square[third] for first, second, third in _MEETING]
    greatest = np.sqrt(np.maximum.reduce(products))
    return np.asarray(np.sqrt(2.0) * _six_volumes(columns) / np.where(greatest > 0, greatest, 1.0))


def mean_ratio(corners: Floats) -> Floats:
    """(t,) float64: 12 (3 V)^(2/3) by the sum of squared edges: 1 for a regular tetrahedron, 0 for a flat one.

    Liu and Joe, "Relationship between tetrahedron shape measures" (1994).
    """
    columns = _columns(corners)
    squares = sum(_square(columns, *pair) for pair in EDGES)
    volume = np.maximum(_six_volumes(columns), 0.0) / 6.0
    return np.asarray(12.0 * np.cbrt(3.0 * volume) ** 2 / np.where(squares > 0, squares, 1.0))


def dihedral_angles(corners: Floats) -> Floats:
    """(t, 6) float64: angles in degrees between the faces of tetrahedra (t, 4, 3)."""
    normals = []
    for face in _OUTWARD:
        first, second, third = (corners[:, corner] for corner in face)
        normal = np.cross(second - first, third - first)
        normals.append(normal / np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-300))
    cosines = [-np.einsum("ij,ij->i", normals[first], normals[second]) for first, second in EDGES]
    return np.asarray(np.degrees(np.arccos(np.clip(np.stack(cosines, axis=1), -1.0, 1.0))))


def interfaces(tetrahedra: npt.NDArray[np.integer], tissue: npt.NDArray[np.integer],
               count: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
    """Faces between tetrahedra of different tissues and at the outside -> triangles (m, 3) and sides (m, 2).

    tetrahedra: (t, 4), of positive volume. tissue: (t,). count: of points. The triangles are turned as a SurfaceMesh
    wants them, in an order that depends on the mesh alone. Raises ValueError where a face belongs to more than two.
    """
    faces = np.concatenate([tetrahedra[:, face] for face in _OUTWARD]).astype(np.int64)
    labels = np.tile(tissue.astype(np.int16), 4)
    ordered = np.sort(faces, axis=1)
    key = (ordered[:, 0] * count + ordered[:, 1]) * count + ordered[:, 2]
    order = np.argsort(key, kind="stable")
    key = key[order]
    same = key[1:] == key[:-1]
    if (same[1:] & same[:-1]).any():
        raise ValueError("a face belongs to more than two tetrahedra")
    begins = np.concatenate([[True], ~same])
    paired = np.concatenate([same, [False]])
    single = order[begins & ~paired]
    first, second = order[:-1][same], order[1:][same]
    differ = labels[first] != labels[second]
    first, second = first[differ], second[differ]
    near = np.where(labels[first] < labels[second], first, second)
    far = np.where(labels[first] < labels[second], second, first)
    triangles = np.concatenate([faces[near], faces[single]]).astype(np.int32)
    sides = np.stack([np.concatenate([labels[near], labels[single]]),
                      np.concatenate([labels[far], np.zeros(len(single), dtype=np.int16)])], axis=1)
    return triangles, sides


def _columns(corners: Floats) -> Floats:
    """(3, 4, t): coordinates one after the other, which numpy works through several times faster."""
    return np.ascontiguousarray(corners.transpose(2, 1, 0))


def _square(columns: Floats, first: int, second: int) -> Floats:
    edge = columns[:, first] - columns[:, second]
    return np.asarray(edge[0] * edge[0] + edge[1] * edge[1] + edge[2] * edge[2])


def _six_volumes(columns: Floats) -> Floats:
    (a, b, c), (d, e, f), (g, h, i) = (columns[:, corner] - columns[:, 0] for corner in (1, 2, 3))
    return np.asarray(a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g))
