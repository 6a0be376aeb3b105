"""A plot or a table beside the slice and 3D views, and the layout as it was before."""

from __future__ import annotations

from typing import Any

import slicer

from DiffusionSiblingsUI.scene import plots


class Beside:
    """Shows a chart or table node in the views' layout until it is told to leave."""

    def __init__(self) -> None:
        self._before: int | None = None

    def show(self, node: Any) -> None:
        """Shows a vtkMRMLPlotChartNode or a vtkMRMLTableNode; the layout gets a view for it if it has none."""
        manager = slicer.app.layoutManager()
        if manager is not None and self._before is None:
            self._before = manager.layout
        if node.IsA("vtkMRMLPlotChartNode"):
            plots.show_chart(node)
        else:
            _show_table(node)

    def leave(self) -> None:
        """Gives the user's layout back."""
        manager = slicer.app.layoutManager()
        if manager is not None and self._before is not None:
            manager.setLayout(self._before)
        self._before = None


def _show_table(node: Any) -> None:
    """Shows a table node in the layout's table view."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
    selection.SetActiveTableID(node.GetID())
    slicer.app.applicationLogic().PropagateTableSelection()
