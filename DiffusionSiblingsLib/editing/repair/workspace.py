"""What the steps of a repair share: a padded crop of the label map, settings, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ...core.boxes import Box, foreground_box
from ...core.errors import InputError
from ...core.labelmap import Affine
from ...core.places import ras_of, voxel_within
from ...metrics.run_lengths import LabelArray, require_labels
from ...metrics.topology import CONTACT_CONNECTIVITY, TISSUE_CONNECTIVITY, neighbour_offsets

BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]

WALL = 2  # voxels between two tissues: enough for the check on every voxel and on every other voxel
PAD = WALL  # the reach of the widest neighbour look-up
INNER = (slice(PAD, -PAD),) * 3  # of a padded array: the part without its padding


@dataclass(frozen=True)
class Settings:
    """What counts as a defect small enough to repair.

    speck_fraction: a piece below this share of its tissue's voxels is a speck; larger ones are left and reported.
    cavity_ml: enclosed background up to this volume is filled (at least one voxel). Connectivities: 6, 18 or 26.
    """

    speck_fraction: float = 0.05
    cavity_ml: float = 0.2
    tissue_connectivity: int = TISSUE_CONNECTIVITY
    contact_connectivity: int = CONTACT_CONNECTIVITY

    def __post_init__(self) -> None:
        if not 0.0 <= self.speck_fraction <= 0.5:
            raise InputError("Impossible speck size", value=self.speck_fraction, rule="a share from 0 to 0.5")
        if not self.cavity_ml >= 0.0:
            raise InputError("Impossible cavity size", value=self.cavity_ml, rule="0 ml or more")
        neighbour_offsets(self.tissue_connectivity)
        neighbour_offsets(self.contact_connectivity)


@dataclass(frozen=True)
class Left:
    """A defect that was found and not repaired.

    kind: "piece", "cavity" (background that one tissue encloses), "contact" or "crumb" (a thin bit that is a piece of
    its own at half resolution only). what: tissue id or "LA-RA". voxels: in the piece or cavity, or too close to the
    other tissue. reason: why it stays.
    inherited: True if the twin has the same labels there, None where no twin was given. ras_mm: of a voxel in its
    middle, None where the grid's place is not known.
    """

    kind: str
    what: str
    voxels: int
    reason: str
    inherited: bool | None = None
    ras_mm: tuple[float, float, float] | None = None


@dataclass
class Workspace:
    """The foreground of a label map while it is repaired, padded by PAD voxels of `other` on every side.

    labels, original: (d, h, w) uint8, KJI order. editable: (d, h, w) bool. twin: like labels, None where none
    was given. allowed: (other + 1,) bool, labels that voxels may be given. forbidden: (other + 1, other + 1) bool,
    symmetric: label pairs that must not touch.
    other: the value outside the map and of what the anatomy does not know: never changed, never voted for.
    box: where the unpadded part lies in the whole map. voxel_ml: volume of a voxel, ml. affine: (4, 4), voxel IJK ->
    RAS mm of the whole map, None where it is not known.
    """

    labels: ByteArray
    original: ByteArray
    editable: BoolArray
    allowed: BoolArray
    forbidden: BoolArray
    twin: ByteArray | None
    other: int
    box: Box
    anatomy: Anatomy
    settings: Settings
    voxel_ml: float
    affine: Affine | None = None
    specks: Counter[str] = field(default_factory=Counter)
    cavities: Counter[str] = field(default_factory=Counter)
    separated: Counter[str] = field(default_factory=Counter)
    speck_voxels: int = 0
    filled_voxels: int = 0
    left: list[Left] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """Voxels changed so far, a voxel changed twice counting twice."""
        return self.speck_voxels + self.filled_voxels + self.separated.total()

    def place_of(self, voxels: IntArray) -> tuple[float, float, float] | None:
        """RAS mm of the middle of some voxels. voxels: (N,) flat indices, at least one."""
        if self.affine is None:
            return None
        inside = np.stack(np.unravel_index(voxels, self.labels.shape), axis=1)
        return ras_of(voxel_within(inside) - PAD + np.array([axis.start for axis in self.box]), self.affine)

    def copy(self) -> Workspace:
        """The same state, to try something on."""
        return replace(
            self,
            labels=self.labels.copy(),
            left=list(self.left),
            specks=self.specks.copy(),
            cavities=self.cavities.copy(),
            separated=self.separated.copy(),
        )

    def steps(self, connectivity: int, reach: int = 1) -> list[int]:
        """Flat index distance of every neighbour (all 6, 18 or 26), valid for voxels inside the padding.

        reach: steps in the direction of each neighbour; with WALL, where two tissues that must not touch are too close.
        """
        _, height, width = self.labels.shape
        half = [(k * height + j) * width + i for k, j, i in neighbour_offsets(connectivity)]
        return [times * step for step in (*half, *(-step for step in half)) for times in range(1, reach + 1)]


def open_workspace(
    labels: LabelArray,
    anatomy: Anatomy,
    editable: BoolArray | None,
    allowed: Sequence[int] | None,
    reference: LabelArray | None,
    settings: Settings,
    voxel_ml: float,
) -> Workspace | None:
    """Crop to the foreground and pad; None where the map is empty.

    labels: (D, H, W) integer. editable: (D, H, W) bool or None = everywhere. allowed: label values besides background,
    or None = all of the anatomy's. reference: like labels, or None.
    """
    labels = require_labels(labels)
    box = foreground_box(labels, margin=1)  # background around the outermost voxels has a vote
    if box is None:
        return None
    values = [0, *(tissue.label for tissue in anatomy.tissues)]
    other = max(values) + 1
    if other > np.iinfo(np.uint8).max:
        raise InputError("A label of the anatomy is too large", value=max(values), rule="labels from 1 to 254")
    work = _padded(labels[box], values, other)
    twin = None if reference is None else _padded(reference[box], values, other)
    free = work != other
    if editable is not None:
        free[INNER] &= editable[box]
    given = np.zeros(other + 1, dtype=np.bool_)
    given[[0, *(values if allowed is None else allowed)]] = True
    table = np.zeros((other + 1, other + 1), dtype=np.bool_)
    for forbidden in anatomy.forbidden_contacts:
        first, second = (anatomy.label_of(tissue) for tissue in forbidden.pair)
        table[first, second] = table[second, first] = True
    return Workspace(work, work.copy(), free, given, table, twin, other, box, anatomy, settings, voxel_ml)


def _padded(labels: LabelArray, values: list[int], other: int) -> ByteArray:
    """A copy as uint8 with `other` for every value that is not in `values` and for PAD voxels around it."""
    known = np.where(np.isin(labels, values), labels, other).astype(np.uint8)
    return np.pad(known, PAD, constant_values=other)
