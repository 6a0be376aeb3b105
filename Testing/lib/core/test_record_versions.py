"""Records of earlier program versions are read, become rows of metrics.csv, and can be replayed.

Each example in records/ was written by the program as it was when its part of the record came: record and metrics.csv
of a small untrained model. The records round their numbers, as records did before metrics.csv was made from them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.cohorts.model_facts import ModelFacts
from DiffusionSiblingsLib.cohorts.training_distance import TrainingDistance
from DiffusionSiblingsLib.control.achieved import Achieved
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.defaults import DEFAULT_MODEL
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.files import json_values
from DiffusionSiblingsLib.core.record import Record, read_record
from DiffusionSiblingsLib.core.tables import columns_of, csv_text, write_metrics_csv
from DiffusionSiblingsLib.editing.planned import PlacedTwin
from DiffusionSiblingsLib.editing.record_entries import row_of, rows_of, run_entry, sibling_entry, sibling_row
from DiffusionSiblingsLib.editing.repair.repair import Repair
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, key_of, measurement_keys
from DiffusionSiblingsLib.runs.replay import Replay, check_twin

RECORDS = Path(__file__).parent / "records"
EXAMPLES = sorted(path.stem for path in RECORDS.glob("*.json"))
ANATOMY = load_anatomy("heart")
ROUNDED = 0.006  # what two decimals of a percentile, or four of a share in per cent, may be off


def example(name: str) -> tuple[Record, list[dict[str, str]]]:
    """A record, and the rows of the metrics.csv that the same program wrote beside it."""
    with (RECORDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return read_record(RECORDS / f"{name}.json"), list(csv.DictReader(file))


def alike(one: str, other: str) -> bool:
    """Whether two cells say the same, numbers within the rounding of the record."""
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-5, abs_tol=ROUNDED)
    except ValueError:
        return one == other


def test_there_is_an_example_of_each_version() -> None:
    assert EXAMPLES == ["1-first", "2-notes-on-the-twin", "3-guided", "4-training-distance", "5-acceptance"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_rows_of_a_record_are_those_of_the_table_beside_it(name: str) -> None:
    record, written = example(name)
    rows = list(rows_of(record.twin, record.runs))
    assert [row["map"] for row in rows] == [row["map"] for row in written]
    for row, was in zip(rows, written, strict=True):
        was = {titled_now(column): value.replace(" mass x ", " volume x ") for column, value in was.items()}
        shared = [column for column in was if column in row]
        assert not [column for column in was if was[column] and column not in row]
        different = {column: (csv_text(row[column]), was[column]) for column in shared
                     if not alike(csv_text(row[column]), was[column])}
        assert not different


def test_the_columns_of_the_latest_example_stand_in_its_order() -> None:
    record, written = example(EXAMPLES[-1])
    assert columns_of(list(rows_of(record.twin, record.runs))) == list(written[0])


def titled_now(column: str) -> str:
    """A column of an earlier version as it is called now: what a domain holds was its "mass", whatever its unit."""
    for unit, word in (("ml", "volume"), ("mm^2", "area"), ("mm", "length")):
        column = re.sub(rf" mass (asked|achieved) \[{re.escape(unit)}\]$", rf" {word} \1 [{unit}]", column)
    return column


@pytest.fixture(scope="module")
def facts() -> ModelFacts:
    return ModelFacts.of(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def placed(facts: ModelFacts, tmp_path_factory: pytest.TempPathFactory) -> PlacedTwin:
    """The heart that all examples were made from, as its file has it."""
    return PlacedTwin.of(write_labelmap(ellipsoid_heart(), tmp_path_factory.mktemp("twin") / "heart.nii.gz"), facts)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_record_is_planned_for_a_replay(name: str, facts: ModelFacts, placed: PlacedTwin) -> None:
    record, _ = example(name)
    assert record.twin is not None and check_twin(placed, record.twin, named="heart.nii.gz", hint="") is placed
    moved = replace(placed, twin=replace(placed.twin, labelmap=replace(
        placed.twin.labelmap, affine=placed.twin.labelmap.affine + 0.01)))
    with pytest.raises(InputError, match="not the twin"):
        check_twin(moved, record.twin, named="heart.nii.gz", hint="")
    requests = tuple(Request.from_json(run["request"]) for run in record.runs)
    plan = Replay(record, facts, placed, requests, lambda *_: None).plan("cpu")
    assert plan.ks == tuple(tuple(entry["k"] for entry in run["siblings"]) for run in record.runs) and all(plan.ks)
    assert tuple(planned.request for planned in plan.requests) == requests
    assert [request.to_json() | {"control": None} for request in requests] == [
        {"solver": "heun"} | run["request"] | {"control": None} for run in record.runs]


def test_the_examples_hold_what_their_names_say() -> None:
    records = {name: example(name)[0] for name in EXAMPLES}
    entries = {name: record.runs[0]["siblings"][0] for name, record in records.items()}
    assert "warnings" not in records["1-first"].twin and "warnings" in records["2-notes-on-the-twin"].twin
    assert "guidance" not in entries["2-notes-on-the-twin"] and entries["3-guided"]["guidance"]
    assert Request.from_json(records["3-guided"].runs[0]["request"]).control is not None
    assert entries["4-training-distance"]["bias"]["percentiles"] and "gate" not in entries["4-training-distance"]
    assert entries["5-acceptance"]["gate"]["accepted"] and records["5-acceptance"].runs[0]["gate"]["checks"]


def test_an_entry_without_measurements_is_refused() -> None:
    record, _ = example("1-first")
    entry = record.runs[0]["siblings"][0]
    unknown = {**entry, "features": {"LV weight [g]": 1.0}}
    for damaged in ({**entry, "features": None}, {**entry, "checks": {}}, unknown):
        with pytest.raises(InputError):
            row_of("a", damaged, record.runs[0]["request"])


def irrational(seed: int) -> float:
    return float(np.random.default_rng(seed).standard_normal() * 10.0 ** (seed % 7 - 3))


def full_sibling() -> Sibling:
    """A sibling with all that a row can show, and numbers that no short decimal is equal to."""
    heart = ellipsoid_heart((32, 28, 32), 4.2)
    measured = MeasuredMap.of(heart, heart.labels, ANATOMY)
    keys = measurement_keys(ANATOMY)
    features = {key: abs(irrational(n)) for n, key in enumerate(measured.features)}
    volumes = {tissue: abs(irrational(30 + n)) for n, tissue in enumerate(ANATOMY.ids)}
    lies = TrainingDistance({key: abs(irrational(50 + n)) for n, key in enumerate(keys)}, keys[:2], irrational(80),
                            irrational(81), True, {keys[0]: irrational(82)}, irrational(83))
    reached = Achieved("RV", "mass", "ml", irrational(90), irrational(91), irrational(92), 0.003, 0.01, True)
    turned = Achieved("LV", "orientation", "", None, ((1.0, 0.0), (0.0, 1.0)), None, None, 5.0, False)
    return Sibling(Request("inpaint", 3, 7, tissues=("LV", "RV")), 2, heart, heart.labels, heart.labels, 80.0, features,
                   features, volumes, measured.checks, measured.checks, Repair(heart.labels, changed_voxels=11),
                   {"inside": 5, "outside": 1}, {"LA": 2, "RA": 3}, 4, {"LV": irrational(95), "RV": irrational(96)}, 1,
                   {}, (reached, turned), ("a step was skipped",), lies)


def test_the_record_holds_every_digit_that_the_table_shows() -> None:
    sibling = full_sibling()
    entry = json.loads(json.dumps(json_values(sibling_entry("a.nii.gz", sibling))))
    request = json.loads(json.dumps(run_entry(sibling.request)["request"]))
    row, again = sibling_row("a", sibling), row_of("a", entry, request)
    assert list(again) == list(row)
    assert [csv_text(value) for value in again.values()] == [csv_text(value) for value in row.values()]
    twin = MeasuredMap(sibling.features, sibling.volumes, sibling.checks, sibling.training_distance)
    told = row_of("twin", json.loads(json.dumps(twin.to_json())))
    assert {**told, "edit": ""} == twin.row("twin") and told["edit"] == "twin"


def test_titles_and_order_of_the_columns_do_not_change(tmp_path: Path) -> None:
    header = write_metrics_csv(tmp_path / "metrics.csv", [sibling_row("a", full_sibling())]).read_text().splitlines()[0]
    stored = (RECORDS / "header.txt").read_text(encoding="utf-8").splitlines()[0]
    assert next(csv.reader(io.StringIO(header))) == next(csv.reader(io.StringIO(stored)))


def test_a_key_and_its_title_say_the_same() -> None:
    for key in measurement_keys(ANATOMY):
        assert key_of(key.title) == key and str(key) == key.title
    assert key_of("left atrial appendage volume [ml]") == MeasurementKey("volume", "left atrial appendage", "ml")
    for text in ("", "LV", "LV volume", "LV volume [mm]", " volume [ml]", "volume [ml]", "LV weight [g]"):
        with pytest.raises(InputError):
            key_of(text)
    with pytest.raises(InputError):
        MeasurementKey("volume", "", "ml")
