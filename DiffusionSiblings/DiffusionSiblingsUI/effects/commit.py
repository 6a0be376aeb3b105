"""Puts changed voxels into a segmentation as one edit of the Segment Editor: one undo step over all segments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.bridge import Bridged, oriented_image

DERIVED = ("Closed surface", "Fractional labelmap", "Planar contour", "Ribbon model")  # what Slicer makes of labelmaps
EDIT_TAG = "DiffusionSiblings.Edit"  # segment tag: what the segment's shape comes from; undone with it, saved with it


@dataclass(frozen=True)
class Change:
    """What a segment loses and gains: vtkOrientedImageData in the node's coordinates, None where it is nothing.

    lost: 0 where voxels go, 255 elsewhere. gained: 1 where voxels come, 0 elsewhere. voxels: how many go and come.
    """

    segment_id: str
    lost: slicer.vtkOrientedImageData | None
    gained: slicer.vtkOrientedImageData | None
    voxels: int


def changing(labels: np.ndarray, bridged: Bridged) -> Generator[None, None, list[Change]]:
    """The changes that make the twin into `labels` ((D, H, W), values of `bridged`), in short steps."""
    twin = bridged.labelmap.labels
    box = yield from grids.bounding(twin.shape, lambda slab: twin[slab] != labels[slab])
    if box is None:
        return []
    before, after = twin[box], labels[box]
    different = before != after
    touched = np.union1d(np.unique(before[different]), np.unique(after[different]))
    changes = []
    for value in (int(value) for value in np.union1d(touched, list(bridged.covered)) if value):
        yield
        lost, gained = different & (before == value), different & (after == value)
        if value in bridged.covered:  # what it has below another segment must not come to light where that one goes
            lost |= _marked(bridged.covered[value], twin.shape, box) & different & ~gained
        changes.append(Change(bridged.segment_ids[value - 1], _image(lost, bridged.grid, box, 255, 0),
                              _image(gained, bridged.grid, box, 0, 1),
                              int(np.count_nonzero(lost)) + int(np.count_nonzero(gained))))
    return changes


def _marked(flat: np.ndarray, shape: tuple[int, ...], box: grids.Box) -> np.ndarray:
    """(k, j, i) bool in a box: the voxels of flat indices into an array of a shape."""
    marks = np.zeros(shape, dtype=bool)
    marks.flat[flat] = True
    return marks[box]


def commit(node: slicer.vtkMRMLSegmentationNode, changes: Sequence[Change], *, save: Callable[[], None],
           tag: str = "", apart: Collection[str] = ()) -> None:
    """Makes all changes in one go: nobody sees the segmentation half changed, and one undo takes all back.

    save: called once before the first change (`saveStateForUndo`). tag: kept with every changed segment. apart: IDs of
    segments that lie over others and stay as they are.
    All lose before any gains, and each call names all segments as ones that it may overwrite: so no two ever claim a
    voxel on the way, for which Slicer would take shared layers apart. Other representations stay as they are:
    `refreshing` follows them up.
    """
    logic, segmentation = slicer.vtkSlicerSegmentationsModuleLogic, node.GetSegmentation()
    ids = [identifier for identifier in segmentation.GetSegmentIDs() if identifier not in apart]
    save()
    modifying = node.StartModify()  # views and tables hear of it once
    derived = _set_aside(segmentation, changes)
    try:
        for change in changes:
            if change.lost is not None:
                # True (the whole layer is cleared there) is quicker, and the same: what is lost is this segment's alone
                logic.SetBinaryLabelmapToSegment(change.lost, node, change.segment_id, logic.MODE_MERGE_MIN,
                                                 change.lost.GetExtent(), True, ids)
        for change in changes:
            if change.gained is not None:
                logic.SetBinaryLabelmapToSegment(change.gained, node, change.segment_id, logic.MODE_MERGE_MASK,
                                                 change.gained.GetExtent(), False, ids)
    finally:
        for segment_id, name, data in derived:
            segmentation.GetSegment(segment_id).AddRepresentation(name, data)
        node.EndModify(modifying)
    for change in changes:
        segment = segmentation.GetSegment(change.segment_id)
        if tag:
            segment.SetTag(EDIT_TAG, tag)
        if logic.GetSegmentStatus(segment) == logic.NotStarted:
            logic.SetSegmentStatus(segment, logic.InProgress)


def refreshing(node: slicer.vtkMRMLSegmentationNode, changes: Sequence[Change]) -> Generator[None, None, None]:
    """Makes surfaces and other derived representations of the changed segments anew, one a step."""
    segmentation = node.GetSegmentation()
    for name in _derived_names(segmentation):
        for change in changes:
            segment = segmentation.GetSegment(change.segment_id)
            if segment is not None and segment.GetRepresentation(name) is not None:
                segment.RemoveRepresentation(name)
                segmentation.CreateRepresentation(name)  # makes what is missing, so this segment's alone
                yield


def _set_aside(segmentation: slicer.vtkSegmentation, changes: Sequence[Change]) -> list[tuple[str, str, Any]]:
    """Takes derived representations off the changed segments, or Slicer would make each anew at every single call."""
    taken = []
    for name in _derived_names(segmentation):
        for change in changes:
            segment = segmentation.GetSegment(change.segment_id)
            data = segment.GetRepresentation(name)
            if data is not None:
                taken.append((change.segment_id, name, data))
                segment.RemoveRepresentation(name)
    return taken


def _derived_names(segmentation: slicer.vtkSegmentation) -> list[str]:
    return [name for name in DERIVED if segmentation.ContainsRepresentation(name)]


def _image(mask: np.ndarray, grid: grids.Grid, box: grids.Box, outside: int,
           inside: int) -> slicer.vtkOrientedImageData | None:
    """A (k, j, i) mask in a box of the grid as a vtkOrientedImageData, cut to what is set; None if nothing is."""
    inner = exhaust(grids.bounding(mask.shape, lambda slab: mask[slab]))
    if inner is None:
        return None
    part = np.where(mask[inner], np.uint8(inside), np.uint8(outside))
    starts = [outer.start + cut.start + grid.extent[2 * axis]
              for axis, (outer, cut) in enumerate(zip(reversed(box), reversed(inner), strict=True))]
    i0, j0, k0 = starts
    i1, j1, k1 = (start + size - 1 for start, size in zip(starts, part.shape[::-1], strict=True))
    return oriented_image(part, grids.Grid(grid.matrix, (i0, i1, j0, j1, k0, k1), grid.world))
