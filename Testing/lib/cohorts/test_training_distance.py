"""Bias: percentiles, what lies outside, the nearest training heart, and the drift of siblings towards the mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart, small_model
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.cohorts.training_distance import (
    COMBINATION,
    DRIFT,
    NEARER,
    NEAREST,
    OUTSIDE,
    SUSPICIOUS,
    TrainingDistance,
    TrainingDistanceMeter,
    training_distance_columns,
    training_distance_words,
)
from DiffusionSiblingsLib.cohorts.training_statistics import (
    SCHEMA,
    TrainingStatistics,
    read_training_statistics,
    write_training_statistics,
)
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.files import json_values
from DiffusionSiblingsLib.editing.record_entries import sibling_entry, sibling_row
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.engine import Engine
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, measurement_keys, tissue_key

HEART = load_anatomy("heart")
RATIO = MeasurementKey("volume ratio", "RV/LV", "1")
COLUMNS = (tissue_key("LV"), tissue_key("LV", "major axis"), tissue_key("RV"), tissue_key("Myo"), tissue_key("Ao"))
MEAN, SPREAD = np.array([130.0, 80.0, 160.0, 150.0, 40.0]), np.array([30.0, 9.0, 40.0, 35.0, 10.0])
ROWS = MEAN + SPREAD * np.random.default_rng(5).standard_normal((300, 5))
METER = TrainingDistanceMeter.of(TrainingStatistics("heart", COLUMNS, ROWS), HEART)
assert METER is not None


def parts(values):
    """Features and volumes of a heart that has these values in COLUMNS."""
    keyed = dict(zip(COLUMNS, map(float, values), strict=True))
    return ({key: value for key, value in keyed.items() if key.tissue in ("LV", "RV")},
            {key.tissue: value for key, value in keyed.items() if key.is_volume})


def test_vessels_do_not_count_as_they_end_where_a_scan_was_cut() -> None:
    assert METER.keys == COLUMNS[:4]
    long = MEAN.copy()
    long[4] = 400
    assert METER.distance_of(*parts(long)) == METER.distance_of(*parts(MEAN))


def test_percentiles_are_those_of_the_cohort() -> None:
    found = METER.distance_of(*parts(np.median(ROWS, axis=0)))
    ratio = found.percentiles.pop(RATIO)
    assert found.percentiles == pytest.approx(dict.fromkeys(COLUMNS[:4], 50.0), abs=0.5) and 35 < ratio < 65
    assert found.outside == () and not found.suspicious and found.overall is None and found.drift == {}


def test_what_is_beyond_every_training_heart_is_named() -> None:
    large = MEAN.copy()
    large[2] = ROWS[:, 2].max() + 5
    found = METER.distance_of(*parts(large))
    assert found.outside == (tissue_key("RV"),) and found.percentiles[tissue_key("RV")] == 100.0
    assert "outside" in training_distance_words("The twin", found)[0]
    edge = MEAN.copy()
    edge[2] = ROWS[:, 2].max() + 0.04  # the cohort's file is rounded to 0.1
    assert METER.distance_of(*parts(edge)).outside == ()


def test_a_training_heart_is_recognised_a_new_one_is_not() -> None:
    again = METER.distance_of(*parts(ROWS[17] + 0.04))
    assert again.suspicious and again.nearer == 0.0 and again.nearest < 0.01
    assert any("suspiciously near" in words for words in training_distance_words("Sibling 3", again))
    fresh = MEAN + SPREAD * np.random.default_rng(6).standard_normal((200, 5))
    assert np.mean([METER.distance_of(*parts(row)).suspicious for row in fresh]) <= 0.02


def test_the_distance_is_in_standard_deviations_of_each_measurement() -> None:
    spread = ROWS[:, :4].std(axis=0)
    lonely = ROWS[:, :4].mean(axis=0) + 50 * spread
    found = METER.distance_of(*parts([*lonely, 40.0]))
    scaled = (ROWS[:, :4] - lonely) / spread
    assert found.nearest == pytest.approx(np.sqrt((scaled**2).mean(axis=1)).min())
    assert found.nearer == 100.0 and set(COLUMNS[:4]) <= set(found.outside)
    between = ROWS[:, :4].mean(axis=0) + 1.9 * spread * [1, -1, 1, -1]  # usual each, not together
    alone = METER.distance_of(*parts([*between, 40.0]))
    assert alone.outside == () and alone.nearer > 95 and "is unlike" in training_distance_words("The twin", alone)[0]
    rows = METER.own_nearest
    assert len(rows) == 300 and (np.diff(rows) >= 0).all() and rows[0] > 0


def test_a_ratio_counts_where_each_volume_is_ordinary() -> None:
    small, large = np.quantile(ROWS[:, 0], 0.2), np.quantile(ROWS[:, 2], 0.97)
    heart = MEAN.copy()
    heart[0], heart[2] = small, large
    found = METER.distance_of(*parts(heart))
    ratios = ROWS[:, 2] / ROWS[:, 0]
    assert found.percentiles[RATIO] == pytest.approx(100 * np.mean(ratios < large / small))
    assert not METER.distance_of(*parts(MEAN)).unusual
    swapped = MEAN.copy()
    swapped[0], swapped[2] = ROWS[:, 0].max(), ROWS[:, 2].min()  # neither is beyond the hearts, their ratio is
    odd = METER.distance_of(*parts(swapped))
    assert odd.outside == (RATIO,) and odd.percentiles[RATIO] == 0
    assert odd.unusual[0] == "RV/LV volume ratio below that of 100.0 %"
    assert any("their range, not a clinical one" in words for words in training_distance_words("The twin", odd))


def test_a_record_of_an_earlier_version_knows_no_combination() -> None:
    found = METER.distance_of(*parts(MEAN)).to_json()
    old = {key: value for key, value in found.items() if not key.startswith("training_hearts_with_a_more")}
    assert TrainingDistance.from_json(old).combination is None and not TrainingDistance.from_json(old).unusual


def test_a_heart_that_lost_a_chamber_has_no_ratio_over_it() -> None:
    lost = MEAN.copy()
    lost[0] = 0.0
    found = METER.distance_of(*parts(lost))
    assert np.isnan(found.percentiles[RATIO]) and found.combination == 100.0 and tissue_key("LV") in found.outside
    back = TrainingDistance.from_json(json.loads(json.dumps(json_values(found.to_json()))))
    assert np.isnan(back.percentiles[RATIO]) and back.unusual == found.unusual


@given(st.floats(-0.5, 1.5), st.integers(0, 299))
def test_drift_is_the_share_of_the_way_to_the_mean(share: float, row: int) -> None:
    twin, mean = ROWS[row], ROWS.mean(axis=0)
    sibling = twin + share * (mean - twin)
    found = METER.against(*parts(twin)).distance_of(*parts(sibling))
    assert all(value == pytest.approx(share, abs=1e-6) for value in found.drift.values())
    assert found.overall is None or found.overall == pytest.approx(share, abs=1e-6)


def test_drift_across_the_way_counts_for_nothing_and_one_at_the_mean_is_not_told() -> None:
    spread, mean = ROWS.std(axis=0), ROWS.mean(axis=0)
    twin = mean + spread * [2, 0, 0, 0, 0]
    beside = twin + spread * [0, 1, 1, 1, 0]
    found = METER.against(*parts(twin)).distance_of(*parts(beside))
    assert found.overall == pytest.approx(0.0, abs=1e-6) and set(found.drift) == {tissue_key("LV")}
    assert METER.against(*parts(mean)).distance_of(*parts(twin)).overall is None


def test_columns_and_record_say_the_same() -> None:
    bias = METER.against(*parts(MEAN + SPREAD)).distance_of(*parts(MEAN + 0.5 * SPREAD))
    row = training_distance_columns(bias)
    assert list(row) == ["percentile of LV volume", "percentile of LV major axis", "percentile of RV volume",
                         "percentile of Myo volume", "percentile of RV/LV volume ratio", DRIFT, OUTSIDE, NEAREST,
                         NEARER, COMBINATION, SUSPICIOUS]
    assert row[DRIFT] == pytest.approx(50, abs=6) and row[OUTSIDE] == row[SUSPICIOUS] == ""
    assert training_distance_columns(METER.distance_of(*parts(ROWS[17])))[SUSPICIOUS] == "yes"
    back = TrainingDistance.from_json(json.loads(json.dumps(bias.to_json())))
    assert back == bias and training_distance_columns(back) == row
    assert training_distance_columns(None) == {} and training_distance_words("x", None) == []


@pytest.mark.parametrize("statistics", [None, TrainingStatistics("liver", COLUMNS, ROWS),
                                        TrainingStatistics("heart", COLUMNS, ROWS[:2]),
                                        TrainingStatistics("heart", (tissue_key("Ao"),), ROWS[:, 4:])])
def test_without_statistics_there_is_no_meter(statistics: TrainingStatistics | None) -> None:
    assert TrainingDistanceMeter.of(statistics, HEART) is None


def test_a_measured_map_tells_its_bias_in_row_and_record() -> None:
    heart = ellipsoid_heart()
    plain = MeasuredMap.of(heart, heart.labels, HEART)
    own = [plain.features.get(key, plain.volumes[key.tissue]) for key in COLUMNS]
    rows = np.array([own]) + np.arange(9.0)[:, None]
    meter = TrainingDistanceMeter.of(TrainingStatistics("heart", COLUMNS, rows), HEART)
    found = MeasuredMap.of(heart, heart.labels, HEART, meter)
    assert plain.training_distance is None and NEAREST not in plain.row("twin")
    assert found.training_distance is not None and found.training_distance.suspicious
    assert found.row("twin")[NEAREST] == pytest.approx(0, abs=1e-9)


def test_the_engine_gives_every_sibling_its_bias(models: Path) -> None:
    folder = models / "with-cohort"
    small_model(folder)
    columns = [key.title for key in measurement_keys(HEART)]
    rows = (100 + np.random.default_rng(0).standard_normal((20, len(columns)))).round(1).tolist()
    write_training_statistics(folder, {"schema": SCHEMA, "anatomy": "heart", "columns": columns, "rows": rows})
    engine = Engine.open(str(folder), "cpu")
    sibling = next(engine.run(Request("generate", steps=2, repair=False)))
    assert sibling.training_distance is not None and sibling.training_distance.overall is None
    assert sibling_entry("a.nii.gz", sibling)["bias"] == sibling.training_distance.to_json()
    assert sibling_row("a", sibling)[NEAREST] == sibling.training_distance.nearest


def test_the_shipped_model_has_a_meter() -> None:
    meter = TrainingDistanceMeter.of(read_training_statistics(resource_folder() / "Models" / "heart-compact"), HEART)
    assert meter is not None and len(meter.keys) == 13 and len(meter.ratios) == 2
    assert 0.05 < meter.too_near < meter.own_nearest[0]
