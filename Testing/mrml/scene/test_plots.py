"""Charts of a run: their data, and that VTK draws them as Slicer's plot views do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import run_cases
import slicer
from DiffusionSiblingsUI.scene import plots, tables

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture(scope="module")
def rows() -> Any:
    from hearts import ellipsoid_heart

    return run_cases.job(ellipsoid_heart((32, 24, 28), 5.6))[2]


def series_of(nodes: list[Any]) -> dict[str, Any]:
    return {node.GetName(): node for node in nodes if node.IsA("vtkMRMLPlotSeriesNode")}


def points(series: Any) -> list[tuple[float, float]]:
    """The points that a series draws."""
    table = series.GetTableNode().GetTable()
    across, up = (table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName()))
    both = [(across.GetValue(n), up.GetValue(n)) for n in range(table.GetNumberOfRows())]
    return [point for point in both if not any(math.isnan(value) for value in point)]


def test_volumes_are_drawn_by_request_and_the_twin_stands_out(rows: Any) -> None:
    series = series_of(nodes := plots.volume_chart(rows, "run"))
    assert list(series) == ["ratio 0.5", "edit LV", "twin"] and nodes[-1].IsA("vtkMRMLPlotChartNode")
    lv_rv = [(row["LV volume [ml]"], row["RV volume [ml]"]) for row in rows]
    assert points(series["twin"]) == [lv_rv[0]]
    assert points(series["ratio 0.5"]) == lv_rv[1:3] and points(series["edit LV"]) == lv_rv[3:]
    others = [series[name] for name in ("ratio 0.5", "edit LV")]
    assert all(series["twin"].GetMarkerStyle() != node.GetMarkerStyle() for node in others)
    assert all(series["twin"].GetMarkerSize() > node.GetMarkerSize() for node in others)
    assert nodes[-1].GetXAxisTitle() == "LV volume [ml]" and nodes[-1].GetYAxisTitle() == "RV volume [ml]"


def test_drift_has_a_series_for_each_feature_and_a_line_for_the_twin(rows: Any) -> None:
    series = series_of(nodes := plots.drift_chart(rows, "run"))
    features = tables.features_of(rows)
    assert len(series) == 13 and nodes[-1].GetNumberOfPlotSeriesNodes() == 13
    for place, feature in enumerate(features, start=1):
        drawn = points(series[feature.label])
        title = feature.title
        assert [y for _, y in drawn] == pytest.approx([100 * (row[title] / rows[0][title] - 1) for row in rows[1:]])
        assert all(abs(x - place) < 0.5 for x, _ in drawn) and len({x for x, _ in drawn}) == len(drawn)
    assert points(series["twin"]) == [(0.5, 0.0), (12.5, 0.0)]


def test_generated_hearts_have_volumes_but_no_drift(rows: Any) -> None:
    assert "twin" not in series_of(plots.volume_chart(rows[1:], "run"))
    assert plots.drift_chart(rows[1:], "run") == []
    assert plots.volume_chart([{"map": "a", "edit": "x"}], "run") == []


def test_names_are_told_in_tooltips(rows: Any) -> None:
    for nodes in (plots.volume_chart(rows, "run"), plots.drift_chart(rows, "run")):
        for name, series in series_of(nodes).items():
            assert series.GetLabelColumnName() == "map" or name == "twin"


def test_a_second_run_keeps_its_legend(rows: Any) -> None:
    plots.volume_chart(rows, "run")
    assert list(series_of(plots.volume_chart(rows, "another"))) == ["ratio 0.5", "edit LV", "twin"]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 2
