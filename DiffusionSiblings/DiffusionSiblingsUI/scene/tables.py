"""Measurements of a run as a vtkMRMLTableNode, and back to the rows and the CSV file that the command line writes.

A table has the columns of metrics.csv in their order, then each feature's difference to the twin, then the checks.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from DiffusionSiblingsLib.cohorts.training_distance import training_distance_titles
from DiffusionSiblingsLib.control.achieved import REACHED
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.tables import columns_of, write_metrics_csv
from DiffusionSiblingsLib.editing.record_entries import guidance_of
from DiffusionSiblingsLib.editing.target_rows import target_columns
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, feature_keys, measurement_keys
from DiffusionSiblingsLib.metrics.measures.definition import ratios_of
from DiffusionSiblingsLib.metrics.measures.measure import Measured

Row = Mapping[str, Any]
FAILED, VIOLATIONS, DICE = "failed checks", "violations [%]", "mean Dice to twin"  # columns of metrics.csv
PERCENT = "%"
PASS, FAIL = "pass", "fail"
KIND = "siblingsKind"  # column property: "csv" (a column of metrics.csv), "whole" (the same, whole numbers), ...
IDENTIFIERS = ("seed", "k")  # as text: no quantities, and a seed has more digits than a double holds


def twin_of(rows: Sequence[Row]) -> Row | None:
    """The twin's row: the first one, or None where hearts were generated."""
    return rows[0] if rows and rows[0].get("edit") == "twin" else None


def features_of(rows: Sequence[Row]) -> list[MeasurementKey]:
    """The features that the rows have, 12 for a heart: volume, major and minor axis of each chamber."""
    there = set(columns_of(rows))
    return [key for key in feature_keys(load_anatomy()) if key.title in there]


def measurement_names(columns: Iterable[str]) -> list[str]:
    """Those of the columns that hold measurements: the features, and the volumes of the other tissues."""
    known = {key.title for key in measurement_keys(load_anatomy())}
    return [column for column in columns if column in known]


def target_names(record: Mapping[str, Any]) -> list[str]:
    """The columns with the targets of guided siblings and the achieved values, "targets reached" first."""
    found = [title for entry in entries_of(record) for title in target_columns(guidance_of(entry))]
    return sorted(dict.fromkeys(found), key=lambda title: title != REACHED)


def measure_names(record: Mapping[str, Any]) -> list[str]:
    """The columns of the measures by name, in the anatomy's order."""
    return list(dict.fromkeys(key.title for key in _measures_of(record)))


def _measures_of(record: Mapping[str, Any]) -> list[MeasurementKey]:
    """The measures by name that a record has, of its twin and of its siblings; none in those of earlier versions."""
    entries = [entry for entry in (record.get("twin"), *entries_of(record)) if entry and entry.get("measures")]
    return [key for entry in entries for key in Measured.from_json(entry["measures"]).values]


def training_distance_names(columns: Iterable[str]) -> list[str]:
    """Those of the columns that tell how a heart lies among the training hearts, the many percentiles last."""
    there, anatomy = set(columns), load_anatomy()
    keys = (*measurement_keys(anatomy), *ratios_of(anatomy))
    return [title for title in training_distance_titles(keys) if title in there]


def difference_name(feature: MeasurementKey) -> str:
    """The column of a feature's difference to the twin: "LV volume difference [%]"."""
    return replace(feature, unit=PERCENT).title_with("difference")


def difference_heads() -> dict[str, str]:
    """Such columns as a panel heads them that shows nothing else: "LV volume [%]"."""
    return {difference_name(key): replace(key, unit=PERCENT).title for key in feature_keys(load_anatomy())}


def units_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The unit of each column that has one. record: of the run, which knows its targets."""
    units = {key.title: key.unit for key in measurement_keys(load_anatomy())}
    units |= {difference_name(key): PERCENT for key in feature_keys(load_anatomy())} | {VIOLATIONS: PERCENT}
    for item in (item for entry in entries_of(record) for item in guidance_of(entry)):
        units |= {item.asked_title: item.unit, item.achieved_title: item.unit}
    return units | {key.title: key.unit for key in _measures_of(record)}


def difference(value: Any, reference: Any) -> float:
    """How far a value is from the twin's in percent; NaN where one is missing or the twin's is 0."""
    a, b = _number(value), _number(reference)
    return 100.0 * (a - b) / b if b and math.isfinite(a) and math.isfinite(b) else math.nan


def entries_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The siblings' entries of a record, in the order in which they were made."""
    return [entry for run in record.get("runs", []) for entry in run["siblings"]]


def tabling(rows: Sequence[Row], record: Mapping[str, Any] | None = None,
            name: str = "Metrics") -> Generator[None, None, Any]:
    """A new vtkMRMLTableNode: a row for each map, the twin first; made in short steps, a column each.

    rows: of metrics.csv. record: Record.to_json(), which says how each check went; without it there are no checks.
    Differences are left out where there is no twin. Missing numbers are NaN.
    """
    columns = []
    for column in columns_of(rows):
        columns.append(_column(column, [row.get(column) for row in rows]))
        yield
    twin = twin_of(rows)
    for feature in features_of(rows) if twin is not None else ():
        values = [difference(row.get(feature.title), (twin or {}).get(feature.title)) for row in rows]
        columns.append(_column(difference_name(feature), values, "difference"))
        yield
    for check, words in _checks(rows, record or {}).items():
        columns.append(_column(check, words, "check"))
    return _node(columns, name, units_of(record or {}))


def table_of(columns: Mapping[str, Sequence[Any]], name: str) -> Any:
    """A new vtkMRMLTableNode with these columns: what a plot is drawn from."""
    return _node([_column(column, values) for column, values in columns.items()], name, units_of({}))


def rows_of(node: Any) -> list[dict[str, Any]]:
    """The rows of metrics.csv that a table was made of, types included: whole numbers, None where a cell is empty."""
    columns = _csv_columns(node)
    cells = [_cells(array, kind) for array, kind in columns]
    names = [array.GetName() for array, _kind in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def row_of(node: Any, number: int) -> dict[str, Any]:
    """One of these rows, without reading the others."""
    return {array.GetName(): _cell(array.GetValue(number), kind) for array, kind in _csv_columns(node)}


def _csv_columns(node: Any) -> list[tuple[Any, str]]:
    """The columns of metrics.csv as VTK arrays, with their kind."""
    table = node.GetTable()
    arrays = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())]
    found = [(array, node.GetColumnProperty(array.GetName(), KIND)) for array in arrays]
    return [(array, kind) for array, kind in found if kind in ("csv", "whole", "")]


def _cells(array: Any, kind: str) -> list[Any]:
    """All values of a column, as `_cell` gives them: thousands of calls take longer than Slicer may stand still."""
    if isinstance(array, vtk.vtkStringArray):
        return [array.GetValue(index) or None for index in range(array.GetNumberOfValues())]
    values = numpy_support.vtk_to_numpy(array).tolist()
    if kind == "whole":
        return [None if value != value else int(value) for value in values]
    return [None if value != value else value for value in values]  # NaN is no value, not even its own


def export_csv(node: Any, path: Path | str, *, everything: bool = True) -> Path:
    """Writes a table as CSV through the library's writer; its first columns are those of metrics.csv, value for value.

    everything: with differences and checks after them. Raises OutputError.
    """
    rows = rows_of(node)
    for column in columns_of_kind(node, "difference", "check") if everything else ():
        array = node.GetTable().GetColumnByName(column)
        for number, row in enumerate(rows):
            row[column] = _cell(array.GetValue(number), "")
    return write_metrics_csv(Path(path), rows)


def columns_of_kind(node: Any, *kinds: str) -> list[str]:
    """Names of the columns of a kind: "csv", "whole", "difference" or "check"."""
    names = [node.GetColumnName(index) for index in range(node.GetNumberOfColumns())]
    return [name for name in names if node.GetColumnProperty(name, KIND) in kinds]


def _node(columns: Sequence[tuple[Any, str]], name: str, units: Mapping[str, str]) -> Any:
    """A locked table of arrays and their kinds. units: of columns by their names."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    table = vtk.vtkTable()
    for array, _kind in columns:
        table.AddColumn(array)
    node.SetAndObserveTable(table)
    for array, kind in columns:
        _describe(node, array, kind, units.get(array.GetName(), ""))
    node.SetLocked(True)  # results, not a form to fill in
    return node


def _checks(rows: Sequence[Row], record: Mapping[str, Any]) -> dict[str, list[str]]:
    """Check -> pass or fail for each row, at the resolution that "violations [%]" counts."""
    described = [record.get("twin")] if twin_of(rows) is not None else []
    described += entries_of(record)
    results = [entry["checks"]["half"]["checks"] if entry else {} for entry in described[: len(rows)]]
    results += [{}] * (len(rows) - len(results))
    names = dict.fromkeys(name for result in results for name in result)
    words = {True: PASS, False: FAIL, None: ""}
    return {name: [words[result.get(name)] for result in results] for name in names}


def _column(name: str, values: Iterable[Any], kind: str = "csv") -> tuple[Any, str]:
    """Values as the VTK array of their type, and their kind."""
    cells = [None if value is None or value == "" else value for value in values]
    present = [value for value in cells if value is not None]
    numeric = bool(present) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present)
    array: Any
    if not numeric or name in IDENTIFIERS:
        array = vtk.vtkStringArray()
        array.SetNumberOfValues(len(cells))
        for index, value in enumerate(cells):
            array.SetValue(index, "" if value is None else str(value))
    elif all(isinstance(value, int) and abs(value) < 2**31 for value in present):
        kind = "whole" if kind == "csv" else kind
        array = _numbers(cells, np.int32 if len(present) == len(cells) else np.float64)
    else:
        array = _numbers(cells, np.float64)
    array.SetName(name)
    return array, kind


def _numbers(cells: Sequence[Any], dtype: Any) -> Any:
    """Numbers as a VTK array that owns them; missing ones are NaN."""
    return numpy_support.numpy_to_vtk(np.array([math.nan if v is None else v for v in cells], dtype=dtype), deep=True)


def _describe(node: Any, array: Any, kind: str, unit: str) -> None:
    """Type, unit and meaning of a column, which Slicer saves beside the values."""
    name = array.GetName()
    node.SetColumnType(name, array.GetDataType())
    node.SetColumnProperty(name, KIND, kind)
    if unit:
        node.SetColumnUnitLabel(name, unit)
    if kind == "difference":
        node.SetColumnDescription(name, _("Difference from the twin, in percent of the twin's value"))
    if kind == "check":
        node.SetColumnDescription(name, _("Topological check at half resolution, as counted by violations [%]"))


def _cell(value: Any, kind: str) -> Any:
    """A cell's value as a row of metrics.csv has it."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and math.isnan(value):
        return None
    return int(value) if kind == "whole" else value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
