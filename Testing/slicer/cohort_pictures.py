"""The step of the tutorial with many hearts at once, and its pictures; part of `pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from offscreen import save, slice_picture
from picture_steps import GAP, WALL, fit, grab, turn, wait


def cohort(panel: Any, run: Any, folder: Path) -> None:
    """The section Cohort: the first run against hearts without a twin, and where they differ."""
    part, edit, context = panel.panels["cohort"], panel.panels["edit"].ui, panel.context
    for name in ("twin", "model", "edit", "siblings", "metrics"):
        getattr(panel.ui, f"{name}Section").collapsed = True
    panel.ui.cohortSection.collapsed = False
    edit.generateButton.click()
    edit.countBox.setValue(6)
    turn()
    edit.runButton.click()
    wait(lambda: context.operation.finished)
    assert context.operation.state == "done", context.operation.error
    hearts = context.operation.result
    turn()
    choose_in(part.ui.cohortCombo, run.id)
    choose_in(part.ui.referenceCombo, hearts.id)
    assert part.ui.memberTable.rowCount == 4 and part.ui.summaryLabel.text.startswith("4 hearts")
    part.ui.memberTable.selectRow(1)
    panel.panels["siblings"].ui.outlineCheck.setChecked(False)
    run.twin_node.GetDisplayNode().SetVisibility(False)
    turn()
    assert context.parameters.sibling == 1
    part.ui.trainingCheck.setChecked(True)
    part.ui.plotButton.click()
    turn()
    assert part.plot.sizes == (4, 6)
    with tempfile.TemporaryDirectory() as place:
        part.ui.outPath.setCurrentPath(place)
        part.ui.questionEdit.setText("Do siblings of one heart differ as hearts do?")
        part.ui.compareButton.click()
        operation = context.operation
        wait(lambda: operation.finished)
        assert operation.state == "done", operation.error
        turn()
        assert part.ui.figureTable.item(0, 0).text() == "precision"
        assert (Path(place) / "report.html").is_file()
        part.ui.outPath.setCurrentPath("/home/me/heart study")
        part.ui.differenceButton.click()
        part.ui.messageLabel.text = ""
        part.refresh()
        fit(panel.widget)
        grab(panel.ui.cohortSection, folder / "slicer-cohort.png")
        print(operation.result.comparison["figures"][0])
        save(difference_views(operation.result.volume), folder / "slicer-cohort-difference.png")
    part.ui.differenceButton.click()
    part.ui.plotButton.click()


def choose_in(combo: Any, data: str) -> None:
    """Chooses what stands for this."""
    combo.setCurrentIndex([str(combo.itemData(n)) for n in range(combo.count)].index(data))
    turn()


def difference_views(volume: Any, side: int = 420) -> np.ndarray:
    """Three slices through the middle of a difference, over the sibling that is shown."""
    from DiffusionSiblingsUI.cohorts.results import OPACITY

    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    middle = tuple((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3))
    wall = np.full((side, GAP, 3), WALL, np.uint8)
    image = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")  # the sample's
    axial, coronal, sagittal = (slice_picture(name, middle, size=(side, side), volume=image, over=volume,
                                              opacity=OPACITY)
                                for name in ("Axial", "Coronal", "Sagittal"))
    return np.hstack([axial, wall, coronal, wall, sagittal])
