"""Bias: percentiles, what lies outside, the nearest training heart, and the drift of siblings towards the mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart, small_model
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.cohorts.measured_map import Measured
from DiffusionSiblingsLib.cohorts.training_distance import (
    DRIFT,
    NEARER,
    NEAREST,
    OUTSIDE,
    SUSPICIOUS,
    TrainingDistance,
    TrainingDistanceMeter,
    bias_columns,
    bias_words,
)
from DiffusionSiblingsLib.cohorts.training_statistics import SCHEMA, Support, read_cohort, write_cohort
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.editing.design import measured_names
from DiffusionSiblingsLib.editing.entries import sibling_entry, sibling_row
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.engine import Engine

HEART = load_anatomy("heart")
COLUMNS = ("LV volume [ml]", "LV major axis [mm]", "RV volume [ml]", "Myo volume [ml]", "Ao volume [ml]")
MEAN, SPREAD = np.array([130.0, 80.0, 160.0, 150.0, 40.0]), np.array([30.0, 9.0, 40.0, 35.0, 10.0])
ROWS = MEAN + SPREAD * np.random.default_rng(5).standard_normal((300, 5))
METER = TrainingDistanceMeter.of(Support("heart", COLUMNS, ROWS), HEART)
assert METER is not None


def parts(values):
    """Features and volumes of a heart that has these values in COLUMNS."""
    named = dict(zip(COLUMNS, map(float, values), strict=True))
    return ({name: value for name, value in named.items() if "axis" in name or name[:2] in ("LV", "RV")},
            {name.split()[0]: value for name, value in named.items() if "volume" in name})


def test_vessels_do_not_count_as_they_end_where_a_scan_was_cut() -> None:
    assert METER.columns == COLUMNS[:4]
    long = MEAN.copy()
    long[4] = 400
    assert METER.bias(*parts(long)) == METER.bias(*parts(MEAN))


def test_percentiles_are_those_of_the_cohort() -> None:
    found = METER.bias(*parts(np.median(ROWS, axis=0)))
    assert found.percentiles == pytest.approx(dict.fromkeys(COLUMNS[:4], 50.0), abs=0.5)
    assert found.outside == () and not found.suspicious and found.overall is None and found.drift == {}


def test_what_is_beyond_every_training_heart_is_named() -> None:
    large = MEAN.copy()
    large[2] = ROWS[:, 2].max() + 5
    found = METER.bias(*parts(large))
    assert found.outside == ("RV volume [ml]",) and found.percentiles["RV volume [ml]"] == 100.0
    assert "outside" in bias_words("The twin", found)[0]
    edge = MEAN.copy()
    edge[2] = ROWS[:, 2].max() + 0.04  # the cohort's file is rounded to 0.1
    assert METER.bias(*parts(edge)).outside == ()


def test_a_training_heart_is_recognised_a_new_one_is_not() -> None:
    again = METER.bias(*parts(ROWS[17] + 0.04))
    assert again.suspicious and again.nearer == 0.0 and again.nearest < 0.01
    assert any("suspiciously near" in words for words in bias_words("Sibling 3", again))
    fresh = MEAN + SPREAD * np.random.default_rng(6).standard_normal((200, 5))
    assert np.mean([METER.bias(*parts(row)).suspicious for row in fresh]) <= 0.02


def test_the_distance_is_in_standard_deviations_of_each_measurement() -> None:
    spread = ROWS[:, :4].std(axis=0)
    lonely = ROWS[:, :4].mean(axis=0) + 50 * spread
    found = METER.bias(*parts([*lonely, 40.0]))
    scaled = (ROWS[:, :4] - lonely) / spread
    assert found.nearest == pytest.approx(np.sqrt((scaled**2).mean(axis=1)).min())
    assert found.nearer == 100.0 and len(found.outside) == 4
    between = ROWS[:, :4].mean(axis=0) + 1.9 * spread * [1, -1, 1, -1]  # usual each, not together
    alone = METER.bias(*parts([*between, 40.0]))
    assert alone.outside == () and alone.nearer > 95 and "far from" in bias_words("The twin", alone)[0]
    rows = METER.own_nearest
    assert len(rows) == 300 and (np.diff(rows) >= 0).all() and rows[0] > 0


@given(st.floats(-0.5, 1.5), st.integers(0, 299))
def test_drift_is_the_share_of_the_way_to_the_mean(share: float, row: int) -> None:
    twin, mean = ROWS[row], ROWS.mean(axis=0)
    sibling = twin + share * (mean - twin)
    found = METER.against(*parts(twin)).bias(*parts(sibling))
    assert all(value == pytest.approx(share, abs=1e-6) for value in found.drift.values())
    assert found.overall is None or found.overall == pytest.approx(share, abs=1e-6)


def test_drift_across_the_way_counts_for_nothing_and_one_at_the_mean_is_not_told() -> None:
    spread, mean = ROWS.std(axis=0), ROWS.mean(axis=0)
    twin = mean + spread * [2, 0, 0, 0, 0]
    beside = twin + spread * [0, 1, 1, 1, 0]
    found = METER.against(*parts(twin)).bias(*parts(beside))
    assert found.overall == pytest.approx(0.0, abs=1e-6) and set(found.drift) == {"LV volume [ml]"}
    assert METER.against(*parts(mean)).bias(*parts(twin)).overall is None


def test_columns_and_record_say_the_same() -> None:
    bias = METER.against(*parts(MEAN + SPREAD)).bias(*parts(MEAN + 0.5 * SPREAD))
    row = bias_columns(bias)
    assert list(row) == ["percentile of LV volume", "percentile of LV major axis", "percentile of RV volume",
                         "percentile of Myo volume", DRIFT, OUTSIDE, NEAREST, NEARER, SUSPICIOUS]
    assert row[DRIFT] == pytest.approx(50, abs=6) and row[OUTSIDE] == row[SUSPICIOUS] == ""
    assert bias_columns(METER.bias(*parts(ROWS[17])))[SUSPICIOUS] == "yes"
    back = TrainingDistance.from_json(json.loads(json.dumps(bias.to_json())))
    assert back.percentiles == pytest.approx(bias.percentiles, abs=0.01) and back.outside == bias.outside
    assert back.overall == pytest.approx(bias.overall, abs=1e-4) and back.suspicious == bias.suspicious
    assert bias_columns(None) == {} and bias_words("x", None) == []


@pytest.mark.parametrize("support", [None, Support("liver", COLUMNS, ROWS), Support("heart", COLUMNS, ROWS[:2]),
                                     Support("heart", ("Ao volume [ml]",), ROWS[:, 4:])])
def test_without_statistics_there_is_no_meter(support: Support | None) -> None:
    assert TrainingDistanceMeter.of(support, HEART) is None


def test_a_measured_map_tells_its_bias_in_row_and_record() -> None:
    heart = ellipsoid_heart()
    plain = Measured.of(heart, heart.labels, HEART)
    own = [plain.features.get(name, plain.volumes[name.split()[0]]) for name in COLUMNS]
    rows = np.array([own]) + np.arange(9.0)[:, None]
    meter = TrainingDistanceMeter.of(Support("heart", COLUMNS, rows), HEART)
    found = Measured.of(heart, heart.labels, HEART, meter)
    assert plain.bias is None and NEAREST not in plain.row("twin")
    assert found.bias is not None and found.bias.suspicious and found.row("twin")[NEAREST] == pytest.approx(0, abs=1e-9)


def test_the_engine_gives_every_sibling_its_bias(models: Path) -> None:
    folder = models / "with-cohort"
    small_model(folder)
    columns = measured_names(HEART)
    rows = (100 + np.random.default_rng(0).standard_normal((20, len(columns)))).round(1).tolist()
    write_cohort(folder, {"schema": SCHEMA, "anatomy": "heart", "columns": columns, "rows": rows})
    engine = Engine.open(str(folder), "cpu")
    sibling = next(engine.run(Request("generate", steps=2, repair=False)))
    assert sibling.bias is not None and sibling.bias.overall is None
    assert sibling_entry("a.nii.gz", sibling)["bias"] == sibling.bias.to_json()
    assert sibling_row("a", sibling)[NEAREST] == sibling.bias.nearest


def test_the_shipped_model_has_a_meter() -> None:
    meter = TrainingDistanceMeter.of(read_cohort(resource_folder() / "Models" / "heart-compact"), HEART)
    assert meter is not None and len(meter.columns) == 13 and 0.05 < meter.too_near < meter.own_nearest[0]
