"""Every file of a mesh, read back by programs that are not ours: points, cells, sets and volumes are those we wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import meshio
import numpy as np
import pytest
from small_meshes import ANATOMY, LABELS, SPACING, block_labels, small_heart

from DiffusionSiblingsLib.meshing.formats.faces import FACES
from DiffusionSiblingsLib.meshing.formats.listing import FORMATS
from DiffusionSiblingsLib.meshing.meshed import Meshed

SOLID, SHELL = small_heart(), small_heart(solid=False)
CUBES = {tissue: int((block_labels() == label).sum()) for tissue, label in LABELS.items()}
TISSUES = ["Myo", "LV", "LA"]
VALVE = 9 * SPACING**2  # the opening of three by three cubes


def written(meshed: Meshed, name: str, folder: Path) -> Path:
    FORMATS[name].write(meshed, folder, ANATOMY)
    return folder


def volume(points: np.ndarray, cells: np.ndarray) -> float:
    a, b, c, d = (points[cells[:, n]] for n in range(4))
    return float(np.abs(np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a)).sum() / 6)


def area(points: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (points[triangles[:, n]] for n in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def enclosed(points: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (points[triangles[:, n]] for n in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def truth(tissue: str, scale: float = 1.0) -> float:
    return CUBES[tissue] * (SPACING * scale)**3


@pytest.mark.parametrize("name", ["gmsh", "gmsh22"])
def test_gmsh_finds_every_tissue_and_patch_by_name(name: str, tmp_path: Path) -> None:
    gmsh = pytest.importorskip("gmsh")
    written(SOLID, name, tmp_path)
    gmsh.initialize(readConfigFiles=False, interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.open(str(tmp_path / "block.msh"))
        tags, flat, _ = gmsh.model.mesh.getNodes()
        points = np.zeros((int(tags.max()) + 1, 3))
        points[tags.astype(int)] = flat.reshape(-1, 3)
        assert np.allclose(points[1:], SOLID.points)
        groups = {gmsh.model.getPhysicalName(*group): group for group in gmsh.model.getPhysicalGroups()}
        assert set(groups) == {*TISSUES, *(patch.id for patch in SOLID.patches)}
        for tissue in TISSUES:
            cells = _cells_of(gmsh, groups[tissue], 4)
            assert groups[tissue] == (3, LABELS[tissue])
            assert volume(points, cells) == pytest.approx(truth(tissue))
        for patch in SOLID.patches:
            assert area(points, _cells_of(gmsh, groups[patch.id], 3)) == pytest.approx(patch.area_mm2)
    finally:
        gmsh.finalize()


def _cells_of(gmsh, group: tuple[int, int], corners: int) -> np.ndarray:
    found = [gmsh.model.mesh.getElements(group[0], entity)[2][0].reshape(-1, corners)
             for entity in gmsh.model.getEntitiesForPhysicalGroup(*group)]
    return np.concatenate(found).astype(int)


@pytest.mark.parametrize("name", ["gmsh", "gmsh22"])
def test_meshio_reads_the_same_groups(name: str, tmp_path: Path) -> None:
    written(SOLID, name, tmp_path)
    mesh = meshio.read(tmp_path / "block.msh")
    assert volume(mesh.points, mesh.cells_dict["tetra"]) == pytest.approx(sum(map(truth, TISSUES)))
    assert mesh.field_data["mitral_valve"][1] == 2 and mesh.field_data["LV"][1] == 3
    tags = mesh.cell_data_dict["gmsh:physical"]["tetra"]
    for tissue in TISSUES:
        assert volume(mesh.points, mesh.cells_dict["tetra"][tags == mesh.field_data[tissue][0]]) == pytest.approx(
            truth(tissue))


def test_abaqus_has_elements_by_tissue_and_faces_by_patch(tmp_path: Path) -> None:
    path = written(SOLID, "abaqus", tmp_path) / "block.inp"
    mesh = meshio.read(path)
    assert np.allclose(mesh.points, SOLID.points)
    assert volume(mesh.points, mesh.cells_dict["tetra"]) == pytest.approx(sum(map(truth, TISSUES)))
    blocks = _abaqus_blocks(path)
    elements = {number: [int(n) - 1 for n in nodes] for tissue in TISSUES
                for number, *nodes in blocks[f"*ELEMENT, TYPE=C3D4, ELSET={tissue}"]}
    for tissue in TISSUES:
        cells = np.array([elements[number] for number, *_ in blocks[f"*ELEMENT, TYPE=C3D4, ELSET={tissue}"]])
        assert volume(mesh.points, cells) == pytest.approx(truth(tissue))
    for side in ("mitral_valve_on_LV", "mitral_valve_on_LA"):
        faces = np.array([[elements[number][n] for n in FACES[int(face[1:]) - 1]]
                          for number, face in blocks[f"*SURFACE, TYPE=ELEMENT, NAME={side}"]])
        assert area(mesh.points, faces) == pytest.approx(VALVE)
    nodes = [int(n) for row in blocks["*NSET, NSET=mitral_valve_nodes"] for n in row]
    assert len(nodes) == len(set(nodes)) == 16
    assert {f"*SURFACE, TYPE=ELEMENT, NAME={side.name}" for side in SOLID.sides} <= set(blocks)
    assert max(map(len, blocks["*NSET, NSET=lv_endocardium_nodes"])) <= 16


def _abaqus_blocks(path: Path) -> dict[str, list[list[str]]]:
    blocks: dict[str, list[list[str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("*"):
            rows = blocks.setdefault(line, [])
        else:
            rows.append([part.strip() for part in line.split(",")])
    return blocks


def test_abaqus_has_shells_where_there_are_no_tetrahedra(tmp_path: Path) -> None:
    mesh = meshio.read(written(SHELL, "abaqus", tmp_path) / "block.inp")
    assert area(mesh.points, mesh.cells_dict["triangle"]) == pytest.approx(SOLID.surface.area())


def test_febio_is_xml_of_version_4_with_parts_and_surfaces_that_look_outwards(tmp_path: Path) -> None:
    root = ElementTree.parse(written(SOLID, "febio", tmp_path) / "block.feb").getroot()
    assert root.tag == "febio_spec" and root.attrib["version"] == "4.0"
    assert [child.tag for child in root] == ["Module", "Material", "Mesh", "MeshDomains"]
    mesh = root.find("Mesh")
    assert mesh is not None
    points = np.array([[float(v) for v in node.text.split(",")] for node in mesh.find("Nodes")])
    parts = {part.attrib["name"]: _rows(part) for part in mesh.iter("Elements")}
    assert {name: round(volume(points, cells), 6) for name, cells in parts.items()} == {
        tissue: truth(tissue) for tissue in TISSUES}
    ids = [int(item.attrib["id"]) for part in mesh.iter("Elements") for item in part]
    assert ids == list(range(1, len(ids) + 1))
    surfaces = {one.attrib["name"]: _rows(one) for one in mesh.iter("Surface")}
    for tissue in TISSUES:
        around = np.concatenate([surfaces[side.name] for side in SOLID.sides
                                 if SOLID.parts[side.label].id == tissue])
        assert enclosed(points - points.mean(axis=0), around) == pytest.approx(truth(tissue))
    materials = {one.attrib["name"] for one in root.iter("material")}
    assert {one.attrib["mat"] for one in root.iter("SolidDomain")} == materials == set(TISSUES)


def _rows(block: ElementTree.Element) -> np.ndarray:
    return np.array([[int(n) - 1 for n in item.text.split(",")] for item in block if item.text])


def test_opencarp_counts_from_zero_in_micrometres(tmp_path: Path) -> None:
    folder = written(SOLID, "opencarp", tmp_path)
    points = np.loadtxt(folder / "block.pts", skiprows=1)
    assert (folder / "block.pts").read_text().splitlines()[0] == str(len(points))
    rows = [line.split() for line in (folder / "block.elem").read_text().splitlines()[1:]]
    assert {row[0] for row in rows} == {"Tt"}
    cells, tags = np.array([row[1:5] for row in rows], dtype=int), np.array([row[5] for row in rows], dtype=int)
    for tissue in TISSUES:
        assert volume(points, cells[tags == LABELS[tissue]]) == pytest.approx(truth(tissue, 1000))
    valve = [line.split() for line in (folder / "block.mitral_valve.surf").read_text().splitlines()[1:]]
    assert area(points, np.array([row[1:] for row in valve], dtype=int)) == pytest.approx(VALVE * 1e6)
    nodes = (folder / "block.mitral_valve.vtx").read_text().splitlines()
    assert nodes[:2] == ["16", "extra"] and len(nodes) == 18
    assert not list(folder.glob("*.lon"))


def vtk_read(path: Path):
    vtk = pytest.importorskip("vtk")
    from vtk.util.numpy_support import vtk_to_numpy

    reader = vtk.vtkXMLUnstructuredGridReader() if path.suffix == ".vtu" else vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    data = reader.GetOutput()
    cells = data.GetCells() if path.suffix == ".vtu" else data.GetPolys()
    corners = 4 if path.suffix == ".vtu" else 3
    arrays = {data.GetCellData().GetArrayName(n): vtk_to_numpy(data.GetCellData().GetArray(n))
              for n in range(data.GetCellData().GetNumberOfArrays())}
    nodes = data.GetPointData().GetArray("GlobalNodeID")
    fields = data.GetFieldData()
    texts = {fields.GetAbstractArray(n).GetName(): fields.GetAbstractArray(n).GetValue(0)
             for n in range(fields.GetNumberOfArrays())}
    points = vtk_to_numpy(data.GetPoints().GetData())
    return (points, vtk_to_numpy(cells.GetConnectivityArray()).reshape(-1, corners), arrays, texts,
            None if nodes is None else vtk_to_numpy(nodes))


def test_vtk_reads_tissues_patches_and_axes(tmp_path: Path) -> None:
    folder = written(SOLID, "vtk", tmp_path)
    points, cells, arrays, texts, _ = vtk_read(folder / "block.vtu")
    assert np.allclose(points, SOLID.points)
    for tissue in TISSUES:
        assert volume(points, cells[arrays["tissue"] == LABELS[tissue]]) == pytest.approx(truth(tissue))
    points, triangles, arrays, texts, _ = vtk_read(folder / "block.vtp")
    assert texts["SPACE"] == "LPS" and "mitral_valve" in texts["patches"]
    number = next(int(one.split("=")[0]) for one in texts["patches"].split("; ") if one.endswith("=mitral_valve"))
    assert area(points, triangles[arrays["patch"] == number]) == pytest.approx(VALVE)
    assert set(arrays["outside"][arrays["patch"] == number]) == {LABELS["LA"]}
    assert np.allclose(meshio.read(folder / "block.vtu").points, SOLID.points)


def test_simvascular_has_one_region_a_folder_and_counts_from_one(tmp_path: Path) -> None:
    folder = written(SOLID, "simvascular", tmp_path)
    for tissue in TISSUES:
        place = folder / tissue / "mesh-complete"
        points, cells, arrays, _, nodes = vtk_read(place / "mesh-complete.mesh.vtu")
        assert volume(points, cells) == pytest.approx(truth(tissue))
        assert nodes.tolist() == list(range(1, len(points) + 1))
        assert arrays["GlobalElementID"].tolist() == list(range(1, len(cells) + 1))
        outer, triangles, faces, _, own = vtk_read(place / "mesh-complete.exterior.vtp")
        assert np.allclose(points[own - 1], outer)
        assert enclosed(outer - outer.mean(axis=0), triangles) == pytest.approx(truth(tissue))
        for triangle, element in zip(triangles, faces["GlobalElementID"], strict=True):
            assert set(own[triangle] - 1) <= set(cells[element - 1])
        parts = [len(vtk_read(path)[1]) for path in sorted((place / "mesh-surfaces").iterdir())]
        assert sum(parts) == len(triangles)
        walls = vtk_read(place / "walls_combined.vtp")[1]
        assert 0 < len(walls) < len(triangles) or tissue == "Myo"
    valve = [vtk_read(folder / tissue / "mesh-complete" / "mesh-surfaces" / "mitral_valve.vtp")[0]
             for tissue in ("LV", "LA")]
    assert {tuple(p) for p in valve[0]} == {tuple(p) for p in valve[1]}, "interface nodes coincide"


def test_pyansys_finds_the_closed_surface_of_every_part(tmp_path: Path) -> None:
    folder = written(SHELL, "pyansys", tmp_path)
    parts = json.loads((folder / "block.part_definitions.json").read_text())
    _, triangles, arrays, _, _ = vtk_read(folder / "block.vtp")
    assert parts["Left ventricle"]["id"] == LABELS["Myo"]
    assert "left-ventricle-endocardium" in parts["Left ventricle"]["enclosed_by_boundaries"]
    names: dict[int, str] = {}
    for part in parts.values():
        chosen = triangles[np.isin(arrays["surface-id"], list(part["enclosed_by_boundaries"].values()))]
        edges = np.sort(chosen[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}, "closed, as its mesher asks"
        for name, number in part["enclosed_by_boundaries"].items():
            assert names.setdefault(number, name) == name, "one name for each boundary"


def test_fenicsx_files_hold_the_tissues_and_the_patches_on_the_same_points(tmp_path: Path) -> None:
    folder = written(SOLID, "fenicsx", tmp_path)
    points, cells, tissue = xdmf_read(folder / "block.xdmf", "mesh", "tissue")
    assert np.allclose(points, SOLID.points)
    for name in TISSUES:
        assert volume(points, cells[tissue == LABELS[name]]) == pytest.approx(truth(name))
    same, triangles, patch = xdmf_read(folder / "block.patches.xdmf", "patches", "patch")
    assert np.array_equal(points, same)
    number = [patch.id for patch in SOLID.patches].index("mitral_valve") + 1
    assert area(points, triangles[patch == number]) == pytest.approx(VALVE)


def xdmf_read(path: Path, grid: str, attribute: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = ElementTree.parse(path).getroot().find(f"Domain/Grid[@Name='{grid}']")
    assert found is not None

    def array(place: str) -> np.ndarray:
        item = found.find(f"{place}/DataItem")
        assert item is not None and item.text is not None
        kind = int if item.attrib["NumberType"] == "Int" else float
        return np.array(item.text.split(), dtype=kind).reshape([int(n) for n in item.attrib["Dimensions"].split()])

    cells = array("Topology")
    assert found.find("Topology").attrib["NumberOfElements"] == str(len(cells))  # type: ignore[union-attr]
    return array("Geometry"), cells, array(f"Attribute[@Name='{attribute}']").ravel()


def test_stl_surfaces_are_closed_and_say_their_axes(tmp_path: Path) -> None:
    folder = written(SHELL, "stl", tmp_path)
    for tissue in TISSUES:
        path = folder / f"{tissue}.stl"
        assert b"SPACE=LPS" in path.read_bytes()[:80] and not path.read_bytes().startswith(b"solid")
        mesh = meshio.read(path)
        assert enclosed(mesh.points - mesh.points.mean(axis=0), mesh.cells_dict["triangle"]) == pytest.approx(
            truth(tissue), rel=1e-5)
    assert {path.stem for path in (folder / "patches").iterdir()} == {patch.id for patch in SHELL.patches}


@pytest.mark.parametrize("name", FORMATS)
def test_axes_are_those_asked_for(name: str, tmp_path: Path) -> None:
    """A file in RAS differs from one in LPS in its points, and volumes stay positive in both."""
    for space in ("LPS", "RAS"):
        (tmp_path / space).mkdir()
        written(small_heart(space=space), name, tmp_path / space)
    names = {path.relative_to(tmp_path / "LPS") for path in (tmp_path / "LPS").rglob("*") if path.is_file()}
    assert names == {path.relative_to(tmp_path / "RAS") for path in (tmp_path / "RAS").rglob("*") if path.is_file()}
    flipped = small_heart(space="RAS").points * (-1, -1, 1)
    assert np.allclose(flipped, SOLID.points)


def test_names_of_sets_suit_every_format() -> None:
    names = [side.name for side in SOLID.sides] + [part.id for part in SOLID.parts.values()]
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names) and len(set(names)) == len(names)
