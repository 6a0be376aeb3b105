"""What a cohort's occupancy is laid over where there is no second one: its twin, or the mean of the training hearts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..core.errors import SiblingsError
from ..core.record import has_hash
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.geometry.reference import Reference
from ..labelmaps.geometry.resample import resample_to_canonical
from ..labelmaps.read import read_labelmap
from ..labelmaps.tissues import known_labels
from ..metrics.occupancy import Field, Probabilities

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy


@dataclass(frozen=True)
class OneHeart:
    """A single map as probabilities, 0 or 1. labels: (D, H, W) uint8, canonical."""

    labels: npt.NDArray[np.uint8]
    anatomy: Anatomy
    maps: int = 1

    def probability(self, tissue: str | None = None) -> Field:
        """As `metrics.occupancy.Occupancy`."""
        mask = self.labels != 0 if tissue is None else self.labels == self.anatomy.label_of(tissue)
        return np.asarray(mask, dtype=np.float32)


@dataclass(frozen=True)
class MeanHeart:
    """The mean of a model's training hearts, which is stored coarse and smoothed (reference.sigma, mm)."""

    reference: Reference
    anatomy: Anatomy

    @property
    def maps(self) -> int:
        """How many hearts were averaged."""
        return self.reference.cases

    def probability(self, tissue: str | None = None) -> Field:
        """On the canonical grid, trilinear between the coarse voxels."""
        if tissue is None:
            coarse = self.reference.maps.sum(axis=0).clip(0.0, 1.0)
        else:
            coarse = self.reference.maps[np.flatnonzero(self.reference.values == self.anatomy.label_of(tissue))[0]]
        return self.reference.on(CanonicalFrame.of(self.anatomy), coarse)


@dataclass(frozen=True)
class Smoothed:
    """A cohort's probabilities as smooth as the mean heart's. sigma: voxels."""

    sharp: Probabilities
    sigma: float

    @property
    def maps(self) -> int:
        """How many maps were counted."""
        return self.sharp.maps

    @cached_property
    def _kept(self) -> dict[str | None, Field]:
        return {}

    def probability(self, tissue: str | None = None) -> Field:
        """Each is smoothed once: the figure asks for every tissue on several planes."""
        if tissue not in self._kept:
            self._kept[tissue] = ndimage.gaussian_filter(self.sharp.probability(tissue), self.sigma, truncate=3.0)
        return self._kept[tissue]


def twin_heart(twin: Mapping[str, Any], anatomy: Anatomy) -> OneHeart | None:
    """The twin of a run where its siblings lie, None where its file is gone or is another one than was edited."""
    path = Path(str(twin.get("file") or ""))
    try:
        values = {int(segment["value"]): str(segment["tissue"]) for segment in twin["segments"] if segment["tissue"]}
        labelmap = read_labelmap(path, anatomy, recorded=values)
        if not has_hash(labelmap, twin["labels_sha256"]):
            return None
        placed = np.array(twin["canonical_to_ras_mm"], dtype=np.float64)
        known = known_labels(labelmap, anatomy)
    except (SiblingsError, OSError, KeyError, TypeError, ValueError):
        return None
    return OneHeart(resample_to_canonical(known, labelmap.affine, placed, CanonicalFrame.of(anatomy)), anatomy)
