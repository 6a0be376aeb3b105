"""Perturb, Inpaint and Guide in a real Segment Editor, with the real worker and weights, on the sample twin."""

from __future__ import annotations

import time
import unittest
import unittest.mock
from typing import Any

import numpy as np
import slicer
from module_case import skip_without_packages

STEPS = "4"  # solver steps: quality is not what is tested here
GUIDED_STEPS = "12"  # enough to be led somewhere
PATIENCE_S = 300.0
ROOM = 40  # voxels
# PySide6, which stands for PythonQt where there is no Slicer, loses a reference to None at every property that is set;
# before Python 3.12 the interpreter ends when none are left.
SPARE = [None] * 1_000_000


class DiffusionSiblingsEffectTest(unittest.TestCase):
    """Presses the buttons of the effects as a user does."""

    def setUp(self) -> None:
        """A Segment Editor on the sample twin."""
        from DiffusionSiblingsUI.effects.registration import register_effects
        from DiffusionSiblingsUI.scene.sample_data import load_twin

        skip_without_packages(self)
        slicer.mrmlScene.Clear()
        self.lattice = None
        register_effects()
        self.node = load_twin()
        self.ids = {self.node.GetSegmentation().GetSegment(i).GetName(): i
                    for i in self.node.GetSegmentation().GetSegmentIDs()}
        self.editor = slicer.qMRMLSegmentEditorWidget()
        self.editor.setMRMLScene(slicer.mrmlScene)
        self.editor.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
        self.editor.setSegmentationNode(self.node)
        self.editor.setCurrentSegmentID(self.ids["Left ventricle"])
        self.editor.show()

    def tearDown(self) -> None:
        """Nothing of an effect is left over."""
        self.editor.setActiveEffectByName("")
        slicer.app.processEvents()
        self.assertIsNone(slicer.mrmlScene.GetFirstNodeByName("Synthetic heart preview"))
        self.editor.hide()
        slicer.mrmlScene.Clear()

    def effect(self, name: str) -> Any:
        """The Python side of an effect that is made active."""
        self.editor.setActiveEffectByName("DiffusionSiblings" + name)
        adaptor = self.editor.activeEffect()
        self.assertIsNotNone(adaptor, f"{name} is not registered")
        adaptor.setParameter("Steps", STEPS)
        return adaptor.self()

    def press(self, effect: Any, button: str, state: str = "done") -> None:
        """Clicks a button and waits for what it began, the event loop turning as in Slicer."""
        widget = getattr(effect.actions.ui, button)
        self.assertTrue(widget.enabled, f"{button} is disabled: {effect.actions.ui.messageLabel.text}")
        widget.click()
        end = time.monotonic() + PATIENCE_S
        while effect.busy and time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.005)
        self.assertFalse(effect.busy, "it did not end")
        self.assertEqual(effect.operation.state, state, str(effect.operation.error))

    def labels(self, node: Any = None) -> np.ndarray:
        """(D, H, W): the segmentation's voxels, 1 to 6, on a grid with room around the twin."""
        from DiffusionSiblingsUI.scene.bridge import read_segmentation

        read = read_segmentation(node or self.node)
        return self.placed(read.labelmap.labels, read.grid)

    def placed(self, values: np.ndarray, grid: Any) -> np.ndarray:
        """Values on a grid of the twin's lattice, on one grid for all: a segmentation's own depends on its segments."""
        from DiffusionSiblingsUI.scene.grid import offset

        if self.lattice is None:
            self.lattice = grid
        by = offset(self.lattice.matrix, grid.matrix)
        self.assertIsNotNone(by, "the voxels do not coincide")
        start = [grid.extent[2 * axis] + by[axis] - self.lattice.extent[2 * axis] + ROOM for axis in (2, 1, 0)]
        room = np.zeros([size + 2 * ROOM for size in self.lattice.shape], values.dtype)
        room[tuple(slice(low, low + size) for low, size in zip(start, values.shape, strict=True))] = values
        return room

    def value(self, name: str) -> int:
        """The voxel value of a segment in `labels`."""
        return list(self.ids.values()).index(self.ids[name]) + 1

    def test_effects_are_there_with_icon_and_help(self) -> None:
        """All can be found, and say what they do."""
        for name in ("Perturb", "Inpaint", "Guide"):
            adaptor = self.editor.effectByName("DiffusionSiblings" + name)
            self.assertEqual(adaptor.title, name)
            self.assertFalse(adaptor.self().icon().isNull())
            self.assertIn("generative diffusion model", adaptor.self().helpText().lower().replace("\n", " "))

    def test_after_a_reload_new_segment_editors_get_new_effects(self) -> None:
        """What open ones have goes on working, with the parts that it was made with."""
        from DiffusionSiblingsUI.effects.registration import forget_parts

        old = self.effect("Perturb")
        forget_parts()
        self.addCleanup(forget_parts)  # nothing of the tests that follow is left with what is old
        another = slicer.qMRMLSegmentEditorWidget()
        another.setMRMLScene(slicer.mrmlScene)
        new = another.effectByName("DiffusionSiblingsPerturb").self()
        self.assertEqual(type(new).__qualname__, type(old).__qualname__)
        self.assertIsNot(type(new), type(old))
        self.assertIsNot(type(new).__mro__[1], type(old).__mro__[1], "the new effect stands on the old base")
        self.press(old, "previewButton")

    def test_preview_next_seed_apply_undo_redo(self) -> None:
        """The whole way of a perturbation."""
        effect, twin = self.effect("Perturb"), self.labels()
        nodes = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        self.press(effect, "previewButton")
        self.assertTrue(np.array_equal(self.labels(), twin), "a preview changed the twin")
        first = self.placed(effect.made.labels, effect.made.bridged.grid)
        self.press(effect, "nextButton")
        self.assertEqual(effect.scriptedEffect.integerParameter("Seed"), 1)
        shown, calls = self.placed(effect.made.labels, effect.made.bridged.grid), effect.operation
        self.assertFalse(np.array_equal(shown, first), "another seed made the same sibling")
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), nodes + 1)
        self.press(effect, "applyButton")
        self.assertIsNot(effect.operation, calls)
        self.assertTrue(np.array_equal(self.labels(), shown), "not what was shown was applied")
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), nodes)
        self.editor.undo()
        self.assertTrue(np.array_equal(self.labels(), twin), "one undo did not take everything back")
        self.editor.redo()
        self.assertTrue(np.array_equal(self.labels(), shown))

    def test_inpaint_edits_the_selected_segment(self) -> None:
        """Only the left ventricle and the myocardium, which follows it."""
        effect, twin = self.effect("Inpaint"), self.labels()
        self.press(effect, "applyButton")
        result = self.labels()
        own = [self.value("Left ventricle"), self.value("Left ventricular myocardium")]
        self.assertTrue((result != twin).any())
        self.assertTrue(np.isin(twin[result != twin], [0, *own]).all())
        self.assertTrue(np.isin(result[result != twin], [0, *own]).all())
        self.editor.undo()
        self.assertTrue(np.array_equal(self.labels(), twin))

    def test_inpaint_stays_inside_a_roi(self) -> None:
        """Chosen in the form, on the right ventricle."""
        from DiffusionSiblingsUI.scene.bridge import masking, read_segmentation

        from DiffusionSiblingsLib.core.steps import exhaust

        effect, twin = self.effect("Inpaint"), self.labels()
        effect.form.ui.regionComboBox.setCurrentIndex(1)
        self.assertFalse(effect.actions.ui.applyButton.enabled, "without a ROI there is nothing to apply")
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "region")
        roi.SetCenter(self.node.GetSegmentCenterRAS(self.ids["Right ventricle"]))
        roi.SetSize(60, 60, 60)
        effect.form.ui.roiSelector.setCurrentNode(roi)
        read = read_segmentation(self.node)
        inside = self.placed(exhaust(masking(read, roi=roi)), read.grid)
        self.press(effect, "applyButton")
        changed = self.labels() != twin
        self.assertTrue(changed.any())
        self.assertFalse((changed & ~inside).any(), "voxels outside the ROI changed")

    def test_inpaint_stays_inside_another_segment(self) -> None:
        """A segment of a segmentation of its own."""
        from DiffusionSiblingsUI.scene.bridge import masking, read_segmentation

        from DiffusionSiblingsLib.core.steps import exhaust

        region = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "painted")
        segment = slicer.vtkSegment()
        segment.DeepCopy(self.node.GetSegmentation().GetSegment(self.ids["Left atrium"]))
        region.GetSegmentation().AddSegment(segment, "painted")
        effect, twin = self.effect("Inpaint"), self.labels()
        effect.form.ui.regionComboBox.setCurrentIndex(2)
        effect.form.ui.segmentSelector.setCurrentNode(region)
        effect.form.ui.segmentSelector.setCurrentSegmentID("painted")
        read = read_segmentation(self.node)
        inside = self.placed(exhaust(masking(read, segment=(region, "painted"))), read.grid)
        self.press(effect, "applyButton")
        changed = self.labels() != twin
        self.assertTrue(changed.any())
        self.assertFalse((changed & ~inside).any(), "voxels outside the segment changed")

    def test_guide_reaches_a_volume(self) -> None:
        """Given as a change or in ml, with the volume of now beside it; the others are held; one undo."""
        effect, twin = self.effect("Guide"), self.labels()
        self.editor.setCurrentSegmentID(self.ids["Right ventricle"])
        ui, value = effect.form.ui, self.value("Right ventricle")
        now = self.ml(twin, value)
        self.wait_until(lambda: f"{now:.1f} ml" in ui.nowLabel.text)
        ui.targetSpinBox.value = 1.1 * now
        self.assertAlmostEqual(ui.changeSlider.value, 10.0, delta=0.1)
        ui.changeSlider.value = 20.0
        self.assertAlmostEqual(ui.targetSpinBox.value, 1.2 * now, delta=0.06)
        effect.scriptedEffect.setParameter("Steps", GUIDED_STEPS)
        self.press(effect, "previewButton")
        self.assertTrue(np.array_equal(self.labels(), twin), "a preview changed the twin")
        text = effect.actions.ui.messageLabel.text
        self.assertIn("RV: volume", text)
        self.assertIn(": reached", text)
        self.assertIn("Held: 5 of 5 volumes", text)
        self.press(effect, "applyButton")
        result = self.labels()
        self.assertAlmostEqual(self.ml(result, value) / now, 1.2, delta=0.02)
        for name in self.ids:
            if name != "Right ventricle":
                before = self.ml(twin, self.value(name))
                self.assertAlmostEqual(self.ml(result, self.value(name)) / before, 1.0, delta=0.02, msg=name)
        self.editor.undo()
        self.assertTrue(np.array_equal(self.labels(), twin), "one undo did not take everything back")

    def test_guide_follows_what_is_painted(self) -> None:
        """The volume of now is that of the segment as it is."""
        effect = self.effect("Guide")
        segmentation = self.node.GetSegmentation()
        before = effect.form.ui.nowLabel.text
        self.assertTrue(before)
        other = segmentation.GetSegment(self.ids["Right ventricle"])
        segment = segmentation.GetSegment(self.ids["Left ventricle"])
        value = segment.GetLabelValue()
        segment.SetLabelValue(other.GetLabelValue())  # as if it were drawn there
        segment.Modified()
        self.wait_until(lambda: effect.form.ui.nowLabel.text != before)
        segment.SetLabelValue(value)

    def test_guide_offers_presets_and_control_domains(self) -> None:
        """Each brings its own options, and what is missing is said."""
        from DiffusionSiblingsUI.guide import domains

        from DiffusionSiblingsLib.control.presets import PRESETS
        from DiffusionSiblingsLib.control.terms import Target, Term

        effect = self.effect("Guide")
        ui, actions = effect.form.ui, effect.actions.ui
        self.assertEqual(ui.goalComboBox.count, 2 + len(PRESETS))
        self.assertTrue(ui.amountSlider.isHidden() and ui.domainsCheckBox.isHidden())
        ui.goalComboBox.setCurrentIndex(1)
        self.assertTrue(ui.changeSlider.isHidden())
        self.assertFalse(ui.amountSlider.isHidden())
        self.assertTrue(actions.applyButton.enabled)
        ui.goalComboBox.setCurrentIndex(ui.goalComboBox.count - 1)
        self.assertFalse(actions.applyButton.enabled)
        self.assertIn("no control domain", actions.messageLabel.text)
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "RV box")
        roi.SetCenter(self.node.GetSegmentCenterRAS(self.ids["Right ventricle"]))
        roi.SetSize(120, 120, 120)
        domains.write_settings(roi, domains.DomainSettings(("RV",), (Term("RV box", "mass", Target(times=0.9)),)))
        self.wait_until(lambda: actions.applyButton.enabled)
        self.assertIn("RV box", ui.askedLabel.text)
        effect.scriptedEffect.setParameter("Steps", GUIDED_STEPS)
        self.press(effect, "previewButton")
        self.assertIn("RV box", actions.messageLabel.text)
        roi.SetSize(110, 110, 110)
        self.wait_until(lambda: effect.preview.node is None)
        ui.goalComboBox.setCurrentIndex(0)
        self.assertFalse(ui.domainsCheckBox.isHidden())

    def ml(self, labels: np.ndarray, value: int) -> float:
        """Volume of a value of `labels`."""
        return float((labels == value).sum() * abs(np.linalg.det(self.lattice.affine[:3, :3])) / 1000)

    def test_hidden_segments_and_the_editable_area_are_respected(self) -> None:
        """Inside visible segments, with the right atrium hidden."""
        editor, twin = self.editor.mrmlSegmentEditorNode(), self.labels()
        self.node.GetDisplayNode().SetSegmentVisibility(self.ids["Right atrium"], False)
        editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideVisibleSegments)
        effect = self.effect("Perturb")
        self.press(effect, "applyButton")
        result, hidden = self.labels(), self.value("Right atrium")
        self.assertTrue(np.array_equal(result == hidden, twin == hidden), "the hidden segment changed")
        self.assertFalse((result[twin == 0] != 0).any(), "voxels outside the visible segments changed")

    def test_apply_to_a_new_segmentation(self) -> None:
        """The twin stays, the sibling lies on it."""
        effect, twin = self.effect("Perturb"), self.labels()
        effect.actions.ui.resultComboBox.setCurrentIndex(1)
        self.press(effect, "applyButton")
        node = effect.operation.result.node
        self.assertTrue(node.GetName().startswith(f"{self.node.GetName()} sibling 0"), node.GetName())
        self.assertTrue(np.array_equal(self.labels(), twin))
        self.assertEqual(self.labels(node).shape, twin.shape)
        self.assertFalse(np.array_equal(self.labels(node), twin))

    def test_cancel_leaves_the_scene_as_it_was(self) -> None:
        """In the middle of the work, within a second."""
        effect, twin = self.effect("Perturb"), self.labels()
        effect.scriptedEffect.setParameter("Steps", "400")
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        effect.actions.ui.previewButton.click()
        self.assertTrue(effect.busy)
        self.assertFalse(effect.actions.ui.applyButton.enabled, "Apply is free while the effect is busy")
        end = time.monotonic() + PATIENCE_S
        while effect.operation.progress < 0.1 and effect.busy and time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.005)
        began = time.monotonic()
        effect.actions.ui.cancelButton.click()
        self.assertFalse(effect.busy)
        self.assertLess(time.monotonic() - began, 1.0)
        self.assertTrue(np.array_equal(self.labels(), twin))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes)
        effect.scriptedEffect.setParameter("Steps", STEPS)
        self.press(effect, "previewButton")  # the worker is usable again

    def test_what_is_missing_is_said(self) -> None:
        """A segmentation that lacks a tissue, and a segment that is none."""
        effect = self.effect("Perturb")
        segment = self.node.GetSegmentation().GetSegment(self.ids["Aorta"])
        segment.SetName("blob")
        segment.RemoveTag("TerminologyEntry")
        self.wait_until(lambda: not effect.actions.ui.applyButton.enabled)
        self.assertIn("aorta", effect.actions.ui.messageLabel.text.lower())
        self.assertIn('href="module"', effect.actions.ui.messageLabel.text)

    def test_what_the_worker_wrote_of_an_error_can_be_read(self) -> None:
        """Behind a link in the message."""
        from DiffusionSiblingsLib.core.errors import SiblingsError

        effect, error = self.effect("Perturb"), SiblingsError("The worker met an error", hint="run it again")
        error.log = "Traceback <of the worker>"
        effect.actions.tell_error(error)
        self.assertIn('href="log"', effect.actions.ui.messageLabel.text)
        with unittest.mock.patch("slicer.util.infoDisplay") as shown:
            effect.actions.onLink("log")
        self.assertEqual(shown.call_args.kwargs["detailedText"], error.log)

    def test_a_preview_follows_the_masking(self) -> None:
        """Which may leave nothing of it, and then says so."""
        editor, modes = self.editor.mrmlSegmentEditorNode(), slicer.vtkMRMLSegmentationNode
        effect, twin = self.effect("Inpaint"), self.labels()
        self.press(effect, "previewButton")
        shown = effect.preview.node
        self.assertNotIn("masking", effect.actions.ui.messageLabel.text)
        editor.SetMaskMode(modes.EditAllowedInsideAllSegments)
        self.wait_until(lambda: effect.preview.node not in (None, shown) and not effect.busy)
        self.assertIn("before masking", effect.actions.ui.messageLabel.text)
        editor.SetMaskSegmentID(self.ids["Aorta"])
        editor.SetMaskMode(modes.EditAllowedInsideSingleSegment)
        self.wait_until(lambda: effect.preview.node is None and not effect.busy)
        self.assertIn("masking", effect.actions.ui.messageLabel.text)
        self.press(effect, "applyButton", "failed")
        self.assertTrue(np.array_equal(self.labels(), twin))
        editor.SetMaskMode(modes.EditAllowedEverywhere)
        self.wait_until(lambda: effect.preview.node is not None and not effect.busy)

    def test_a_preview_goes_when_options_or_twin_change(self) -> None:
        """It would show what Apply does not do."""
        effect = self.effect("Perturb")
        self.press(effect, "previewButton")
        effect.form.ui.ratioSlider.value = 0.8
        slicer.app.processEvents()
        self.assertIsNone(effect.preview.node)
        self.press(effect, "previewButton")
        self.node.GetSegmentation().GetSegment(self.ids["Aorta"]).GetRepresentation("Binary labelmap").Modified()
        self.node.GetSegmentation().GetSegment(self.ids["Aorta"]).Modified()
        self.wait_until(lambda: effect.preview.node is None)

    def test_another_effect_ends_the_work(self) -> None:
        """As does no effect at all."""
        effect, twin = self.effect("Perturb"), self.labels()
        effect.scriptedEffect.setParameter("Steps", "400")
        effect.actions.ui.applyButton.click()
        slicer.app.processEvents()
        self.editor.setActiveEffectByName("DiffusionSiblingsInpaint")
        self.assertFalse(effect.busy)
        self.assertEqual(effect.operation.state, "cancelled")
        self.assertTrue(np.array_equal(self.labels(), twin))

    def test_closing_the_scene_ends_the_work(self) -> None:
        """With a preview, and in the middle of making the next one."""
        effect = self.effect("Perturb")
        self.press(effect, "previewButton")
        effect.scriptedEffect.setParameter("Steps", "400")
        effect.actions.ui.previewButton.click()
        slicer.app.processEvents()
        slicer.mrmlScene.Clear()
        self.wait_until(lambda: not effect.busy)
        self.assertIsNone(effect.preview.node)

    def wait_until(self, condition: Any) -> None:
        """Lets the event loop turn until something has come true."""
        end = time.monotonic() + 5
        while not condition() and time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.01)
        self.assertTrue(condition())
