"""Draws the picture of meshes in README: patches of a heart, its tetrahedra cut open, and a solved left ventricle.

    siblings mesh HEART --for vtk --surface --edge 2 --out SURFACES
    siblings mesh HEART --for vtk --tets --edge 3 --out TETS
    python docs/tools/draw_mesh.py SURFACES/NAME TETS/NAME SOLVED.vtu [--out docs/images/mesh.png]

SOLVED.vtu: of `siblings study mechanics`, in DIR/mechanics/solved.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import vtk
from PIL import Image
from vtk.util.numpy_support import vtk_to_numpy

mpl.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
SIZE = (760, 760)
TOWARDS = (-0.35, -1.0, -0.1)  # LPS: the camera stands in front of the heart, a little to its right


def main() -> None:
    """Draws three views side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("surfaces", type=Path)
    parser.add_argument("tetrahedra", type=Path)
    parser.add_argument("solved", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "mesh.png")
    arguments = parser.parse_args()
    surface = read(vtk.vtkXMLPolyDataReader(), arguments.surfaces / "vtk" / f"{arguments.surfaces.name}.vtp")
    volume = read(vtk.vtkXMLUnstructuredGridReader(),
                  arguments.tetrahedra / "vtk" / f"{arguments.tetrahedra.name}.vtu")
    solved = read(vtk.vtkXMLUnstructuredGridReader(), arguments.solved)
    pictures = [picture(surface, "patch", "tab20", edges=True), picture(cut(volume), "tissue", "Set2", edges=True),
                picture(cut(solved), "peak_strain", "viridis", edges=False)]
    titles = ("named patches", "tetrahedra of every tissue, cut open", "left ventricle filled at 1 kPa: strain")
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), dpi=100, layout="constrained")
    for place, shown, title in zip(axes, pictures, titles, strict=True):
        place.imshow(shown)
        place.set_title(title, fontsize=11)
        place.axis("off")
    figure.canvas.draw()
    drawn = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])  # type: ignore[attr-defined]
    drawn.quantize(255).save(arguments.out, optimize=True)


def read(reader: vtk.vtkXMLReader, path: Path) -> vtk.vtkDataSet:
    """What a file holds. FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(path)
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def cut(volume: vtk.vtkUnstructuredGrid) -> vtk.vtkPolyData:
    """The far half, with a plane face."""
    plane = vtk.vtkPlane()
    plane.SetOrigin(volume.GetCenter())
    plane.SetNormal(*(-np.array(TOWARDS)))
    half = vtk.vtkTableBasedClipDataSet()
    half.SetInputData(volume)
    half.SetClipFunction(plane)
    skin = vtk.vtkGeometryFilter()
    skin.SetInputConnection(half.GetOutputPort())
    skin.Update()
    return skin.GetOutput()


def picture(shape: vtk.vtkPolyData, array: str, colors: str, *, edges: bool) -> np.ndarray:
    """(height, width, 3) uint8: the shape in the colours of one of its arrays."""
    cells = shape.GetCellData().GetArray(array)
    values = vtk_to_numpy(cells if cells is not None else shape.GetPointData().GetArray(array))
    table, palette = vtk.vtkLookupTable(), mpl.colormaps[colors]
    table.SetNumberOfTableValues(palette.N)
    for index in range(palette.N):
        table.SetTableValue(index, *palette(index))
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputData(shape)
    mapper.SetLookupTable(table)
    mapper.SelectColorArray(array)
    (mapper.SetScalarModeToUseCellFieldData if cells is not None else mapper.SetScalarModeToUsePointFieldData)()
    mapper.SetScalarRange(*(np.percentile(values, (1, 99)) if colors == "viridis" else (0.5, palette.N + 0.5)))
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetEdgeVisibility(edges)
    actor.GetProperty().SetEdgeOpacity(0.35)
    renderer, window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
    renderer.SetBackground(1, 1, 1)
    renderer.AddActor(actor)
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(*SIZE)
    window.AddRenderer(renderer)
    camera, centre = renderer.GetActiveCamera(), np.array(shape.GetCenter())
    camera.SetFocalPoint(*centre)
    camera.SetPosition(*(centre + 400 * np.array(TOWARDS)))
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCamera()
    camera.Zoom(1.35)
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1]


if __name__ == "__main__":
    main()
