"""Percentiles in a reference column: hand-computed, scipy's, and what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import percentileofscore

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.percentile import percentile_of


def test_ties_count_by_half_and_outside_is_0_or_100() -> None:
    assert percentile_of([0, 1, 2, 2.5, 3, 4, 9], [1, 2, 2, 4]).tolist() == [0, 12.5, 50, 75, 75, 87.5, 100]


@given(reference=st.lists(st.integers(-5, 5), min_size=1, max_size=30), values=st.lists(st.integers(-6, 6), min_size=1))
def test_percentiles_are_scipys_mean_rank(reference: list[int], values: list[int]) -> None:
    found = percentile_of(values, reference)
    assert found == pytest.approx([percentileofscore(reference, value, kind="mean") for value in values])
    assert percentile_of(values, reference[::-1]) == pytest.approx(found)
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def test_the_middle_of_a_symmetric_column_is_50_and_shapes_are_kept() -> None:
    assert percentile_of(5.0, range(11)).item() == 50
    assert percentile_of([[1.0], [np.nan]], [0.0, 2.0]).shape == (2, 1)
    assert np.isnan(percentile_of(np.nan, [1.0]))


@pytest.mark.parametrize("reference", [[], [1.0, np.nan], [np.inf]])
def test_a_column_that_is_no_reference_is_refused(reference: list[float]) -> None:
    with pytest.raises(InputError, match="reference column"):
        percentile_of([1.0], reference)
