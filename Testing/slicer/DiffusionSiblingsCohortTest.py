"""The section Cohort with its real widgets and the real worker, on folders of hearts and on siblings of the scene.

Run by slicer_add_python_unittest in Slicer, with the module's other test cases, and by a headless harness.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
import vtk
from module_case import ModuleCase

LONGEST_BLOCK_S = 0.25  # the bar is 0.1 s, in Slicer; of this thread's own time, as other programs take theirs
LEFT, RIGHT = "LV volume [ml]", "RV volume [ml]"


class DiffusionSiblingsCohortTest(ModuleCase):
    """Presses what a user presses."""

    def setUp(self) -> None:
        """The module open, with the section Cohort unfolded, and two folders of hearts."""
        super().setUp()
        self.part = self.panel.panels["cohort"]
        self.form, self.rows = self.part.ui, self.part.ui.memberTable
        self.panel.ui.cohortSection.collapsed = False
        self.folder = Path(tempfile.mkdtemp())
        self.write_hearts("reference", (0.92, 0.96, 1.0, 1.04, 1.08))
        self.write_hearts("cohort", (0.98, 1.0, 1.02, 1.05))
        self.turn()

    def tearDown(self) -> None:
        """The layout as it was, nothing on disk."""
        self.form.plotButton.checked = self.form.trainingCheck.checked = False
        self.form.outPath.setCurrentPath("")
        super().tearDown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_hearts(self, name: str, scales: tuple[float, ...]) -> None:
        """The sample twin in several sizes, as Slicer saves segmentations."""
        folder = self.folder / name
        folder.mkdir()
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "copy")
        for number, scale in enumerate(scales):
            node.GetSegmentation().DeepCopy(self.twin.GetSegmentation())
            transform = vtk.vtkTransform()
            transform.Scale(scale, scale, scale)
            node.ApplyTransform(transform)
            self.assertTrue(slicer.util.saveNode(node, str(folder / f"heart {number + 1}.seg.nrrd")))
        slicer.mrmlScene.RemoveNode(node)

    def open(self, name: str, side: str = "cohort") -> Any:
        """Opens one of the folders -> the cohort."""
        self.part._ask_folder = lambda _: str(self.folder / name)  # in place of the file dialog
        button = self.form.openButton if side == "cohort" else self.form.openReferenceButton
        button.click()
        self.to_end()
        return getattr(self.part, side)

    def to_end(self) -> None:
        """Waits for what a button has begun; it must end well."""
        operation = self.context.operation
        self.turn(lambda: operation.finished)
        self.assertEqual(operation.state, "done", getattr(operation.error, "message", str)())
        self.turn()

    def look_at(self, row: int) -> Any:
        """Chooses a row -> the segmentation that is shown then."""
        self.rows.selectRow(row)
        self.turn(lambda: self.part._work is None)
        from DiffusionSiblingsUI.cohorts import cohorts

        (node,) = cohorts.members_shown()
        return node

    def heads(self) -> list[str]:
        return [self.rows.horizontalHeaderItem(n).text() for n in range(self.rows.columnCount)]

    def click(self, series: str, point: int) -> None:
        """A click on a point, as a plot view tells it."""
        node = next(n for n in self.part.plot.nodes if n.GetName() == series)
        ids, selections, points = vtk.vtkStringArray(), vtk.vtkCollection(), vtk.vtkIdTypeArray()
        ids.InsertNextValue(node.GetID())
        points.InsertNextValue(point)
        selections.AddItem(points)
        self.part._on_points(ids, selections)
        self.turn(lambda: self.part._work is None)

    def test_an_empty_scene_invites_to_open_a_folder(self) -> None:
        self.assertEqual(self.rows.visible, False)
        self.assertTrue(self.form.openButton.enabled)
        self.assertEqual(self.form.cohortCombo.count, 0)

    def test_a_row_brings_its_heart_and_the_next_takes_its_place(self) -> None:
        self.open("cohort")
        self.assertEqual(self.rows.rowCount, 4)
        self.assertIn("4 hearts", self.form.summaryLabel.text)
        self.assertEqual(self.heads()[1:3], [LEFT, RIGHT])
        first = self.look_at(0)
        self.assertTrue(first.GetDisplayNode().GetVisibility())
        self.assertTrue((self.labels(first) > 0).any())
        second = self.look_at(3)
        self.assertIsNone(first.GetScene())
        self.form.keepButton.click()
        self.turn()
        self.assertFalse(self.form.keepButton.enabled)
        self.look_at(1)
        self.assertIsNotNone(second.GetScene())

    def test_the_report_of_a_cohort_answers_a_question_and_is_not_written_twice(self) -> None:
        self.open("cohort")
        self.form.outPath.setCurrentPath(str(self.folder / "report"))
        self.assertEqual((self.form.questionEdit.visible, self.form.useEdit.visible), (True, True))
        self.form.questionEdit.setText("Does the ring fit?")
        self.form.useEdit.setText("sizes of a prototype")
        opened: list[Path] = []
        self.part.comparison.open_page = opened.append  # in place of the user's browser
        for times in (1, 2):
            self.form.reportButton.click()
            self.turn(lambda times=times: len(opened) == times)
        written = opened[0].stat().st_mtime_ns
        for words in ("Does the ring fit?", "sizes of a prototype"):
            self.assertIn(words, opened[0].read_text(encoding="utf-8"))
        self.form.useEdit.setText("")
        self.form.reportButton.click()
        self.turn(lambda: len(opened) == 3)
        self.assertEqual(opened, opened[:1] * 3)
        self.assertGreater(opened[0].stat().st_mtime_ns, written)

    def test_a_column_is_sorted_and_other_measurements_are_chosen(self) -> None:
        self.open("cohort")
        self.part.table.sort(1)
        self.part.table.sort(1)
        self.turn()
        self.assertEqual([self.rows.item(n, 0).text() for n in range(4)], [f"heart {n}" for n in (4, 3, 2, 1)])
        node = self.look_at(0)
        self.assertIn("heart 4", node.GetName())
        self.form.upCombo.setCurrentIndex(self.form.upCombo.findText("Ao volume [ml]"))
        self.turn()
        self.assertEqual(self.heads()[2], "Ao volume [ml]")
        self.assertEqual(self.context.parameters.up, "Ao volume [ml]")

    def test_a_click_in_the_plot_shows_that_heart(self) -> None:
        self.open("reference", "reference")
        self.form.cohortCombo.setCurrentIndex(self.form.cohortCombo.findText("reference"))
        self.open("cohort")
        self.open("reference", "reference")
        self.form.trainingCheck.checked = True
        self.form.plotButton.click()
        self.turn()
        self.assertEqual(self.part.plot.sizes, (4, 5))
        self.click("cohort", 2)
        self.assertEqual(self.rows.currentRow(), 2)
        from DiffusionSiblingsUI.cohorts import cohorts

        self.assertIn("heart 3", cohorts.members_shown()[0].GetName())
        self.assertTrue(any(node.GetName() == "shown" for node in self.part.plot.nodes))
        chart = self.part.plot.chart
        self.form.upCombo.setCurrentIndex(self.form.upCombo.findText("LA volume [ml]"))
        self.turn()
        self.assertIsNone(chart.GetScene())
        self.assertEqual(self.part.plot.chart.GetYAxisTitle(), "LA volume [ml]")

    def test_two_cohorts_are_compared_while_slicer_stays_usable(self) -> None:
        self.open("cohort")
        self.open("reference", "reference")
        self.form.outPath.setCurrentPath(str(self.folder / "report"))
        opened: list[Path] = []
        self.part.comparison.open_page = opened.append  # in place of the user's browser
        gaps, last = [0.0], [time.thread_time()]

        def tick() -> None:
            gaps.append(time.thread_time() - last[0])
            last[0] = time.thread_time()

        timer = qt.QTimer()
        timer.setInterval(10)
        timer.connect("timeout()", tick)
        timer.start()
        self.form.questionEdit.setText("Does the ring fit?")  # and no Enter: the button takes it
        self.form.compareButton.click()
        operation = self.context.operation
        self.turn(lambda: operation.finished)
        timer.stop()
        self.assertEqual(operation.state, "done", getattr(operation.error, "message", str)())
        self.assertLess(max(gaps), LONGEST_BLOCK_S)
        self.turn()
        names = [self.form.figureTable.item(n, 0).text() for n in range(self.form.figureTable.rowCount)]
        self.assertIn("precision", names)
        self.assertIn("1-NNA-CD [%]", names)
        self.form.reportButton.click()
        self.assertEqual([path.parent for path in opened], [self.folder / "report"])
        self.assertIn("Does the ring fit?", opened[0].read_text(encoding="utf-8"))
        self.assertEqual(self.context.parameters.question, "Does the ring fit?")
        self.assertEqual(self.form.useEdit.visible, False)
        self.form.differenceButton.click()
        self.turn()
        results = self.part.comparison.results
        values = slicer.util.arrayFromVolume(results.volume)
        self.assertTrue(np.abs(values).max() > 0.1 and np.isfinite(values).all())
        self.form.tissueCombo.setCurrentIndex(self.form.tissueCombo.findText("Left ventricle"))
        self.turn()
        self.assertEqual(results.volume.GetAttribute("DiffusionSiblings.Tissue"), "LV")
        self.form.differenceButton.click()
        self.assertEqual((self.form.outdatedLabel.visible, self.form.compareButton.text), (False, "Compare"))
        os.utime(self.folder / "cohort" / "heart 2.seg.nrrd", (1.0, 1.0))  # somebody has written it again
        self.context.session.memory.fingerprints.forget_folders()
        self.part.refresh()
        self.assertIn("4 hearts were compared with 5, and the cohorts have changed", self.form.outdatedLabel.text)
        self.assertEqual((self.form.outdatedLabel.visible, self.form.compareButton.text), (True, "Compare again"))
        self.assertEqual(self.form.figureTable.visible, True)

    def test_the_difference_of_one_comparison_is_never_shown_beside_another(self) -> None:
        hearts = self.open("cohort").id, self.open("reference", "reference").id
        for sides in (hearts, hearts[::-1]):
            self.context.parameters.cohort, self.context.parameters.reference = sides
            self.turn()
            self.form.outPath.setCurrentPath(str(self.folder / f"report {sides[0]}"))
            self.form.emdCheck.checked = False
            self.form.compareButton.click()
            self.to_end()
        composite = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")  # a slice view's
        before, second = composite.GetForegroundVolumeID(), self.part.comparison.results
        self.form.differenceButton.click()
        self.turn()
        self.assertEqual(composite.GetForegroundVolumeID(), second.volume.GetID())
        self.context.parameters.cohort, self.context.parameters.reference = hearts
        self.turn()
        first = self.part.comparison.results
        self.assertNotEqual(first.node.GetID(), second.node.GetID())
        self.assertFalse(self.form.differenceButton.checked)
        self.assertEqual(composite.GetForegroundVolumeID(), before)
        self.form.differenceButton.click()
        self.form.tissueCombo.setCurrentIndex(self.form.tissueCombo.findText("Left ventricle"))
        self.turn()
        self.assertEqual(composite.GetForegroundVolumeID(), first.volume.GetID())
        self.form.differenceButton.click()
        slicer.mrmlScene.RemoveNode(composite)

    def test_siblings_of_the_scene_are_a_cohort_and_a_row_chooses_the_sibling(self) -> None:
        self.ui.countBox.setValue(2)
        run = self.run_to_end()
        self.assertEqual(self.rows.rowCount, 2)
        self.rows.selectRow(1)
        self.turn()
        self.assertEqual((self.context.parameters.run, self.context.parameters.sibling), (run.id, 1))
        self.assertTrue(run.siblings[1].GetDisplayNode().GetVisibility())
        self.context.parameters.cohort = run.id
        self.ui.countBox.setValue(1)
        self.run_to_end()  # another run is shown now: no row of the first is marked, and each can be chosen again
        self.assertEqual(self.rows.rowCount, 2)
        self.rows.selectRow(1)
        self.turn()
        self.assertEqual((self.context.parameters.run, self.context.parameters.sibling), (run.id, 1))

    def test_a_saved_scene_comes_back_with_its_cohort(self) -> None:
        self.open("cohort")
        path = str(self.folder / "scene.mrb")
        self.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear()
        self.turn()
        self.assertIsNone(self.part.cohort)
        slicer.util.loadScene(path)
        self.turn()
        self.assertEqual(self.part.cohort.title, "cohort")
        self.assertIn("heart 2", self.look_at(1).GetName())


def run_all() -> None:
    """All test cases of this file. Raises AssertionError if one fails."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(DiffusionSiblingsCohortTest)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        failed = ", ".join(str(case).split()[0] for case, _ in (*result.failures, *result.errors))
        raise AssertionError(f"failed: {failed}")
