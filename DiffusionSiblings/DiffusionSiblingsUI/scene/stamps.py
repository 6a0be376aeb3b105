"""What tells that a segmentation has changed, without reading its voxels."""

from __future__ import annotations

from typing import Any

import slicer

from DiffusionSiblingsUI.scene.layers import LABELMAP, SURFACE
from DiffusionSiblingsUI.scene.terminology import tags_of


def stamp_of(node: slicer.vtkMRMLSegmentationNode) -> tuple[Any, ...]:
    """Equal as long as voxels or surfaces, names, terminology and place of a segmentation are the same."""
    segmentation, stamps = node.GetSegmentation(), []
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        shape = segment.GetRepresentation(LABELMAP) or segment.GetRepresentation(SURFACE)
        stamps.append((segment_id, segment.GetName(), shape.GetMTime() if shape is not None else 0,
                       segment.GetLabelValue(), *tags_of(segment).values()))
    return (*stamps, moved_by(node))


def moved_by(node: slicer.vtkMRMLTransformableNode) -> tuple[Any, ...]:
    """Changes when the node's parent transform does."""
    parent = node.GetParentTransformNode()
    return () if parent is None else (parent.GetID(), parent.GetTransformToWorldMTime())
