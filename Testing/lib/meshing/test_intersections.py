"""Triangles that pass through each other, against each pair tried alone in another way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from DiffusionSiblingsLib.meshing.intersections import crossing_triangles
from DiffusionSiblingsLib.meshing.untangle import untangled


def crosses(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether an edge of one triangle (3, 3) meets the other: the equations of line and plane are solved."""
    for first, second in ((one, other), (other, one)):
        for start, end in ((0, 1), (1, 2), (2, 0)):
            system = np.stack([second[1] - second[0], second[2] - second[0], first[start] - first[end]], axis=1)
            if abs(np.linalg.det(system)) > 1e-12:
                u, v, along = np.linalg.solve(system, first[start] - second[0])
                if u > 0 and v > 0 and u + v < 1 and 0 < along < 1:
                    return True
    return False


@pytest.mark.parametrize("seed", range(4))
def test_every_pair_of_crossing_triangles_is_found_and_no_other(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 6, (60, 1, 3)) + rng.uniform(-1, 1, (60, 3, 3)) * rng.choice([0.5, 1.0, 4.0], (60, 1, 1))
    triangles = np.arange(180, dtype=np.int32).reshape(60, 3)
    wanted = [pair for pair in combinations(range(60), 2) if crosses(corners[pair[0]], corners[pair[1]])]
    points = corners.reshape(-1, 3)
    assert crossing_triangles(points, triangles).tolist() == [list(pair) for pair in wanted]
    some = np.arange(0, 60, 7)
    assert crossing_triangles(points, triangles, some).tolist() == [
        list(pair) for pair in wanted if pair[0] in some or pair[1] in some]


def test_neighbours_that_share_a_corner_or_an_edge_cross_only_where_they_pass_through_each_other():
    points = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [1, 1, -1], [1, 1, 1], [4, 4, 1], [1, 1, 2]], dtype=np.float64)
    apart = np.array([[0, 1, 2], [1, 5, 2], [0, 4, 6]], dtype=np.int32)
    assert len(crossing_triangles(points, apart)) == 0
    through = np.array([[0, 1, 2], [0, 3, 4]], dtype=np.int32)  # they share a corner; the edge 3-4 goes through
    assert crossing_triangles(points, through).tolist() == [[0, 1]]


def test_points_go_back_until_nothing_crosses():
    middles = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 2], [4, 0, 2], [0, 4, 2]], dtype=np.float64)
    points = middles.copy()
    points[3, 2] = -1.0
    triangles = np.array([[0, 1, 2], [3, 4, 5]], dtype=np.int32)
    points[3, :2] = 1.0
    assert len(crossing_triangles(points, triangles)) == 1
    free = untangled(points, middles, triangles)
    assert len(crossing_triangles(free, triangles)) == 0
