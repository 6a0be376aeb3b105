"""An image for a segmentation that has none, painted from its segments: the Segment Editor wants one to edit over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.layers import Layer, grid_of, layers_of, placed

# What contrast CT shows, in Hounsfield units: fat about the heart, muscle, blood; soft tissue where nothing is known.
OUTSIDE_HU, UNKNOWN_HU = -80, 60
GREY_HU = {"Myo": 110, "RV": 250, "RA": 250, "LV": 350, "LA": 350, "Ao": 350}
WINDOW, LEVEL = 700.0, 150.0
BLUR_MM = 1.5


def has_image(node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Whether there is an image to edit a segmentation over: the one it was drawn on, or one at its place."""
    reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    if reference is not None and reference.IsA("vtkMRMLScalarVolumeNode"):
        return True
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    place = _bounds(node) if volumes else None
    return any(_meet(place, _bounds(volume)) for volume in volumes if volume.GetImageData() is not None)


def paint_image(node: slicer.vtkMRMLSegmentationNode,
                tissue_of: Mapping[str, str | None]) -> slicer.vtkMRMLScalarVolumeNode:
    """Paints a grey image of the segments and makes it the image of the segmentation, in views and Segment Editors.

    tissue_of: segment ID -> tissue ID or None, which says how bright each is. Segments may overlap, and be empty.
    Raises InputError if there are no voxels at all.
    """
    segmentation, world = node.GetSegmentation(), grids.to_world(node)
    layers = exhaust(layers_of(node, tuple(segmentation.GetSegmentIDs())))
    if not layers:
        raise InputError(_("{name} has no voxels").format(name=node.GetName()),
                         rule=_("at least one segment has voxels"))
    grid = grid_of(segmentation, layers, world)
    grey = np.full(grid.shape, OUTSIDE_HU, dtype=np.int16)
    for layer in layers:
        box, values = exhaust(placed(layer, grid))
        there, shade = _tables(layer, tissue_of)
        np.copyto(grey[box], shade[values], where=there[values])
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode",
                                                  _("{name} painted image").format(name=node.GetName()))
    slicer.util.updateVolumeFromArray(volume, grey)
    matrix = np.linalg.inv(world) @ grid.affine  # in the segmentation's coordinates: its transform is the image's too
    volume.SetAndObserveImageData(_blurred(volume.GetImageData(), np.linalg.norm(matrix[:3, :3], axis=0)))
    volume.SetIJKToRASMatrix(grids.as_matrix(matrix))
    volume.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevel(WINDOW, LEVEL)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    _show(volume, node)
    return volume


def _show(volume: slicer.vtkMRMLScalarVolumeNode, node: slicer.vtkMRMLSegmentationNode) -> None:
    """Into all slice views, and into the Segment Editors that wait for an image of this segmentation."""
    for editor in slicer.util.getNodesByClass("vtkMRMLSegmentEditorNode"):
        if editor.GetSegmentationNode() is node and editor.GetSourceVolumeNode() is None:
            editor.SetAndObserveSourceVolumeNode(volume)
    application = slicer.app.applicationLogic()
    application.GetSelectionNode().SetActiveVolumeID(volume.GetID())
    application.PropagateVolumeSelection()


def _tables(layer: Layer, tissue_of: Mapping[str, str | None]) -> tuple[np.ndarray, np.ndarray]:
    """By value of a layer: whether it is a segment's, and how bright that is."""
    size = max(int(layer.labels.max(initial=0)), *layer.values.values()) + 1
    there, shade = np.zeros(size, dtype=bool), np.zeros(size, dtype=np.int16)
    for identifier, value in layer.values.items():
        there[value], shade[value] = value > 0, GREY_HU.get(tissue_of.get(identifier) or "", UNKNOWN_HU)
    return there, shade


def _blurred(image: Any, spacing: np.ndarray) -> Any:
    blur = vtk.vtkImageGaussianSmooth()
    blur.SetInputData(image)
    blur.SetStandardDeviations(*(BLUR_MM / spacing))
    blur.Update()
    return blur.GetOutput()


def _bounds(node: Any) -> list[float]:
    """x0, x1, y0, y1, z0, z1 in RAS mm, under the node's transforms."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return bounds


def _meet(one: list[float] | None, other: list[float]) -> bool:
    """Whether two boxes share room. An empty one (a segmentation without voxels) lies wherever the other is."""
    if one is None or one[0] > one[1]:
        return True
    return all(one[2 * axis] < other[2 * axis + 1] and other[2 * axis] < one[2 * axis + 1] for axis in range(3))
