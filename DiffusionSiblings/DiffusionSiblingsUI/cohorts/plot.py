"""The scatter plot of a cohort: its members, a reference and the training hearts, and which member a click means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.palette import SERIES
from DiffusionSiblingsUI.cohorts import cohorts
from DiffusionSiblingsUI.scene import plots
from DiffusionSiblingsUI.scene.plots import Look

MARK = "DiffusionSiblings.CohortPlot"  # attribute of its nodes: there is one at a time
TRAINING = _("training hearts")
TRAINING_LOOK, REFERENCE_LOOK, COHORT_LOOK = Look((0.72, 0.72, 0.72), size=5), Look(SERIES[0]), Look(SERIES[1])
Row = Mapping[str, Any]
Point = tuple[str, int]  # "cohort" or "reference", number of the member


@dataclass
class CohortPlot:
    """The nodes of the plot that is in the scene, the chart last; empty before the first is drawn.

    Points of the chart's table: members of the cohort, then of the reference, then training hearts.
    """

    nodes: list[Any] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    sizes: tuple[int, int] = (0, 0)
    axes: tuple[str, str] = ("", "")
    _marked: int | None = None

    @property
    def chart(self) -> Any:
        """The vtkMRMLPlotChartNode, None where there is none (any more)."""
        there = self.nodes and slicer.mrmlScene.IsNodePresent(self.nodes[-1])
        return self.nodes[-1] if there else None

    def draw(self, cohort: tuple[str, Sequence[Row]], reference: tuple[str, Sequence[Row]] | None,
             training: Sequence[Row], axes: tuple[str, str]) -> Any:
        """Draws titles and rows in place of the plot that there is -> the chart, None if no member has both axes.

        Without a reference the members' colours tell their edits.
        """
        title, rows = cohort
        groups = [str(row.get("edit") or title) for row in rows] if reference is None else [title] * len(rows)
        looks = plots.looks_of(groups) if len(set(groups)) > 1 else dict.fromkeys(groups, COHORT_LOOK)
        others = list(reference[1]) if reference is not None else []
        name = reference[0] if reference is not None else ""
        name = _("{name} (reference)").format(name=name) if name in looks or name == TRAINING else name
        self.clear()
        self.rows, self.sizes, self.axes = [*rows, *others, *training], (len(rows), len(others)), axes
        groups += [name] * len(others) + [TRAINING] * len(training)
        nodes = plots.scatter_chart(self.rows, groups, {TRAINING: TRAINING_LOOK, name: REFERENCE_LOOK, **looks}, axes,
                                    title, title)
        self._keep(nodes)
        return self.chart

    def mark(self, number: int | None) -> None:
        """Puts a cross on a member of the cohort, and takes the last one away."""
        if self.chart is None or number == self._marked:
            return
        self._marked = number
        chart, before = self.nodes[-1], [node for node in self.nodes[:-1] if node.GetAttribute(MARK) == "shown"]
        self.nodes = [node for node in self.nodes if node not in before]
        for node in before:
            if node.IsA("vtkMRMLPlotSeriesNode"):
                chart.RemovePlotSeriesNodeID(node.GetID())
        cohorts.remove_nodes(before)
        row = self.rows[number] if number is not None and 0 <= number < self.sizes[0] else {}
        values = [row.get(axis) for axis in self.axes]
        across, up = (value if isinstance(value, (int, float)) else None for value in values)
        if across is not None and up is not None:
            made = plots.mark_point(self.nodes, str(row.get("map", "")), (float(across), float(up)))
            self._keep(made, "shown", [node for node in made if node not in self.nodes])

    def clear(self) -> None:
        """Removes the plot from the scene, also one that came with a saved scene."""
        classes = ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode")
        found = [node for kind in classes for node in slicer.util.getNodesByClass(kind)]
        cohorts.remove_nodes([node for node in found if node.GetAttribute(MARK)])
        self.nodes, self.rows, self.sizes, self._marked = [], [], (0, 0), None

    def point_of(self, series_ids: Sequence[str], selected: Sequence[Sequence[int]]) -> Point | None:
        """Which member a selection of the plot view means: the first one that is no training heart; None for none.

        series_ids, selected: as qMRMLPlotView::dataSelected gives them: series, and numbers of their points.
        """
        own = {node.GetID() for node in self.nodes if node.GetAttribute(MARK) == "points"}
        for identifier, points in zip(series_ids, selected, strict=False):
            for number in points if identifier in own else ():
                if 0 <= number < self.sizes[0]:
                    return "cohort", int(number)
                if self.sizes[0] <= number < sum(self.sizes):
                    return "reference", int(number) - self.sizes[0]
        return None

    def _keep(self, nodes: Sequence[Any], role: str = "points", fresh: Sequence[Any] | None = None) -> None:
        self.nodes = list(nodes)
        for node in nodes if fresh is None else fresh:
            node.SetAttribute(MARK, role)
            cohorts.file_away(node)


def training_rows(support: Any) -> list[dict[str, Any]]:
    """The measurements of the hearts that a model was trained on, as rows; they have no names."""
    if support is None:
        return []
    titles = [key.title for key in support.keys]
    return [dict(zip(titles, (float(value) for value in row), strict=True)) for row in support.rows]
