"""The earth mover's distance: exact by two other solvers, and bounds that hold for clouds of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance_nd

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics import transport
from DiffusionSiblingsLib.metrics.transport import COARSE, FINE, earth_mover, earth_mover_bound, potentials

KINDS = ("random", "surface", "line", "doubled", "one point", "far", "grid")


def clouds(kind: str, seed: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of one kind, (points, 3) each."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, points, 3))
    if kind == "surface":
        a, b = (part / np.linalg.norm(part, axis=1, keepdims=True) * rng.normal(1, 0.1, 3) for part in (a, b))
    if kind == "line":
        a[:, 1:], b[:, 1:] = 0, 0
    if kind == "doubled":
        a, b = a[rng.integers(points // 4 + 1, size=points)], a[rng.integers(points // 4 + 1, size=points)]
    if kind == "one point":
        a[:] = a[0]
    if kind == "far":
        b[: points // 2] += 1e4
    if kind == "grid":
        a, b = np.round(a), np.round(b)
    return a, b


def bare(a: np.ndarray, b: np.ndarray) -> float:
    costs = cdist(a, b)
    return float(costs[linear_sum_assignment(costs)].mean())


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-6, 1.0, 1e5]))
def test_the_distance_is_the_bare_solvers_and_the_bound_below_it(kind: str, seed: int, scale: float) -> None:
    a, b = (scale * part for part in clouds(kind, seed, transport.WORTH + 8))
    exact = bare(a, b)
    assert earth_mover(a, b) == pytest.approx(exact, rel=1e-9, abs=1e-12 * scale)
    assert 0 <= earth_mover_bound(a, b) <= exact
    assert earth_mover_bound(b, a) <= exact


@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1), points=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
@example("doubled", 0, 5)  # two clouds of the same points: the distance is 0, that of their rounded centroids is not
def test_bounds_of_few_points_hold_too(kind: str, seed: int, points: int) -> None:
    a, b = clouds(kind, seed, points)
    assert earth_mover_bound(a, b) <= bare(a, b)


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_programme_finds_the_same(seed: int) -> None:
    a, b = clouds("surface", seed, 24)
    assert earth_mover(a, b) == pytest.approx(wasserstein_distance_nd(a, b), rel=1e-6)


@pytest.mark.parametrize("kind", ["random", "surface"])
def test_potentials_are_feasible_and_come_close(kind: str) -> None:
    a, b = clouds(kind, 1, 400)
    costs = cdist(a, b)
    exact = costs[linear_sum_assignment(costs)].mean()
    gaps = []
    for stages in (COARSE[:1], COARSE, FINE):
        found = potentials(costs, stages)
        assert (found.u[:, None] + found.v <= costs + 1e-12).all()
        assert found.bound == pytest.approx(found.u.mean() + found.v.mean())
        gaps.append(1 - found.bound / exact)
    assert 0 <= gaps[2] < gaps[1] < gaps[0] < 0.2
    assert gaps[1] < 0.04


def test_a_cloud_against_itself_is_0_in_any_order() -> None:
    cloud, _ = clouds("surface", 2, 300)
    shuffled = np.random.default_rng(0).permutation(cloud)
    assert earth_mover(cloud, shuffled) == pytest.approx(0, abs=1e-15)
    assert earth_mover_bound(cloud, shuffled) == pytest.approx(0, abs=1e-15)


def test_a_moved_cloud_is_as_far_as_it_was_moved() -> None:
    cloud, _ = clouds("surface", 3, 250)
    moved = cloud + np.array([0.3, 0.4, 0.0])
    assert earth_mover(cloud, moved) == pytest.approx(0.5)  # no assignment moves the centroid by less
    assert earth_mover_bound(cloud, moved) == pytest.approx(0.5, rel=1e-6)


def test_clouds_of_different_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="5 and 4 points"):
        earth_mover_bound(np.zeros((5, 3)), np.zeros((4, 3)))
