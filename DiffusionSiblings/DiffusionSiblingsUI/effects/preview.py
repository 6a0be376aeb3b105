"""The preview of an edit: a second segmentation over the twin, seen in the views only, never saved."""

from __future__ import annotations

from collections.abc import Collection, Generator

import numpy as np
import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.bridge import Bridged, oriented_image
from DiffusionSiblingsUI.scene.layers import LABELMAP
from DiffusionSiblingsUI.scene.surfaces import SURFACE, surface_of

LINE_WIDTH = 2  # of outlines in slice views; the twin's own are 1, and neighbours draw theirs side by side
COLOR = (0.1, 0.9, 0.95)  # far from every colour that Slicer gives to tissues of the heart, and from a grey image
OPACITY_3D = 0.5


class Preview:
    """At most one preview node; the twin's node and its display stay untouched."""

    def __init__(self) -> None:
        self._node: slicer.vtkMRMLSegmentationNode | None = None

    @property
    def node(self) -> slicer.vtkMRMLSegmentationNode | None:
        """The segmentation node, None where there is none (or the scene was closed)."""
        if self._node is not None and not slicer.mrmlScene.IsNodePresent(self._node):
            self._node = None
        return self._node

    def showing(
        self, labels: np.ndarray, bridged: Bridged, twin_node: slicer.vtkMRMLSegmentationNode, shown: Collection[str],
        surfaces: bool
    ) -> Generator[None, None, slicer.vtkMRMLSegmentationNode]:
        """Shows the segments `shown` of `labels` over the twin in place of an earlier preview, in short steps.

        labels: (D, H, W) in the values of `bridged`. surfaces: in the 3D views as well.
        """
        keep = np.zeros(len(bridged.segment_ids) + 1, dtype=labels.dtype)
        for value, identifier in enumerate(bridged.segment_ids, start=1):
            keep[value] = value if identifier in shown else 0
        seen = np.empty_like(labels)
        for slab in grids.slabs(labels.shape):
            seen[slab] = keep[labels[slab]]
            yield
        image = oriented_image(seen, bridged.grid)
        yield
        segmentation = slicer.vtkSegmentation()
        segmentation.SetSourceRepresentationName(LABELMAP)
        segmentation.CopyConversionParameters(twin_node.GetSegmentation())
        for segment, description in zip(bridged.labelmap.segments, bridged.descriptions, strict=True):
            if segment.identifier in shown:
                made = slicer.vtkSegment()
                made.DeepCopyMetadata(description)
                made.SetColor(*COLOR)
                made.SetLabelValue(int(segment.value))
                made.AddRepresentation(LABELMAP, image)
                segmentation.AddSegment(made, segment.identifier)
        yield
        if surfaces:
            yield from _surfacing(segmentation)
        self.remove()
        self._node = _add(segmentation, twin_node)
        self._node.GetDisplayNode().SetVisibility3D(surfaces)
        return self._node

    def surfacing(self) -> Generator[None, None, None]:
        """Shows the preview in the 3D views; its surfaces are made when they are first asked for, one a step."""
        if self.node is not None:
            yield from _surfacing(self.node.GetSegmentation())
        if self.node is not None:  # it may have gone meanwhile
            self.node.GetDisplayNode().SetVisibility3D(True)

    def hide_surfaces(self) -> None:
        """Leaves the preview to the slice views."""
        if self.node is not None:
            self.node.GetDisplayNode().SetVisibility3D(False)

    def remove(self) -> None:
        """Takes the preview out of the scene."""
        node, self._node = self.node, None
        if node is not None:
            display = node.GetDisplayNode()
            slicer.mrmlScene.RemoveNode(node)
            if display is not None:
                slicer.mrmlScene.RemoveNode(display)


def _surfacing(segmentation: slicer.vtkSegmentation) -> Generator[None, None, None]:
    """Makes the surfaces that are missing, in short steps."""
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        if segment.GetRepresentation(SURFACE) is None:
            surface = yield from surface_of(segment.GetRepresentation(LABELMAP), segment.GetLabelValue())
            segment.AddRepresentation(SURFACE, surface)
            yield


def _add(segmentation: slicer.vtkSegmentation,
         twin_node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLSegmentationNode:
    """The node with its display, complete before the views hear of it; neither saved nor listed."""
    node, display = slicer.vtkMRMLSegmentationNode(), slicer.vtkMRMLSegmentationDisplayNode()
    node.SetName(_("{twin} preview").format(twin=twin_node.GetName()))
    for each in (node, display):
        each.SetSaveWithScene(False)
        each.SetHideFromEditors(True)
        each.SetUndoEnabled(False)
    node.SetAndObserveSegmentation(segmentation)
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetSliceIntersectionThickness(LINE_WIDTH)
    display.SetOpacity3D(OPACITY_3D)
    display.SetVisibility3D(False)
    slicer.mrmlScene.AddNode(display)
    node.SetAndObserveDisplayNodeID(display.GetID())
    slicer.mrmlScene.AddNode(node)
    node.SetAndObserveTransformNodeID(twin_node.GetTransformNodeID())
    return node
