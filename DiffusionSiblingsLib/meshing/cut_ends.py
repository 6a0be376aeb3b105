"""The flat ends at which vessels are cut: where the segmentation or the image stops, and the background begins.

An end is a flat part of the outer surface at the end of a tube: its triangles lie in one plane, its outline is round,
beyond its rim the surface turns back sharply along the tube, and there is tissue behind it. The side of a chamber that
happens to be flat bends away slowly, and the side of a plate has nothing behind it. The rules would rather miss an end
than invent one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.patch_rules import CutEndRule
from .edges import directed_edges, edge_numbers, pieces
from .mesh import OUTSIDE, SurfaceMesh, triangle_areas, triangle_normals
from .patch_geometry import rim_of

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
LEAST_MM2 = 90.0  # of an end: a tube of 11 mm
FACING = 0.9  # cosine of the greatest angle between a triangle and the plane of its end while it grows (26 degrees)
CREASE = 0.7  # the same for the finished end: its rim is where the surface has turned half way (45 degrees)
NEAR_MM, NEAR_SHARE = 0.8, 0.08  # greatest distance from the plane, and the same as a share of the end's diameter
LEAST_ROUND = 0.75  # 4 pi area / perimeter^2 of the smoothed rim: 1 for a circle, 0.84 for an ellipse of 2 to 1
BEYOND_MM = (0.7, 4.0)  # how far beyond the rim the surface is looked at
TURNED, LEAST_TURNED = 0.5, 0.8  # cosine of 60 degrees by which the surface has turned there, on this share of it
SECTORS, ALIKE = 16, 0.6  # around an end: in each, the mean of that cosine is between -0.6 and 0.6, as a tube goes on
MOST_UNEVEN = 0.4  # standard deviation of the cosine: a tube turns back alike all around
LEAST_DEPTH = 0.35  # diameters of tissue behind the end: a plate has less
FLAT = 0.985  # length of the mean of the normals around a triangle from which an end is looked for
ROUNDS = 3  # of fitting the plane again
TAUBIN, TAUBIN_ROUNDS = (0.5, -0.53), 10


@dataclass(frozen=True)
class CutEnd:
    """An end: its rule, the label of its tissue, and its triangles (k,), rows of the surface's triangles."""

    rule: CutEndRule
    label: int
    triangles: npt.NDArray[np.int32]


def cut_ends(surface: SurfaceMesh, rules: Sequence[CutEndRule], labels: Mapping[str, int],
             walled: Collection[str] = ()) -> list[CutEnd]:
    """The cut ends of the tissues that have a rule, the largest of each tissue first. labels: tissue id -> label.

    walled: tissues around which walls were grown; where these look outside, they do so at an open end.
    """
    found = []
    for rule in rules:
        if rule.tissue in labels:
            label = labels[rule.tissue]
            outer = surface.between(label, OUTSIDE)
            if rule.tissue in walled:
                ends = _openings(surface, outer)
            else:
                ends = _flat_ends(_Outer(surface, outer, label)) if len(outer) else []
            found += [CutEnd(rule, label, outer[end]) for end in ends]
    return found


def _openings(surface: SurfaceMesh, outer: npt.NDArray[np.int32]) -> list[Indices]:
    """The pieces of a walled tissue's outer surface that are as large as an end, as rows of `outer`."""
    corners = surface.triangles[outer]
    piece = pieces(corners, np.zeros(len(corners), dtype=np.int64))
    area = np.bincount(piece, triangle_areas(surface.points, corners))
    return [np.flatnonzero(piece == one) for one in np.argsort(-area, kind="stable") if area[one] >= LEAST_MM2]


class _Outer:
    """The outer surface of one tissue, with what all tries need."""

    def __init__(self, surface: SurfaceMesh, outer: npt.NDArray[np.int32], label: int) -> None:
        from scipy.spatial import cKDTree

        around = surface.around(label)
        self.points, self.corners = _relaxed(surface.points, around), surface.triangles[outer]
        self.areas = triangle_areas(self.points, self.corners)
        long = triangle_normals(self.points, self.corners)
        self.normals = long / np.maximum(np.linalg.norm(long, axis=1), 1e-12)[:, None]
        self.centres = np.asarray(self.points[self.corners].mean(axis=1))
        self.behind = self.points[around].mean(axis=1)
        self.tree = cKDTree(self.centres)
        self.near = self._neighbours()
        self.smooth = self._unit(self._summed(self.normals * self.areas[:, None], 2))

    def _neighbours(self) -> npt.NDArray[np.int64]:
        """(p, 2) pairs of triangles that share an edge."""
        number = edge_numbers(self.corners)
        order = np.argsort(number, kind="stable")
        same = number[order][:-1] == number[order][1:]
        return np.stack([order[:-1][same] // 3, order[1:][same] // 3], axis=1)

    def flatness(self) -> FloatArray:
        """(k,) length of the mean of the normals within a few triangles: 1 in a plane, less where the surface bends."""
        total = self._summed(np.column_stack([self.smooth * self.areas[:, None], self.areas]), 6)
        return np.asarray(np.linalg.norm(total[:, :3], axis=1) / np.maximum(total[:, 3], 1e-12))

    def _summed(self, values: FloatArray, rounds: int) -> FloatArray:
        """(k, n) values added up over neighbours again and again: what the steps of voxels do to them goes."""
        from scipy.sparse import coo_matrix, identity

        count = len(values)
        one = coo_matrix((np.ones(len(self.near)), (self.near[:, 0], self.near[:, 1])), shape=(count, count))
        joined = (one + one.T + identity(count)).tocsr()
        for _ in range(rounds):
            values = joined @ values
        return np.asarray(values)

    def connected(self, seed: int, chosen: npt.NDArray[np.bool_]) -> Indices:
        """The chosen triangles that are connected with a seed over chosen ones; the seed alone if it is not chosen."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        if not chosen[seed]:
            return np.array([seed], dtype=np.int64)
        among = np.flatnonzero(chosen)
        place = np.zeros(len(chosen), dtype=np.int64)
        place[among] = np.arange(len(among))
        one, other = place[self.near[chosen[self.near].all(axis=1)]].T
        graph = coo_matrix((np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(among), len(among)))
        piece = connected_components(graph, directed=False)[1]
        return np.asarray(among[piece == piece[place[seed]]])

    @staticmethod
    def _unit(vectors: FloatArray) -> FloatArray:
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None])


def _flat_ends(side: _Outer) -> list[Indices]:
    """The ends on one tissue's outer surface, as rows of its triangles, the largest first."""
    tried = np.zeros(len(side.areas), dtype=np.bool_)
    flatness = side.flatness()
    ends: list[Indices] = []
    for seed in np.argsort(-flatness, kind="stable").tolist():
        if flatness[seed] < FLAT:
            break
        if tried[seed]:
            continue
        tried[side.tree.query_ball_point(side.centres[seed], 2.0)] = True
        end = _grown(side, seed)
        if end is not None:
            tried[end] = True
            if not any(np.intersect1d(end, other).size for other in ends) and _is_end(side, end):
                ends.append(end)
    return sorted(ends, key=lambda end: -float(side.areas[end].sum()))


def _grown(side: _Outer, seed: int) -> Indices | None:
    """The flat part of the surface around a seed; None where it is smaller than an end."""
    centre, normal, near = side.centres[seed], side.smooth[seed], NEAR_MM
    found = np.zeros(0, dtype=np.int64)
    for _ in range(ROUNDS):
        found = _around(side, seed, centre, normal, near, FACING)
        weight = side.areas[found]
        if weight.sum() < LEAST_MM2 / 2:
            return None
        centre = weight @ side.centres[found] / weight.sum()
        spread = side.centres[found] - centre
        fitted = np.linalg.eigh((spread * weight[:, None]).T @ spread)[1][:, 0]
        normal = fitted if fitted @ normal > 0 else -fitted
        near = max(NEAR_MM, NEAR_SHARE * 2 * float(np.sqrt(weight.sum() / np.pi)))
    found = _around(side, seed, centre, normal, 2 * near, CREASE)
    return found if side.areas[found].sum() >= LEAST_MM2 else None


def _around(side: _Outer, seed: int, centre: FloatArray, normal: FloatArray, near: float, facing: float) -> Indices:
    """The connected triangles around a seed that lie near a plane and look its way; the seed alone if it does not."""
    flat = (side.smooth @ normal > facing) & (np.abs((side.centres - centre) @ normal) < near)
    return side.connected(seed, flat)


def _is_end(side: _Outer, end: Indices) -> bool:
    """Whether a flat part is the end of a tube: round, turning back alike all around it, with tissue behind it."""
    from scipy.spatial import cKDTree

    area = float(side.areas[end].sum())
    rim = rim_of(side.points, side.corners[end])
    if not len(rim) or 4 * np.pi * area / _length(_evened(_evened(rim)))**2 < LEAST_ROUND:
        return False
    normal = side.areas[end] @ side.normals[end]
    normal /= np.linalg.norm(normal)
    others = np.setdiff1d(np.arange(len(side.areas)), end)
    distance = cKDTree(rim).query(side.centres[others], distance_upper_bound=BEYOND_MM[1])[0]
    beyond = others[(distance > BEYOND_MM[0]) & (distance < BEYOND_MM[1])]
    if not len(beyond):
        return False
    centre = side.areas[end] @ side.centres[end] / area
    cosine, weight = side.smooth[beyond] @ normal, side.areas[beyond] / side.areas[beyond].sum()
    uneven = float(np.sqrt(weight @ (cosine - weight @ cosine)**2))
    if weight @ (cosine < TURNED) < LEAST_TURNED or uneven > MOST_UNEVEN:
        return False
    return _all_around(side.centres[beyond] - centre, normal, side.normals[beyond] @ normal, weight) and (
        _depth(side, centre, normal, area) > LEAST_DEPTH)


def _all_around(places: FloatArray, normal: FloatArray, cosine: FloatArray, weight: FloatArray) -> bool:
    """Whether the surface goes on like a tube in every sector around an end. places: (k, 3) from its centre."""
    first = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    angle = np.arctan2(places @ np.cross(normal, first), places @ first)  # the lengths do not matter
    sector = ((angle / (2 * np.pi) + 0.5) * SECTORS).astype(np.int64) % SECTORS
    total = np.bincount(sector, weight, minlength=SECTORS)
    mean = np.bincount(sector, weight * cosine, minlength=SECTORS) / np.maximum(total, 1e-12)
    return bool(((np.abs(mean) < ALIKE) & (total > 0)).all())


def _relaxed(points: FloatArray, triangles: npt.NDArray[np.int32]) -> FloatArray:
    """The points without what is left of the steps of voxels, for a look at directions alone (Taubin 1995).

    triangles: the closed surface of one tissue, which is smoothed by itself.
    """
    from scipy.sparse import coo_matrix

    own, corners = np.unique(triangles, return_inverse=True)
    one, other = directed_edges(corners.reshape(-1, 3).astype(np.int32)).T
    joined = coo_matrix((np.ones(len(one)), (one, other)), shape=(len(own), len(own))).tocsr()
    count = np.asarray(joined.sum(axis=1)).ravel()[:, None]
    moved = points[own]
    for share in TAUBIN * TAUBIN_ROUNDS:
        moved = moved + share * (joined @ moved / count - moved)
    relaxed = points.copy()
    relaxed[own] = moved
    return relaxed


def _depth(side: _Outer, centre: FloatArray, normal: FloatArray, area: float) -> float:
    """How far behind the middle of an end its tissue ends, in diameters of the end; inf where it does not."""
    radius = float(np.sqrt(area / np.pi))
    from_centre = side.behind - centre
    deep = -(from_centre @ normal)
    beside = np.linalg.norm(from_centre + deep[:, None] * normal, axis=1)
    met = deep[(deep > 2 * NEAR_MM) & (beside < radius / 2)]
    return float(met.min()) / (2 * radius) if len(met) else float("inf")


def _evened(line: FloatArray) -> FloatArray:
    """A closed line (r, 3) without its zigzag."""
    return np.asarray((np.roll(line, 1, axis=0) + line + np.roll(line, -1, axis=0)) / 3)


def _length(line: FloatArray) -> float:
    return float(np.linalg.norm(line - np.roll(line, 1, axis=0), axis=1).sum())
