"""The training cohort's measurements: made from a data set, written, read, and asked whether they found a target."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.cohorts.dataset_file import Pack, PackCase, read_pack, write_pack
from DiffusionSiblingsLib.cohorts.training_statistics import (
    TrainingStatistics,
    beyond_training,
    measure_training_set,
    read_training_statistics,
    write_training_statistics,
)
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.errors import ModelError
from DiffusionSiblingsLib.labelmaps.geometry.reference import starting_reference
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsLib.metrics.measures.names import find_named
from DiffusionSiblingsLib.metrics.morphology import features

ANATOMY = load_anatomy("heart")
# Two chambers that grow together: each value is usual, a large one beside a small one is not.
TOGETHER = TrainingStatistics("heart", (tissue_key("LV"), tissue_key("RV")),
                              np.stack([np.arange(80.0, 181.0)] * 2, axis=1))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Three training maps of different size, and a validation map, which does not count."""
    heart = ellipsoid_heart((32, 32, 32), 5.0)
    maps = [heart.labels, np.roll(heart.labels, 1, 2), np.where(heart.labels == 3, 0, heart.labels), heart.labels]
    splits = ("train", "train", "train", "validation")
    cases = [(PackCase(f"patient {n}", f"patient {n}", split), labels.astype(np.uint8))
             for n, (split, labels) in enumerate(zip(splits, maps, strict=True))]
    path = tmp_path_factory.mktemp("cohort") / "dataset.safetensors"
    reference = starting_reference(heart.labels, heart.affine, ANATOMY)
    return read_pack(write_pack(path, cases, reference, shape=(32, 32, 32), spacing=5.0))


def test_a_cohort_is_read_as_it_was_made(pack: Pack, tmp_path: Path) -> None:
    statistics = measure_training_set(pack, ANATOMY)
    found = read_training_statistics(write_training_statistics(tmp_path, statistics).parent)
    assert found is not None and len(found) == 3
    assert found.keys[:12] == tuple(features(pack.labels(0), np.eye(4), ANATOMY))
    assert found.keys[12:] == (tissue_key("Ao"), tissue_key("Myo"))
    assert found.rows.tolist() == statistics["rows"] == sorted(statistics["rows"])
    measured = features(pack.labels(0), np.diag([5.0, 5.0, 5.0, 1.0]), ANATOMY)
    for column, value in measured.items():
        assert np.abs(found.column(column) - value).min() <= 0.05 + 1e-9
    named = find_named("wall thickness", ANATOMY)
    assert named is not None and np.isfinite(found.measures[named]).any()
    assert all(len(column) == 3 for column in found.measures.values())
    assert found.volumes(("LV", "RV")) == pytest.approx(found.volumes(("LV",)) + found.volumes(("RV",)))


def test_a_cohort_tells_no_names(pack: Pack, tmp_path: Path) -> None:
    text = write_training_statistics(tmp_path, measure_training_set(pack, ANATOMY)).read_text(encoding="utf-8")
    assert "patient" not in text and set(json.loads(text)) == {
        "schema", "anatomy", "columns", "rows", "measures", "measured"}


def test_the_shipped_model_has_its_cohort() -> None:
    found = read_training_statistics(resource_folder() / "Models" / "heart-compact")
    assert found is not None and len(found) == 695 and len(found.keys) == 14
    for tissue in ANATOMY.ids:
        low, high = ANATOMY.plausible_ml.get(tissue, (1.0, 1000.0))
        volumes = found.volumes((tissue,))
        assert low <= volumes.min() < volumes.max() <= high


def test_a_model_without_a_cohort_warns_of_nothing(tmp_path: Path) -> None:
    assert read_training_statistics(tmp_path) is None


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"schema": "siblings-cohort/9", "anatomy": "heart", "columns": ["LV volume [ml]"], "rows": [[1]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["LV volume [ml]"], "rows": []}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["LV volume [ml]", "RV volume [ml]"], '
    '"rows": [[1]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["LV volume [ml]"], "rows": [[NaN]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["LV volume [ml]"], "rows": [["x"]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["LV weight [g]"], "rows": [[1]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["LV volume [ml]"], "rows": [[1], [2]], '
    '"measures": [["LV", "length", "mm"]], "measured": [[80]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["LV volume [ml]"], "rows": [[1]], '
    '"measures": [["LV", "length", "mm"]], "measured": [["x"]]}',
])
def test_a_damaged_cohort_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "cohort.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="cohort"):
        read_training_statistics(tmp_path)


def test_what_the_cohort_has_is_not_warned_of() -> None:
    assert beyond_training({("LV",): 100.0, ("RV",): 100.5}, TOGETHER) == ()
    assert beyond_training({}, TOGETHER) == ()


@pytest.mark.parametrize(("asked", "nearest"), [(300.0, "180 ml"), (20.0, "80 ml")])
def test_a_volume_beyond_the_cohort_is_warned_of_with_the_nearest(asked: float, nearest: str) -> None:
    warnings = beyond_training({("LV",): asked, ("RV",): 100.0}, TOGETHER)
    assert len(warnings) == 1
    assert warnings[0].startswith(f"LV {asked:.0f} ml") and f"the nearest has {nearest}" in warnings[0]


def test_tissues_together_are_compared_with_their_sum() -> None:
    assert beyond_training({("LV", "RV"): 250.0}, TOGETHER) == ()
    assert "LV + RV 400 ml" in beyond_training({("LV", "RV"): 400.0}, TOGETHER)[0]


def test_a_combination_that_no_heart_has_is_warned_of() -> None:
    (warning,) = beyond_training({("LV",): 90.0, ("RV",): 170.0}, TOGETHER)
    assert "LV 130 ml (target 90 ml), RV 130 ml (target 170 ml)" in warning


def test_a_tissue_that_was_not_measured_is_passed_over() -> None:
    assert beyond_training({("fossa",): 5.0, ("LV",): 100.0}, TOGETHER) == ()


def test_a_ratio_that_few_training_hearts_have_is_told_where_each_volume_is_usual() -> None:
    statistics = read_training_statistics(resource_folder() / "Models" / "heart-compact")
    assert statistics is not None
    ratios = statistics.column(tissue_key("RV")) / statistics.column(tissue_key("LV"))
    asked = float(np.quantile(ratios, 0.998))
    (warning,) = beyond_training({("LV",): 110.0, ("RV",): 110.0 * asked * 1.02}, statistics)
    assert "RV/LV volume ratio above that of 99." in warning and "no clinical range" in warning
    (warning,) = beyond_training({("LV",): 200.0, ("RV",): 200.0 * float(np.quantile(ratios, 0.004))}, statistics)
    assert "RV/LV volume ratio below that of 99." in warning
    assert beyond_training({("LV",): 110.0, ("RV",): 110.0 * float(np.median(ratios))}, statistics) == ()
