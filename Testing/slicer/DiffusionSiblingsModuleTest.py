"""The module's panel with its real widgets, the real worker and the shipped weights, on the sample twin.

Run by slicer_add_python_unittest in Slicer, by Reload and Test in developer mode, and by a headless harness.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import qt
import slicer
from module_case import ModuleCase

LONGEST_BLOCK_S = 0.25  # the bar is 0.1 s (Testing/benchmarks/slicer_run.py); of this thread's own time


class DiffusionSiblingsModuleTest(ModuleCase):
    """Presses what a user presses."""

    def test_the_sample_is_taken_as_twin_and_its_tissues_are_found(self) -> None:
        self.assertIs(self.context.twin, self.twin)
        self.assertEqual(set(self.context.tissue_of.values()), set(self.context.anatomy.ids))
        self.assertEqual(list(self.panel.panels), ["twin", "edit", "guide", "siblings", "metrics", "cohort", "model"])
        self.assertTrue(self.ui.runButton.enabled)

    def test_the_panel_opens_with_run_in_sight_and_the_rest_folded(self) -> None:
        from DiffusionSiblingsUI.widget import ModulePanel

        fresh = ModulePanel(self.context.logic, self.module.resourcePath)  # in that of other cases sections were opened
        folded = {name: getattr(fresh.ui, f"{name}Section").collapsed for name in fresh.panels}
        fresh.cleanup()
        self.assertEqual([name for name, is_folded in folded.items() if not is_folded], ["twin", "edit"])

    def test_the_sample_is_loaded_with_a_button(self) -> None:
        slicer.mrmlScene.RemoveNode(self.twin)
        self.turn()
        self.assertIn("Sample", self.panel.panels["twin"].ui.messageLabel.text)
        self.panel.panels["twin"].ui.sampleButton.click()
        self.turn()
        self.assertEqual(self.context.twin.GetName(), "Synthetic heart")
        self.assertTrue(self.ui.runButton.enabled, self.ui.reasonLabel.text)

    def test_acceptance_checks_are_offered_and_kept_with_the_scene(self) -> None:
        self.assertEqual(self.ui.acceptanceBox.title, "Acceptance checks")
        self.ui.acceptanceBox.collapsed = False
        for name in ("hollows", "thin-walls"):
            self.edit._check_boxes[name].click()
        self.ui.wallBox.setValue(1.5)
        self.ui.mostBox.setValue(3)
        self.turn()
        self.assertEqual(self.ui.acceptanceBox.title, "Acceptance checks (2)")
        from DiffusionSiblingsUI.runs.edit_request import task_of

        making = task_of(self.context).making
        self.assertEqual((making.gate, making.limit), ("hollows,thin-walls:1.5", 3))
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            self.turn()
            self.assertFalse(self.edit._check_boxes["hollows"].checked)
            slicer.util.loadScene(path)
            self.turn()
        self.assertTrue(self.edit._check_boxes["hollows"].checked)
        self.assertEqual((self.ui.wallBox.value, self.ui.mostBox.value), (1.5, 3))

    def test_a_stopped_run_is_continued_in_its_folder(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.ui.advancedBox.collapsed = False
            self.turn()
            self.assertFalse(self.ui.resumeCheck.enabled)
            self.ui.folderPath.currentPath = str(Path(folder) / "run")
            self.ui.countBox.setValue(3)
            self.turn()
            self.assertTrue(self.ui.resumeCheck.enabled)
            operation = self.press_run()
            self.turn(lambda: (Path(folder) / "run" / "record.json").exists()
                      and list((Path(folder) / "run").glob("sibling_*")) != [])
            self.ui.cancelButton.click()
            self.turn(lambda: not self.context.session.client.busy, 5.0)
            self.assertEqual(operation.state, "cancelled")
            self.assertIn("Continue an unfinished run", self.ui.noticeLabel.text)
            made = {path.name: path.stat().st_mtime_ns for path in (Path(folder) / "run").glob("sibling_0000*")}
            self.ui.resumeCheck.setChecked(True)
            run = self.run_to_end()
            self.assertEqual(len(run.siblings), 3)
            self.assertEqual({path.name: path.stat().st_mtime_ns
                              for path in (Path(folder) / "run").glob("sibling_0000*")}, made)
            self.assertIn("The files are in", self.ui.noticeLabel.text)

    def test_a_twin_that_changed_after_a_run_is_not_outlined_over_its_siblings(self) -> None:
        from DiffusionSiblingsUI.scene import comparison_view

        self.run_to_end()
        siblings = self.panel.panels["siblings"]
        self.assertTrue(comparison_view.is_compared(self.twin))
        segment_id = self.twin.GetSegmentation().GetNthSegmentID(2)
        array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(self.twin, segment_id)
        image = self.twin.GetSegmentation().GetSegment(segment_id).GetRepresentation("Binary labelmap")
        place = tuple(np.argwhere(array == 3)[0])
        array[place] = 0
        image.Modified()
        self.context.changed()
        self.turn(lambda: siblings._changed)
        self.assertFalse(comparison_view.is_compared(self.twin) or siblings.ui.outlineCheck.enabled)
        self.assertIn("has changed since", siblings.ui.changedLabel.text)
        array[place] = 3
        image.Modified()
        self.context.changed()
        self.turn(lambda: not siblings._changed)
        self.assertTrue(comparison_view.is_compared(self.twin))

    def test_a_twin_without_an_image_is_given_one_for_the_segment_editor(self) -> None:
        button = self.panel.panels["twin"].ui.imageButton
        self.assertEqual(button.visible, self.panel.widget.visible)
        before = self.labels(self.twin)
        editor = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        editor.SetAndObserveSegmentationNode(self.twin)
        button.click()
        self.turn()
        self.assertFalse(button.visible)
        self.assertIsNotNone(editor.GetSourceVolumeNode())
        self.assertTrue(np.array_equal(self.labels(self.twin), before))
        slicer.mrmlScene.RemoveNode(editor.GetSourceVolumeNode())
        self.turn()
        self.assertEqual(button.visible, self.panel.widget.visible)

    def test_a_tissue_that_was_not_found_is_mapped_by_hand(self) -> None:
        segmentation = self.twin.GetSegmentation()
        segment_id = segmentation.GetNthSegmentID(2)
        tissue = self.context.tissue_of[segment_id]
        segmentation.GetSegment(segment_id).RemoveTag("TerminologyEntry")
        segmentation.GetSegment(segment_id).SetName("thing")
        self.turn()
        self.context.changed()
        self.assertFalse(self.ui.runButton.enabled)
        self.assertIn(self.context.anatomy.tissue(tissue).name.lower(), self.ui.reasonLabel.text)
        table = self.panel.panels["twin"].ui.tissueTable
        names = [table.item(row, 0).text() for row in range(table.rowCount)]
        box = table.cellWidget(names.index("thing"), 1)
        self.assertEqual(box.currentIndex, 0)
        self.panel.panels["twin"]._on_tissue_chosen(segment_id, tissue)  # Qt lets no script choose as a user does
        self.turn()
        self.assertEqual(box.currentIndex, self.context.anatomy.ids.index(tissue) + 1)
        self.assertEqual(self.context.tissue_of[segment_id], tissue)
        self.assertTrue(self.ui.runButton.enabled)

    def test_perturb_makes_siblings_while_slicer_stays_usable(self) -> None:
        self.ui.countBox.setValue(2)
        self.ui.ratioSlider.setValue(0.3)
        self.turn()
        self.assertIn("shape", self.ui.scaleWords.text)
        gaps, last, shown = [], [time.thread_time()], set()

        def tick() -> None:
            now = time.thread_time()
            gaps.append(now - last[0])
            last[0] = now
            shown.add(self.ui.progressLabel.text)

        timer = qt.QTimer()
        timer.setInterval(10)
        timer.connect("timeout()", tick)
        timer.start()
        run = self.run_to_end()
        timer.stop()
        self.assertEqual(len(run.siblings), 2)
        self.assertLess(max(gaps), LONGEST_BLOCK_S)
        self.assertTrue(any("sibling 2 of 2" in words for words in shown), shown)
        self.assertIn("2 siblings in", self.ui.noticeLabel.text)
        self.assertFalse(self.panel.ui.siblingsSection.collapsed or self.panel.ui.metricsSection.collapsed)
        self.assertFalse((self.labels(run.siblings[0]) == self.labels(self.twin)).all())
        self.assertEqual(self.context.parameters.run, run.id)
        self.assertEqual(self.panel.panels["metrics"].ui.metricsTable.rowCount, 3)

    def test_cancel_leaves_the_scene_as_it_was(self) -> None:
        before = self.nodes()
        self.ui.countBox.setValue(3)
        operation = self.press_run()
        self.turn(lambda: operation.progress > 0.1)
        self.assertTrue(self.ui.cancelButton.enabled and not self.ui.runButton.enabled)
        began = time.monotonic()
        self.ui.cancelButton.click()
        self.turn(lambda: not self.context.session.client.busy, 2.0)
        self.assertLess(time.monotonic() - began, 1.5)
        self.assertEqual(operation.state, "cancelled")
        self.assertEqual(self.nodes(), before)
        self.assertIn("as it was", self.ui.noticeLabel.text)
        self.run_to_end()

    def test_inpaint_in_a_box_changes_nothing_outside_it(self) -> None:
        from DiffusionSiblingsUI.scene import bridge

        from DiffusionSiblingsLib.core.steps import exhaust

        self.ui.inpaintButton.click()
        self.ui.regionCombo.setCurrentIndex(1)
        self.turn()
        self.assertFalse(self.ui.runButton.enabled)
        self.ui.newBoxButton.click()
        self.turn()
        self.assertTrue(self.ui.runButton.enabled, self.ui.reasonLabel.text)
        roi = self.context.parameters.roi
        self.assertIs(self.ui.roiSelector.currentNode(), roi)
        run = self.run_to_end()
        bridged = bridge.read_segmentation(self.twin)
        changed = self.labels(run.siblings[0]) != bridged.labelmap.labels
        self.assertTrue(changed.any())
        self.assertFalse((changed & ~exhaust(bridge.masking(bridged, roi=roi))).any())

    def test_inpaint_by_tissue_and_by_painted_segment(self) -> None:
        self.ui.inpaintButton.click()
        for box in self.edit._tissue_boxes.values():
            box.setChecked(False)
        self.turn()
        self.assertIn("Tick", self.ui.reasonLabel.text)
        self.edit._tissue_boxes["RV"].setChecked(True)
        self.turn()
        self.assertEqual(self.context.parameters.tissues, "RV")
        self.ui.regionCombo.setCurrentIndex(2)
        self.ui.segmentSelector.setCurrentNode(self.twin)
        segment_id = self.twin.GetSegmentation().GetNthSegmentID(3)
        self.ui.segmentSelector.setCurrentSegmentID(segment_id)
        self.turn()
        self.assertEqual(self.context.parameters.region_segment, segment_id)
        before = self.labels(self.twin)
        changed = self.labels(self.run_to_end().siblings[0]) != before
        self.assertTrue(changed.any() and not (changed & (before != 4)).any())

    def test_generate_needs_no_twin(self) -> None:
        self.context.parameters.twin = None
        self.turn()
        self.assertFalse(self.ui.runButton.enabled)
        self.ui.generateButton.click()
        run = self.run_to_end()
        self.assertIsNone(run.twin_node)

    def test_the_same_seed_gives_the_same_sibling_and_a_new_one_another(self) -> None:
        first, again = (self.labels(self.run_to_end().siblings[0]) for _ in range(2))
        self.assertTrue(np.array_equal(first, again))
        self.ui.newSeedButton.click()
        self.turn()
        self.assertNotEqual(self.context.parameters.seed, 0)
        self.assertEqual(self.ui.seedBox.value, self.context.parameters.seed)
        self.assertFalse(np.array_equal(first, self.labels(self.run_to_end().siblings[0])))

    def test_the_metrics_are_exported_and_a_replay_is_identical(self) -> None:
        run = self.run_to_end()
        metrics = self.panel.panels["metrics"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "metrics.csv"
            metrics._ask_path = lambda *_: str(path)  # in place of the file dialog
            metrics.ui.exportButton.click()
            lines = path.read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertTrue(lines[0].startswith("map,"))
        self.assertEqual(metrics.ui.metricsTable.horizontalHeaderItem(0).text(), "Sibling")
        self.assertIn("LV volume [ml]", lines[0])
        metrics.ui.replayButton.click()
        operation = self.context.operation
        self.turn(lambda: operation.finished)
        self.assertEqual([row["verdict"] for row in operation.result], ["identical"])
        self.assertEqual(run.twin_node, self.twin)

    def test_measures_are_drawn_for_the_selected_heart_and_go_with_the_switch(self) -> None:
        self.ui.countBox.setValue(2)
        run = self.run_to_end()
        metrics, tree = self.panel.panels["metrics"], slicer.mrmlScene.GetSubjectHierarchyNode()
        part, before = metrics.measures, self.nodes()
        self.assertFalse(part.check.checked)
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLModelNode"), [])

        def drawn() -> tuple[str, int, float]:
            """The name of the folder, its nodes, and the area of the mitral annulus in its ring's name."""
            self.turn(lambda: part._work is None)
            rings = [node for node in slicer.util.getNodesByClass("vtkMRMLModelNode")
                     if node.GetName().startswith("mitral annulus ") and "mm²" in node.GetName()]
            self.assertEqual(len(rings), 1, metrics.ui.messageLabel.text)
            item = tree.GetItemParent(tree.GetItemByDataNode(rings[0]))
            return tree.GetItemName(item), len(self.nodes() - before), float(rings[0].GetName().split()[2])

        part.check.setChecked(True)
        first = drawn()
        self.assertEqual(first[0], f"Measures of {run.siblings[0].GetName()}")
        metrics.ui.metricsTable.selectRow(2)
        second = drawn()
        self.assertEqual(second[0], f"Measures of {run.siblings[1].GetName()}")
        metrics.ui.metricsTable.selectRow(0)
        twin = drawn()
        self.assertEqual(twin[0], f"Measures of {self.twin.GetName()}")
        self.assertEqual(metrics.ui.metricsTable.currentRow(), 0)
        self.assertEqual(len({first[1], second[1], twin[1]}), 1, "nodes of another heart are left")
        rows = run.rows()
        for found, name in ((first, "sibling_0000"), (second, "sibling_0001"), (twin, "twin")):
            self.assertAlmostEqual(found[2], rows[name]["mitral annulus area [mm^2]"], delta=0.51)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            part.check.setChecked(False)
            self.turn()
            self.assertEqual([name for name in self.nodes() - before if "Storage" not in name], [])
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
            self.turn()
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLModelNode"), [])

    def test_a_worker_that_dies_ends_in_a_message_and_the_next_run_works(self) -> None:
        before = self.nodes()
        operation = self.press_run()
        self.turn(lambda: operation.progress > 0.1)
        os.kill(self.context.session.client.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.turn(lambda: operation.finished, 10.0)
        self.assertEqual(operation.state, "failed")
        self.assertIn("What to do", self.ui.noticeLabel.text)
        self.assertTrue(self.ui.logButton.visible or not self.panel.widget.visible)
        self.assertEqual(self.nodes(), before)
        self.run_to_end()

    def test_closing_the_scene_ends_the_run(self) -> None:
        operation = self.press_run()
        self.turn(lambda: operation.progress > 0.05)
        slicer.mrmlScene.Clear()
        self.turn()
        self.assertEqual(operation.state, "cancelled")
        self.assertIsNotNone(self.context.parameters)
        self.assertIsNone(self.context.twin)

    def test_a_saved_scene_comes_back_with_its_runs_and_choices(self) -> None:
        self.ui.ratioSlider.setValue(0.25)
        run = self.run_to_end()
        before, record = self.labels(run.siblings[0]), run.record
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            self.turn()
            self.assertEqual(self.panel.panels["siblings"].ui.runCombo.count, 0)
            slicer.util.loadScene(path)
            self.turn()
        from DiffusionSiblingsUI.scene.runs import find_runs

        loaded = find_runs()[0]
        self.assertEqual(loaded.record, record)
        self.assertTrue(np.array_equal(self.labels(loaded.siblings[0]), before))
        self.assertIs(self.context.twin, loaded.twin_node)
        self.assertAlmostEqual(self.ui.ratioSlider.value, 0.25)
        self.assertEqual(self.panel.panels["siblings"].ui.runCombo.count, 1)

    def test_help_and_icon_are_there(self) -> None:
        module = slicer.modules.diffusionsiblings
        self.assertIn("not diffusion MRI", module.helpText)
        self.assertFalse(module.icon.isNull())


def run_all() -> None:
    """All test cases of this file. Raises AssertionError if one fails."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(DiffusionSiblingsModuleTest)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        failed = ", ".join(str(case).split()[0] for case, _ in (*result.failures, *result.errors))
        raise AssertionError(f"failed: {failed}")
