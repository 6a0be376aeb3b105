"""Which triangles of a surface are neighbours, in which pieces they lie, and what bounds them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .mesh import Triangles

Ints = npt.NDArray[np.int64]
CORNERS = ((0, 1), (1, 2), (2, 0))  # of a triangle's edges, in its own direction


def directed_edges(triangles: Triangles) -> Ints:
    """(3 m, 2) int64: the edges of all triangles, three after three, each in the direction of its triangle."""
    return np.asarray(triangles[:, CORNERS], dtype=np.int64).reshape(-1, 2)


def edge_numbers(triangles: Triangles) -> Ints:
    """(3 m,) int64: a number for each of `directed_edges`; two are equal where they join the same points."""
    edges = np.sort(directed_edges(triangles), axis=1)
    span = int(edges.max(initial=0)) + 1
    return np.asarray(np.unique(edges[:, 0] * span + edges[:, 1], return_inverse=True)[1], dtype=np.int64).ravel()


def pieces(triangles: Triangles, group: npt.NDArray[np.integer]) -> Ints:
    """(m,) int64: a number for each connected piece of triangles of one group; they are connected over edges.

    group: (m,) any number for each triangle.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(triangles)
    if not count:
        return np.zeros(0, dtype=np.int64)
    groups = np.unique(group, return_inverse=True)[1].ravel()
    key = edge_numbers(triangles) * (int(groups.max()) + 1) + np.repeat(groups, 3)
    edge = np.unique(key, return_inverse=True)[1].ravel()
    triangle = np.repeat(np.arange(count), 3)
    size = count + int(edge.max()) + 1
    graph = coo_matrix((np.ones(len(edge), dtype=np.int8), (triangle, count + edge)), shape=(size, size))
    return np.asarray(np.unique(connected_components(graph, directed=False)[1][:count], return_inverse=True)[1],
                      dtype=np.int64).ravel()


def borders(triangles: Triangles, piece: Ints, points: npt.NDArray[np.float64]) -> dict[int, dict[int, float]]:
    """For each piece, its neighbours and the length in mm of the edges that it shares with each."""
    from scipy.sparse import coo_matrix

    number, edges = edge_numbers(triangles), directed_edges(triangles)
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    total = int(piece.max(initial=-1)) + 1
    of = np.repeat(piece, 3)
    touching = coo_matrix((np.ones(len(of)), (number, of)), shape=(int(number.max(initial=-1)) + 1, total)).tocsr()
    touching.data[:] = 1
    each = np.zeros(touching.shape[0])
    each[number] = length
    shared = (touching.T @ touching.multiply(each[:, None]).tocsr()).tocoo()
    found: dict[int, dict[int, float]] = {one: {} for one in range(total)}
    for one, other, mm in zip(shared.row.tolist(), shared.col.tolist(), shared.data.tolist(), strict=True):
        if one != other:
            found[one][other] = mm
    return found


def rims(triangles: Triangles) -> list[Ints]:
    """The closed lines that bound a patch, as the patch lies to their left: point numbers, the longest line first.

    triangles: (k, 3), those of the patch, all turned the same way. Where lines meet in a point, they are parted there.
    """
    number, edges = edge_numbers(triangles), directed_edges(triangles)
    free = edges[np.bincount(number)[number] == 1]
    following: dict[int, list[int]] = {}
    for start, end in free.tolist():
        following.setdefault(start, []).append(end)
    lines = []
    while following:
        start = next(iter(following))
        line, at = [start], _step(following, start)
        while at is not None and at != start:
            if at in line:  # a smaller loop closes first
                first = line.index(at)
                lines.append(np.array(line[first:], dtype=np.int64))
                del line[first:]
            line.append(at)
            at = _step(following, at)
        lines.append(np.array(line, dtype=np.int64))
    return sorted(lines, key=len, reverse=True)


def _step(following: dict[int, list[int]], at: int) -> int | None:
    """Where a line goes on from a point; the edge is used up."""
    if at not in following:
        return None
    ends = following[at]
    end = ends.pop()
    if not ends:
        del following[at]
    return end
