"""From class probabilities in the canonical frame to a sibling on the twin's grid.

What no edit could reach comes from the twin, bit for bit: voxels outside the region or the field of view, preserved
tissues, and (unless they may be overwritten) tissues that the model does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelMap
from ..labelmaps.geometry.resample import resample_to_canonical, to_twin
from ..labelmaps.geometry.room import cut_at_faces, ml_beyond
from ..labelmaps.region import box_mask, read_noted_region
from ..labelmaps.twin import BoolArray, Twin
from .request import Request

UInt8Array = npt.NDArray[np.uint8]
FAR_MM = 12.0  # from the heart to a region in which nothing of it will be drawn; two cells of the latent grid
WITHHELD_SHARE = 0.05  # of the heart, from which on it is told that unknown tissue kept siblings from their room
LEAST_CUT_ML = 0.1  # less than this beyond the edge of the grid is rounding


@dataclass(frozen=True)
class Scope:
    """Where an edit may act, and what it may leave there.

    reach: (D, H, W) bool on the twin's grid, voxels that may change. allowed: the anatomy's labels that may stand there
    (0 = background included). preserved: (128, 128, 128) bool in the canonical frame, what the sampler must keep;
    editable: (128, 128, 128) bool, what the edit is about. Both None for edits of the whole heart. withheld: (D, H, W)
    bool, voxels of unknown tissue that the edit would reach if it might overwrite them. warnings: about the edit.
    """

    reach: BoolArray
    allowed: tuple[int, ...]
    preserved: BoolArray | None = None
    editable: BoolArray | None = None
    withheld: BoolArray | None = None
    warnings: tuple[str, ...] = ()


def edit_scope(request: Request, twin: Twin, anatomy: Anatomy) -> Scope:
    """The scope of a request on a twin. Raises InputError where nothing could change."""
    open_voxels = twin.in_view if request.overwrite else twin.in_view & ~twin.unknown
    withheld = None if request.overwrite or not twin.unknown.any() else twin.in_view & twin.unknown
    every_label = (0, *(tissue.label for tissue in anatomy.tissues))
    if request.edit != "inpaint":
        return Scope(open_voxels, every_label, withheld=withheld)
    region, notes = edit_region(request, twin)
    allowed, canonical = every_label, twin.canonical.labels
    reach = open_voxels if region is None else open_voxels & region
    editable = np.ones(canonical.shape, dtype=bool)
    if region is not None:
        withheld = withheld & region if withheld is not None else None
        painted = region.astype(np.uint8)
        editable = resample_to_canonical(painted, twin.labelmap.affine, twin.canonical.to_world, twin.frame) > 0
    if request.tissues:
        allowed = (0, *free_labels(request.tissues, anatomy))
        reach = reach & np.isin(twin.known, allowed)
        editable = editable & np.isin(canonical, allowed)
    preserved = ~editable if region is not None else ~np.isin(canonical, allowed)
    about = editable & np.isin(canonical, allowed[1:]) if request.tissues else editable
    if not reach.any() or not about.any():
        raise InputError("The edit can reach no voxel of the twin", value=request.describe(),
                         rule="the region overlaps the heart and the model's field of view",
                         hint="check the box (RAS mm) or the mask against the twin")
    return Scope(reach, allowed, preserved, about, withheld, (*notes, *_idle_words(request, reach, twin)))


def _idle_words(request: Request, reach: BoolArray, twin: Twin) -> tuple[str, ...]:
    """Warnings about an inpainting that will most likely change nothing. reach: (D, H, W) bool, what may change."""
    words = []
    if request.ratio == 0:
        words.append("An inpainting with ratio 0 draws nothing anew: its siblings differ from the twin only where the "
                     "autoencoder rounds. Give a ratio above 0, such as 1, which draws the region anew")
    gap = _gap_mm(reach, twin)
    if gap > FAR_MM:
        words.append(f"The region of the inpainting lies in the background, {gap:.0f} mm from the heart: its siblings "
                     "will most likely equal the twin. Check the box (RAS mm) or the mask against the twin")
    return tuple(words)


def _gap_mm(reach: BoolArray, twin: Twin) -> float:
    """Distance in mm between what may change and the heart, along axes; 0 where they overlap or their boxes do."""
    if (reach & (twin.known > 0)).any():
        return 0.0
    spacing = twin.labelmap.spacing[::-1]
    gaps = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        there, heart = (np.flatnonzero(mask.any(axis=others)) for mask in (reach, twin.known > 0))
        gaps.append(max(there[0] - heart[-1], heart[0] - there[-1], 0) * spacing[axis])
    return float(np.linalg.norm(gaps))


def free_labels(tissues: tuple[str, ...], anatomy: Anatomy) -> tuple[int, ...]:
    """Labels of the edited tissues and of those that follow them (the myocardium follows a ventricle)."""
    unknown = [tissue for tissue in tissues if tissue not in anatomy.ids]
    if unknown:
        raise InputError("The model does not know this tissue", value=", ".join(unknown),
                         rule=f"tissues are {', '.join(anatomy.ids)}", hint="give --edit one or more of these")
    followers = [follower for tissue in tissues for follower in anatomy.follows.get(tissue, ())]
    return tuple(sorted({anatomy.label_of(tissue) for tissue in (*tissues, *followers)}))


def edit_region(request: Request, twin: Twin) -> tuple[BoolArray | None, tuple[str, ...]]:
    """(D, H, W) bool on the twin's grid: inside the box and the mask; None where the request names neither. And what
    was assumed about the mask's file.
    """
    region: BoolArray | None = None
    notes = tuple[str, ...]()
    if request.box is not None:
        assert isinstance(request.box, tuple), "plan_requests has placed it"
        region = box_mask(request.box, twin.labelmap)
    if request.region is not None:
        painted, found = read_noted_region(Path(request.region), twin.labelmap)
        notes = tuple(f"The region {Path(request.region).name}: {words}" for words in found)
        region = painted if region is None else region & painted
    return region, notes


@dataclass(frozen=True)
class Composition:
    """A sibling on the twin's grid. known: (D, H, W) uint8 in the anatomy's labels. conflicts: tissue id of the sibling
    -> voxels of unknown tissue that it wanted and did not get (or took, with overwrite). beyond_ml: label -> ml of it
    where the twin's grid does not reach. withheld_ml: name of an unknown segment -> ml of it that the sibling wanted
    and may not overwrite.
    """

    known: UInt8Array
    conflicts: dict[str, int]
    beyond_ml: dict[int, float] = field(default_factory=dict)
    withheld_ml: dict[str, float] = field(default_factory=dict)


def compose(probabilities: npt.NDArray[Any], twin: Twin, scope: Scope, anatomy: Anatomy) -> Composition:
    """The sibling on the twin's grid.

    probabilities: (C, 128, 128, 128) float16 or float32, canonical; zero for labels that `scope` does not allow.
    """
    reach = scope.reach | (twin.unknown & twin.in_view)
    grid = (twin.labelmap.affine, twin.known.shape)
    wanted = to_twin(probabilities, twin.canonical.to_world, twin.frame, *grid, reach).labels
    known = np.where(scope.reach, wanted, twin.known).astype(np.uint8, copy=False)
    meeting = wanted[twin.unknown]
    conflicts = {t.id: int(np.count_nonzero(meeting == t.label)) for t in anatomy.tissues}
    beyond = twin.beyond if scope.editable is None else twin.beyond & scope.editable
    return Composition(known, {tissue: count for tissue, count in conflicts.items() if count},
                       ml_beyond(probabilities, beyond, twin.frame.spacing), _withheld_ml(wanted, twin, scope))


def _withheld_ml(wanted: UInt8Array, twin: Twin, scope: Scope) -> dict[str, float]:
    """Name of an unknown segment -> ml of it that a sibling wanted. wanted: (D, H, W) uint8."""
    if scope.withheld is None:
        return {}
    values, counts = np.unique(twin.labelmap.labels[scope.withheld & (wanted > 0)], return_counts=True)
    names = {segment.value: segment.name for segment in twin.labelmap.segments}
    found: dict[str, float] = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        name = names.get(value) or f"label {value}"
        found[name] = found.get(name, 0.0) + count * twin.labelmap.voxel_volume_ml
    return found


def told_withheld(withheld_ml: Mapping[str, float], volumes: Mapping[str, float]) -> dict[str, float]:
    """The same rounded, where it is more than WITHHELD_SHARE of the sibling's heart. volumes: tissue id -> ml."""
    if sum(withheld_ml.values()) <= WITHHELD_SHARE * sum(volumes.values()):
        return {}
    return {name: round(ml, 2) for name, ml in withheld_ml.items()}


def cut_off(known: UInt8Array, beyond_ml: Mapping[int, float], twin: Twin, anatomy: Anatomy) -> dict[str, float]:
    """Tissue id -> ml of a sibling that the edge of the twin's grid cuts off, where it reaches that edge and the twin
    does not. known: (D, H, W) uint8, the finished sibling. beyond_ml: of its `Composition`.
    """
    if max(beyond_ml.values(), default=0.0) < LEAST_CUT_ML:
        return {}
    reached = cut_at_faces(known, twin.known)
    return {tissue.id: round(beyond_ml[tissue.label], 2) for tissue in anatomy.tissues
            if tissue.label in reached and beyond_ml.get(tissue.label, 0.0) >= LEAST_CUT_ML}


def deliver(known: UInt8Array, twin: Twin, anatomy: Anatomy) -> LabelMap:
    """The sibling in the twin's own label values: voxels whose tissue did not change keep the value they had.

    A tissue that carries several values in the twin gets the first of them where it is new.
    """
    labelmap = twin.labelmap
    labels = labelmap.labels.copy()
    changed = known != twin.known
    table = np.zeros(256, dtype=labels.dtype)
    for tissue in anatomy.tissues:
        values = labelmap.tissues.get(tissue.id)
        table[tissue.label] = values[0] if values else 0
    labels[changed] = table[known[changed]]
    return labelmap.with_labels(labels)
