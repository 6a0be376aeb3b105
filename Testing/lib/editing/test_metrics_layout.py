"""One layout of metrics.csv: whatever the command and whatever a heart lacks, the same columns lead in one order."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.cohorts.training_distance import TrainingDistance
from DiffusionSiblingsLib.control.achieved import Achieved
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.tables import write_metrics_csv
from DiffusionSiblingsLib.editing.metrics_layout import metrics_columns
from DiffusionSiblingsLib.editing.record_entries import sibling_row
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.editing.target_rows import twin_columns
from DiffusionSiblingsLib.metrics.measurement import measurement_keys
from DiffusionSiblingsLib.metrics.measures.measure import Measured
from DiffusionSiblingsLib.metrics.measures.names import keys_of

ANATOMY = load_anatomy("heart")
HEART = ellipsoid_heart((40, 36, 44), 3.4)
MEASURED = MeasuredMap.of(HEART, HEART.labels, ANATOMY)
EVERY = dict.fromkeys(keys_of(ANATOMY), 1.0)
FEW = dict(list(EVERY.items())[3:5])
REACHED = Achieved("RV", "mass", "ml", 90.0, 91.0, 92.0, 0.003, 0.01, True)
DISTANCE = TrainingDistance(dict.fromkeys(measurement_keys(ANATOMY), 50.0), (), 0.1, 0.0, False)


def sibling(request: Request, measures: dict | None, **more: object) -> Sibling:
    found = Measured(measures, {}) if measures is not None else None
    return Sibling(request, 0, HEART, HEART.labels, HEART.labels, 80.0, MEASURED.features, MEASURED.features,
                   MEASURED.volumes, MEASURED.checks, MEASURED.checks, None, measures=found, **more)  # type: ignore[arg-type]


def header(path: Path, rows: list) -> list[str]:
    write_metrics_csv(path, rows, metrics_columns(ANATOMY))
    return next(csv.reader(path.open(encoding="utf-8")))


PERTURB, GENERATE = Request("perturb"), Request("generate")
INPAINT = Request("inpaint", tissues=("LV",))


@pytest.mark.parametrize("siblings", [
    [sibling(PERTURB, EVERY, training_distance=DISTANCE)], [sibling(GENERATE, None)],
    [sibling(INPAINT, FEW), sibling(INPAINT, EVERY)], [sibling(PERTURB, FEW, guidance=(REACHED,))],
], ids=["perturb", "generate without measures", "inpaint with few measures first", "guide"])
@pytest.mark.parametrize("twin", [True, False])
def test_every_command_has_the_same_first_columns(siblings: list[Sibling], twin: bool, tmp_path: Path) -> None:
    own = dataclasses.replace(MEASURED, measures=Measured(FEW, {})).row("twin", "twin")
    rows = [{**own, **twin_columns(siblings[0].guidance)}] if twin else []
    found = header(tmp_path / "metrics.csv", [*rows, *(sibling_row("a", each) for each in siblings)])
    first = list(metrics_columns(ANATOMY))
    assert found[:len(first)] == first
    behind = [REACHED.asked_title, REACHED.achieved_title, "targets reached"] if siblings[0].guidance else []
    assert found[len(first):] == behind


def test_the_layout_has_every_column_once_and_every_measure() -> None:
    columns = metrics_columns(ANATOMY)
    assert len(set(columns)) == len(columns) and columns[:5] == ("map", "edit", "ratio", "seed", "k")
    assert {key.title for key in (*measurement_keys(ANATOMY), *keys_of(ANATOMY))} < set(columns)
