"""The Model and device section with its real widgets, the shipped weights and the real worker.

Run by slicer_add_python_unittest in Slicer, and by a headless harness.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import slicer
from module_case import skip_without_packages
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

PATIENCE_S = 240.0
LONGEST_BLOCK_S = 0.1  # of this thread's own time: other programs take theirs


class DiffusionSiblingsModelTest(ScriptedLoadableModuleTest):
    """Presses what a user presses, with a folder of own models that is removed again."""

    def setUp(self) -> None:
        """An empty scene, the module open, no own models."""
        from DiffusionSiblingsLib.models.registry import find_model

        skip_without_packages(self)
        slicer.mrmlScene.Clear()
        self.folder = Path(tempfile.mkdtemp())
        self.before = os.environ.get("SIBLINGS_MODELS")
        os.environ["SIBLINGS_MODELS"] = str(self.folder / "Eigene Modelle é")
        self.shipped = find_model()
        self.panel = slicer.modules.diffusionsiblings.widgetRepresentation().self().panel
        self.panel.enter()
        self.model, self.ui = self.panel.panels["model"], self.panel.panels["model"].ui
        self.model.look()
        self.turn()

    def tearDown(self) -> None:
        """As before."""
        os.environ.pop("SIBLINGS_MODELS")
        if self.before is not None:
            os.environ["SIBLINGS_MODELS"] = self.before
        shutil.rmtree(self.folder, ignore_errors=True)
        slicer.mrmlScene.Clear()
        self.panel.enter()
        self.model.look()

    def runTest(self) -> None:  # noqa: N802
        """All cases."""
        run_all()

    def turn(self, until: Callable[[], bool] = lambda: True) -> float:
        """Lets the event loop turn until something is so -> seconds that its longest turn took."""
        end, longest = time.monotonic() + PATIENCE_S, 0.0
        while True:
            began = time.thread_time()
            slicer.app.processEvents()
            longest = max(longest, time.thread_time() - began)
            if until():
                return longest
            self.assertLess(time.monotonic(), end, "it took too long")
            time.sleep(0.005)

    def done(self) -> bool:
        return self.model._work is None

    def copy(self, name: str) -> Path:
        """The shipped model under another name, as somebody hands it on."""
        folder = self.folder / "download" / name
        shutil.copytree(self.shipped.folder, folder)
        card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        (folder / "model.json").write_text(json.dumps({**card, "id": name}), encoding="utf-8")
        return folder

    def names(self) -> list[str]:
        return [self.ui.modelCombo.itemText(index) for index in range(self.ui.modelCombo.count)]

    # From here on: what a user does

    def test_packages_are_said_to_be_there(self) -> None:
        """The installed state, and Repair in the place of Install."""
        self.assertIn("PyTorch", self.ui.packagesLabel.text)
        self.assertIn("Repair" if self.model.status.ready else "Install", self.ui.installButton.text)

    def test_verify_says_whether_the_weights_are_whole(self) -> None:
        """Verify, without stopping the event loop."""
        self.ui.verifyButton.click()
        self.assertFalse(self.ui.verifyButton.enabled)
        self.assertLess(self.turn(self.done), LONGEST_BLOCK_S)
        self.assertIn("complete and unchanged", self.ui.messageLabel.text)

    def test_a_model_is_added_chosen_verified_and_deleted(self) -> None:
        """The way of an own model; Delete is not for shipped ones."""
        self.assertFalse(self.ui.deleteButton.enabled)
        self.model.add(str(self.copy("heart-mine")))
        self.assertLess(self.turn(self.done), LONGEST_BLOCK_S)
        self.assertEqual(self.panel.context.parameters.model, "heart-mine")
        self.assertEqual(self.names(), ["heart-mine", "heart-compact"])
        self.assertIn("added by you", self.ui.modelLabel.text)
        with mock.patch.object(slicer.util, "confirmOkCancelDisplay", return_value=False):
            self.ui.deleteButton.click()
        self.assertEqual(len(self.names()), 2)
        with mock.patch.object(slicer.util, "confirmOkCancelDisplay", return_value=True):
            self.ui.deleteButton.click()
        self.assertEqual(self.names(), ["heart-compact"])
        self.assertEqual(self.panel.context.parameters.model, "heart-compact")

    def test_damage_is_said_and_nothing_is_added(self) -> None:
        """Weights with one wrong byte."""
        folder = self.copy("heart-broken")
        weights = folder / "weights.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        with mock.patch.object(slicer.util, "errorDisplay") as shown:
            self.model.add(str(folder))
            self.turn(self.done)
        self.assertIn("do not match", shown.call_args.args[0])
        self.assertEqual(self.names(), ["heart-compact"])

    def test_a_model_of_another_computer_is_said_to_be_missing(self) -> None:
        """A scene from somewhere else."""
        self.panel.context.parameters.model = "heart-elsewhere"
        self.model.refresh()
        self.assertIn("not on this computer", self.ui.modelLabel.text)
        self.assertFalse(self.ui.verifyButton.enabled)
        self.ui.modelCombo.currentIndex = 0
        self.assertEqual(self.panel.context.parameters.model, "heart-compact")

    def test_devices_are_told_by_the_worker(self) -> None:
        """Detect starts the worker; what is chosen is kept, and the CPU is named loudly."""
        if not self.model.status.ready:
            self.skipTest("the packages are not installed")
        self.model.devices.forget()
        self.ui.detectButton.click()
        self.turn(lambda: self.model.devices.found is not None)
        labels = [self.ui.deviceCombo.itemText(index) for index in range(self.ui.deviceCombo.count)]
        self.assertTrue(labels[0].startswith("Automatic ("))
        self.ui.deviceCombo.currentIndex = next(n for n, label in enumerate(labels) if label.startswith("CPU"))
        self.assertEqual(self.panel.context.parameters.device, "cpu")
        self.assertTrue(self.ui.deviceLabel.text.startswith("<b>The model runs on the CPU"))

    def test_the_sample_is_in_sample_data(self) -> None:
        """By its name, from the console and from Sample Data's button; nothing is downloaded."""
        import SampleData
        from DiffusionSiblingsUI.scene import sample_data

        sample_data.register()
        node = SampleData.downloadSample(sample_data.TWIN)
        self.assertEqual(node.GetSegmentation().GetNumberOfSegments(), 6)
        self.assertIsNone(node.GetStorageNode())


def run_all() -> None:
    """Runs every case; raises if one fails."""
    cases = unittest.defaultTestLoader.getTestCaseNames(DiffusionSiblingsModelTest)
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(map(DiffusionSiblingsModelTest, cases)))
    if not result.wasSuccessful():
        raise AssertionError(f"{len(result.failures) + len(result.errors)} of {result.testsRun} cases failed")
