"""Our surfaces against those of VTK's surface nets on the same map: as smooth, with less of the volume lost."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import grid

from DiffusionSiblingsLib.editing.repair.composed import well_compose
from DiffusionSiblingsLib.meshing.surface import map_volumes, surface_of


def test_a_tube_between_two_chambers_keeps_five_times_more_of_its_volume_than_in_vtk():
    vtk = pytest.importorskip("vtk")
    if not hasattr(vtk, "vtkSurfaceNets3D"):
        pytest.skip("this VTK has no surface nets")
    from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    place, _ = grid((44, 40, 40))
    across = np.hypot(place[..., 0] + 0.3, place[..., 1] + 0.2)
    labels = np.where((across < 5.3) & (np.abs(place[..., 2]) < 18), 1, 0).astype(np.int16)
    labels[np.linalg.norm(place - np.array([0, 0, 12.0]), axis=-1) < 9.2] = 2
    labels = well_compose(labels).labels
    image = vtk.vtkImageData()
    image.SetDimensions(*labels.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(labels.ravel(), deep=True))
    nets = vtk.vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.SetValue(0, 1)
    nets.SetValue(1, 2)
    nets.SetOutputMeshTypeToTriangles()
    nets.Update()
    points = vtk_to_numpy(nets.GetOutput().GetPoints().GetData()).astype(np.float64)
    triangles = vtk_to_numpy(nets.GetOutput().GetPolys().GetConnectivityArray()).reshape(-1, 3)
    sides = vtk_to_numpy(nets.GetOutput().GetCellData().GetArray("BoundaryLabels"))
    ours = surface_of(labels, np.eye(4))
    for label, volume in map_volumes(labels, np.eye(4)).items():
        a, b, c = np.moveaxis(points[triangles[(sides == label).any(axis=1)]], 1, 0)
        flip = np.where(sides[(sides == label).any(axis=1), 0] == label, 1.0, -1.0)
        theirs = abs(float(np.sum(flip * np.einsum("ij,ij->i", a, np.cross(b, c))) / 6))
        assert 5 * abs(ours.volume(label) - volume) < abs(theirs - volume)
        assert abs(theirs / volume - 1) < 0.25  # it is the same map
