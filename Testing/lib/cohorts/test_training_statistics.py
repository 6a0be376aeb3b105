"""The training cohort's measurements: made from a data set, written, read, and asked whether they support a target."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.cohorts.dataset_file import Pack, PackCase, read_pack, write_pack
from DiffusionSiblingsLib.cohorts.training_statistics import (
    Support,
    cohort_statistics,
    read_cohort,
    unsupported,
    write_cohort,
)
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.errors import ModelError
from DiffusionSiblingsLib.labelmaps.geometry.reference import starting_reference
from DiffusionSiblingsLib.metrics.morphology import features

ANATOMY = load_anatomy("heart")
# Two chambers that grow together: each value is usual, a large one beside a small one is not.
TOGETHER = Support("heart", ("LV volume [ml]", "RV volume [ml]"), np.stack([np.arange(80.0, 181.0)] * 2, axis=1))


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
    statistics = cohort_statistics(pack, ANATOMY)
    support = read_cohort(write_cohort(tmp_path, statistics).parent)
    assert support is not None and len(support) == 3
    assert support.columns[:12] == tuple(features(pack.labels(0), np.eye(4), ANATOMY))
    assert support.columns[12:] == ("Ao volume [ml]", "Myo volume [ml]")
    assert support.rows.tolist() == statistics["rows"] == sorted(statistics["rows"])
    measured = features(pack.labels(0), np.diag([5.0, 5.0, 5.0, 1.0]), ANATOMY)
    for column, value in measured.items():
        assert np.abs(support.column(column) - value).min() <= 0.05 + 1e-9
    assert support.volumes(("LV", "RV")) == pytest.approx(support.volumes(("LV",)) + support.volumes(("RV",)))


def test_a_cohort_tells_no_names(pack: Pack, tmp_path: Path) -> None:
    text = write_cohort(tmp_path, cohort_statistics(pack, ANATOMY)).read_text(encoding="utf-8")
    assert "patient" not in text and set(json.loads(text)) == {"schema", "anatomy", "columns", "rows"}


def test_the_shipped_model_has_its_cohort() -> None:
    support = read_cohort(resource_folder() / "Models" / "heart-compact")
    assert support is not None and len(support) == 695 and len(support.columns) == 14
    for tissue in ANATOMY.ids:
        low, high = ANATOMY.plausible_ml.get(tissue, (1.0, 1000.0))
        volumes = support.volumes((tissue,))
        assert low <= volumes.min() < volumes.max() <= high


def test_a_model_without_a_cohort_warns_of_nothing(tmp_path: Path) -> None:
    assert read_cohort(tmp_path) is None


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"schema": "siblings-cohort/9", "anatomy": "heart", "columns": ["a"], "rows": [[1]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["a"], "rows": []}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["a", "b"], "rows": [[1]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["a"], "rows": [[NaN]]}',
    '{"schema": "siblings-cohort/1", "anatomy": "heart", "columns": ["a"], "rows": [["x"]]}',
])
def test_a_damaged_cohort_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "cohort.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="cohort"):
        read_cohort(tmp_path)


def test_what_the_cohort_has_is_not_warned_of() -> None:
    assert unsupported({("LV",): 100.0, ("RV",): 100.5}, TOGETHER) == ()
    assert unsupported({}, TOGETHER) == ()


@pytest.mark.parametrize(("asked", "nearest"), [(300.0, "180 ml"), (20.0, "80 ml")])
def test_a_volume_beyond_the_cohort_is_warned_of_with_the_nearest(asked: float, nearest: str) -> None:
    warnings = unsupported({("LV",): asked, ("RV",): 100.0}, TOGETHER)
    assert len(warnings) == 1
    assert warnings[0].startswith(f"LV {asked:.0f} ml") and f"the nearest has {nearest}" in warnings[0]


def test_tissues_together_are_compared_with_their_sum() -> None:
    assert unsupported({("LV", "RV"): 250.0}, TOGETHER) == ()
    assert "LV + RV 400 ml" in unsupported({("LV", "RV"): 400.0}, TOGETHER)[0]


def test_a_combination_that_no_heart_has_is_warned_of() -> None:
    (warning,) = unsupported({("LV",): 90.0, ("RV",): 170.0}, TOGETHER)
    assert "LV 130 ml for 90, RV 130 ml for 170" in warning


def test_a_tissue_that_was_not_measured_is_passed_over() -> None:
    assert unsupported({("fossa",): 5.0, ("LV",): 100.0}, TOGETHER) == ()
