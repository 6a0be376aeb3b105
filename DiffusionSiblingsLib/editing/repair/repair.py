"""Repair of a label map: specks given away, small cavities filled, forbidden contacts opened; everything counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...core.anatomy import Anatomy
from ...core.errors import InputError
from ...core.labelmap import Affine
from ...metrics.run_lengths import LabelArray
from .contacts import separate
from .crumbs import find_crumbs, give_crumbs, report_crumbs
from .pieces import fill_cavities, give_specks
from .workspace import INNER, BoolArray, Left, Settings, Workspace, open_workspace

__all__ = ["Left", "Repair", "Settings", "repair"]
MAX_ROUNDS = 25


@dataclass(frozen=True)
class Repair:
    """A repaired label map and what was done to it.

    labels: (D, H, W), the input's dtype. specks: tissue id -> pieces given away; speck_voxels: voxels in them.
    cavities: tissue id -> cavities filled; filled_voxels: voxels in them.
    separated: "LA-RA" -> voxels turned into wall.
    changed_voxels: voxels that differ from the input (a voxel handled twice counts once).
    left: defects that were found and not repaired, with the reason.
    """

    labels: LabelArray
    specks: dict[str, int] = field(default_factory=dict)
    speck_voxels: int = 0
    cavities: dict[str, int] = field(default_factory=dict)
    filled_voxels: int = 0
    separated: dict[str, int] = field(default_factory=dict)
    changed_voxels: int = 0
    left: tuple[Left, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The counts, without the voxels, as plain JSON types."""
        counts = ("changed_voxels", "specks", "speck_voxels", "cavities", "filled_voxels", "separated")
        return {**{name: getattr(self, name) for name in counts}, "left": [asdict(item) for item in self.left]}


def repair(
    labels: LabelArray,
    anatomy: Anatomy,
    *,
    editable: BoolArray | None = None,
    allowed: Sequence[int] | None = None,
    reference: LabelArray | None = None,
    voxel_volume_ml: float | None = None,
    settings: Settings | None = None,
    affine: Affine | None = None,
) -> Repair:
    """Repair a label map on any grid; a second call changes nothing.

    Specks: every piece of a tissue but its largest, below `settings.speck_fraction` of the tissue, is given to the
    label that most of its neighbours have, unless that makes a forbidden contact; background is the last resort.
    Crumbs: what hangs together on every voxel but comes apart on every other voxel is given away in the same manner.
    Cavities: background enclosed in one single tissue, at most `settings.cavity_ml`, becomes that tissue; larger
    ones are reported.
    Forbidden contacts: where two tissues lie less than 2 voxels apart the anatomy's separator takes the place of the
    nearest voxels, so that the check passes on every voxel and on every other voxel, whichever of these it starts at.
    No tissue is emptied; missing required contacts are never made up.

    labels: (D, H, W) integer, KJI order, anatomy label values; voxels with other values are never changed.
    editable: (D, H, W) bool, where voxels may change (None = everywhere). A piece or cavity that has a voxel outside of
    it stays whole. allowed: label values that voxels may be given besides background (None = all of the anatomy's): an
    edit of one tissue must not let another one grow. reference: (D, H, W) the twin on the same grid, only to say which
    of the defects left were its own.
    voxel_volume_ml: ml, of this grid; None = the anatomy's field of view. affine: (4, 4), voxel IJK -> RAS mm, to say
    where the defects are that are left.
    """
    settings = settings or Settings()
    for name, other in (("editable", editable), ("reference", reference)):
        if other is not None and other.shape != labels.shape:
            raise InputError(f"The {name} array lies on another grid than the label map",
                             value=f"{other.shape} and {labels.shape} voxels", rule="the same shape",
                             hint="resample it to the label map's grid")
    voxel_ml = voxel_volume_ml or anatomy.spacing_mm**3 / 1000.0
    space = open_workspace(labels, anatomy, editable, allowed, reference, settings, voxel_ml)
    if space is None:
        return Repair(labels.copy())
    space.affine = affine
    _settle(space)
    return _report(_without_crumbs(space), labels)


def _settle(space: Workspace) -> None:
    """Repeat the steps until none of them changes a voxel: one step can uncover work for another."""
    for _ in range(MAX_ROUNDS):
        space.left.clear()
        before = space.changes
        give_specks(space)
        fill_cavities(space)
        separate(space)
        if space.changes == before:
            break


def _without_crumbs(space: Workspace) -> Workspace:
    """Give crumbs away as long as that leaves fewer of them; a try that does not is undone and the crumbs reported."""
    while crumbs := find_crumbs(space):
        trial = space.copy()
        give_crumbs(trial, crumbs)
        _settle(trial)
        if len(find_crumbs(trial)) >= len(crumbs):
            report_crumbs(space, crumbs)
            return space
        space = trial
    return space


def _report(space: Workspace, labels: LabelArray) -> Repair:
    """Put the workspace back into a copy of the input and collect the counts."""
    result = labels.copy()
    target = result[space.box]
    inner = space.labels[INNER]
    changed = inner != space.original[INNER]
    target[changed] = inner[changed]
    return Repair(
        result,
        specks=dict(space.specks),
        speck_voxels=space.speck_voxels,
        cavities=dict(space.cavities),
        filled_voxels=space.filled_voxels,
        separated=dict(space.separated),
        changed_voxels=int(np.count_nonzero(changed)),
        left=tuple(space.left),
    )
