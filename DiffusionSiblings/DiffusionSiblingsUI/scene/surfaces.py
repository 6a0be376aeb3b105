"""Closed surfaces of a segmentation's segments in short steps, so that Slicer stays usable while they are made.

Slicer's own conversion works on a whole segmentation at once (seconds for a heart on a fine grid), and its smoothing
alone takes longer for one tissue than an event loop may stand still. Here the smoothing is a few lines of numpy, one
round a step: Taubin's (SIGGRAPH 1995), which takes the voxels' steps away and leaves the volume.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from DiffusionSiblingsUI.scene import grid as grids
from DiffusionSiblingsUI.scene.layers import LABELMAP

SURFACE = "Closed surface"
ROUNDS = 30
SHRINK, GROW = 0.6, -0.611  # Taubin's lambda and mu: pass band 1 / lambda + 1 / mu = 0.03, nearly as smooth as Slicer's
Steps = Generator[None, None, Any]


def has_surfaces(node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Whether a segmentation can be shown in 3D as it is."""
    return bool(node.GetSegmentation().ContainsRepresentation(SURFACE))


def surfacing(node: slicer.vtkMRMLSegmentationNode) -> Generator[None, None, bool]:
    """Gives every segment of a segmentation node a closed surface, all in the last step -> whether it had none before.

    Closed before its end, it leaves the node as it was; so it does if the node changes or leaves the scene meanwhile.
    """
    segmentation = node.GetSegmentation()
    if has_surfaces(node) or segmentation.GetSourceRepresentationName() != LABELMAP:
        return False
    made, changed = {}, segmentation.GetMTime()
    for identifier in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(identifier)
        surface = yield from surface_of(segment.GetRepresentation(LABELMAP), segment.GetLabelValue())
        made[identifier] = surface
        yield
    if node.GetScene() is None or segmentation.GetMTime() != changed or has_surfaces(node):
        return False
    was_modifying = node.StartModify()
    for identifier, surface in made.items():
        segmentation.GetSegment(identifier).AddRepresentation(SURFACE, surface)
    segmentation.InvokeEvent(slicer.vtkSegmentation.ContainedRepresentationNamesModified)
    node.EndModify(was_modifying)
    return True


def surface_of(image: slicer.vtkOrientedImageData, value: int) -> Generator[None, None, vtk.vtkPolyData]:
    """The surface of one label of a vtkOrientedImageData as vtkPolyData in the image's world, in short steps."""
    i0, i1, j0, j1, k0, k1 = image.GetExtent()
    if i1 < i0 or j1 < j0 or k1 < k0 or image.GetPointData().GetScalars() is None:
        return vtk.vtkPolyData()
    labels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    labels = labels.reshape(k1 - k0 + 1, j1 - j0 + 1, i1 - i0 + 1)
    box = yield from grids.bounding(labels.shape, lambda slab: labels[slab] == value)
    if box is None:
        return vtk.vtkPolyData()
    mask = np.pad((labels[box] == value).astype(np.uint8), 1)
    yield
    points, faces = _contour(mask)
    yield
    points = yield from _smoothed(points, faces)
    first = [side.start + low - 1 for side, low in zip(reversed(box), (i0, j0, k0), strict=True)]
    matrix = grids.moved(grids.image_matrix(image), first)
    points = points @ matrix[:3, :3].T + matrix[:3, 3]
    if np.linalg.det(matrix[:3, :3]) < 0:
        faces = faces[:, ::-1]  # a left-handed grid turns surfaces inside out
    yield
    normals = yield from point_normals(points, faces)
    return poly_data(points, faces, normals)


def _contour(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The border of a (D, H, W) uint8 mask -> points (n, 3) float32, IJK of the mask, and triangles (m, 3)."""
    image = vtk.vtkImageData()
    image.SetDimensions(*mask.shape[::-1])
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(mask.ravel(), deep=False))
    contour = vtk.vtkDiscreteFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 1)
    contour.ComputeNormalsOff()
    contour.ComputeGradientsOff()
    contour.ComputeScalarsOff()
    contour.Update()
    result = contour.GetOutput()
    points = numpy_support.vtk_to_numpy(result.GetPoints().GetData()).astype(np.float32)
    faces = numpy_support.vtk_to_numpy(result.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return points, faces.astype(np.int32)


def _smoothed(points: np.ndarray, faces: np.ndarray) -> Generator[None, None, np.ndarray]:
    """Points moved toward the mean of their neighbours and back, ROUNDS times, a round a step."""
    # In a closed surface the edges that leave a point are those that reach it, so one direction of each is enough.
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    order = np.argsort(start, kind="stable")
    yield
    end = end[order]
    count = np.bincount(start, minlength=len(points)).astype(np.float32)[:, None]
    used = np.flatnonzero(count[:, 0])
    first = (np.cumsum(count[used, 0]) - count[used, 0]).astype(np.int64)
    yield
    for _ in range(ROUNDS):
        for weight in (SHRINK, GROW):
            mean = np.add.reduceat(points[end], first, axis=0) / count[used]
            points = points.copy()
            points[used] += np.float32(weight) * (mean - points[used])
            yield
    return points


def point_normals(points: np.ndarray, faces: np.ndarray) -> Generator[None, None, np.ndarray]:
    """(n, 3) float32: outward normals of points, the mean of their triangles' by area."""
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    yield
    total = np.zeros(points.shape, dtype=np.float64)
    for axis in range(3):
        for corner in range(3):
            total[:, axis] += np.bincount(faces[:, corner], across[:, axis], len(points))
        yield
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def poly_data(points: np.ndarray, faces: np.ndarray, normals: np.ndarray | None = None) -> vtk.vtkPolyData:
    """vtkPolyData that owns its arrays. points, normals: (n, 3). faces: (m, 3) triangles by numbers of points."""
    places = vtk.vtkPoints()
    places.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float32), deep=True))
    cells = vtk.vtkCellArray()
    triangles = numpy_support.numpy_to_vtk(np.ascontiguousarray(faces.ravel(), dtype=np.int64), deep=True,
                                           array_type=vtk.VTK_ID_TYPE)
    cells.SetData(3, triangles)
    result = vtk.vtkPolyData()
    result.SetPoints(places)
    result.SetPolys(cells)
    if normals is not None:
        outward = numpy_support.numpy_to_vtk(np.ascontiguousarray(normals), deep=True)
        outward.SetName("Normals")
        result.GetPointData().SetNormals(outward)
    return result
