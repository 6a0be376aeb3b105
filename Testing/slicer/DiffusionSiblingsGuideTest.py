"""The section Guide with its real widgets, the real worker and the shipped weights, on the sample twin.

Run by slicer_add_python_unittest in Slicer, with the module's other test cases, and by a headless harness.
"""

from __future__ import annotations

import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from module_case import ModuleCase

STEPS = 12  # solver steps: enough to reach targets
LIVE_S = 0.2  # from the movement of a markup to its value in the table
SLOWER = 2.0  # times that a busy test machine may take longer
DOMAIN, TWIN, TARGET, TOLERANCE, ACHIEVED = 1, 4, 5, 6, 7  # columns


class DiffusionSiblingsGuideTest(ModuleCase):
    """Presses what a user presses."""

    def setUp(self) -> None:
        """The module open, with the section Guide unfolded."""
        super().setUp()
        self.guide = self.panel.panels["guide"]
        self.gui, self.cells = self.guide.ui, self.guide.ui.guideTable
        self.panel.ui.guideSection.collapsed = False
        self.context.parameters.steps = STEPS
        self.turn()

    def text(self, row: int, column: int) -> str:
        return str(self.cells.item(row, column).text())

    def number(self, row: int, column: int) -> float:
        """The number in a cell, without its unit."""
        return float(self.text(row, column).split()[0])

    def menu(self, button: Any) -> dict[str, Any]:
        """What a button offers: words -> action."""
        return {str(action.text): action for action in button.menu().actions() if str(action.text)}

    def box_around(self, name: str) -> Any:
        """Chooses a box around a tissue under From segment, Fixed in place -> its markup."""
        fixed = self.menu(self.gui.segmentButton)["Fixed in place"].menu()
        next(action for action in fixed.actions() if str(action.text) == f"Box around {name}").trigger()
        self.turn(lambda: self.cells.rowCount > 0 and self.text(self.cells.rowCount - 1, TWIN) not in ("...", "?"))
        return self.guide.table.rows[-1].node

    def test_a_box_is_made_with_one_click_and_follows_the_markup(self) -> None:
        self.assertFalse(self.context.parameters.guide)
        roi = self.box_around("Right ventricle")
        self.assertTrue(self.context.parameters.guide and self.gui.guideCheck.checked)
        self.assertTrue(roi.GetDisplayNode().GetHandlesInteractive())
        self.assertEqual([self.text(0, column) for column in (1, 2, 3, 5, 6)],
                         ["RV (fixed)", "RV", "Volume", "keep", "1 %"])
        whole, center = self.number(0, TWIN), np.array(roi.GetCenter())
        slowest = 0.0
        for step in range(1, 4):
            before, began = self.text(0, TWIN), time.thread_time()
            roi.SetCenter(center[0] + 20.0 * step, center[1], center[2])
            self.turn(lambda before=before: self.text(0, TWIN) != before, 5.0)
            slowest = max(slowest, time.thread_time() - began)
        self.assertLess(slowest, LIVE_S * SLOWER)
        self.assertLess(self.number(0, TWIN), whole)
        roi.SetCenter(*center)
        self.turn(lambda: self.number(0, TWIN) == whole, 5.0)

    def test_a_segment_is_asked_for_wherever_it_is(self) -> None:
        menu = self.menu(self.gui.segmentButton)
        menu["Volume of Right ventricle"].trigger()
        menu["Area of mitral annulus"].trigger()
        self.turn()
        self.assertEqual(self.gui.wantsEdit.text, "RV volume=same, mitral annulus area=same")
        self.assertTrue(self.context.parameters.guide and self.cells.rowCount == 0)

    def test_painting_in_the_twin_changes_the_live_value(self) -> None:
        self.box_around("Left ventricle")
        segmentation = self.twin.GetSegmentation()
        identifier = next(i for i, tissue in self.context.tissue_of.items() if tissue == "LV")
        segment = segmentation.GetSegment(identifier)
        labels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(self.twin, identifier)
        whole = self.number(0, TWIN)
        mine = np.argwhere(labels == segment.GetLabelValue())
        labels[tuple(mine[: len(mine) // 2].T)] = 0
        segment.GetRepresentation("Binary labelmap").Modified()  # as the effects of the Segment Editor do
        self.turn(lambda: self.number(0, TWIN) < 0.9 * whole, 10.0)

    def test_what_is_typed_becomes_the_target_or_is_refused(self) -> None:
        self.box_around("Right ventricle")
        self.cells.item(0, TARGET).setText("+ 20 percent")
        self.turn()
        self.assertEqual(self.text(0, TARGET), "keep")
        self.assertIn("cannot be read", self.gui.messageLabel.text)
        self.cells.item(0, TARGET).setText("+20 %")
        self.cells.item(0, TOLERANCE).setText("2")
        self.turn()
        self.assertEqual((self.text(0, TARGET), self.text(0, TOLERANCE)), ("+20 %", "2 %"))
        self.assertFalse(self.gui.messageLabel.text)
        self.assertIn("Target: ", self.cells.item(0, TARGET).toolTip())
        self.assertIn("Guided by 1 target", self.ui.editWords.text)

    def test_presets_drawing_and_more_quantities(self) -> None:
        presets = self.menu(self.gui.presetButton)
        next(action for words, action in presets.items() if words.startswith("Myo wall:")).trigger()
        self.turn()
        self.assertEqual((self.gui.wantsEdit.text, self.cells.rowCount), ("LV wall median thickness=+20%", 0))
        self.assertTrue(self.context.parameters.guide and self.ui.runButton.enabled)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "control.json")
            self.guide.save(path)
            self.assertIn("Saved", self.gui.messageLabel.text)
            self.gui.wantsEdit.text = ""
            self.context.parameters.wants = ""
            self.guide.open(path)
        self.assertEqual((self.gui.wantsEdit.text, self.cells.rowCount), ("LV wall median thickness=+20%", 0))
        self.context.parameters.wants = ""
        next(action for words, action in presets.items() if words.startswith("Aortic trunk fixed")).trigger()
        self.turn(lambda: self.cells.rowCount == 5)
        self.assertEqual(self.text(0, TARGET), "+20 %")
        self.menu(self.gui.askButton)["Centre"].trigger()
        self.turn()
        self.assertEqual(self.cells.rowCount, 6)
        self.menu(self.gui.drawButton)["Lines from a point"].trigger()
        self.turn()
        node = self.guide.table.selected.node
        self.assertIn("Place", self.ui.reasonLabel.text)
        self.assertFalse(self.ui.runButton.enabled)
        node.AddControlPointWorld(*self.twin.GetSegmentCenterRAS(self.twin.GetSegmentation().GetNthSegmentID(2)))
        self.turn(lambda: self.cells.rowCount == 10)
        self.gui.countBox.setValue(6)
        self.turn(lambda: self.cells.rowCount == 12)
        for _ in range(3):
            self.guide.table.select(self.guide.table.rows[-1].node)
            self.gui.removeButton.click()
            self.turn()
        self.assertLess(self.cells.rowCount, 6)

    def test_a_guided_run_shows_what_was_achieved_and_comes_back_with_the_scene(self) -> None:
        self.box_around("Right ventricle")
        self.cells.item(0, TARGET).setText("+20 %")
        self.gui.holdAllCheck.click()
        self.turn()
        self.assertIn("all other volumes held", self.ui.editWords.text)
        self.ui.ratioSlider.setValue(0.6)
        run = self.run_to_end()
        self.assertIn("targets were reached", self.ui.noticeLabel.text)
        asked = 1.2 * self.number(0, TWIN)
        self.assertAlmostEqual(self.number(0, ACHIEVED) / asked, 1.0, delta=0.015)
        self.assertEqual(self.cells.rowCount, 6)  # the five that were held stand below
        from DiffusionSiblingsUI.panels.metrics_panel import TARGETS

        metrics = self.panel.panels["metrics"].ui
        metrics.columnsCombo.setCurrentIndex(TARGETS)
        self.turn()
        heads = [metrics.metricsTable.horizontalHeaderItem(n).text() for n in range(metrics.metricsTable.columnCount)]
        self.assertIn("RV volume achieved [ml]", heads)
        self.assertNotIn("mass", " ".join(heads))
        column = heads.index("RV volume achieved [ml]")
        self.assertTrue(metrics.metricsTable.item(0, column).text().endswith("of the twin"))
        self.assertNotIn("twin", metrics.metricsTable.item(1, column).text())
        achieved, record = self.text(0, ACHIEVED), run.record
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            self.turn()
            self.assertEqual(self.cells.rowCount, 0)
            slicer.util.loadScene(path)
            self.turn()
        from DiffusionSiblingsUI.scene.runs import find_runs

        self.assertEqual(find_runs()[0].record, record)
        self.turn(lambda: self.text(0, TWIN) not in ("...", "?"))
        self.assertEqual((self.text(0, TARGET), self.text(0, ACHIEVED)), ("+20 %", achieved))
        self.assertTrue(self.context.parameters.guide and self.gui.holdAllCheck.checked)

    def test_a_control_is_saved_and_opened(self) -> None:
        self.box_around("Left atrium")
        self.cells.item(0, TARGET).setText("+10 %")
        self.turn()
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "control.json")
            self.guide.save(path)
            self.gui.removeButton.click()
            self.turn()
            self.assertEqual(self.cells.rowCount, 0)
            self.guide.open(path)
            self.turn(lambda: self.cells.rowCount == 1)
            self.assertEqual((self.text(0, DOMAIN), self.text(0, TARGET)), ("LA (fixed)", "+10 %"))
            Path(path).write_text("{}", encoding="utf-8")
            self.guide.open(path)
            self.turn()
            self.assertIn("cannot be read", self.gui.messageLabel.text)

    def test_a_guide_that_is_off_changes_nothing(self) -> None:
        before = self.labels(self.run_to_end().siblings[0])
        self.box_around("Right ventricle")
        self.cells.item(0, TARGET).setText("+30 %")
        self.gui.guideCheck.click()
        self.turn()
        self.assertIn("off", self.gui.messageLabel.text)
        self.assertTrue(np.array_equal(self.labels(self.run_to_end().siblings[0]), before))


def run_all() -> None:
    """All test cases of this file. Raises AssertionError if one fails."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(DiffusionSiblingsGuideTest)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        failed = ", ".join(str(case).split()[0] for case, _ in (*result.failures, *result.errors))
        raise AssertionError(f"failed: {failed}")
