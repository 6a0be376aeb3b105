"""The steps of a remesher (Botsch and Kobbelt 2004), each for many edges at once: collapse, split, flip, relax.

Each step keeps every surface a proper one and every line where it is, and refuses what would fold a surface.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .complexes import FREE, LINE, BoolArray, Complex, Indices, apart
from .mesh import Points

FOLD = 0.5  # cosine of the angle by which a triangle may turn in a collapse: 60 degrees
FLAT = 0.9  # the same between the two triangles that a flip replaces and those it makes
POOR = 0.2  # quality below which no triangle may be made that is worse than the one before
NEEDLE = 0.05  # quality below which the way that a triangle faces means nothing
STEP = 0.6  # of the way to the middle of its neighbours
MOVES = 8  # tries to move points, each without those that did harm in the last


def collapsed(every: Complex, shortest: float, longest: float, rng: np.random.Generator) -> tuple[Complex, int]:
    """Edges below a length joined into one point, as long as none becomes longer than another; how many were.

    A point on a line is joined with the next one on that line alone, one inside of a surface with any other.
    """
    first, second = every.edges.T
    a, b = every.kind[first], every.kind[second]
    may = (every.lengths < shortest) & ((a == FREE) | (b == FREE) | (every.on_line & ((a == LINE) | (b == LINE))))
    rows = np.flatnonzero(may)
    rows = rows[apart(rows, every, rng.permutation(len(rows)).astype(np.float64))]
    rows = rows[_keeps_shape(every, rows)]
    kept, gone = np.where((every.kind[second] > every.kind[first])[rows, None], every.edges[rows, ::-1],
                          every.edges[rows]).T
    place = every.points[kept].copy()
    alike = every.kind[kept] == every.kind[gone]
    place[alike] = (every.points[kept[alike]] + every.points[gone[alike]]) / 2
    sound = _keeps_triangles(every, kept, gone, place, longest)
    kept, gone, place = kept[sound], gone[sound], place[sound]
    points, name = every.points.copy(), np.arange(len(every.points))
    points[kept], name[gone] = place, kept
    triangles = name[every.triangles]
    left = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    return Complex(points, triangles[left], every.group[left], every.kind), len(kept)


def split(every: Complex, longest: float, rng: np.random.Generator) -> tuple[Complex, int]:
    """Edges above a length cut in the middle; how many were. Of neighbours the longer one is cut first."""
    rows = np.flatnonzero(every.lengths > longest)
    lengths = every.lengths[rows] + 1e-9 * rng.permutation(len(rows))
    best = np.full(len(every.codes), -1.0)
    best[rows] = lengths
    most = best[every.edge_of].max(axis=1)  # of each triangle
    mine = np.full(len(every.codes), True)
    np.logical_and.at(mine, every.edge_of.ravel(), best[every.edge_of.ravel()] >= np.repeat(most, 3))
    rows = rows[mine[rows]]
    start = len(every.points)
    number = np.full(len(every.codes), -1)
    number[rows] = start + np.arange(len(rows))
    cut = number[every.edge_of]  # (m, 3), at most one is not -1
    triangle, corner = np.nonzero(cut >= 0)
    new = cut[triangle, corner]
    one, other = every.triangles[triangle].copy(), every.triangles[triangle].copy()
    one[np.arange(len(new)), (corner + 1) % 3] = new
    other[np.arange(len(new)), corner] = new
    triangles = every.triangles.copy()
    triangles[triangle] = one
    middle = every.points[every.edges[rows]].mean(axis=1)
    return Complex(np.concatenate([every.points, middle]), np.concatenate([triangles, other]),
                   np.concatenate([every.group, every.group[triangle]]),
                   np.concatenate([every.kind, np.where(every.on_line[rows], LINE, FREE)])), len(rows)


def flipped(every: Complex, rng: np.random.Generator) -> tuple[Complex, int]:
    """Edges turned within their two triangles where the worse triangle becomes better; how many were."""
    rows = np.flatnonzero(~every.on_line)
    (one, other), ends = every.beside[rows].T, every.edges[rows]
    across = np.stack([_opposite(every, one, ends), _opposite(every, other, ends)], axis=1)
    along = _runs_along(every, one, ends)
    start, end = np.where(along[:, None], ends, ends[:, ::-1]).T
    made = np.stack([np.stack([start, across[:, 1], across[:, 0]], axis=1),
                     np.stack([end, across[:, 0], across[:, 1]], axis=1)], axis=1)  # (k, 2, 3)
    before, after = every.points[every.triangles[every.beside[rows]]], every.points[made]
    normal = _normals(before)
    turned = _normals(after)
    mean = _unit(normal.sum(axis=1))
    old = _quality(before).min(axis=1)
    least = np.where(old < POOR, FOLD, FLAT)  # the way that a poor triangle faces means less
    flat = (np.einsum("kij,kj->ki", _unit(turned), mean) > least[:, None]).all(axis=1)
    better = _quality(after).min(axis=1) > old + 1e-3
    good = np.flatnonzero(flat & better & (every.find(across[:, 0], across[:, 1]) < 0) & (across[:, 0] != across[:, 1]))
    rank = rng.permutation(len(good)).astype(np.float64)
    least = np.full(len(every.triangles), np.inf)
    np.minimum.at(least, every.beside[rows[good]].ravel(), np.repeat(rank, 2))
    good = good[(least[every.beside[rows[good]]] == rank[:, None]).all(axis=1)]
    new = np.sort(across[good], axis=1) @ np.array([len(every.points), 1])
    good = good[np.unique(new, return_index=True)[1]]
    triangles = every.triangles.copy()
    triangles[every.beside[rows[good]]] = made[good]
    return replace(every, triangles=triangles), len(good)


def relaxed(every: Complex) -> Points:
    """(n, 3) the points moved along their surface, or line, towards the middle of their neighbours."""
    count = len(every.points)
    total, weight = np.zeros((count, 3)), np.zeros(count)
    for edges, kind in ((every.edges, FREE), (every.edges[every.on_line], LINE)):
        for near, far in ((0, 1), (1, 0)):
            chosen = edges[every.kind[edges[:, near]] == kind]
            weight += np.bincount(chosen[:, near], minlength=count)
            for axis in range(3):
                total[:, axis] += np.bincount(chosen[:, near], every.points[chosen[:, far], axis], count)
    step = np.where(weight[:, None] > 0, total / np.maximum(weight, 1)[:, None] - every.points, 0.0)
    free = np.flatnonzero(every.kind == FREE)
    sums: Points = np.stack([np.bincount(every.triangles.ravel(), np.repeat(part, 3), count)[free]
                             for part in _normals(every.points[every.triangles]).T], axis=1).astype(np.float64)
    normal = _unit(sums)
    step[free] -= np.einsum("ij,ij->i", step[free], normal)[:, None] * normal
    return np.asarray(every.points + STEP * step)


def moved(every: Complex, points: Points) -> Complex:
    """The points moved (n, 3), but for those of triangles that would fold over or become poor."""
    before, fixed = every.points[every.triangles], np.zeros(len(points), dtype=np.bool_)
    old, normal = _quality(before), _unit(_normals(before))
    for _ in range(MOVES):
        now = np.where(fixed[:, None], every.points, points)
        after = now[every.triangles]
        quality = _quality(after)
        turned = np.einsum("ij,ij->i", normal, _unit(_normals(after)))
        wrong = ((turned < FOLD) & (old > NEEDLE)) | ((quality < POOR) & (quality < old))
        if not wrong.any():
            return replace(every, points=now)
        fixed[every.triangles[wrong]] = True
    return every


def _keeps_shape(every: Complex, rows: Indices) -> BoolArray:
    """(k,) bool: whether the ends of each edge have no neighbours in common but those across its triangles.

    Nor may they have one in common along lines: a line of three edges would be lost.
    """
    first, second = every.edges[rows].T
    row, triangle = every.stars(first)
    beside = every.triangles[triangle].ravel()
    row = np.repeat(row, 3)
    other = (beside != first[row]) & (beside != second[row])
    code = np.unique(row[other] * len(every.points) + beside[other])
    row, beside = np.divmod(code, len(every.points))
    there = every.find(second[row], beside)
    common = np.bincount(row[there >= 0], minlength=len(rows))
    here = every.find(first[row], beside)
    lines = (there >= 0) & every.on_line[there] & every.on_line[here]
    return np.asarray((common == every.count[rows]) & (np.bincount(row[lines], minlength=len(rows)) == 0))


def _keeps_triangles(every: Complex, kept: Indices, gone: Indices, place: Points, longest: float) -> BoolArray:
    """(k,) bool: whether no triangle around two joined points folds over, becomes poor or too long."""
    bad = np.zeros(len(kept), dtype=np.int64)
    for centre, other in ((kept, gone), (gone, kept)):
        row, triangle = every.stars(centre)
        corners = every.triangles[triangle]
        stays = ~(corners == other[row][:, None]).any(axis=1)
        row, corners = row[stays], corners[stays]
        before = every.points[corners]
        own = corners == centre[row][:, None]
        after = np.where(own[:, :, None], place[row][:, None], before)
        far = np.linalg.norm(np.where(own[:, :, None], 0.0, before - place[row][:, None]), axis=2).max(axis=1)
        turned = np.einsum("ij,ij->i", _unit(_normals(before)), _unit(_normals(after)))
        quality, old = _quality(after), _quality(before)
        wrong = ((turned < FOLD) & (old > NEEDLE)) | (far > longest) | ((quality < POOR) & (quality < old))
        bad += np.bincount(row, wrong, len(kept)).astype(np.int64)
    return np.asarray(bad == 0)


def _opposite(every: Complex, triangle: Indices, ends: Indices) -> Indices:
    """(k,) the corner of each triangle that is no end of its edge."""
    return np.asarray(every.triangles[triangle].sum(axis=1) - ends.sum(axis=1))


def _runs_along(every: Complex, triangle: Indices, ends: Indices) -> BoolArray:
    """(k,) bool: whether a triangle goes through its edge from the first to the second of its ends."""
    corners = every.triangles[triangle]
    return np.asarray(((corners == ends[:, :1]) & (np.roll(corners, -1, axis=1) == ends[:, 1:])).any(axis=1))


def _normals(corners: Points) -> Points:
    return np.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-300))


def _quality(corners: Points) -> Points:
    """1 for an equilateral triangle (..., 3, 3), 0 for a flat one: 4 sqrt(3) area / sum of squared edges."""
    squares = np.square(corners - np.roll(corners, 1, axis=-2)).sum(axis=(-2, -1))
    return np.asarray(2 * np.sqrt(3) * np.linalg.norm(_normals(corners), axis=-1) / np.maximum(squares, 1e-300))
