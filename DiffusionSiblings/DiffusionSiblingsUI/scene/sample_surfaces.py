"""Surfaces of heart chambers, as a public atlas publishes them, made into one label map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment

SPACING = 1.0  # mm
WALL = 9.0  # mm: the atlas has no myocardium; a shell about the left ventricle stands in for it
MARGIN = 12.0  # mm of background about the heart
# The atlas's axes (x right, y up, z to the viewer, as in pictures) -> RAS.
TO_RAS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def heart_of_surfaces(paths: Mapping[str, Path]) -> LabelMap:
    """OBJ files by tissue -> a heart with a synthetic myocardium, where there is an LV; the first tissue named keeps
    a voxel that two claim. Raises InputError for a file that holds no surface."""
    anatomy = load_anatomy()
    tissues = {tissue.id: tissue for tissue in anatomy.tissues}
    surfaces = {tissue: _read(path) for tissue, path in paths.items()}
    bounds = np.array([surface.GetBounds() for surface in surfaces.values()]).reshape(-1, 3, 2)
    origin = np.floor(bounds[..., 0].min(axis=0) - MARGIN)
    size = np.ceil((bounds[..., 1].max(axis=0) + MARGIN - origin) / SPACING).astype(int) + 1  # I, J, K
    labels = np.zeros(size[::-1], np.uint8)
    for tissue, surface in surfaces.items():
        labels[_inside(surface, origin, size) & (labels == 0)] = tissues[tissue].label
    found = list(paths)
    if "LV" in paths:
        labels[_near(labels == tissues["LV"].label) & (labels == 0)] = tissues["Myo"].label
        found.append("Myo")
    names = {tissue.id: tissue.name for tissue in anatomy.tissues}
    names["Myo"] = _("{tissue} (synthetic)").format(tissue=names["Myo"])
    segments = tuple(Segment(tissue.label, names[tissue.id], tissue.id, tissue.color, tissue.id, tissue.tags)
                     for tissue in anatomy.tissues if tissue.id in found)
    affine = np.eye(4)
    affine[:3, :3] *= SPACING
    affine[:3, 3] = origin
    return LabelMap(labels, affine, segments)


def _read(path: Path) -> Any:
    """The surface in RAS."""
    reader = vtk.vtkOBJReader()
    reader.SetFileName(str(path))
    reader.Update()
    surface = reader.GetOutput()
    if surface.GetNumberOfCells() == 0:
        raise InputError(_("The file contains no surface"), value=path, rule=_("an OBJ file with triangles"),
                         hint=_("delete the file and download it again"))
    matrix = vtk.vtkMatrix4x4()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, TO_RAS[row, column])
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix)
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetTransform(transform)
    moved.SetInputData(surface)
    moved.Update()
    return moved.GetOutput()


def _inside(surface: Any, origin: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(K, J, I) bool: voxels whose centre lies in the surface."""
    stencil = vtk.vtkPolyDataToImageStencil()
    stencil.SetInputData(surface)
    stencil.SetOutputOrigin(*map(float, origin))
    stencil.SetOutputSpacing(SPACING, SPACING, SPACING)
    stencil.SetOutputWholeExtent(*(value for length in size for value in (0, int(length) - 1)))
    image = vtk.vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    return vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(size[::-1]) > 0


def _near(mask: np.ndarray) -> np.ndarray:
    """(K, J, I) bool: voxels at most WALL away from the mask."""
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~mask, sampling=SPACING) <= WALL)
