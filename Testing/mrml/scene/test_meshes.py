"""Meshes in the scene: where the heart is, one a heart, in one folder, back with a saved scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from DiffusionSiblingsUI.runs.mesh_request import mesh_words
from DiffusionSiblingsUI.scene import bridge, mesh_files, meshes
from DiffusionSiblingsUI.scene.runs import hierarchy
from nodes import matrix
from run_cases import read, save
from vtk.util.numpy_support import vtk_to_numpy

from DiffusionSiblingsLib.cohorts.members import find_member
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.meshing.mesh_many import mesh_members
from DiffusionSiblingsLib.meshing.settings import MeshSettings

ANATOMY = load_anatomy("heart")
EDGE_MM = 4.0


@pytest.fixture(scope="module")
def made(heart: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of two meshes of the heart, as `siblings mesh` writes them: tetrahedra in LPS, surfaces in RAS."""
    pytest.importorskip("scipy")
    folder = tmp_path_factory.mktemp("meshes")
    path = write_labelmap(heart, folder / "heart.nrrd")
    kinds = {"tetrahedra": MeshSettings(("vtk",), "tetrahedra", EDGE_MM, {"Ao": 7.0}),
             "surfaces": MeshSettings(("vtk",), "surfaces", space="RAS")}
    found = {}
    for kind, settings in kinds.items():
        ((_member, outcome),) = mesh_members([find_member(path, ANATOMY)], folder / kind, ANATOMY, settings)
        assert not isinstance(outcome, str), outcome
        found[kind] = outcome.folder
    return found


def shown(folder: Path, node: Any) -> meshes.Mesh:
    return exhaust(meshes.building(folder, meshes.Place.of(node, bridge.read_segmentation(node))))


def names(scene: Any) -> list[str]:
    """All nodes but the subject hierarchy."""
    every = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return sorted(node.GetID() for node in every if "SubjectHierarchy" not in node.GetClassName())


def world_points(model: Any) -> np.ndarray:
    """(n, 3): the points of a model in RAS mm, under its transform."""
    points = vtk_to_numpy(model.GetMesh().GetPoints().GetData()).astype(float)
    place = vtk.vtkMatrix4x4()
    if model.GetParentTransformNode() is not None:
        model.GetParentTransformNode().GetMatrixTransformToWorld(place)
    by = np.array([[place.GetElement(row, column) for column in range(4)] for row in range(4)])
    return np.asarray(points @ by[:3, :3].T + by[:3, 3])


def middle(points: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle of the volume of tetrahedra, and their volume in ml."""
    corners = points[cells.reshape(-1, 4)]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    return (corners.mean(axis=1) * volumes[:, None]).sum(axis=0) / volumes.sum(), float(volumes.sum()) / 1000


def test_tetrahedra_fill_their_tissue_where_the_segment_is(made: dict[str, Path], heart_node: Any, heart: Any) -> None:
    mesh = shown(made["tetrahedra"], heart_node)
    for value, name in ((s.value, s.name) for s in heart.segments if s.tissue in ("Myo", "LV", "RV", "LA", "RA")):
        (model,) = [m for m in mesh.models if m.GetName() == f"heart {name}"]
        where, ml = middle(world_points(model), vtk_to_numpy(model.GetMesh().GetCells().GetConnectivityArray()))
        kji = np.argwhere(heart.labels == value)
        wanted = heart.affine[:3, :3] @ kji.mean(axis=0)[::-1] + heart.affine[:3, 3]
        assert np.abs(where - wanted).max() < 0.5, name  # of voxels of 3.2 to 4.2 mm
        assert ml == pytest.approx(len(kji) * abs(np.linalg.det(heart.affine[:3, :3])) / 1000, rel=0.01)


def test_surfaces_lie_on_the_borders_of_the_segments(made: dict[str, Path], heart_node: Any, heart: Any) -> None:
    mesh = shown(made["surfaces"], heart_node)
    (wall,) = [m for m in mesh.models if m.GetName() == "heart LV endocardium"]
    back = np.linalg.inv(heart.affine)
    ijk = np.rint(world_points(wall) @ back[:3, :3].T + back[:3, 3]).astype(int)
    seen = {ANATOMY.label_of(tissue) for tissue in ("LV", "Myo")}
    around = [heart.labels[k - 1:k + 2, j - 1:j + 2, i - 1:i + 2] for i, j, k in ijk]
    assert len(around) > 50 and all(seen <= set(np.unique(part)) for part in around)


@pytest.mark.parametrize("kind", ["tetrahedra", "surfaces"])
def test_a_heart_under_a_transform_takes_its_mesh_along(made: dict[str, Path], heart_node: Any, kind: str) -> None:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = np.array([[0, -1, 0, 30], [1, 0, 0, -12], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    before = world_points(shown(made[kind], heart_node).models[0])  # what was meshed lay here in the world
    transform.SetMatrixTransformToParent(matrix(moved))
    heart_node.SetAndObserveTransformNodeID(transform.GetID())
    place = meshes.Place.of(heart_node, bridge.read_segmentation(heart_node))
    model = exhaust(meshes.building(made[kind], place)).models[0]
    assert model.GetTransformNodeID() == transform.GetID()
    assert np.allclose(world_points(model), before, atol=1e-3)
    transform.SetMatrixTransformToParent(matrix(np.eye(4)))
    assert np.allclose(world_points(model) @ moved[:3, :3].T + moved[:3, 3], before, atol=1e-3)


def test_parts_are_named_coloured_and_said_to_be_grown(made: dict[str, Path], heart_node: Any) -> None:
    mesh = shown(made["tetrahedra"], heart_node)
    by_name = {model.GetName().removeprefix("heart "): model for model in mesh.models}
    segment = heart_node.GetSegmentation().GetSegment(heart_node.GetSegmentation().GetSegmentIdBySegmentName(
        ANATOMY.tissue("LV").name))
    assert by_name[ANATOMY.tissue("LV").name].GetDisplayNode().GetColor() == pytest.approx(segment.GetColor())
    assert by_name["LV endocardium"].GetDisplayNode().GetColor() == pytest.approx(segment.GetColor())
    row = {"id": "septum_2", "tissues": ["Myo", "RV"]}
    assert meshes._owner(row, ANATOMY) == "RV" and meshes._owner({**row, "id": "myo_rv"}, ANATOMY) == "Myo"
    (wall,) = [model for name, model in by_name.items() if "grown, not imaged" in name]
    assert "Grown, not imaged." in wall.GetDescription()
    assert "Grown, not imaged: Ao wall, 7 mm" in mesh_words(mesh.report)
    labels = {int(vtk_to_numpy(m.GetMesh().GetCellData().GetArray(mesh_files.LABELS))[0]) for m in mesh.models
              if m.GetAttribute(meshes.KIND) == meshes.TISSUE}
    assert labels == {row["value"] for row in mesh.report["tissues"]}


def test_tissues_are_shown_where_they_are_filled_and_patches_elsewhere(made: dict[str, Path], heart_node: Any) -> None:
    for kind, part in (("tetrahedra", meshes.TISSUE), ("surfaces", meshes.PATCH)):
        mesh = shown(made[kind], heart_node)
        assert all(m.GetDisplayNode().GetVisibility() == (m.GetAttribute(meshes.KIND) == part) for m in mesh.models)
        mesh.show(False)
        assert not mesh.visible
        mesh.show(True)
        assert all(m.GetDisplayNode().GetVisibility() == (m.GetAttribute(meshes.KIND) == part) for m in mesh.models)


def test_the_histogram_shows_all_tetrahedra(made: dict[str, Path], heart_node: Any) -> None:
    chart = shown(made["tetrahedra"], heart_node).chart
    assert chart is not None
    table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    assert sum(table.GetColumnByName("share").GetValue(n) for n in range(table.GetNumberOfRows())) == pytest.approx(100)
    assert shown(made["surfaces"], heart_node).chart is None


def test_the_next_mesh_takes_the_place_of_the_first_and_none_is_left(made: dict[str, Path], heart_node: Any,
                                                                     scene: Any) -> None:
    before, items = names(scene), hierarchy().GetNumberOfItems()
    for kind in ("tetrahedra", "surfaces", "tetrahedra"):
        mesh = shown(made[kind], heart_node)
        assert [each.node for each in meshes.find_meshes()] == [mesh.node]
        assert meshes.find_mesh(heart_node) == mesh and hierarchy().GetItemName(mesh.folder) == "heart mesh"
    meshes.delete_mesh(mesh)
    assert names(scene) == before and hierarchy().GetNumberOfItems() == items


@pytest.mark.parametrize("steps", [0, 5, 40])
def test_what_is_stopped_on_its_way_leaves_the_earlier_mesh(made: dict[str, Path], heart_node: Any, scene: Any,
                                                            steps: int) -> None:
    first = shown(made["surfaces"], heart_node)
    before = names(scene)
    work = meshes.building(made["tetrahedra"], meshes.Place.of(heart_node, bridge.read_segmentation(heart_node)))
    for _ in range(steps + 1):
        next(work)
    work.close()
    assert names(scene) == before and meshes.find_mesh(heart_node) == first


@pytest.mark.parametrize("name", ["scene.mrb", "scene"])
def test_a_saved_scene_comes_back_with_its_mesh(made: dict[str, Path], heart_node: Any, scene: Any, tmp_path: Path,
                                                name: str) -> None:
    mesh = shown(made["tetrahedra"], heart_node)
    models = {model.GetName(): model.GetMesh().GetNumberOfCells() for model in mesh.models}
    report = mesh.report
    save(tmp_path / name)
    scene.Clear(False)
    read(tmp_path / name)
    (back,) = meshes.find_meshes()
    assert back.report == report and back.heart.GetName() == "heart"
    assert {model.GetName(): model.GetMesh().GetNumberOfCells() for model in back.models} == models
    assert {model.GetMesh().GetClassName() for model in back.models} == {"vtkPolyData", "vtkUnstructuredGrid"}
    meshes.delete_mesh(back)
    assert not slicer.util.getNodesByClass("vtkMRMLModelNode")


def test_a_module_that_reads_faces_from_the_volume_finds_them(made: dict[str, Path], heart_node: Any,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicer.modules, mesh_files.PREP, object(), raising=False)
    mesh = shown(made["tetrahedra"], heart_node)
    (model,) = [m for m in mesh.models if m.GetName() == f"heart {ANATOMY.tissue('LV').name}"]
    grid = model.GetMesh()
    faces = vtk_to_numpy(grid.GetCellData().GetArray(mesh_files.FACES))
    kinds = np.array([grid.GetCellType(n) for n in range(grid.GetNumberOfCells())])
    assert ((faces > 0) == (kinds == vtk.VTK_TRIANGLE)).all() and (kinds == vtk.VTK_TRIANGLE).sum() > 50
    surface = vtk.vtkDataSetSurfaceFilter()  # the faces of the tetrahedra that no other has: those with triangles
    tets = vtk.vtkExtractCells()
    tets.SetInputData(grid)
    tets.SetCellIds([int(n) for n in np.flatnonzero(kinds == vtk.VTK_TETRA)], int((kinds == vtk.VTK_TETRA).sum()))
    surface.SetInputConnection(tets.GetOutputPort())
    surface.Update()
    assert surface.GetOutput().GetNumberOfCells() == int((kinds == vtk.VTK_TRIANGLE).sum())
    patches = {row["number"] for row in mesh.report["patches"] if "LV" in row["tissues"]}
    assert set(faces[faces > 0].tolist()) == patches


@pytest.mark.parametrize("damage", ["missing", "empty", "no file of ours", "cut"])
def test_files_that_cannot_be_read_are_an_error_and_leave_nothing(made: dict[str, Path], heart_node: Any, scene: Any,
                                                                  tmp_path: Path, damage: str) -> None:
    import shutil

    folder = tmp_path / "mesh"
    shutil.copytree(made["surfaces"], folder)
    (path,) = (folder / "vtk").glob("*.vtp")
    text = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "no file of ours": b"solid STL", "cut": text[: len(text) // 2]}[damage])
    before = names(scene)
    with pytest.raises(InputError, match="cannot be read"):
        shown(folder, heart_node)
    assert names(scene) == before and not meshes.find_meshes()


def test_the_words_tell_of_repairs_and_of_patches_that_are_missing(made: dict[str, Path]) -> None:
    report = json.loads((made["surfaces"] / "mesh.json").read_text(encoding="utf-8"))
    said = mesh_words({**report, "patches_missing": ["tricuspid_valve"]})
    assert "triangles in" in said and "do not touch: tricuspid valve" in said
