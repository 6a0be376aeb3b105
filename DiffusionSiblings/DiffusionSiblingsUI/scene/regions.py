"""Regions of an edit on the twin's grid: a ROI, or a segment of any segmentation. Part of the bridge."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.grid import Grid
from DiffusionSiblingsUI.scene.layers import layers_of, placed

if TYPE_CHECKING:
    import slicer

    from DiffusionSiblingsUI.scene.bridge import Bridged

BoolArray = np.ndarray
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def masking(
    bridged: Bridged, *, roi: slicer.vtkMRMLMarkupsROINode | None = None,
    segment: tuple[slicer.vtkMRMLSegmentationNode, str] | None = None
) -> Generator[None, None, BoolArray]:
    """(D, H, W) bool on the twin's grid: inside the ROI and the segment (node, segment id), in short steps.

    The ROI may be turned, and both may be under transforms (linear ones for the segment). Raises InputError if no
    voxel is inside.
    """
    if roi is None and segment is None:
        raise InputError(_("No region is chosen"), rule=_("a region is a ROI or a segment"),
                         hint=_("choose one, or edit whole tissues"))
    inside = np.ones(bridged.grid.shape, dtype=bool)
    if roi is not None:
        inside &= yield from _inside_roi(bridged.grid, roi)
    if segment is not None:
        inside &= yield from _inside_segment(bridged.grid, *segment)
    if not inside.any():
        names = [node.GetName() for node in (roi, segment[0] if segment else None) if node is not None]
        raise InputError(
            _("The region contains no voxel of the twin"),
            value=", ".join(names),
            rule=_("the region overlaps the image of the twin"),
            hint=_("move the region onto the heart, and check it in the slice views"),
        )
    return inside


def _inside_roi(grid: Grid, roi: slicer.vtkMRMLMarkupsROINode) -> Generator[None, None, BoolArray]:
    """(D, H, W) bool: voxels whose centre lies in the box of a ROI (outside of it if the ROI is inside out)."""
    matrix = vtk.vtkMatrix4x4()
    # The node hands out its live matrix. Under any parent transform it is a box with right angles: what the views show.
    matrix.DeepCopy(roi.GetObjectToWorldMatrix())
    size = np.array(roi.GetSize())
    if not (size > 0).all() or roi.GetNumberOfControlPoints() == 0:
        raise InputError(_("The ROI has no size"), value=roi.GetName(),
                         rule=_("all three sides of the box are longer than 0"),
                         hint=_("place the ROI around the region in the slice views"))
    to_box = np.linalg.inv(grids.as_array(matrix)) @ grid.affine  # IJK of the array -> mm from the centre of the box
    k, j, i = (np.arange(count, dtype=np.float64) for count in grid.shape)
    outside_out = not roi.GetInsideOut()
    inside = np.empty(grid.shape, dtype=bool)
    for slab in grids.slabs((grid.shape[0], *(4 * count for count in grid.shape[1:]))):
        part = np.ones((slab.stop - slab.start, *grid.shape[1:]), dtype=bool)
        for axis in range(3):
            a, limit = to_box[axis], size[axis] / 2 + 1e-6
            plane = (a[1] * j)[:, None] + (a[0] * i)[None, :] + a[3]
            place = (a[2] * k[slab])[:, None, None] + plane[None]
            part &= np.abs(place, out=place) <= limit
        inside[slab] = part if outside_out else ~part
        yield
    return inside


def _inside_segment(grid: Grid, node: slicer.vtkMRMLSegmentationNode | None, segment_id: str) -> Generator[None, None,
                    BoolArray]:
    """(D, H, W) bool: the nearest voxel of a segment, on whatever grid, covers the voxel's centre."""
    segmentation = node.GetSegmentation() if node is not None else None
    if node is None or segmentation is None or segmentation.GetSegment(segment_id) is None:
        raise InputError(_("The segment of the region is missing"), value=segment_id or _("none chosen"),
                         rule=_("a segment of a segmentation in the scene"), hint=_("choose the segment again"))
    between = np.linalg.inv(grid.world) @ grids.to_world(node)  # the region's node -> the twin's node
    layers = yield from layers_of(node, [segment_id])
    if not layers or segment_id not in layers[0].values:
        raise InputError(_("The segment of the region is empty"),
                         value=segmentation.GetSegment(segment_id).GetName(), rule=_("at least one voxel"),
                         hint=_("paint the region first"))
    layer = layers[0]
    yield
    mask = (layer.labels == layer.values[segment_id]).view(np.uint8)
    box, values = yield from placed(replace(layer, labels=mask, matrix=between @ layer.matrix), grid)
    inside = np.zeros(grid.shape, dtype=bool)
    inside[box] = values.view(bool)
    return inside


def write_mask(mask: BoolArray, affine: np.ndarray, path: Path) -> Path:
    """A (D, H, W) bool mask as an uncompressed NRRD file, whole or not at all. affine: (4, 4) IJK -> RAS mm."""
    from DiffusionSiblingsLib.core.files import atomic_path  # brings hashes and their libraries: 8 ms at start-up

    lps = _LPS @ affine
    directions = " ".join(f"({','.join(repr(float(value)) for value in lps[:3, axis])})" for axis in range(3))
    header = (
        f"NRRD0004\ntype: unsigned char\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, mask.shape[::-1]))}\nspace directions: {directions}\n"
        f"kinds: domain domain domain\nencoding: raw\n"
        f"space origin: ({','.join(repr(float(value)) for value in lps[:3, 3])})\n\n"
    )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(header.encode("ascii"))
        file.write(np.ascontiguousarray(mask).view(np.uint8).data)
    return path
