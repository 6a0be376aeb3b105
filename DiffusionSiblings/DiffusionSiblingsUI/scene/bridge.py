"""Segmentation node <-> LabelMap. With `grid`, `layers` and `regions` all RAS, IJK and transform code of the extension.

Reading and writing are generators of short steps, so that Slicer stays usable; `read_segmentation` runs all steps of
reading at once. The twin's node is never modified.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.labelmaps.overlaps import BESIDE_TAG
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.grid import Grid
from DiffusionSiblingsUI.scene.joining import joining
from DiffusionSiblingsUI.scene.layers import LABELMAP, Layer, grid_of, layers_of, placed
from DiffusionSiblingsUI.scene.regions import masking
from DiffusionSiblingsUI.scene.terminology import match_tissues, missing_tissues, tags_of

__all__ = [
    "Bridged", "masking", "new_segmentation", "oriented_image", "read_segmentation", "reading", "writing",
]  # fmt: skip

FEWEST_VOXELS = 10  # the limit of labelmaps.tissues, which cannot be imported here: it needs scipy


@dataclass(frozen=True)
class Bridged:
    """A segmentation as the library sees it, and what is needed to bring siblings back to its place.

    labelmap: values 1..n in the order of the segments, Segment.identifier is the segment's id; affine is voxel IJK ->
    RAS mm in the world. segment_ids: ids of values 1..n. grid: where the voxels lie in the node's own coordinates.
    descriptions: vtkSegments with all that Slicer keeps of each segment (every tag included), without voxels. apart:
    IDs of segments that are no tissue and lie over tissues: the label map has none of their voxels, and their
    descriptions have all of them, so that siblings keep them as they are. covered: value -> (n,) indices into the flat
    labels, of voxels that the segment has in the scene and another one has in the label map.
    """

    labelmap: LabelMap
    segment_ids: tuple[str, ...]
    grid: Grid
    descriptions: tuple[slicer.vtkSegment, ...] = ()
    apart: tuple[str, ...] = ()
    covered: Mapping[int, np.ndarray] = field(default_factory=dict)

    def value_of(self, segment_id: str) -> int:
        """The voxel value of a segment."""
        return self.segment_ids.index(segment_id) + 1


def read_segmentation(node: slicer.vtkMRMLSegmentationNode, tissues: Mapping[str, str | None] | None = None,
                      **options: Any) -> Bridged:
    """`reading`, all at once."""
    return exhaust(reading(node, tissues, **options))


def reading(
    node: slicer.vtkMRMLSegmentationNode, tissues: Mapping[str, str | None] | None = None, *,
    anatomy: Anatomy | None = None, complete: bool = True
) -> Generator[None, None, Bridged]:
    """A segmentation node as a label map, in short steps.

    tissues: segment id -> tissue id or None; by default found by terminology code and name. complete: every tissue of
    the anatomy must be there. Voxels are copied in the first step, so that later edits in the scene do not tear them.
    Segments that are no tissue may lie over tissues: see `Bridged.apart`. Small overlaps are settled, and told in the
    notes of the label map. Raises InputError for missing or empty tissues, tissues that overlap by more and transforms
    that are not linear.
    """
    anatomy = anatomy or load_anatomy()
    if node is None or node.GetSegmentation() is None or not node.GetSegmentation().GetNumberOfSegments():
        raise InputError(_("There is no segment to read"), value=node.GetName() if node else _("no segmentation"),
                         rule=_("a segmentation with one segment for each tissue"),
                         hint=_("choose the segmentation of the twin"))
    tissues = match_tissues(node, anatomy) if tissues is None else tissues
    segments, descriptions = _described(node, tissues)
    if complete:
        _refuse_missing(node, tissues, anatomy)
    world = grids.to_world(node)
    ids = tuple(segment.identifier for segment in segments)
    layers = yield from layers_of(node, ids)
    if not layers:
        raise InputError(_("{name} has no voxels").format(name=node.GetName()),
                         rule=_("one segment for each tissue, each with voxels"),
                         hint=_("segment the heart, or choose another segmentation"))
    grid = grid_of(node.GetSegmentation(), layers, world)
    yield
    joined = yield from joining(layers, grid, segments, anatomy, node.GetName())
    apart = joined.apart
    while joined.apart:  # what lay below them may overlap, too
        rest = [replace(layer, values={i: v for i, v in layer.values.items() if i not in apart}) for layer in layers]
        joined = yield from joining([layer for layer in rest if layer.values], grid, segments, anatomy, node.GetName())
        apart += joined.apart
    _refuse_empty(node, segments, joined.counts, anatomy)
    labelmap = LabelMap(joined.labels, grid.affine, segments, format="seg.nrrd", notes=joined.notes)
    for layer in layers:
        for identifier in layer.values.keys() & set(apart):
            yield from _keep_voxels(descriptions[ids.index(identifier)], layer, layer.values[identifier], grid)
    return Bridged(labelmap, ids, grid, descriptions, apart, joined.covered)


def _keep_voxels(description: slicer.vtkSegment, layer: Layer, value: int, grid: Grid) -> Generator[None, None, None]:
    """Gives the description of a segment that lies apart its voxels, on the grid of the siblings."""
    box, values = yield from placed(layer, grid)
    mask = np.zeros(grid.shape, dtype=np.uint8)
    mask[box] = values == value
    yield
    inner = yield from grids.bounding(mask.shape, lambda slab: mask[slab])
    description.AddRepresentation(LABELMAP, oriented_image(mask, grid, inner))
    description.SetLabelValue(1)
    description.SetTag(BESIDE_TAG, "1")  # it lies apart of siblings as well, however little they share


def _described(node: slicer.vtkMRMLSegmentationNode, tissues: Mapping[str, str | None]) -> tuple[tuple[Segment, ...],
               tuple[slicer.vtkSegment, ...]]:
    """What each segment is called and looks like: for the library, and all of it for Slicer."""
    segmentation = node.GetSegmentation()
    segments, descriptions = [], []
    for value, identifier in enumerate(segmentation.GetSegmentIDs(), start=1):
        segment = segmentation.GetSegment(identifier)
        kept = slicer.vtkSegment()
        kept.DeepCopyMetadata(segment)
        descriptions.append(kept)
        red, green, blue = segment.GetColor()
        tags = tags_of(segment) | ({BESIDE_TAG: "1"} if segment.HasTag(BESIDE_TAG) else {})
        segments.append(Segment(value, segment.GetName() or identifier, tissues.get(identifier) or None,
                                (red, green, blue), identifier, tags))
    return tuple(segments), tuple(descriptions)


def _refuse_missing(node: slicer.vtkMRMLSegmentationNode, tissues: Mapping[str, str | None], anatomy: Anatomy) -> None:
    missing = missing_tissues({i: tissues.get(i) for i in node.GetSegmentation().GetSegmentIDs()}, anatomy)
    if missing:
        raise InputError(
            _("{name} does not have a segment for each tissue").format(name=node.GetName()),
            value=_("missing: {names}").format(
                names=", ".join(anatomy.tissue(tissue).name.lower() for tissue in missing)),
            rule=_("the segmentation needs {tissues}").format(tissues=", ".join(anatomy.ids)),
            hint=_("choose the tissue next to its segment in the table of the section Twin, or segment it first"),
        )


def _refuse_empty(node: slicer.vtkMRMLSegmentationNode, segments: Sequence[Segment], counts: np.ndarray,
                  anatomy: Anatomy) -> None:
    """InputError if the segments of a tissue hold next to nothing."""
    for tissue in anatomy.tissues:
        means = [segment for segment in segments if segment.tissue == tissue.id]
        size = int(sum(counts[segment.value] for segment in means))
        if means and size < FEWEST_VOXELS:
            names = ", ".join(segment.name for segment in means)
            raise InputError(
                _("{segment} ({tissue}) is empty or nearly empty in {name}").format(
                    segment=names, tissue=tissue.name, name=node.GetName()),
                value=_("voxels: {count}").format(count=size),
                rule=_("every tissue has at least {count} voxels").format(count=FEWEST_VOXELS),
                hint=_("complete the segment, or choose another one for this tissue in the table of the section Twin"),
            )


def writing(
    labels: np.ndarray, bridged: Bridged, *, name: str, twin_node: slicer.vtkMRMLSegmentationNode | None = None,
    visible: bool = True
) -> Generator[None, None, slicer.vtkMRMLSegmentationNode]:
    """A sibling as a new segmentation node in the twin's place, in short steps.

    labels: (D, H, W) in the values of `bridged`. All segments share one layer, cut to what it holds, but those that
    lie apart; ids, names, colours, tags, order, reference geometry and parent transform are the twin's.
    """
    if labels.shape != bridged.grid.shape:
        raise InputError(_("The sibling does not fit the twin's grid"), value=labels.shape,
                         rule=_("{shape} voxels (K, J, I)").format(shape=bridged.grid.shape))
    if int(labels.max(initial=0)) > len(bridged.segment_ids):
        raise InputError(_("The sibling has labels that the twin does not have"), value=int(labels.max()),
                         rule=_("values from 0 to {highest}").format(highest=len(bridged.segment_ids)))
    box = yield from grids.bounding(labels.shape, lambda slab: labels[slab])
    image = oriented_image(labels, bridged.grid, box)
    yield
    segmentation = slicer.vtkSegmentation()
    segmentation.SetSourceRepresentationName(LABELMAP)
    if twin_node is not None and twin_node.GetSegmentation() is not None:
        segmentation.CopyConversionParameters(twin_node.GetSegmentation())
    if not segmentation.GetConversionParameter(grids.REFERENCE_GEOMETRY):
        segmentation.SetConversionParameter(grids.REFERENCE_GEOMETRY, grids.geometry_text(bridged.grid))
    for segment, description in zip(bridged.labelmap.segments, bridged.descriptions, strict=True):
        _add(segmentation, image, segment, description)
    node = _new_node(segmentation, name, visible)
    if twin_node is not None and slicer.mrmlScene.IsNodePresent(twin_node):
        node.SetAndObserveTransformNodeID(twin_node.GetTransformNodeID())
        role = node.GetReferenceImageGeometryReferenceRole()
        if twin_node.GetNodeReferenceID(role):
            node.SetNodeReferenceID(role, twin_node.GetNodeReferenceID(role))
    return node


def new_segmentation(labelmap: LabelMap, name: str, visible: bool = True) -> slicer.vtkMRMLSegmentationNode:
    """A label map that has no twin in the scene (a generated heart) as a new segmentation node."""
    shape = labelmap.labels.shape
    grid = Grid(labelmap.affine, (0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1), np.eye(4))
    box = exhaust(grids.bounding(shape, lambda slab: labelmap.labels[slab]))
    image = oriented_image(labelmap.labels, grid, box)
    segmentation = slicer.vtkSegmentation()
    segmentation.SetSourceRepresentationName(LABELMAP)
    segmentation.SetConversionParameter(grids.REFERENCE_GEOMETRY, grids.geometry_text(grid))
    for segment in labelmap.segments:
        _add(segmentation, image, segment, None)
    return _new_node(segmentation, name, visible)


def _add(segmentation: slicer.vtkSegmentation, image: slicer.vtkOrientedImageData, segment: Segment,
         description: slicer.vtkSegment | None) -> None:
    """One segment of a shared layer, described by a vtkSegment or, without one, by the library's Segment."""
    made = slicer.vtkSegment()
    if description is not None and description.GetRepresentation(LABELMAP) is not None:
        made.DeepCopy(description)  # it lies apart, with voxels of its own
        segmentation.AddSegment(made, segment.identifier)
        return
    if description is not None:
        made.DeepCopyMetadata(description)
    else:
        made.SetName(segment.name or segment.identifier or f"Segment_{segment.value}")
        made.SetColor(*(segment.color or (0.5, 0.5, 0.5)))
        made.SetNameAutoGenerated(False)
        made.SetColorAutoGenerated(False)
        for key, text in segment.tags.items():
            made.SetTag(key, text)
    made.SetLabelValue(int(segment.value))
    made.AddRepresentation(LABELMAP, image)
    segmentation.AddSegment(made, segment.identifier or segment.tissue or f"Segment_{segment.value}")


def _new_node(segmentation: slicer.vtkSegmentation, name: str, visible: bool) -> slicer.vtkMRMLSegmentationNode:
    """The node, put into the scene when it is complete, so that no view draws it half made."""
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAndObserveSegmentation(segmentation)
    display = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationDisplayNode")  # with the user's defaults
    display.UnRegister(None)
    display.SetVisibility(visible)
    slicer.mrmlScene.AddNode(display)
    node.SetAndObserveDisplayNodeID(display.GetID())
    slicer.mrmlScene.AddNode(node)
    return node


def oriented_image(labels: np.ndarray, grid: Grid, box: Sequence[slice] | None = None) -> slicer.vtkOrientedImageData:
    """(D, H, W) voxels on a grid as a vtkOrientedImageData in the node's coordinates, cut to `box` (K, J, I)."""
    part = labels if box is None else labels[tuple(box)]
    first = (0, 0, 0) if box is None else tuple(int(side.start) for side in reversed(list(box)))
    low = [start + grid.extent[2 * axis] for axis, start in enumerate(first)]
    high = [start + size - 1 for start, size in zip(low, part.shape[::-1], strict=True)]
    image = grids.geometry_image(grid.matrix, [end for pair in zip(low, high, strict=True) for end in pair])
    kind = np.uint8 if part.dtype in (np.uint8, np.bool_) else np.int16 if part.max(initial=0) < 1 << 15 else np.int32
    scalars = numpy_support.numpy_to_vtk(np.ascontiguousarray(part, dtype=kind).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image
