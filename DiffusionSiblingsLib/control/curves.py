"""Centre lines of tubes, and even steps along a curve.

A centre line is a principal curve (Hastie and Stuetzle 1989): each of its points is the mean of the voxels that project
onto it, so that the planes across it cut the tube squarely. It starts from fronts of equal walking distance within the
tissue, which follow an arch round its bend.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from ..anatomy import Anatomy
from ..errors import InputError
from .checks import FloatArray
from .places import Labels, Mask, Place, contact, place_of

STEP_MM = 2.0
FINE_MM = 0.5
TRUNK_SHARE = 0.4
ROUNDS = 12
GRAPH_MM = 1.4  # finer voxels are joined first: a centre line needs no more
CONTACT_GAP_MM = 5.0


def centre_line(
    labels: Labels,
    affine: npt.NDArray[Any],
    anatomy: Anatomy,
    tissue: str,
    *,
    start: str | None = None,
    spacing_mm: float = 1.0,
) -> FloatArray:
    """(n, 3) float64, mm: the middle of a tube-like tissue from end to end, a point every `spacing_mm` or nearly so.

    labels: (D, H, W), KJI order. affine: (4, 4) voxel IJK -> mm. Only the largest piece counts. start: tissue at whose
    contact the line begins, so that its direction is known. Raises InputError where the tissue is absent or too small.
    """
    place = _trunk(_coarse(place_of(labels, affine, anatomy, [tissue])))
    points = place.points()
    if len(points) < 30:
        raise InputError(f"The {anatomy.tissue(tissue).name} is too small for a centre line",
                         value=f"{len(points)} voxels", rule="a tube of at least 30 voxels")
    sources = None if start is None else _sources(place, points, place_of(labels, affine, anatomy, [start]))
    where = _walk(place, points, sources)
    voxel_mm3 = float(abs(np.linalg.det(place.affine[:3, :3])))
    radius = np.sqrt(len(points) * voxel_mm3 / (np.pi * where.max()))
    degree = int(np.clip(round(where.max() / (4 * radius)), 1, 6)) + 1  # a bend for every two diameters
    curve = _fitted(points, where, degree, (0.0, float(where.max())))
    for _ in range(ROUNDS):
        where = _projected(points, curve)
        curve = _fitted(points, where, degree, _full_part(where, voxel_mm3))
    return resampled(curve, spacing_mm)


def resampled(curve: npt.ArrayLike, spacing_mm: float) -> FloatArray:
    """(m, 3): a curve (n, 3) in even steps of nearly `spacing_mm` along its length, ends kept.

    Raises InputError for fewer than two different points.
    """
    points, along = measured_curve(curve)
    count = max(round(float(along[-1]) / spacing_mm), 1) + 1
    return at(points, along, np.linspace(0.0, along[-1], count))


def measured_curve(curve: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Points (n, 3) without repeats and the length (n,) from the start to each, mm; InputError if it is no curve."""
    rule = "at least two different points of three finite coordinates in mm"
    try:
        points = np.asarray(curve, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("The curve cannot be used", value=repr(curve)[:80], rule=rule) from error
    if points.ndim != 2 or points.shape[1:] != (3,) or len(points) < 2 or not np.isfinite(points).all():
        raise InputError("The curve cannot be used", value=f"shape {points.shape}", rule=rule)
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    keep = np.concatenate([[True], step > 1e-9])
    if not keep[1:].any():
        raise InputError("The curve cannot be used", value="all its points are one", rule=rule)
    return points[keep], np.concatenate([[0.0], np.cumsum(step[keep[1:]])])


def at(points: FloatArray, along: FloatArray, where: FloatArray | list[float]) -> FloatArray:
    """(m, 3): points of a measured curve at lengths `where` (m,) from its start."""
    return np.stack([np.interp(where, along, points[:, axis]) for axis in range(3)], axis=-1)


def distances(points: FloatArray, curve: FloatArray) -> FloatArray:
    """(n,) mm: how far points (n, 3) are from a curve."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(resampled(curve, FINE_MM)).query(points)[0], dtype=np.float64)


def _trunk(place: Place) -> Place:
    """The largest piece (26-connected) without what is thin beside it: the branches of a trunk are not its course.

    Opened by a ball of TRUNK_SHARE of the widest radius.
    """
    import cc3d
    from scipy import ndimage

    padded = np.pad(cc3d.largest_k(place.mask, k=1, connectivity=26) > 0, 1)
    spacing = place.spacing[::-1]  # KJI
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    ball = TRUNK_SHARE * float(depth.max())
    core = cc3d.largest_k(depth > ball, k=1, connectivity=26) > 0
    near = ndimage.distance_transform_edt(~core, sampling=spacing) <= ball
    return Place((near & padded)[1:-1, 1:-1, 1:-1], place.affine)


def _coarse(place: Place) -> Place:
    """Voxels joined along each axis up to GRAPH_MM: a joined voxel is the tissue's if any part of it is."""
    steps = np.maximum(1, np.floor(GRAPH_MM / place.spacing + 1e-3)).astype(int)  # IJK
    mask: Mask = place.mask
    for axis, step in enumerate(steps[::-1].tolist()):
        mask = np.logical_or.reduceat(mask, np.arange(0, mask.shape[axis], step), axis=axis)
    affine = place.affine.copy()
    affine[:3, 3] = affine[:3, :3] @ ((steps - 1) / 2) + affine[:3, 3]
    affine[:3, :3] = affine[:3, :3] * steps
    return Place(mask, affine)


def _sources(place: Place, points: FloatArray, start: Place) -> npt.NDArray[np.int64] | None:
    """Indices of the points where the tube meets `start`, None where they do not meet."""
    from scipy.spatial import cKDTree

    found = contact(place, start, CONTACT_GAP_MM)
    if found is None:
        return None
    return np.unique(cKDTree(points).query(found[0])[1])


def _walk(place: Place, points: FloatArray, sources: npt.NDArray[np.int64] | None) -> FloatArray:
    """(n,) mm: shortest way within the tissue from the sources to each voxel; without sources, from one of its ends."""
    from scipy import sparse
    from scipy.sparse import csgraph

    number = np.full(tuple(n + 2 for n in place.mask.shape), -1, dtype=np.int64)
    index = np.argwhere(place.mask) + 1
    number[tuple(index.T)] = np.arange(len(index))
    ends: list[npt.NDArray[np.int64]] = []
    for offset in product((-1, 0, 1), repeat=3):
        if offset > (0, 0, 0):
            there = number[tuple((index + offset).T)]
            ends.append(np.stack([np.flatnonzero(there >= 0), there[there >= 0]]))
    rows, columns = np.concatenate(ends, axis=1)
    length = np.linalg.norm(points[rows] - points[columns], axis=1)
    graph = sparse.csr_matrix((length, (rows, columns)), shape=(len(points), len(points)))

    def walk(begin: npt.NDArray[np.int64]) -> FloatArray:
        found = csgraph.dijkstra(graph, directed=False, indices=begin, min_only=True)
        return np.asarray(np.where(np.isfinite(found), found, 0.0), dtype=np.float64)

    if sources is not None:
        return walk(sources)
    return walk(np.array([int(walk(np.array([0])).argmax())]))


def _projected(points: FloatArray, curve: FloatArray) -> FloatArray:
    """(n,) mm along a curve, prolonged straight on at both ends, to its point nearest to each of `points` (n, 3)."""
    from scipy.spatial import cKDTree

    whole, along = measured_curve(curve)
    reach = max(STEP_MM, float(along[-1]) / 4)
    whole = np.concatenate([whole[:1] + _out(whole) * reach, whole, whole[-1:] + _out(whole[::-1]) * reach])
    return np.asarray(cKDTree(resampled(whole, FINE_MM)).query(points)[1] * FINE_MM, dtype=np.float64)


def _fitted(points: FloatArray, where: FloatArray, degree: int, part: tuple[float, float]) -> FloatArray:
    """(m, 3): polynomials of `degree` in `where` (n,), fitted to the points (n, 3) in that part of the curve.

    Polynomials of a low degree: local means bend towards the corners of a short, wide tube and draw the ends inwards.
    """
    low, high = part
    kept = (where >= low) & (where <= high)
    unit = 2 * (where[kept] - low) / (high - low) - 1
    fit, *_ = np.linalg.lstsq(legendre.legvander(unit, degree), points[kept], rcond=None)
    return np.asarray(legendre.legvander(np.linspace(-1, 1, max(4, int((high - low) / STEP_MM))), degree) @ fit)


def _full_part(where: FloatArray, voxel_mm3: float) -> tuple[float, float]:
    """Where along the curve the tube begins and ends, mm. where: (n,) mm, of its voxels.

    Slanted ends are left out: up to where a section has half the area that the tube has a diameter further in.
    """
    first = float(where.min())
    area = np.bincount(((where - first) / STEP_MM).astype(int)) * (voxel_mm3 / STEP_MM)  # mm^2 of each section
    radius = float(np.sqrt(np.median(area[area > 0]) / np.pi))
    window = max(1, round(2 * radius / STEP_MM))
    ends = []
    for sections in (area, area[::-1]):
        full = (i for i in range(len(area)) if sections[i] >= 0.5 * np.median(sections[i : i + window]) > 0)
        ends.append(next(full, 0))
    low, high = ends[0], max(len(area) - ends[1], ends[0] + 2)
    return first + low * STEP_MM, first + high * STEP_MM


def _out(curve: FloatArray) -> FloatArray:
    """(3,) unit vector out of the curve at its first point, taken over its first quarter."""
    back = curve[0] - curve[max(1, len(curve) // 4)]
    return np.asarray(back / max(float(np.linalg.norm(back)), 1e-9))
