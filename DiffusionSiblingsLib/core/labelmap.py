"""A label map in memory: voxels, where they lie in the world, and what each label means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Affine = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]
LabelValues = Mapping[str, int | str | tuple[int | str, ...]]
"""Tissue -> its value in a file, the name of its segment, or several of these, as a user says."""


@dataclass(frozen=True)
class Segment:
    """One label of a label map as its file describes it.

    value: the voxel value. name: as written in the file, "" where the format has none.
    tissue: id of the anatomy's tissue, None where the anatomy does not know it.
    color: RGB in 0..1, None where the file gives none. identifier: Slicer segment ID.
    tags: Slicer's segment tags, terminology entry included, kept as they are.
    """

    value: int
    name: str = ""
    tissue: str | None = None
    color: tuple[float, float, float] | None = None
    identifier: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelMap:
    """A label map with its geometry and segments.

    labels: (D, H, W) integer, KJI order (the first axis is K). affine: (4, 4) float64, voxel IJK -> RAS mm.
    segments: one for every non-zero value in `labels`, in the file's order.
    format: suffix of the file it came from ("nii.gz", "nrrd", "seg.nrrd", "mha", "folder"), "" if made in memory.
    header: what the format needs to be written again as it was, opaque to everything but `labelmaps`.
    notes: what the reader had to assume or leave out, a sentence each, for whoever asked for the map; usually empty.
    """

    labels: Labels
    affine: Affine
    segments: tuple[Segment, ...] = ()
    source: Path | None = None
    format: str = ""
    header: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def spacing(self) -> npt.NDArray[np.float64]:
        """(3,) float64: voxel edge lengths along I, J, K in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def tissues(self) -> dict[str, tuple[int, ...]]:
        """Tissue id -> the label values that carry it (most often one)."""
        found: dict[str, tuple[int, ...]] = {}
        for segment in self.segments:
            if segment.tissue is not None:
                found[segment.tissue] = (*found.get(segment.tissue, ()), segment.value)
        return found

    def with_labels(self, labels: Labels) -> LabelMap:
        """The same geometry, segments and format around other voxels of the same shape."""
        return replace(self, labels=labels)
