"""What the test cases of this folder share: the module's panel with the sample twin, and a run from press to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

STEPS = 4  # solver steps: quality is not what is tested here
PATIENCE_S = 240.0
# PySide6, in a headless harness, gives back one None too many with each call; a store of them outlasts the tests.
SPARE = [None] * 3_000_000


class ModuleCase(ScriptedLoadableModuleTest):
    """A test case that finds the module open on the sample twin, and a scene that is empty after it."""

    def setUp(self) -> None:
        """An empty scene with the sample twin, the module open. Skips where the worker's packages are not installed."""
        from DiffusionSiblingsUI.scene import sample_data

        skip_without_packages(self)

        slicer.mrmlScene.Clear()
        self.module = slicer.modules.diffusionsiblings.widgetRepresentation().self()
        self.panel = self.module.panel
        self.context = self.panel.context
        self.edit, self.ui = self.panel.panels["edit"], self.panel.panels["edit"].ui
        self.panel.enter()
        self.twin = sample_data.load_twin()
        self.turn()
        self.context.parameters.steps = STEPS
        self.context.parameters.count = 1
        self.turn()

    def tearDown(self) -> None:
        """Nothing goes on after a test."""
        if self.context.busy:
            self.context.operation.cancel()
        slicer.mrmlScene.Clear()

    def turn(self, until: Callable[[], bool] = lambda: True, patience: float = PATIENCE_S) -> None:
        """Lets the event loop turn until something is so."""
        end = time.monotonic() + patience
        slicer.app.processEvents()
        slicer.app.processEvents()
        while not until():
            self.assertLess(time.monotonic(), end, "it took too long")
            time.sleep(0.01)
            slicer.app.processEvents()

    def press_run(self) -> Any:
        """Presses Run -> the operation."""
        self.turn()
        self.assertTrue(self.ui.runButton.enabled, self.ui.reasonLabel.text)
        self.ui.runButton.click()
        self.assertIsNotNone(self.context.operation, self.ui.noticeLabel.text)
        return self.context.operation

    def run_to_end(self) -> Any:
        """Presses Run and waits -> the run that is in the scene then."""
        operation = self.press_run()
        self.turn(lambda: operation.finished)
        self.assertEqual(operation.state, "done", getattr(operation.error, "message", str)())
        self.turn()
        return operation.result

    def labels(self, node: Any) -> np.ndarray:
        from DiffusionSiblingsUI.scene import bridge

        return bridge.read_segmentation(node).labelmap.labels

    def nodes(self) -> set[str]:
        """All nodes of the scene by ID."""
        return {slicer.mrmlScene.GetNthNode(n).GetID() for n in range(slicer.mrmlScene.GetNumberOfNodes())}


def skip_without_packages(case: Any) -> None:
    """Skips a test case where the worker cannot start, as on the computers that build Slicer's extensions."""
    from DiffusionSiblingsUI.setup import environment

    now = environment.status()
    if not now.ready:
        case.skipTest(now.summary())
