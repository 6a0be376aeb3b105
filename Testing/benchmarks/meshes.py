"""Surfaces of label maps: repair, time, volume, faults and triangles, with VTK's surface nets on the same maps.

python Testing/benchmarks/meshes.py MAP... [--edge 3.0]
A line for each map, as soon as it is known. Seconds are of the processor, for the meshable copy and the surfaces with
edges as asked for. VTK's surface nets smooth as they do by default, for as many
iterations as make them no rougher than ours. Roughness is the root mean square of the angle in
degrees between neighbouring triangles of one surface, of those between exactly two tissues.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "benchmarks")]

from common import load, machine, verdict  # noqa: E402

from DiffusionSiblingsLib.core.anatomy import load_anatomy  # noqa: E402
from DiffusionSiblingsLib.labelmaps.read import read_labelmap  # noqa: E402
from DiffusionSiblingsLib.labelmaps.tissues import known_labels  # noqa: E402
from DiffusionSiblingsLib.meshing.complexes import Complex, kinds_of  # noqa: E402
from DiffusionSiblingsLib.meshing.intersections import crossing_triangles  # noqa: E402
from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh, triangle_normals  # noqa: E402
from DiffusionSiblingsLib.meshing.meshable import meshable_map  # noqa: E402
from DiffusionSiblingsLib.meshing.surface import map_volumes, surface_of  # noqa: E402
from DiffusionSiblingsLib.meshing.triangulate import triangle_quality  # noqa: E402

FINE_ERROR, COARSE_ERROR = 0.3, 1.0  # per cent of a tissue's volume
TIMES_BETTER = 5.0  # than VTK's volume error
SECONDS = 3.0
VTK_DEFAULT = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", nargs="+", type=Path)
    parser.add_argument("--edge", type=float, default=3.0)
    arguments = parser.parse_args()
    print(f"{machine(1)}; {load()}")
    print("map | cubes, changed | fine: triangles, volume %, faults, crossings, roughness | "
          f"{arguments.edge:g} mm: triangles, volume %, faults, crossings, quality least, 1 %, median | "
          "VTK as smooth: volume %, roughness | seconds")
    worst: dict[str, float] = {}
    for path in arguments.maps:
        for name, value in one_map(path, arguments.edge).items():
            worst[name] = max(worst.get(name, 0.0), value)
    for what, name, bar in (("volume of fine surfaces, %", "fine", FINE_ERROR),
                            (f"volume at {arguments.edge:g} mm, %", "coarse", COARSE_ERROR),
                            ("faults and crossings", "faults", 0.0), ("our volume error over VTK's", "over VTK",
                                                                      1 / TIMES_BETTER),
                            ("processor seconds", "seconds", SECONDS)):
        print(f"worst {what}: {worst[name]:.4g}, {verdict(worst[name], bar)}")


def one_map(path: Path, edge: float) -> dict[str, float]:
    anatomy = load_anatomy("heart")
    labelmap = read_labelmap(path, anatomy)
    labels, affine = known_labels(labelmap, anatomy), labelmap.affine
    start = time.process_time()
    copy = meshable_map(labels, affine, anatomy=anatomy)
    coarse = surface_of(copy.labels, affine, edge)
    seconds = time.process_time() - start
    fine = surface_of(copy.labels, affine)
    volumes = map_volumes(copy.labels, affine)
    theirs = as_smooth(copy.labels, affine, roughness(fine))
    quality = triangle_quality(coarse.points, coarse.triangles)
    found = {"fine": volume_error(fine, volumes), "coarse": volume_error(coarse, volumes), "seconds": seconds,
             "over VTK": volume_error(fine, volumes) / volume_error(theirs, volumes)}
    broken = [sum(map(bool, faults(mesh).values())) for mesh in (fine, coarse)]
    crossing = [len(crossing_triangles(mesh.points, mesh.triangles)) for mesh in (fine, coarse)]
    found["faults"] = float(sum(broken) + sum(crossing))
    print(f"{path.name.split('.')[0]} | {copy.composed.cubes}, {np.count_nonzero(copy.changed)} | "
          f"{len(fine.triangles)}, {found['fine']:.4f}, {broken[0]}, {crossing[0]}, {roughness(fine):.1f} | "
          f"{len(coarse.triangles)}, {found['coarse']:.4f}, {broken[1]}, {crossing[1]}, {quality.min():.2f}, "
          f"{np.quantile(quality, 0.01):.2f}, {np.median(quality):.2f} | "
          f"{volume_error(theirs, volumes):.2f}, {roughness(theirs):.1f} | {seconds:.1f}", flush=True)
    return found


def volume_error(mesh: SurfaceMesh, volumes: dict[int, float]) -> float:
    """The greatest error of a tissue's volume, in per cent."""
    return max(100 * abs(mesh.volume(label) / volume - 1) for label, volume in volumes.items())


def faults(mesh: SurfaceMesh) -> dict[int, int]:
    """Tissue -> edges of its closed surface that do not have two triangles, one in each direction."""
    found = {}
    for tissue in mesh.tissues:
        corners = mesh.around(tissue).astype(np.int64)
        ends = np.stack([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 2)
        there = ends @ [len(mesh.points), 1]
        _, count = np.unique(there, return_counts=True)
        found[tissue] = int(np.count_nonzero(count != 1)) + len(np.setxor1d(there, ends @ [1, len(mesh.points)]))
    return found


def roughness(mesh: SurfaceMesh) -> float:
    """Root mean square of the angle between neighbours, in degrees, flat ends and lines between surfaces aside."""
    triangles, group = mesh.triangles.astype(np.int64), mesh.side_codes
    every = Complex(mesh.points, triangles, group, kinds_of(triangles, group, len(mesh.points)))
    normals = triangle_normals(mesh.points, mesh.triangles)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    first, second = every.beside[~every.on_line].T
    turn = np.degrees(np.arccos(np.clip(np.einsum("ij,ij->i", normals[first], normals[second]), -1.0, 1.0)))
    return float(np.sqrt(np.mean(np.square(turn))))


def as_smooth(labels: np.ndarray, affine: np.ndarray, most: float) -> SurfaceMesh:
    """VTK's surface nets of a map after the fewest iterations that make them no rougher than this, at most its 16."""
    for iterations in range(2, VTK_DEFAULT, 2):
        mesh = vtk_surface(labels, affine, iterations)
        if roughness(mesh) <= most:
            return mesh
    return vtk_surface(labels, affine, VTK_DEFAULT)


def vtk_surface(labels: np.ndarray, affine: np.ndarray, iterations: int) -> SurfaceMesh:
    """VTK's surface nets of a map (D, H, W), smoothed by its default but for the iterations, turned as ours."""
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    padded = np.pad(labels, 1).astype(np.int16)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = vtk.vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.SetSpacing(*spacing)
    image.SetOrigin(*(-spacing))
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    nets = vtk.vtkSurfaceNets3D()
    nets.SetInputData(image)
    values = [int(value) for value in np.unique(labels) if value]
    for place, value in enumerate(values):
        nets.SetValue(place, value)
    nets.SetOutputMeshTypeToTriangles()
    nets.SetNumberOfIterations(iterations)
    nets.Update()
    found = nets.GetOutput()
    triangles = vtk_to_numpy(found.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
    sides = vtk_to_numpy(found.GetCellData().GetArray("BoundaryLabels")).astype(np.int16)
    points = vtk_to_numpy(found.GetPoints().GetData()).astype(np.float64)
    swap = (sides[:, 0] == 0) | ((sides[:, 1] != 0) & (sides[:, 1] < sides[:, 0]))
    sides[swap] = sides[swap, ::-1]
    triangles[swap] = triangles[swap, ::-1]
    mesh = SurfaceMesh(points, triangles, sides)
    if sum(mesh.volume(value) for value in values) < 0:
        mesh = SurfaceMesh(points, np.ascontiguousarray(triangles[:, ::-1]), sides)
    return mesh


if __name__ == "__main__":
    main()
