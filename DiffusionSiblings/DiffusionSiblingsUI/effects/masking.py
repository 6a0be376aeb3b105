"""What the Segment Editor's masking allows an edit to change: editable area, hidden segments, overwriting, intensities.

The rules are taken once, from the state before the edit, and hold for all segments together. Asking Slicer's logic
segment by segment would not do: it masks each one by what the segments before it have already become.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.bridge import Bridged

_INSIDE = ("EditAllowedInsideAllSegments", "EditAllowedInsideVisibleSegments", "EditAllowedInsideSingleSegment")


@dataclass(frozen=True)
class Rules:
    """The masking section of the Segment Editor as it stands.

    area: a mode of vtkMRMLSegmentationNode ("EditAllowedEverywhere", ...). inside: segment ID for the mode of a single
    segment. overwrite: "all", "visible" or "none" of the segments that are not edited. visible: IDs of the segments
    that are shown. intensity: lowest and highest value of the source volume where editing is allowed, None: anywhere.
    source: (volume node, the segmentation's parent transform node or None), only where `intensity` is set.
    """

    area: str = "EditAllowedEverywhere"
    inside: str = ""
    overwrite: str = "all"
    visible: frozenset[str] = frozenset()
    intensity: tuple[float, float] | None = None
    source: tuple[Any, Any] | None = None


def rules_of(editor_node: slicer.vtkMRMLSegmentEditorNode) -> Rules:
    """The rules of a vtkMRMLSegmentEditorNode for its segmentation."""
    node = editor_node.GetSegmentationNode()
    modes = slicer.vtkMRMLSegmentationNode
    names = {getattr(modes, name): name for name in dir(modes) if name.startswith("EditAllowed")}
    overwrite = {editor_node.OverwriteNone: "none", editor_node.OverwriteVisibleSegments: "visible"}
    display, ids = node.GetDisplayNode(), node.GetSegmentation().GetSegmentIDs()
    intensity, source = None, None
    if editor_node.GetSourceVolumeIntensityMask():
        low, high = editor_node.GetSourceVolumeIntensityMaskRange()
        intensity, source = (low, high), (editor_node.GetSourceVolumeNode(), node.GetParentTransformNode())
    return Rules(
        area=names[editor_node.GetMaskMode()], inside=editor_node.GetMaskSegmentID() or "",
        overwrite=overwrite.get(editor_node.GetOverwriteMode(), "all"),
        visible=frozenset(i for i in ids if display is None or display.GetSegmentVisibility(i)),
        intensity=intensity, source=source,
    )  # fmt: skip


def tables(rules: Rules, ids: Collection[str], edited: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Look-up tables by voxel value (0 = background, n = the n-th of `ids`): what may go, and what may come.

    leave: (n + 1,) bool, the twin's value may be replaced. enter: (n + 1,) bool, the sibling's value may be put there.
    edited: IDs of the segments that the edit is about. A hidden one stays exactly as it is.
    """
    leave, enter = np.ones(len(ids) + 1, dtype=bool), np.ones(len(ids) + 1, dtype=bool)
    inside_area = rules.area in _INSIDE
    leave[0] = not inside_area
    for value, identifier in enumerate(ids, start=1):
        shown = identifier in rules.visible
        if identifier in edited:
            leave[value] = enter[value] = shown
        else:
            leave[value] = rules.overwrite == "all" or (rules.overwrite == "visible" and shown)
            enter[value] = False
        named = {"EditAllowedInsideVisibleSegments": shown, "EditAllowedOutsideVisibleSegments": shown,
                 "EditAllowedInsideSingleSegment": identifier == rules.inside,
                 "EditAllowedEverywhere": False}.get(rules.area, True)
        # "outside" modes never protect what is edited, as in Slicer
        leave[value] &= named if inside_area else not named or identifier in edited
    return leave, enter


def composing(
    sibling: np.ndarray, bridged: Bridged, rules: Rules, edited: Collection[str]
) -> Generator[None, None, np.ndarray]:
    """The sibling where the rules allow it and the twin everywhere else, in short steps.

    sibling, result: (D, H, W) in the values of `bridged`. Raises InputError if nothing of the sibling is left.
    """
    twin = bridged.labelmap.labels
    leave, enter = tables(rules, bridged.segment_ids, edited)
    result = twin.copy()
    yield
    wanted = changed = 0
    for slab in grids.slabs(twin.shape):
        before, after = twin[slab], sibling[slab]
        different = before != after
        wanted += int(np.count_nonzero(different))
        allowed = different & leave[before] & enter[after]
        if rules.intensity is not None and allowed.any():
            yield
            allowed &= _in_range(rules, bridged, slab)
        changed += int(np.count_nonzero(allowed))
        np.copyto(result[slab], after, where=allowed, casting="same_kind")
        yield
    if not changed:
        raise _nothing_left(rules, wanted)
    return result


def _in_range(rules: Rules, bridged: Bridged, slab: slice) -> np.ndarray:
    """(k, H, W) bool: the source volume, interpolated as Slicer does, is within the range of intensities."""
    volume, transform = rules.source or (None, None)
    if volume is None or volume.GetImageData() is None:
        raise InputError(_("The editable intensity range needs a source volume"), rule=_("a volume with voxels"),
                         hint=_("choose the source volume, or switch off Masking > Editable intensity range"))
    extent = list(bridged.grid.extent)
    extent[4:] = bridged.grid.extent[4] + slab.start, bridged.grid.extent[4] + slab.stop - 1
    source, aligned = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    source.ShallowCopy(_first_component(volume.GetImageData()))
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    source.SetGeometryFromImageToWorldMatrix(matrix)
    between = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume.GetParentTransformNode(), transform, between)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        source, grids.geometry_image(bridged.grid.matrix, extent), aligned, True, False, between,
        volume.GetImageBackgroundScalarComponentAsDouble(0))
    values = numpy_support.vtk_to_numpy(aligned.GetPointData().GetScalars())
    low, high = rules.intensity or (-np.inf, np.inf)
    shape = (slab.stop - slab.start, *bridged.grid.shape[1:])
    return ((values >= low) & (values <= high)).reshape(shape)


def _first_component(image: vtk.vtkImageData) -> vtk.vtkImageData:
    """The image, or its first component alone: the one that the Segment Editor masks by."""
    if image.GetNumberOfScalarComponents() == 1:
        return image
    extract = vtk.vtkImageExtractComponents()
    extract.SetInputData(image)
    extract.SetComponents(0)
    extract.Update()
    return extract.GetOutput()


def _nothing_left(rules: Rules, wanted: int) -> InputError:
    if not wanted:
        return InputError(_("The sibling is the same as the twin"),
                          hint=_("raise the sampling ratio, or try the next seed"))
    bounds = [] if rules.area == "EditAllowedEverywhere" else [_("the editable area")]
    bounds += [_("the intensity range")] if rules.intensity is not None else []
    bounds += [_("hidden segments")]
    return InputError(_("The masking leaves nothing to change"),
                      value=_("{count} voxels would change without it").format(count=wanted),
                      rule=_("these protect the twin: {names}").format(names=", ".join(bounds)),
                      hint=_("check the section Masking below, and show the segments that may change"))
