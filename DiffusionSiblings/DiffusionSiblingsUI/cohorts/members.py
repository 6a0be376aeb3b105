"""Which hearts a cohort has now, as a short text: what was found out about them holds as long as it stays the same.

It is the same again after a scene was saved and read: voxels count, not when or in which layout they were written.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.files import ending, signature
from DiffusionSiblingsLib.core.record import RECORD_NAME
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsUI.cohorts.cohorts import FILE, Cohort, FolderCohort, SceneCohort
from DiffusionSiblingsUI.runs.operation import Steps
from DiffusionSiblingsUI.scene import runs
from DiffusionSiblingsUI.scene.layers import LABELMAP

REST = 20.0  # times as long as looking at a folder took, it is not looked at again
KEPT = 4096  # images whose voxels were summed


class Fingerprints:
    """Fingerprints of cohorts, with what was summed and looked at for the last ones. rows: of a cohort's table."""

    def __init__(self, rows: Callable[[FolderCohort], list[dict[str, Any]]]) -> None:
        self._rows = rows
        self._sums: dict[tuple[Any, ...], int] = {}  # address, time and segments of an image -> sum of its voxels
        self._folders: dict[tuple[Any, ...], tuple[float, str]] = {}  # state of a cohort -> when to look again, text

    def of(self, cohort: Cohort) -> str:
        """`steps`, all at once: cheap where the hearts of the scene were not changed since it was last asked."""
        return exhaust(self.steps(cohort))

    def steps(self, cohort: Cohort) -> Steps[str]:
        """Names of the members and what decides them: voxels, segments; for an opened folder sizes, times of files."""
        if isinstance(cohort, FolderCohort):
            return self._of_folder(cohort)
        return (yield from self._of_scene(cohort))

    def forget_folders(self) -> None:
        """Looks at opened folders anew when they are next asked for."""
        self._folders.clear()

    def _of_scene(self, cohort: SceneCohort) -> Steps[str]:
        found = []
        for node in cohort.nodes:
            found.append([str(node.GetAttribute(runs.MAP)), *self._segments(node)])
            yield None
        return _digest(found)

    def _of_folder(self, cohort: FolderCohort) -> str:
        """Of the files that the table names, and of what lies beside them: it tells that there are more members now."""
        due, text = self._folders.get(cohort.state, (0.0, ""))
        began = time.monotonic()
        if began < due:
            return text
        files = [Path(str(row[FILE])) for row in self._rows(cohort)]
        found = [[str(file), signature(file)] for file in (*files, cohort.folder / RECORD_NAME)]
        text = _digest([found, _beside(cohort.folder, {ending(file) for file in files})])
        took = time.monotonic() - began
        self._folders[cohort.state] = began + (1.0 + REST) * took, text
        return text

    def _segments(self, node: slicer.vtkMRMLSegmentationNode) -> list[Any]:
        """A segmentation's segments with their names, and a sum of the voxels of each of its labelmaps."""
        segmentation, names = node.GetSegmentation(), []
        layers: dict[Any, dict[str, int]] = {}
        for identifier in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(identifier)
            names.append([identifier, segment.GetName()])
            image = segment.GetRepresentation(LABELMAP)
            if image is not None and image.GetPointData().GetScalars() is not None:
                layers.setdefault(image, {})[identifier] = int(segment.GetLabelValue())
        sums = [[*values, self._sum(image, tuple(values.values()))] for image, values in layers.items()]
        return [names, sorted(sums)]

    def _sum(self, image: slicer.vtkOrientedImageData, values: tuple[int, ...]) -> int:
        """Of the voxels of these values, wherever the image ends around them, and whichever numbers they are."""
        key = (image.GetAddressAsString(""), image.GetMTime(), values)
        if key not in self._sums:
            while len(self._sums) >= KEPT:
                self._sums.pop(next(iter(self._sums)))
            self._sums[key] = _sum_of(_inner(image), values)
        return self._sums[key]


def _beside(folder: Path, endings: set[str]) -> list[str]:
    """Names in a folder that may be members': folders, and files with one of these endings; [] where it is gone."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".")
                          and (entry.is_dir() or ending(entry.name) in endings))
    except OSError:
        return []


def _inner(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """(D, H, W) view of an image's voxels without the empty space around them."""
    whole, inner = image.GetExtent(), [0] * 6
    slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(image, inner)
    voxels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    return voxels[tuple(slice(inner[2 * axis] - whole[2 * axis], inner[2 * axis + 1] - whole[2 * axis] + 1)
                        for axis in (2, 1, 0))]


def _sum_of(voxels: np.ndarray, values: tuple[int, ...]) -> int:
    """Voxels count by the place of their value in `values`; 0 for none of them."""
    if not voxels.size:
        return 0
    places = np.zeros(max(int(voxels.max()), *values) + 1, dtype=np.uint16)
    places[list(values)] = np.arange(1, len(values) + 1)
    return zlib.crc32(places[voxels].tobytes(), zlib.crc32(str(voxels.shape).encode()))


def _digest(found: Any) -> str:
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
