"""Measures by name that are asked for, among those of the training hearts."""

from __future__ import annotations

import numpy as np

from DiffusionSiblingsLib.cohorts.measures_beyond import measures_beyond
from DiffusionSiblingsLib.cohorts.training_statistics import TrainingStatistics
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, tissue_key

ANNULUS = MeasurementKey("area diameter", "aortic annulus", "mm")
LENGTH = MeasurementKey("length", "LV", "mm")
SEEN = np.random.default_rng(4).normal(24.0, 1.5, 400)  # annulus; the left ventricle's volume follows it closely
LV = SEEN * 5 + np.random.default_rng(5).normal(0, 2, 400)
HEARTS = TrainingStatistics("heart", (tissue_key("LV"),), LV[:, None],
                            {ANNULUS: np.where(np.arange(400) % 10 == 0, np.nan, SEEN), LENGTH: np.full(400, np.nan)})


def test_a_usual_value_is_not_warned_of() -> None:
    assert measures_beyond({ANNULUS: 24.5}, {}, HEARTS) == ()
    assert measures_beyond({ANNULUS: 24.5}, {("LV",): 122.0}, HEARTS) == ()


def test_a_value_beyond_the_training_hearts_is_told_with_their_range() -> None:
    (warning,) = measures_beyond({ANNULUS: 31.0}, {("LV",): 120.0}, HEARTS)
    assert warning.startswith("aortic annulus area diameter 31.0 mm is beyond what 99 %") and "no clinical" in warning
    assert measures_beyond({ANNULUS: 15.0}, {}, HEARTS)


def test_usual_values_that_do_not_go_together_are_told() -> None:
    (warning,) = measures_beyond({ANNULUS: 26.5}, {("LV",): 105.0}, HEARTS)
    assert "LV volume and aortic annulus area diameter less usually than" in warning


def test_what_the_training_hearts_were_not_measured_for_is_passed_over() -> None:
    assert measures_beyond({LENGTH: 300.0, MeasurementKey("width", "LA", "mm"): 1.0}, {("LV",): 100.0}, HEARTS) == ()
