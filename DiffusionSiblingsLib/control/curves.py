"""Centre lines of tubes, and even steps along a curve.

A centre line runs through the means of the level sets of a potential that solves Laplace's equation within the tube
between its two ends. Nothing flows through the wall, so the level sets meet it squarely, round any bend, and what the
ends look like is forgotten within a radius of them. (Principal curves, tried first, fold up in tubes shorter than four
radii, as the aortic trunk often is.)
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from .checks import FloatArray
from .places import Labels, Mask, Place, place_of, surface_points

STEP_MM = 2.0  # between level sets
TRUNK_SHARE = 0.4
PIECE_SHARE = 0.2  # of the largest piece: anything smaller is a crumb, not a tube
END_SHARE = 0.5  # of the radius: depth of the layers at both ends that are held at 0 and 1
GRAPH_MM = 1.4  # finer voxels are joined first: a centre line needs no more


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

    labels: (D, H, W), KJI order. affine: (4, 4) voxel IJK -> mm. start: the tissue that the line begins at; it
    tells the direction, and which piece counts where the tube is in several (else the largest). Raises InputError
    where a tissue is absent or the tube too small.
    """
    beside = None if start is None else surface_points(place_of(labels, affine, anatomy, [start]))
    place = _trunk(_coarse(place_of(labels, affine, anatomy, [tissue])), beside)
    points = place.points()
    if len(points) < 30:
        raise InputError(f"The {anatomy.tissue(tissue).name} is too small for a centre line",
                         value=f"{len(points)} voxels", rule="a tube of at least 30 voxels")
    first, second = _far_ends(place, points, beside)
    longest = float(first.max())
    radius = float(np.sqrt(len(points) * abs(np.linalg.det(place.affine[:3, :3])) / (np.pi * longest)))
    ends = second >= second.max() - END_SHARE * radius, first >= longest - END_SHARE * radius
    potential = _potential(place, first / np.maximum(first + second, 1e-9), ends)
    return resampled(_prolonged(_middle(points, potential, radius, ends), points, ends), spacing_mm)


def resampled(curve: npt.ArrayLike, spacing_mm: float) -> FloatArray:
    """(m, 3): a curve (n, 3) in even steps of nearly `spacing_mm` along its length, ends kept.

    Raises InputError for fewer than two different points.
    """
    points, along = measured_curve(curve)
    count = max(round(float(along[-1]) / spacing_mm), 1) + 1
    return at(points, along, np.linspace(0.0, along[-1], count))


def measured_curve(curve: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Points (n, 3) without repeats and the length (n,) from the start to each, mm. InputError for other shapes."""
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
        raise InputError("The curve cannot be used", value="all its points coincide", rule=rule)
    return points[keep], np.concatenate([[0.0], np.cumsum(step[keep[1:]])])


def at(points: FloatArray, along: FloatArray, where: FloatArray | list[float]) -> FloatArray:
    """(m, 3): points of a measured curve at lengths `where` (m,) from its start."""
    return np.stack([np.interp(where, along, points[:, axis]) for axis in range(3)], axis=-1)


def widest_radius(curve: FloatArray, place: Place) -> float:
    """mm: the largest ball about a point of the curve (n, 3) that fits into the tissue."""
    from scipy.spatial import cKDTree

    return float(cKDTree(surface_points(place)).query(curve)[0].max())


def _trunk(place: Place, beside: FloatArray | None) -> Place:
    """One piece, without what is thin beside it: the branches of a trunk are not its course.

    Opened by a ball of TRUNK_SHARE of the widest radius. beside: (n, 3) mm, the piece next to these points counts;
    the largest if None.
    """
    import cc3d
    from scipy import ndimage

    padded = np.pad(place.mask, 1)
    spacing = place.spacing[::-1]  # KJI
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    ball = TRUNK_SHARE * float(depth.max())
    pieces = cc3d.connected_components(depth > ball, connectivity=26)
    core = pieces == _chosen(pieces[1:-1, 1:-1, 1:-1], place, beside)
    near = padded & (ndimage.distance_transform_edt(~core, sampling=spacing) <= ball)
    return Place((cc3d.largest_k(near, k=1, connectivity=26) > 0)[1:-1, 1:-1, 1:-1], place.affine)


def _chosen(pieces: npt.NDArray[Any], place: Place, beside: FloatArray | None) -> int:
    """Number of the largest piece, or of the one next to `beside` that is no crumb. pieces: (d, h, w), 0 = none."""
    from scipy.spatial import cKDTree

    size = np.bincount(pieces.reshape(-1))
    size[0] = 0
    if beside is None:
        return int(size.argmax())
    near = cKDTree(beside)
    large = np.flatnonzero(size >= PIECE_SHARE * size.max())
    apart = [float(near.query(place.points(pieces == number))[0].min()) for number in large]
    return int(large[int(np.argmin(apart))])


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


def _far_ends(place: Place, points: FloatArray, beside: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """(n,) mm each: shortest way within the tissue to every voxel from one end of the tube, and from the other.

    The ends are the two voxels that are furthest apart, nearly; the first is that next to `beside`, (m, 3) mm,
    which tells the side and no more: a ventricle touches the side of the aortic root as often as its end.
    """
    from scipy.spatial import cKDTree

    begin = 0 if beside is None else int(cKDTree(beside).query(points)[0].argmin())
    last = int(_walk(place, begin).argmax())
    from_last = _walk(place, last)
    return _walk(place, int(from_last.argmax())), from_last


def _walk(place: Place, begin: int) -> FloatArray:
    """(n,) mm: shortest way within the tissue from voxel number `begin` to each."""
    from scipy import sparse
    from scipy.sparse import csgraph

    rows, columns, length = _edges(place)
    n = int(place.mask.sum())
    found = csgraph.dijkstra(sparse.csr_matrix((length, (rows, columns)), shape=(n, n)), directed=False, indices=begin)
    return np.asarray(np.where(np.isfinite(found), found, 0.0), dtype=np.float64)


def _edges(place: Place, *, faces: bool = False) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Pairs of neighbouring voxels (26, or the 6 across faces) by number, and how far apart they are in mm."""
    number = np.full(tuple(n + 2 for n in place.mask.shape), -1, dtype=np.int64)
    index = np.argwhere(place.mask) + 1  # KJI
    number[tuple(index.T)] = np.arange(len(index))
    found, length = [], []
    for offset in product((-1, 0, 1), repeat=3):
        if offset > (0, 0, 0) and (not faces or sum(map(abs, offset)) == 1):
            there = number[tuple((index + offset).T)]
            pairs = np.stack([np.flatnonzero(there >= 0), there[there >= 0]])
            found.append(pairs)
            step = float(np.linalg.norm(place.affine[:3, :3] @ np.array(offset[::-1])))
            length.append(np.full(pairs.shape[1], step))
    rows, columns = np.concatenate(found, axis=1)
    return rows, columns, np.concatenate(length)


def _potential(place: Place, first: FloatArray, ends: tuple[Mask, Mask]) -> FloatArray:
    """(n,): 0 and 1 at the two ends, between them the solution of Laplace's equation; no flow through the wall.

    first: (n,) where to begin. Voxels that hang on by an edge or corner alone keep that value.
    """
    from scipy import sparse
    from scipy.sparse import linalg

    rows, columns, length = _edges(place, faces=True)
    n = len(first)
    flow = sparse.csr_matrix((length**-2.0, (rows, columns)), shape=(n, n))
    flow = flow + flow.T
    degree = np.asarray(flow.sum(axis=1)).ravel()
    held = ends[0] | ends[1]
    free = np.flatnonzero(~held)
    found = np.where(ends[0], 0.0, np.where(ends[1], 1.0, first))
    alone = 1e-6 * float(degree.mean())
    diagonal = degree[free] + alone
    system = sparse.diags(diagonal) - flow[free][:, free]
    known = flow[free][:, np.flatnonzero(held)] @ found[held] + alone * first[free]
    found[free], _ = linalg.cg(system, known, x0=found[free], atol=0.0, maxiter=1000, M=sparse.diags(1 / diagonal))
    return np.asarray(found, dtype=np.float64)


def _middle(points: FloatArray, potential: FloatArray, radius: float, ends: tuple[Mask, Mask]) -> FloatArray:
    """(m, 3): the means of the level sets, smoothed by a polynomial of a low degree, more for a longer tube."""
    free = ~(ends[0] | ends[1])
    inside, levels = points[free], np.clip(potential[free], 0.0, 1.0)
    span = float(np.linalg.norm(np.ptp(points, axis=0)))
    count = max(4, int(span / STEP_MM))
    edges = np.unique(np.quantile(levels, np.linspace(0, 1, count + 1)))  # as many voxels each: none is empty
    index = np.clip(np.searchsorted(edges, levels, side="right") - 1, 0, len(edges) - 2)
    size = np.bincount(index, minlength=len(edges) - 1)
    sums = np.stack([np.bincount(index, inside[:, axis], len(size)) for axis in range(3)], axis=-1)
    means, along = measured_curve(sums[size > 0] / size[size > 0, None])
    length = float(along[-1])
    degree = int(np.clip(length // (3 * radius), 1, 8)) + 1  # a bend for every three radii
    fit = legendre.legfit(2 * along / length - 1, means, min(degree, len(means) - 1))
    return np.asarray(legendre.legval(np.linspace(-1, 1, max(4, int(length / STEP_MM))), fit).T)


def _prolonged(curve: FloatArray, points: FloatArray, ends: tuple[Mask, Mask]) -> FloatArray:
    """The curve led straight on through the layers at both ends. points: (n, 3). ends: (n,) each."""
    parts = []
    for line, end in ((curve, ends[0]), (curve[::-1], ends[1])):
        out = _out(line)
        beyond = float(np.median((points[end] - line[0]) @ out)) if end.any() else 0.0
        parts.append(line[:1] + max(beyond, 0.0) * out)
    return np.concatenate([parts[0], curve, parts[1]])


def _out(curve: FloatArray) -> FloatArray:
    """(3,) unit vector out of the curve at its first point, taken over its first tenth."""
    back = curve[0] - curve[max(1, len(curve) // 10)]
    return np.asarray(back / max(float(np.linalg.norm(back)), 1e-9))
