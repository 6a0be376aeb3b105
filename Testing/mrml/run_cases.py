"""Runs for tests: siblings of a heart whose rows and record are as the worker hands them over, made without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.record import hash_labelmap
from DiffusionSiblingsLib.metrics.measurement import titled
from DiffusionSiblingsLib.metrics.morphology import all_measurements, features, tissue_volumes
from DiffusionSiblingsLib.metrics.topology import check_both

ANATOMY = load_anatomy("heart")
REQUESTS = ({"edit": "perturb", "ratio": 0.5, "count": 2, "seed": 7, "tissues": []},
            {"edit": "inpaint", "ratio": 1.0, "count": 1, "seed": 2**62, "tissues": ["LV"]})


def _measured(labelmap: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measurements for a row, and checks for an entry."""
    known = np.zeros(labelmap.labels.shape, np.uint8)
    for segment in labelmap.segments:
        if segment.tissue:
            known[labelmap.labels == segment.value] = ANATOMY.label_of(segment.tissue)
    of_axes = features(known, labelmap.affine, ANATOMY)
    measured = titled(all_measurements(of_axes, tissue_volumes(known, labelmap.affine, ANATOMY)))
    checks = check_both(known, ANATOMY)
    row = {**measured,
           "violations [%]": checks["half"].violation_percent, "violations raw [%]": checks["half"].violation_percent,
           "violations full resolution [%]": checks["full"].violation_percent,
           "failed checks": "; ".join(checks["half"].failed)}
    return row, {"features": titled(of_axes), "checks": {key: report.to_json() for key, report in checks.items()}}


def job(labelmap: Any, shifts: tuple[int, ...] = (1, 2, 3)) -> tuple[list[Any], dict[str, Any], list[dict[str, Any]]]:
    """SiblingResults, record and rows of a job on a twin: each sibling is the twin, moved and with a smaller LV."""
    from DiffusionSiblingsUI.runs.operation import SiblingResult

    measured, described = _measured(labelmap)
    rows: list[dict[str, Any]] = [{"map": "twin", "edit": "twin", "ratio": "", "seed": "", "k": "", **measured}]
    runs: list[dict[str, Any]] = [{"request": dict(request), "siblings": []} for request in REQUESTS]
    results = []
    for index, shift in enumerate(shifts):
        number = 0 if index < 2 else 1
        request, labels = REQUESTS[number], np.roll(labelmap.labels, shift, axis=2)
        lv = next(s.value for s in labelmap.segments if s.tissue == "LV")
        myo = next(s.value for s in labelmap.segments if s.tissue == "Myo")
        inside = np.argwhere(labels == lv)
        labels[tuple(inside[: 40 * (shift + 1)].T)] = myo
        measured, entry = _measured(labelmap.with_labels(labels))
        name = f"sibling_{index:04d}"
        edit = "ratio 0.5" if number == 0 else "edit LV"
        row = {"map": name, "edit": edit, "ratio": request["ratio"], "seed": request["seed"], "k": index, **measured,
               "voxels repaired": 3, "voxels changed inside region": int((labels != labelmap.labels).sum()),
               "voxels changed outside region": 0, "voxels in conflict with unknown tissue": 0,
               "mean Dice to twin": 0.9}
        entry = {"file": name, "labels_sha256": hash_labelmap(labelmap.with_labels(labels)), "k": index, **entry}
        runs[number]["siblings"].append(entry)
        rows.append(row)
        results.append(SiblingResult(index, index, number, labels, row, entry))
    record = {"schema": 1, "program": {"name": "DiffusionSiblings", "version": "0"}, "created": "2025-01-01T00:00:00",
              "complete": True, "model": {"id": "small", "version": "1", "sha256": "0" * 64},
              "compute": {"device": "cpu", "name": "cpu", "dtype": "float32", "threads": 1, "software": {}},
              "twin": {"file": None, "labels_sha256": hash_labelmap(labelmap), **described, "warnings": [],
                       "shape_kji": list(labelmap.labels.shape),
                       "segments": [{"value": s.value, "name": s.name, "tissue": s.tissue} for s in labelmap.segments]},
              "runs": runs}
    return results, record, rows


def save(path: Path) -> None:
    """Saves the scene as one file, or as a file with its data beside it."""
    if path.suffix == ".mrb":
        assert slicer.mrmlScene.WriteToMRB(str(path))
        return
    path.with_suffix("").mkdir()
    assert slicer.mrmlScene.SaveSceneToSlicerDataBundleDirectory(str(path.with_suffix("")))


def read(path: Path) -> None:
    """Adds a saved scene to the scene."""
    if path.suffix == ".mrb":
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(str(path.parent / "cache"))
        manager = slicer.vtkDataIOManager()
        manager.SetCacheManager(cache)
        slicer.mrmlScene.SetDataIOManager(manager)
        assert slicer.mrmlScene.ReadFromMRB(str(path), False)
        return
    (found,) = path.with_suffix("").glob("*.mrml")
    slicer.mrmlScene.SetURL(str(found))
    assert slicer.mrmlScene.Import()
