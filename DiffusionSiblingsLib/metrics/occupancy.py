"""Where a cohort has tissue: the share of its maps with a tissue in each voxel, and where two cohorts differ in it.

Maps are counted one after the other and let go, so that memory is the same for ten maps and for ten thousand: for a
heart on the canonical grid 6 x 128^3 counts, 50 MB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from .run_lengths import LabelArray, require_labels

Field = npt.NDArray[np.float32]


class Probabilities(Protocol):
    """What is compared of a cohort: `Occupancy`, or anything with the same two members."""

    @property
    def maps(self) -> int:
        """How many maps were counted."""

    def probability(self, tissue: str | None = None) -> Field:
        """(D, H, W) float32, 0..1: share of the maps that have this tissue (None: any tissue) in each voxel."""


@dataclass
class Occupancy:
    """How often each voxel had each tissue.

    counts: (T, D, H, W) uint32, KJI order, tissues in the order of anatomy.ids; background is what they leave of
    `maps`. maps: how many maps were counted.
    """

    anatomy: Anatomy
    counts: npt.NDArray[np.uint32]
    maps: int = 0

    @classmethod
    def empty(cls, anatomy: Anatomy) -> Occupancy:
        """Nothing counted yet, on the anatomy's canonical grid."""
        return cls(anatomy, np.zeros((len(anatomy.ids), *anatomy.shape), dtype=np.uint32))

    @classmethod
    def of(cls, maps: Iterable[LabelArray], anatomy: Anatomy) -> Occupancy:
        """The occupancy of some maps, taken one by one (a cohort's `store` is such an iterable)."""
        counted = cls.empty(anatomy)
        for labels in maps:
            counted.add(labels)
        return counted

    def add(self, labels: LabelArray) -> None:
        """Counts one map. labels: (D, H, W) integer, canonical, the anatomy's values; any other value is background."""
        labels = require_labels(labels)
        if labels.shape != self.counts.shape[1:]:
            raise InputError("A map does not lie on the grid of the occupancy", value=labels.shape,
                             rule=f"{self.counts.shape[1:]} voxels", hint="count canonical label maps")
        self.maps += 1
        box = foreground_box(labels)
        if box is None:
            return
        inside = labels[box]
        for index, tissue in enumerate(self.anatomy.tissues):
            self.counts[(index, *box)] += inside == tissue.label

    def probability(self, tissue: str | None = None) -> Field:
        """(D, H, W) float32, 0..1: share of the maps with this tissue in each voxel; None: with any tissue.

        InputError for an unknown tissue, or where nothing was counted.
        """
        return np.asarray(self._counted(tissue) / np.float32(self._checked_maps()), dtype=np.float32)

    def _counted(self, tissue: str | None) -> npt.NDArray[np.uint32]:
        if tissue is None:  # a voxel has one label, so the sum never counts a map twice
            return np.asarray(self.counts.sum(axis=0, dtype=np.uint32))
        return np.asarray(self.counts[self.anatomy.ids.index(self.anatomy.tissue(tissue).id)])

    def _checked_maps(self) -> int:
        if self.maps < 1:
            raise InputError("There is no occupancy yet", rule="at least one label map was counted")
        return self.maps


def difference(real: Probabilities, synthetic: Probabilities, tissue: str | None = None) -> Field:
    """P_diff: (D, H, W) float32, -1..1, occupancy of the synthetic cohort minus that of the real one.

    Above 0 where synthetic maps have the tissue more often. 0 where the cohorts agree AND where neither has it:
    `occupied` tells the two apart. Trap: at the boundary chance alone gives differences of
    sqrt(P (1 - P) (1 / n + 1 / m)), 0.06 for two cohorts of 120: look for regions, not for voxels.
    """
    return synthetic.probability(tissue) - real.probability(tissue)


def chance_of(first: int, second: int, deviations: float = 1.96) -> float:
    """The difference of occupancy that chance makes at a boundary. first, second: maps counted.

    deviations: how many standard deviations of the difference of two shares at 0.5, where it is largest; chance alone
    exceeds 1.96 of them in 1 voxel of 20.
    """
    return float(deviations * np.sqrt(0.25 / max(first, 1) + 0.25 / max(second, 1)))


def occupied(real: Occupancy, synthetic: Occupancy, tissue: str | None = None) -> npt.NDArray[np.bool_]:
    """(D, H, W) bool: voxels where any map of either cohort has the tissue; elsewhere a difference means nothing."""
    return (real.probability(tissue) > 0) | (synthetic.probability(tissue) > 0)
