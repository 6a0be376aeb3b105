"""Guidance fidelity against sums done by hand."""

from __future__ import annotations

import math

import pytest

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.target_rows import target_rows
from DiffusionSiblingsLib.metrics.fidelity import betti_accuracy, mean_l1


def test_errors_are_means_over_entries_and_siblings() -> None:
    assert mean_l1([100.0, 120.0], [101.0, 117.0]) == 2.0
    assert mean_l1([(0, 0, 0)], [(3, -3, 0)]) == 2.0
    assert mean_l1([[[1, 0], [0, 1]]], [[[0.5, 0.25], [0.25, 0.5]]]) == pytest.approx(0.375)
    assert mean_l1([100.0, 120.0], [None, 117.0]) == 3.0
    assert math.isnan(mean_l1([1.0], [None]))
    with pytest.raises(InputError, match="1 and 2"):
        mean_l1([1.0], [1.0, 2.0])


def test_topology_is_right_where_every_asked_number_is() -> None:
    assert betti_accuracy([(2, 0, 0)] * 4, [(2, 0, 0), (1, 0, 0), (2, 1, 0), None]) == 0.25
    assert betti_accuracy([(2, None, None)] * 2, [(2, 5, 0), (1, 0, 0)]) == 0.5
    with pytest.raises(InputError, match="at least one"):
        betti_accuracy([], [])


def test_a_cohorts_targets_have_their_fidelity() -> None:
    def item(quantity: str, unit: str, asked: object, achieved: object, error: float | None, reached: bool) -> dict:
        return {"domain": "RV", "quantity": quantity, "unit": unit, "before": None, "asked": asked,
                "achieved": achieved, "error": error, "tolerance": 0.01, "reached": reached}

    entries = [{"guidance": [item("mass", "ml", 100.0, 101.0, 0.01, True), item("betti", "", [2, None, None], [2, 0, 0],
                                                                                0.0, True)]},
               {"guidance": [item("mass", "ml", 120.0, 117.0, 0.025, False), item("betti", "", [2, None, None], None,
                                                                                  None, False)]}]
    mass, betti = target_rows(entries)
    assert (mass["fidelity"], mass["not reached"]) == ("L1 2 ml", 1)
    assert (betti["fidelity"], betti["not reached"]) == ("50 % right", 1)
