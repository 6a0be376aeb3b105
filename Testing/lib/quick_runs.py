"""Runs of a batch in one process with neither networks nor pictures: what is tested is who makes what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.cohorts.training_distance import TrainingDistance
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import Sibling
from DiffusionSiblingsLib.engine.compute import find_compute
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsLib.metrics.topology import check_both
from DiffusionSiblingsLib.runs import pipeline, run_folder, sampler_loop
from DiffusionSiblingsLib.runs.scheduler import Hooks
from DiffusionSiblingsLib.runs.settings import RunSettings

ANATOMY = load_anatomy("heart")
HEART = ellipsoid_heart((40, 36, 44), 3.4)
CHECKS = check_both(HEART.labels, ANATOMY)
CANONICAL = np.zeros((128, 128, 128), np.uint8)
ASKED = [Request("generate", count=4, seed=3), Request("generate", count=2, seed=5)]
VOLATILE = ("created", "timings_s", "compute", "count")


class StoppedError(Exception):
    """Raised by a test in the middle of a run."""


class QuickEngine:
    """An engine whose siblings are one heart with a few voxels of their own."""

    def __init__(self) -> None:
        self.compute, self.anatomy = find_compute("cpu"), ANATOMY

    @classmethod
    def open(cls, *_: Any, **__: Any) -> QuickEngine:
        return cls()

    def encoded(self, placed: Any) -> None:
        """Siblings of this engine do not depend on the twin."""

    def run(self, planned: Any, twin: Any = None, *, ks: Sequence[int], progress: Any = None) -> Iterator[Sibling]:
        request = planned.request
        for k in ks:
            rng = np.random.default_rng([request.seed, k])
            labels = HEART.labels.copy()
            labels[0, 0, :3] = rng.integers(0, 7, 3)
            volumes = {tissue: float(rng.uniform(50, 150)) for tissue in ANATOMY.ids}
            features = {tissue_key(tissue): value for tissue, value in volumes.items()}
            progress(1, 2)
            yield Sibling(request, k, HEART.with_labels(labels), labels, CANONICAL, 80.0, features, features, volumes,
                          CHECKS, CHECKS, None, training_distance=TrainingDistance(
                              {}, (tissue_key("LV"),) if k == 1 else (), 0.1, 0.0, k in (2, 3)))


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has siblings made so for a test."""
    monkeypatch.setattr(sampler_loop, "Engine", QuickEngine)
    monkeypatch.setattr(run_folder, "overview", lambda path, *_, **__: path.write_bytes(b"a picture"))


def run(out: Path, requests: list[Request] = ASKED, twin: Path | LabelMap | None = None, *,
        labels: dict[str, int] | None = None, progress: Any = None, report: Any = None, **settings: Any) -> Any:
    return pipeline.run(requests, twin, out, RunSettings("small", "cpu", **settings),
                        Hooks(progress=progress, report=report), labels=labels)


def after(siblings: int, out: Path) -> Any:
    """A progress callback that stops a run when so many are there."""
    def show(done: float, asked: int, words: str) -> None:
        if len(stamps(out)) >= siblings:
            raise StoppedError
    return show


def record(out: Path) -> dict[str, Any]:
    return json.loads((out / "record.json").read_text(encoding="utf-8"))


def lasting(values: Any) -> Any:
    """A record without what differs between two runs of the same."""
    if isinstance(values, dict):
        return {key: lasting(value) for key, value in values.items() if key not in VOLATILE}
    return [lasting(value) for value in values] if isinstance(values, list) else values


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("sibling_*")}
