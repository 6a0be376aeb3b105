"""Tables of a run: types, units, differences, checks, and the CSV file of the command line."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import run_cases
import vtk
from at_once import metrics_table
from DiffusionSiblingsUI.scene import tables

from DiffusionSiblingsLib.core.tables import write_metrics_csv

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture(scope="module")
def made() -> Any:
    from hearts import ellipsoid_heart

    return run_cases.job(ellipsoid_heart((32, 24, 28), 5.6))


def column(node: Any, name: str) -> list[Any]:
    array = node.GetTable().GetColumnByName(name)
    return [array.GetValue(index) for index in range(array.GetNumberOfValues())]


def test_the_table_has_twelve_features_twelve_differences_and_twelve_checks(made: Any) -> None:
    _, record, rows = made
    node = metrics_table(rows, record)
    assert len(tables.features_of(rows)) == 12
    assert len(tables.columns_of_kind(node, "difference")) == 12 and len(tables.columns_of_kind(node, "check")) == 12
    assert node.GetNumberOfRows() == 4 and column(node, "map")[0] == "twin"
    assert node.GetColumnName(0) == "map"


def test_differences_are_to_the_twin_in_percent(made: Any) -> None:
    _, record, rows = made
    node = metrics_table(rows, record)
    for feature in tables.features_of(rows):
        found = column(node, tables.difference_name(feature))
        assert found[0] == 0.0
        assert found[1:] == pytest.approx([100 * (row[feature.title] / rows[0][feature.title] - 1) for row in rows[1:]])


def test_a_missing_or_zero_twin_value_gives_no_difference() -> None:
    assert math.isnan(tables.difference(3.0, 0.0)) and math.isnan(tables.difference(3.0, ""))
    assert math.isnan(tables.difference(None, 2.0)) and tables.difference(3, 2) == 50.0


def test_checks_say_pass_or_fail_as_the_record_does(made: Any) -> None:
    _, record, rows = made
    node = metrics_table(rows, record)
    described = [record["twin"], *tables.entries_of(record)]
    for check in tables.columns_of_kind(node, "check"):
        assert column(node, check) == ["pass" if entry["checks"]["half"]["checks"][check] else "fail"
                                       for entry in described]
    fails = [sum(column(node, check)[n] == "fail" for check in tables.columns_of_kind(node, "check")) for n in range(4)]
    assert [100 * fail / 12 for fail in fails] == pytest.approx(column(node, "violations [%]"))


def test_columns_have_types_and_units(made: Any) -> None:
    _, record, rows = made
    node = metrics_table(rows, record)
    table = node.GetTable()
    assert isinstance(table.GetColumnByName("LV volume [ml]"), vtk.vtkDoubleArray)
    assert isinstance(table.GetColumnByName("edit"), vtk.vtkStringArray)
    assert node.GetColumnUnitLabel("LV volume [ml]") == "ml" and node.GetColumnUnitLabel("LV major axis [mm]") == "mm"
    assert node.GetColumnUnitLabel("LV volume difference [%]") == "%"
    assert column(node, "seed")[1:] == ["7", "7", str(2**62)]  # whole, which no double would hold
    assert column(node, "voxels changed outside region")[1:] == [0, 0, 0]
    assert math.isnan(column(node, "voxels changed outside region")[0])


def test_exported_csv_begins_with_the_command_lines_columns(made: Any, tmp_path: Path) -> None:
    _, record, rows = made
    node = metrics_table(rows, record)
    theirs = write_metrics_csv(tmp_path / "metrics.csv", rows)
    same = tables.export_csv(node, tmp_path / "same.csv", everything=False)
    assert same.read_bytes() == theirs.read_bytes()
    whole = tables.export_csv(node, tmp_path / "whole.csv")
    with whole.open(encoding="utf-8") as mine, theirs.open(encoding="utf-8") as file:
        for one, other in zip(csv.reader(mine), csv.reader(file), strict=True):
            assert one[: len(other)] == other and len(one) == len(other) + 24


def test_generated_hearts_have_no_differences(made: Any) -> None:
    _, record, rows = made
    node = metrics_table(rows[1:], {**record, "twin": None})
    assert tables.twin_of(rows[1:]) is None and tables.columns_of_kind(node, "difference") == []
    assert len(tables.columns_of_kind(node, "check")) == 12 and node.GetNumberOfRows() == 3


def test_rows_without_a_record_have_no_checks(made: Any) -> None:
    node = metrics_table(made[2])
    assert tables.columns_of_kind(node, "check") == [] and node.GetLocked()


def test_measures_by_name_have_a_group_of_columns_and_units_of_their_own() -> None:
    from DiffusionSiblingsLib.metrics.measurement import MeasurementKey
    from DiffusionSiblingsLib.metrics.measures.measure import Measured

    area, length = MeasurementKey("area", "aortic annulus", "mm^2"), MeasurementKey("length", "LV", "mm")
    record = {"twin": {"measures": Measured({area: 491.0}, {}).to_json()},
              "runs": [{"siblings": [{"measures": Measured({area: 450.0, length: 90.0}, {}).to_json()}, {}]}]}
    assert tables.measure_names(record) == ["aortic annulus area [mm^2]", "LV length [mm]"]
    assert tables.units_of(record)["LV length [mm]"] == "mm"
    assert tables.measure_names({"runs": []}) == []
