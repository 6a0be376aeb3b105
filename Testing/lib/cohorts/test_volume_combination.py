"""How volumes combine: every ratio counts, a heart's size does not count twice, and too little tells nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from DiffusionSiblingsLib.cohorts.volume_combination import VolumeCombination

MIDDLE, SIZE, OWN = np.array([130.0, 160.0, 80.0]), 0.25, 0.08


def hearts(count: int, seed: int) -> np.ndarray:
    """(count, 3) ml: hearts of many sizes whose proportions vary little."""
    rng = np.random.default_rng(seed)
    return MIDDLE * np.exp(SIZE * rng.standard_normal((count, 1)) + OWN * rng.standard_normal((count, 3)))


def test_new_hearts_of_the_same_kind_are_spread_evenly_over_the_percentiles() -> None:
    known = VolumeCombination.of(hearts(2000, 1))
    assert known is not None
    found = np.array([known.more_usual(row) for row in hearts(2000, 2)])
    assert np.quantile(found, [0.1, 0.5, 0.9, 0.99]) == pytest.approx([10, 50, 90, 99], abs=4)


def test_a_large_heart_of_usual_proportions_is_less_unusual_than_a_mean_one_of_other_proportions() -> None:
    known = VolumeCombination.of(hearts(2000, 1))
    assert known is not None
    large, odd = MIDDLE * 1.4, MIDDLE * [1.0, 1.4, 1.0]
    assert known.more_usual(large) < 90 and known.more_usual(odd) > 99
    away = np.log([1.0, 1.4, 1.0])
    cov = SIZE**2 * np.ones((3, 3)) + OWN**2 * np.eye(3)  # as the hearts were drawn
    expected = 100 * chi2.cdf(away @ np.linalg.solve(cov, away), 3)
    assert known.more_usual(odd) == pytest.approx(expected, abs=1)
    assert known.more_usual(np.array([130.0, 0.0, 80.0])) == 100.0


def test_units_and_the_order_of_volumes_do_not_matter() -> None:
    rows, heart = hearts(300, 3), MIDDLE * [1.1, 0.9, 1.2]
    plain, turned = VolumeCombination.of(rows), VolumeCombination.of(1000 * rows[:, ::-1])
    assert plain is not None and turned is not None
    assert plain.more_usual(heart) == turned.more_usual(1000 * heart[::-1])


@pytest.mark.parametrize("rows", [hearts(300, 1)[:, :1], hearts(15, 1), np.repeat(hearts(300, 1)[:, :1], 2, axis=1)],
                         ids=["one volume", "few hearts", "one follows from the other"])
def test_what_cannot_be_told_is_not_told(rows: np.ndarray) -> None:
    assert VolumeCombination.of(rows) is None
