"""Cohorts by their features: hand-computed figures, other implementations, and what must hold for any cohort."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.feature_space import (
    compare,
    constant,
    frechet_distance,
    precision_recall,
    sampling_floor,
    standardise,
)


def cohort(seed: int, members: int, features: int = 12) -> np.ndarray:
    """Correlated features of very different scales, (members, features)."""
    mix = np.random.default_rng(99).normal(size=(features, features))
    scale = np.geomspace(0.1, 100, features)
    return np.random.default_rng(seed).normal(size=(members, features)) @ mix * scale + 7 * scale


def naive_precision(real: np.ndarray, generated: np.ndarray, k: int) -> float:
    """npj Eqs 11 and 12, word for word."""
    inside = 0
    for point in generated:
        for index, member in enumerate(real):
            others = sorted(np.linalg.norm(member - other) for j, other in enumerate(real) if j != index)
            if np.linalg.norm(point - member) <= others[k - 1]:
                inside += 1
                break
    return inside / len(generated)


def test_members_on_a_line_give_the_balls_that_one_can_draw() -> None:
    real = np.array([[0.0], [1.0], [3.0]])  # radii to the nearest other: 1, 1, 2
    generated = np.array([[-1.0], [2.0], [4.0], [5.0], [5.1]])  # radii 3, 2, 1, 0.1, 0.1
    precision, recall = precision_recall(real, generated, neighbours=1)
    assert precision == pytest.approx(4 / 5)  # -1 and 5 on the boundary belong to the balls, 5.1 does not
    assert recall == 1.0
    assert precision_recall(generated, real, neighbours=1) == (1.0, pytest.approx(4 / 5))


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 4), doubles=st.booleans())
def test_precision_and_recall_are_those_of_the_definition(seed: int, k: int, doubles: bool) -> None:
    rng = np.random.default_rng(seed)
    real, generated = rng.normal(size=(9, 3)), rng.normal(size=(7, 3)) + 0.5
    if doubles:  # a member that is there twice is its own double's nearest neighbour
        real[1] = real[0]
        generated[2] = real[0]
    expected = (naive_precision(real, generated, k), naive_precision(generated, real, k))
    assert precision_recall(real, generated, neighbours=k) == expected


def test_members_beyond_one_block_of_rows_are_counted_too() -> None:
    real, generated = cohort(1, 1100, 4), cohort(2, 600, 4)
    found = precision_recall(*standardise(real, generated))
    again = precision_recall(*standardise(real[::-1], generated[::-1]))
    assert found == again
    assert min(found) > 0.9


@pytest.mark.parametrize("members", [13, 64, 203])
def test_a_cohort_against_itself_is_perfect(members: int) -> None:
    real = cohort(3, members)
    found = compare(real, real[np.random.default_rng(0).permutation(members)])
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert found.frechet == pytest.approx(0.0, abs=1e-9)
    assert found.to_json()["neighbours"] == 3


def test_order_of_members_and_features_and_their_units_do_not_matter() -> None:
    real, generated = cohort(4, 80), 1.1 * cohort(5, 60)
    found = compare(real, generated)
    rng = np.random.default_rng(1)
    features, units = rng.permutation(12), np.geomspace(1e-3, 1e3, 12)
    again = compare(rng.permutation(real)[:, features] * units, rng.permutation(generated)[:, features] * units)
    assert (again.precision, again.recall) == (found.precision, found.recall)
    assert again.frechet == pytest.approx(found.frechet, rel=1e-9)


def test_frechet_distance_of_commuting_gaussians_is_the_closed_form() -> None:
    grid = np.array([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])  # covariance 4/3 on the diagonal
    other = grid * [2.0, 3.0] + [5.0, -1.0]
    # per axis: shift^2 + (deviation - deviation')^2
    assert frechet_distance(grid, other) == pytest.approx(25 + 1 + 4 / 3 * (1 + 4))


def test_frechet_distance_agrees_with_the_matrix_square_root() -> None:
    real, generated = standardise(cohort(6, 50), 1.3 * cohort(7, 40) + 0.2)
    one, other = np.cov(real.T), np.cov(generated.T)
    shift = np.square(real.mean(0) - generated.mean(0)).sum()
    expected = shift + np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    assert frechet_distance(real, generated) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(generated, real) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_sees_lost_correlation_and_bears_fewer_members_than_features() -> None:
    rng = np.random.default_rng(8)
    common = rng.normal(size=(4000, 1))
    together = common + 0.1 * rng.normal(size=(4000, 2))
    apart = np.stack([together[:, 0], rng.permutation(together[:, 1])], axis=1)  # same means, same deviations
    assert frechet_distance(*standardise(together, apart)) > 0.5
    few = cohort(9, 6)
    assert np.isfinite(frechet_distance(*standardise(cohort(10, 40), few)))


def test_scores_are_of_the_real_cohort_alone() -> None:
    real = np.array([[1.0, 10.0], [3.0, 30.0]])
    scored, other = standardise(real, [[5.0, 20.0], [5.0, 20.0], [2.0, 0.0]])
    assert scored == pytest.approx(np.array([[-1, -1], [1, 1]]) / np.sqrt(2))
    assert other == pytest.approx(np.array([[3, 0], [3, 0], [0, -2]]) / np.sqrt(2))


def test_damage_worsens_every_figure_step_by_step() -> None:
    real, fresh = cohort(11, 150), cohort(12, 150)
    middle = real.mean(0)
    shifted = [compare(real, fresh + step * real.std(0)) for step in (0.0, 1.0, 2.0, 4.0)]
    shrunk = [compare(real, middle + factor * (fresh - middle)) for factor in (1.0, 0.85, 0.7, 0.55)]
    for figures in (shifted, shrunk):
        assert all(a.frechet < b.frechet for a, b in pairwise(figures))
        assert all(a.recall >= b.recall for a, b in pairwise(figures))
        assert figures[-1].recall < figures[0].recall - 0.3
    assert all(a.precision >= b.precision for a, b in pairwise(shifted))
    assert shifted[-1].precision < 0.5
    # The middle of a cohort is realistic and of no variety: only recall says so.
    assert shrunk[-1].precision > shrunk[0].precision


def test_the_floor_is_that_of_two_cohorts_of_one_kind_and_falls_with_size() -> None:
    """Also below the cohort's own size, and other than draws with replacement, whose doubles are too near."""
    real, _ = standardise(cohort(13, 40), cohort(13, 40))
    fresh = [compare(cohort(20 + k, 40), cohort(60 + k, 40)) for k in range(30)]
    precision, recall, frechet = sampling_floor(real, (40, 40), np.random.default_rng(0))
    assert precision == pytest.approx(np.mean([f.precision for f in fresh]), abs=0.03)
    assert recall == pytest.approx(np.mean([f.recall for f in fresh]), abs=0.03)
    assert frechet == pytest.approx(np.mean([f.frechet for f in fresh]), rel=0.15)
    floors = [sampling_floor(real, (size, size), np.random.default_rng(0))[2] for size in (16, 32, 64, 100)]
    assert all(a > b > 0 for a, b in pairwise(floors))
    assert sampling_floor(real, (64, 64), np.random.default_rng(0))[2] == floors[2]


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.ones((5, 2)), np.ones((5, 2)), "column 0, column 1"),
        (np.eye(5), np.full((5, 5), np.nan), "generated cohort has undefined numbers: member 0"),
        (np.eye(5), np.ones((5, 4)), "the same features"),
        (np.eye(3), np.eye(3), "k = 3"),
        (np.ones(4), np.ones(4), "real cohort is not a table"),
        (np.ones((1, 2)), np.ones((3, 2)), "at least 2 members"),
    ],
)
def test_cohorts_that_cannot_be_compared_are_refused(real: np.ndarray, generated: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare(real, generated)


@pytest.mark.parametrize("members", [5, 6, 11, 12, 31])
def test_a_feature_that_is_constant_but_for_rounding_is_no_ruler(members: int) -> None:
    rng = np.random.default_rng(members)
    real = np.stack([rng.normal(size=members), np.full(members, 58.002669), np.full(members, 113.395794)], axis=1)
    with pytest.raises(InputError, match="the same in all members: LA volume, RA volume"):
        compare(real, real, names=("RV volume", "LA volume", "RA volume"))
    assert constant(real).tolist() == [False, True, True]


def test_a_floor_of_too_few_members_is_refused() -> None:
    with pytest.raises(InputError, match="3 and 20"):
        sampling_floor(cohort(14, 20), (3, 20), np.random.default_rng(0))
