"""The files of a mesh as data for models: a surface for each patch, tetrahedra for each tissue.

VTK's own readers stand still for a second over a large mesh; these files are ours, so their arrays are read here in
short steps.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsUI.scene.surfaces import point_normals, poly_data

PREP = "simvascularmeshprep"  # SlicerSimVascular's module, which reads faces from the grid of a volume mesh
LABELS = "labels"  # array of the tissues' numbers, as SlicerSegmentMesher calls it
FACES = "ModelFaceID"  # array of the patches' numbers, as SimVascular calls it
PIECE = 1 << 20  # bytes of text that are decoded in a step, a multiple of 4
TYPES = {"Float64": "<f8", "Int64": "<i8", "Int32": "<i4", "UInt8": "u1"}
ARRAY = re.compile(rb'<DataArray type="(\w+)" Name="(\w+)"[^>]*>')
FLIPPED = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS <-> RAS


@dataclass(frozen=True)
class Part:
    """A patch or a tissue of a mesh. kind: "patch" or "tissue". id, name: as its report has them. about: in words.

    data: vtkPolyData or vtkUnstructuredGrid in the heart's coordinates.
    """

    kind: str
    id: str
    name: str
    about: str
    data: Any


Parts = Generator[Part | None, None, None]
Arrays = dict[str, np.ndarray]


def parts_of(folder: Path, report: Mapping[str, Any], world: np.ndarray) -> Parts:
    """The patches of the mesh in a folder, then its tissues where they are filled; None for each step between them.

    world: (4, 4), the heart's coordinates -> RAS mm. Raises InputError for files that cannot be read.
    """
    matrix = np.linalg.inv(world) @ (FLIPPED if report["space"] == "LPS" else np.eye(4))
    name = next((Path(file).stem for file in report["files"] if file.startswith("vtk/")), "")
    surface = yield from _arrays(folder / "vtk" / f"{name}.vtp")
    points, triangles = _placed(surface["Points"], matrix), surface["connectivity"].reshape(-1, 3)
    for row in report["patches"]:
        data = yield from _patch_data(points, triangles[surface["patch"] == row["number"]], int(row["number"]))
        yield Part("patch", row["id"], row["name"], _about_patch(row), data)
    if report["counts"]["tetrahedra"]:
        grid = yield from _arrays(folder / "vtk" / f"{name}.vtu")
        yield from _tissues(report, grid, matrix, surface)


def _tissues(report: Mapping[str, Any], grid: Arrays, matrix: np.ndarray, surface: Arrays) -> Parts:
    """The tetrahedra of each tissue; with its boundary where a module of Slicer reads it from there."""
    points, cells = _placed(grid["Points"], matrix), grid["connectivity"].reshape(-1, 4)
    yield None
    boundary = _boundary(surface, grid) if hasattr(slicer.modules, PREP) else None
    for row in report["tissues"]:
        value = int(row["value"])
        about = _("{count} tetrahedra, {ml:.1f} ml").format(count=row["tetrahedra"], ml=row["volume_ml"])
        if row["grown"]:
            about = _("{about}. Grown, not imaged.").format(about=about)
        own = cells[grid["tissue"] == value]
        yield None
        yield Part("tissue", row["id"], row["name"], about, _grid(points, own, value, boundary))


def _patch_data(points: np.ndarray, triangles: np.ndarray, number: int) -> Generator[None, None, vtk.vtkPolyData]:
    """The surface of one patch. points: (n, 3) of the whole mesh; triangles: (m, 3) by their numbers."""
    used, faces = _compact(triangles, len(points))
    yield
    normals = yield from point_normals(points[used], faces)
    data = poly_data(points[used], faces, normals)
    _add_array(data, FACES, np.full(len(faces), number, dtype=np.int32))
    return data


@dataclass(frozen=True)
class _Boundary:
    """The triangles of all patches, (m, 3), by the points of the volume mesh. inside, outside: (m,) tissues' values."""

    triangles: np.ndarray
    patch: np.ndarray
    inside: np.ndarray
    outside: np.ndarray


def _boundary(surface: Arrays, grid: Arrays) -> _Boundary:
    """The surface's triangles by the points of the volume mesh, which are the same numbers in both files."""
    all_points, own = (np.ascontiguousarray(part["Points"]).view("S24") for part in (grid, surface))
    order = np.argsort(all_points, kind="stable")
    of_volume = order[np.searchsorted(all_points, own, sorter=order)]
    return _Boundary(of_volume[surface["connectivity"].reshape(-1, 3)], surface["patch"], surface["inside"],
                     surface["outside"])


def _grid(points: np.ndarray, cells: np.ndarray, value: int, boundary: _Boundary | None) -> vtk.vtkUnstructuredGrid:
    """The tetrahedra of one tissue, with the triangles of its boundary behind them where these are given."""
    triangles, patch = np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int32)
    if boundary is not None:
        own = (boundary.inside == value) | (boundary.outside == value)
        triangles, patch = boundary.triangles[own], boundary.patch[own]
    used, where = _compact(np.concatenate([cells.ravel(), triangles.ravel()]), len(points))
    sizes = np.concatenate([np.full(len(cells), 4), np.full(len(triangles), 3)])
    made = vtk.vtkCellArray()
    made.SetData(_ids(np.concatenate([[0], np.cumsum(sizes)])), _ids(where))
    types = np.where(sizes == 4, vtk.VTK_TETRA, vtk.VTK_TRIANGLE).astype(np.uint8)
    places = vtk.vtkPoints()
    places.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points[used], dtype=np.float32), deep=True))
    grid = vtk.vtkUnstructuredGrid()
    grid.SetPoints(places)
    grid.SetCells(numpy_support.numpy_to_vtk(types, deep=True, array_type=vtk.VTK_UNSIGNED_CHAR), made)
    _add_array(grid, LABELS, np.where(sizes == 4, value, 0).astype(np.int32))
    if boundary is not None:
        _add_array(grid, FACES, np.concatenate([np.zeros(len(cells)), patch]).astype(np.int32))
    return grid


def _compact(cells: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the points that cells use, of `count` points, and the same cells by their places among these."""
    mark = np.zeros(count, dtype=bool)
    mark[cells] = True
    return np.flatnonzero(mark), (np.cumsum(mark) - 1)[cells]


def _about_patch(row: Mapping[str, Any]) -> str:
    text = (_("{area:.0f} mm², between {tissues}") if len(row["tissues"]) > 1 else _("{area:.0f} mm², of {tissues}"))
    return text.format(area=row["area_mm2"], tissues=", ".join(row["tissues"]))


def _arrays(path: Path) -> Generator[None, None, Arrays]:
    """The arrays of a VTK XML file of ours by name, flat. Raises InputError for a file that has none."""
    text, found = bytearray(), dict[str, np.ndarray]()
    try:
        with path.open("rb") as file:
            while piece := file.read(4 * PIECE):
                text += piece
                yield
        for head in ARRAY.finditer(text):
            kind, name = (part.decode("ascii") for part in head.groups())
            if name not in ("offsets", "types"):
                end = text.index(b"<", head.end())
                raw = yield from _decoded(memoryview(text)[head.end() : end])
                found[name] = np.frombuffer(raw, TYPES[kind], offset=8)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    if not {"Points", "connectivity"} <= set(found):
        raise _unreadable(path, _("the file has no cells"))
    return found


def _decoded(text: memoryview) -> Generator[None, None, bytearray]:
    """The bytes of base64, some of them a step."""
    raw = bytearray()
    for start in range(0, len(text), PIECE):
        raw += binascii.a2b_base64(text[start : start + PIECE])
        yield
    return raw


def _unreadable(path: Path, why: object) -> InputError:
    return InputError(_("A file of the mesh cannot be read"), value=f"{path}: {why}", rule=_("a VTK file with cells"),
                      hint=_("make the mesh again"))


def _placed(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(n, 3) float64: the points of a file, flat, in the heart's coordinates."""
    return np.asarray(points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])


def _ids(values: np.ndarray) -> Any:
    return numpy_support.numpy_to_vtk(np.ascontiguousarray(values, dtype=np.int64), deep=True,
                                      array_type=vtk.VTK_ID_TYPE)


def _add_array(data: Any, name: str, values: np.ndarray) -> None:
    array = numpy_support.numpy_to_vtk(np.ascontiguousarray(values), deep=True)
    array.SetName(name)
    data.GetCellData().AddArray(array)
