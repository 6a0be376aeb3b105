"""From Run to a sibling in Slicer's scene on a large segmentation, and how long the event loop is held up meanwhile.

In Slicer:  Slicer --no-main-window --python-script Testing/benchmarks/slicer_run.py
or as a script of a headless harness that has Slicer's `slicer` and `qt`. Prints one line a run and ends with 1 if a bar
is missed: 8 s from Run to the sibling in the scene with a warm worker (two cores), 100 ms for the event loop.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "DiffusionSiblings")]
SHAPE = (200, 256, 256)  # K, J, I: a CT of the chest around the heart
BAR_S, BAR_MS = 8.0, 100.0
TICK_MS = 10


class Watch:
    """How long the event loop was held up: a timer that should come every TICK_MS milliseconds."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = qt.QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.connect("timeout()", self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000.0 * (now - self._last) - TICK_MS)
        self._last = now

    def start(self) -> None:
        self.gaps, self._last = [], time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._tick()
        self._timer.stop()


def large_twin() -> Any:
    """The sample twin's voxels on a grid of SHAPE: the same heart, finer."""
    from DiffusionSiblingsUI.scene import bridge, sample_data

    from DiffusionSiblingsLib.core.labelmap import LabelMap

    sample = sample_data.load_twin()
    bridged = bridge.read_segmentation(sample)
    labels, affine = bridged.labelmap.labels, bridged.labelmap.affine.copy()
    for axis, size in enumerate(SHAPE):
        labels = np.take(labels, np.arange(size) * labels.shape[axis] // size, axis=axis)
        affine[:3, 2 - axis] *= bridged.labelmap.labels.shape[axis] / size
    slicer.mrmlScene.RemoveNode(sample)
    return bridge.new_segmentation(LabelMap(labels, affine, bridged.labelmap.segments), "large twin")


def run(logic: Any, task: Any, watch: Watch) -> tuple[float, float, float, str]:
    """One run from the timer, as the panel does it -> s; longest block of the loop, and by our steps, ms; timings."""
    loop, ended = qt.QEventLoop(), []
    operation = logic.run_operation(task, on_finished=lambda _: (ended.append(time.perf_counter()), loop.quit()))
    watch.start()
    began = time.perf_counter()
    operation.start()
    loop.exec_()
    seconds = ended[0] - began
    watch.stop()
    if operation.error is not None:
        raise operation.error
    timings = operation.result.record["runs"][0]["siblings"][0]["timings_s"]
    said = ", ".join(f"{what} {value:.2f}" for what, value in timings.items())
    return seconds, max(watch.gaps), 1000.0 * operation.longest_step, said


def main() -> int:
    from DiffusionSiblingsUI.logic import SiblingsLogic
    from DiffusionSiblingsUI.runs.edits import Task

    from DiffusionSiblingsLib.core.defaults import MULTISTEP_STEPS
    from DiffusionSiblingsLib.editing.request import Request

    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    logic, watch, twin = SiblingsLogic(), Watch(), large_twin()
    requests = {"perturb, ratio 0.5": Request("perturb", steps=options.steps),
                "inpaint LV": Request("inpaint", steps=options.steps, tissues=("LV",), ratio=1.0)}
    missed = False
    print(f"{SHAPE[2]} x {SHAPE[1]} x {SHAPE[0]} voxels, {options.steps or MULTISTEP_STEPS} steps", flush=True)
    for name, request in requests.items():
        for number in range(options.repeat + (name.startswith("perturb"))):
            cold = number == 0 and name.startswith("perturb")
            seconds, gap, step, timings = run(logic, Task((request,), twin), watch)
            fails = gap > BAR_MS or (not cold and seconds > BAR_S)
            missed |= fails
            print(f"{name:20} {'worker started' if cold else 'warm':15} {seconds:6.2f} s ({timings}); event loop held "
                  f"up {gap:.0f} ms at most, by one of our steps {step:.0f} ms", "  MISSED" * fails, flush=True)
    logic.session.close()
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
