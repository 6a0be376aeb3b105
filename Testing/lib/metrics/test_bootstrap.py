"""Intervals: against the spread of a figure over really new cohorts, and the trap of doubles shown."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import bootstrap as scipys

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics import bootstrap
from DiffusionSiblingsLib.metrics.feature_space import frechet_distance, precision_recall
from DiffusionSiblingsLib.metrics.pointcloud import balanced_draws, coverage, minimum_matching, nearest_neighbour

RNG = np.random.default_rng


def accuracy(real: np.ndarray, generated: np.ndarray) -> float:
    found = nearest_neighbour(cdist(generated, real), cdist(generated, generated), cdist(real, real), RNG(0), chosen=())
    return found.raw


FIGURES = {
    "precision": lambda real, generated: precision_recall(real, generated)[0],
    "recall": lambda real, generated: precision_recall(real, generated)[1],
    "frechet": frechet_distance,
    "coverage": lambda real, generated: coverage(cdist(generated, real)),
    "matching": lambda real, generated: minimum_matching(cdist(generated, real)),
    "1-NNA": accuracy,
}


def test_the_interval_of_a_mean_is_scipys_percentile_bootstrap() -> None:
    values = RNG(0).exponential(size=80)
    low, high = bootstrap.of_mean(values, RNG(1), draws=4000)
    other = scipys((values,), np.mean, method="percentile", n_resamples=4000, rng=RNG(2)).confidence_interval
    assert (low, high) == pytest.approx((other.low, other.high), abs=0.04)
    assert bootstrap.of_mean(values, RNG(1), draws=4000) == (low, high)  # its seed decides


def test_a_mean_that_does_not_vary_has_no_width_and_one_member_no_interval() -> None:
    assert bootstrap.of_mean(np.full(9, 8.3), RNG(0)) == pytest.approx((8.3, 8.3))
    assert np.isnan(bootstrap.of_mean([1.0], RNG(0))).all()


@pytest.mark.parametrize("name", FIGURES)
def test_the_width_from_halves_is_that_of_new_cohorts(name: str) -> None:
    figure, size = FIGURES[name], 60

    def cohorts(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = RNG(seed)
        return rng.normal(size=(size, 4)), 1.1 * rng.normal(size=(size, 4)) + 0.3

    new = np.array([figure(*cohorts(seed)) for seed in range(150)])
    widths = []
    for seed in range(6):
        real, generated = cohorts(1000 + seed)
        drawn = bootstrap.halves((size, size), RNG(seed), draws=150)
        low, high = bootstrap.of_halves(lambda a, b, r=real, g=generated: figure(r[a], g[b]), drawn,
                                        figure(real, generated))
        widths.append(high - low)
    expected = float(np.diff(np.percentile(new, [2.5, 97.5]))[0])
    assert 0.7 < np.mean(widths) / expected < 1.5


def test_the_width_for_cohorts_of_unequal_size_is_that_of_new_cohorts() -> None:
    """Of a figure that is averaged over draws of equal size. One draw for each pair of halves is twice too wide."""
    def figure(joint: np.ndarray, drawn: list[bootstrap.Halves]) -> float:
        both = [np.concatenate([ours, 120 + theirs]) for ours, theirs in drawn]
        return float(np.mean([nearest_neighbour(joint[np.ix_(rows[: len(a)], rows[len(a):])],
                                                joint[np.ix_(rows[: len(a)], rows[: len(a)])],
                                                joint[np.ix_(rows[len(a):], rows[len(a):])], RNG(0), chosen=()).raw
                              for rows, (a, _) in zip(both, drawn, strict=True)]))

    values, widths = [], {1: [], 10: []}
    for seed in range(30):
        points = RNG(seed).normal(size=(150, 8))
        joint = cdist(points, points)
        values.append(figure(joint, balanced_draws(120, 30, RNG(1), 20)))
        for within in widths if seed < 4 else ():
            halves = bootstrap.halves((120, 30), RNG(2), draws=40 * within)
            drawn = bootstrap.at_equal_size(halves, RNG(3), within=within)
            assert {len(part) for draws in drawn for draw in draws for part in draw} == {15}
            widths[within].append(np.std([figure(joint, draws) for draws in drawn]))
    deviation = np.std(values, ddof=1)
    assert 0.8 * deviation < np.mean(widths[10]) < 1.6 * deviation < np.mean(widths[1])
    equal = bootstrap.halves((20, 20), RNG(2), draws=5)
    assert bootstrap.at_equal_size(equal, RNG(3)) == [[pair] for pair in equal]


def test_doubles_spoil_figures_of_neighbours_which_is_why_halves_have_none() -> None:
    rng = RNG(3)
    real, generated = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    doubled = [(rng.integers(60, size=60), rng.integers(60, size=60)) for _ in range(50)]
    with_doubles = {name: np.mean([figure(real[a], generated[b]) for a, b in doubled])
                    for name, figure in FIGURES.items()}
    assert accuracy(real, generated) == pytest.approx(0.5, abs=0.15)
    assert with_doubles["1-NNA"] > 0.7  # a shape's nearest other one is its own double
    assert with_doubles["matching"] > 1.05 * FIGURES["matching"](real, generated)  # fewer different ones to choose from
    assert with_doubles["recall"] < FIGURES["recall"](real, generated) - 0.05
    assert with_doubles["frechet"] > 1.5 * frechet_distance(real, generated)  # which has its floor twice now
    for ours, theirs in bootstrap.halves((61, 60), rng, draws=20):
        assert (len(set(ours)), len(set(theirs))) == (len(ours), len(theirs)) == (30, 30)


def test_an_interval_holds_its_value_even_where_halves_all_lie_on_one_side() -> None:
    drawn = bootstrap.halves((4, 4), RNG(0), draws=30)
    low, high = bootstrap.of_halves(lambda a, b: 0.25, drawn, 0.5)
    assert low <= 0.5 <= high
    assert bootstrap.halves((7, 40), RNG(0), fewest=4) == []
    assert np.isnan(bootstrap.of_halves(lambda a, b: 0.0, [], 0.5)).all()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="one value for each member"):
        bootstrap.of_mean(np.zeros((3, 2)), RNG(0))
    with pytest.raises(InputError, match="at least one draw"):
        bootstrap.of_mean([1.0, 2.0], RNG(0), draws=0)
    with pytest.raises(InputError, match="level"):
        bootstrap.of_mean([1.0, 2.0], RNG(0), level=1.0)
