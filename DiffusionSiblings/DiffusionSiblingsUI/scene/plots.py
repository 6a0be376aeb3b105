"""Charts of runs and cohorts: one measurement against another, and how far each feature drifts from the twin.

Each function returns the nodes that it made, the chart last. Slicer's plot views have no names on their axes' ticks, so
what a feature is called stands in the legend.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.palette import SERIES
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsUI.scene.tables import difference, features_of, table_of, twin_of

Row = Mapping[str, Any]
ACROSS, UP = tissue_key("LV").title, tissue_key("RV").title
TWIN_COLOR = (0.1, 0.1, 0.1)
MARKERS = {"volume": "MarkerStyleSquare", "major axis": "MarkerStyleCircle", "minor axis": "MarkerStyleDiamond"}
LEGEND_SIZE = 14
SPREAD = 0.6  # of the room between two features over which siblings are laid side by side


@dataclass(frozen=True)
class Look:
    """How the points of a group are drawn. color: RGB 0..1. marker: as Slicer's plot series name it."""

    color: tuple[float, float, float]
    marker: str = "MarkerStyleCircle"
    size: float = 9


TWIN = Look(TWIN_COLOR, "MarkerStyleDiamond", 16)
SHOWN = Look(TWIN_COLOR, "MarkerStyleCross", 16)


def volume_chart(rows: Sequence[Row], title: str) -> list[Any]:
    """Left against right ventricular volume, a colour for each request, the twin as a large diamond."""
    twin = twin_of(rows)
    groups = ["twin" if row is twin else str(row.get("edit", "")) or "siblings" for row in rows]
    looks = looks_of(group for group in groups if group != "twin")
    heading = _("{title}: LV against RV volume").format(title=title)
    return scatter_chart(rows, groups, {**looks, "twin": TWIN}, (ACROSS, UP), title, heading)


def looks_of(groups: Iterable[str]) -> dict[str, Look]:
    """A look for each group, told apart by colour."""
    return {group: Look(SERIES[number % len(SERIES)]) for number, group in enumerate(dict.fromkeys(groups))}


def scatter_chart(rows: Sequence[Row], groups: Sequence[str], looks: Mapping[str, Look], axes: tuple[str, str],
                  title: str, heading: str) -> list[Any]:
    """One measurement against another, points of a row's group as its look says; [] if no row has both.

    groups: of each row; drawn in the order of `looks`, those that come last above. axes: two columns of the rows. The
    table that the points come from has the rows in their order, so that a point that is clicked tells its row.
    """
    across, up = axes
    if not any(_is_number(row.get(across)) and _is_number(row.get(up)) for row in rows):
        return []
    columns: dict[str, list[Any]] = {"map": [row.get("map", "") for row in rows]}
    columns[across] = [_at(row, across) for row in rows]
    names = {group: f"{up}, {group}" for group in looks if group in groups}
    for group, column in names.items():
        columns[column] = [_at(row, up) if of == group else math.nan for row, of in zip(rows, groups, strict=True)]
    table = table_of(columns, _("{title} points").format(title=title))
    series = [_series(table, group, across, column, looks[group]) for group, column in names.items()]
    chart = _chart(series, heading, across, up)
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(*_range([_at(row, across) for row in rows], 0.25))
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(*_range([_at(row, up) for row in rows], 0.1))
    return [table, *series, chart]


def mark_point(nodes: Sequence[Any], name: str, point: tuple[float, float]) -> list[Any]:
    """Puts a cross on a point of a scatter chart -> the nodes of the chart with those of the cross."""
    chart, across = nodes[-1], nodes[-1].GetXAxisTitle()
    title = _("{chart} shown").format(chart=chart.GetName())
    table = table_of({"map": [name], across: [point[0]], "shown": [point[1]]}, title)
    series = _series(table, "shown", across, "shown", SHOWN)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return [*nodes[:-1], table, series, chart]


def drift_chart(rows: Sequence[Row], title: str) -> list[Any]:
    """Each feature's difference to the twin, siblings side by side, a colour for each chamber; [] without a twin."""
    twin, features = twin_of(rows), features_of(rows)
    siblings = [row for row in rows if row is not twin]
    if twin is None or not siblings or not features:
        return []
    columns: dict[str, list[Any]] = {"map": [row.get("map", "") for row in siblings]}
    offsets = [SPREAD * ((n + 0.5) / len(siblings) - 0.5) for n in range(len(siblings))]
    for place, feature in enumerate(features, start=1):
        column = feature.title
        columns[f"{column} place"] = [place + offset for offset in offsets]
        columns[column] = [difference(row.get(column), twin.get(column)) for row in siblings]
    table = table_of(columns, _("{title} drift").format(title=title))
    name = _("{title} drift of the twin").format(title=title)
    ends = table_of({"place": [0.5, len(features) + 0.5], "twin": [0.0, 0.0]}, name)
    chambers = list(dict.fromkeys(feature.tissue for feature in features))
    series = [_line(ends)]
    for feature in features:
        look = Look(SERIES[chambers.index(feature.tissue) % len(SERIES)], MARKERS[feature.name])
        series.append(_series(table, feature.label, f"{feature.title} place", feature.title, look))
    each = len(features) // len(chambers)
    across = ", ".join(f"{n * each + 1}-{(n + 1) * each} {chamber}" for n, chamber in enumerate(chambers))
    chart = _chart(series, _("{title}: drift from the twin").format(title=title),
                   _("Feature ({list})").format(list=across), _("Difference from the twin [%]"))
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(0.5, 1.2 * len(features) + 0.5)  # the legend has its own place and covers no points
    return [table, ends, *series, chart]


def share_chart(counts: Sequence[int], title: str, heading: str, across: str, up: str) -> list[Any]:
    """A histogram of values from 0 to 1 in percent of all, bins of one width; [] where there are no counts."""
    if not sum(counts):
        return []
    width, column = 1 / len(counts), "share"
    middles = [(number + 0.5) * width for number in range(len(counts))]
    shares = [100 * count / sum(counts) for count in counts]
    table = table_of({across: middles, column: shares}, _("{title} histogram").format(title=title))
    series = _series(table, up, across, column, Look(SERIES[0], "MarkerStyleNone", 1))
    series.SetPlotType(series.PlotTypeScatterBar)
    chart = _chart([series], heading, across, up)
    chart.SetLegendVisibility(False)
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(0.0, 1.0)
    return [table, series, chart]


def show_chart(chart: Any) -> None:
    """Shows a chart in the views' layout, which gets a plot view if it has none."""
    slicer.modules.plots.logic().ShowChartInLayout(chart)


def _series(table: Any, name: str, across: str, up: str, look: Look) -> Any:
    """Points without lines between them: siblings have no order."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    node.SetName(name)  # as the legend has it, even where another run has one of that name
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetXColumnName(across)
    node.SetYColumnName(up)
    if table.GetColumnIndex("map") >= 0:
        node.SetLabelColumnName("map")
    node.SetPlotType(node.PlotTypeScatter)
    node.SetLineStyle(node.LineStyleNone)
    node.SetMarkerStyle(getattr(node, look.marker))
    node.SetMarkerSize(look.size)
    node.SetColor(*look.color)
    return node


def _line(table: Any) -> Any:
    """The twin: a line at 0 %."""
    node = _series(table, "twin", "place", "twin", Look(TWIN_COLOR, "MarkerStyleNone", 1))
    node.SetLineStyle(node.LineStyleDash)
    node.SetLineWidth(1.5)
    return node


def _chart(series: Sequence[Any], title: str, across: str, up: str) -> Any:
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
    chart.SetTitle(title)
    chart.SetLegendFontSize(LEGEND_SIZE)
    chart.SetXAxisTitle(across)
    chart.SetYAxisTitle(up)
    for node in series:
        chart.AddAndObservePlotSeriesNodeID(node.GetID())
    return chart


def _range(values: Sequence[float], above: float) -> tuple[float, float]:
    """Ends of an axis a little beyond all values, so that no marker is cut off; above: room for the legend, share."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    width = max(max(known) - min(known), 0.05 * abs(max(known)), 1.0)
    return min(known) - 0.1 * width, max(known) + above * width


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _at(row: Row, column: str) -> float:
    value = row.get(column)
    return float(value) if _is_number(value) else math.nan
