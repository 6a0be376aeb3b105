"""A surface mesh with edges of about one length, with its surfaces, lines and volumes as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .complexes import CORNER, FREE, LINE, Complex, Indices, kinds_of
from .intersections import crossing_triangles
from .mesh import Points, SurfaceMesh, triangle_normals
from .remesh_steps import collapsed, flipped, moved, relaxed, split
from .smoothing import with_volumes

SHORTEST, LONGEST = 0.8, 4.0 / 3.0  # of the edge length: between these an edge is good
PASSES, RELAXED = 2, 3
FEW = 0.006  # of the triangles: when a round changes fewer, it was the last
MOST_ROUNDS = 40
TRIES = 4  # of leaving what still crosses as fine as it was
NEAREST = 4  # points of the fine surface that a point is put back between


def remeshed(mesh: SurfaceMesh, edge_mm: float, flat: Indices | None = None) -> SurfaceMesh:
    """The mesh with edges of about this length in mm; where it cannot be so coarse, with finer ones.

    flat: (m,) a number above 0 for the triangles of each flat end, which stays flat with its rim where it is, 0 for the
    others. The same mesh gives the same result. No triangle passes through another one if none did before: where
    coarse triangles would, the fine ones stay.
    """
    flat = np.zeros(len(mesh.triangles), dtype=np.int64) if flat is None else flat
    group = np.unique(mesh.side_codes * (int(flat.max(initial=0)) + 1) + flat, return_inverse=True)[1].astype(np.int64)
    owner = np.unique(group, return_index=True)[1]  # a triangle of each group
    triangles = mesh.triangles.astype(np.int64)
    start = Complex(mesh.points, triangles, group, kinds_of(triangles, group, len(mesh.points)))
    target = _Target(start)
    kind = start.kind.copy()
    for attempt in range(TRIES):
        done = _remeshed(replace(start, kind=kind), target, edge_mm)
        result, crossing = _settled(_with_volumes(done, mesh, owner, flat), done)
        if not len(crossing):
            return result
        places = result.points[np.unique(result.triangles[crossing])]
        kind[_within(start.points, places, 2 ** (1 + attempt) * edge_mm)] = CORNER
    return mesh


def _remeshed(every: Complex, target: _Target, edge_mm: float) -> Complex:
    rng = np.random.default_rng(0)  # decides which of many edges is first: any order would do, but always the same
    for _ in range(PASSES):
        every = _repeated(every, lambda now: split(now, LONGEST * edge_mm, rng))
        every = _repeated(every, lambda now: collapsed(now, SHORTEST * edge_mm, LONGEST * edge_mm, rng))
        every = _repeated(every, lambda now: flipped(now, rng))
        for _ in range(RELAXED):
            every = moved(every, relaxed(every))
        every = moved(every, target.nearest(every, every.points))
        every = _repeated(every, lambda now: flipped(now, rng))
    return _compact(every)


def _repeated(every: Complex, step: Callable[[Complex], tuple[Complex, int]]) -> Complex:
    for _ in range(MOST_ROUNDS):
        every, count = step(every)
        if count <= FEW * len(every.triangles):
            break
    return every


def _compact(every: Complex) -> Complex:
    used, triangles = np.unique(every.triangles, return_inverse=True)
    return Complex(every.points[used], triangles.reshape(-1, 3).astype(np.int64), every.group, every.kind[used])


def _with_volumes(done: Complex, mesh: SurfaceMesh, owner: Indices, flat: Indices) -> SurfaceMesh:
    """The result as a mesh with the volumes of the one that it was made of; flat ends stay."""
    result = SurfaceMesh(done.points, done.triangles.astype(np.int32), mesh.sides[owner[done.group]])
    fixed = done.kind != FREE
    fixed[done.triangles[flat[owner[done.group]] > 0]] = True
    far = np.full(result.points.shape, np.inf)
    return with_volumes(result, {tissue: mesh.volume(tissue) for tissue in mesh.tissues}, fixed, -far, far)


def _settled(mesh: SurfaceMesh, every: Complex) -> tuple[SurfaceMesh, npt.NDArray[np.int32]]:
    """The mesh with the points of crossing triangles moved between their neighbours, and what still crosses."""
    points = mesh.points
    crossing = crossing_triangles(points, mesh.triangles)
    for _ in range(TRIES):
        if not len(crossing):
            break
        here = np.unique(mesh.triangles[crossing])
        points = points.copy()
        points[here] = relaxed(replace(every, points=points))[here]
        touched = np.flatnonzero(np.isin(mesh.triangles, here).any(axis=1))
        crossing = crossing_triangles(points, mesh.triangles, touched)
    return SurfaceMesh(points, mesh.triangles, mesh.sides), crossing


def _within(points: Points, places: Points, reach: float) -> Indices:
    """(k,) the points within so many mm of one of some places."""
    from scipy.spatial import cKDTree

    return np.flatnonzero(np.isfinite(cKDTree(places).query(points, distance_upper_bound=reach)[0]))


class _Target:
    """The surfaces and lines to be followed: points of the fine mesh with normals, of each group for itself."""

    def __init__(self, fine: Complex) -> None:
        from scipy.spatial import cKDTree

        normal = triangle_normals(fine.points, fine.triangles.astype(np.int32))
        self.surfaces = []
        for group in range(int(fine.group.max()) + 1):
            chosen = fine.triangles[fine.group == group]
            used, corner = np.unique(chosen, return_inverse=True)
            own = np.repeat(normal[fine.group == group], 3, axis=0)
            sums = np.stack([np.bincount(corner.ravel(), own[:, axis], len(used)) for axis in range(3)], axis=1)
            units = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-300)
            self.surfaces.append((cKDTree(fine.points[used]), units))
        ends = fine.points[fine.edges[fine.on_line]]
        self.segments = ends
        self.lines = cKDTree(ends.mean(axis=1)) if len(ends) else None

    def nearest(self, every: Complex, points: Points) -> Points:
        """(n, 3) the points put back: those inside of a surface onto it, those on a line onto it, corners unmoved."""
        group = np.zeros(len(points), dtype=np.int64)
        group[every.triangles] = every.group[:, None]
        found = every.points.copy()
        for number, (tree, units) in enumerate(self.surfaces):
            rows = np.flatnonzero((group == number) & (every.kind == FREE))
            if len(rows):
                distance, near = tree.query(points[rows], k=min(NEAREST, tree.n))
                distance, near = distance.reshape(len(rows), -1), near.reshape(len(rows), -1)
                weight = 1.0 / (distance + 1e-6)
                weight /= weight.sum(axis=1, keepdims=True)
                height = np.einsum("kij,kij->ki", points[rows][:, None] - tree.data[near], units[near])
                found[rows] = points[rows] - np.einsum("ki,ki,kij->kj", weight, height, units[near])
        rows = np.flatnonzero(every.kind == LINE)
        if len(rows) and self.lines is not None:
            start, end = self.segments[self.lines.query(points[rows])[1]].transpose(1, 0, 2)
            along = end - start
            share = np.einsum("ij,ij->i", points[rows] - start, along) / np.einsum("ij,ij->i", along, along)
            found[rows] = start + np.clip(share, 0.0, 1.0)[:, None] * along
        return found
