"""Meshes of hearts of the scene end to end: the logic, the real worker, files and models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import slicer
from DiffusionSiblingsUI.logic import SiblingsLogic
from DiffusionSiblingsUI.runs.mesh_request import mesh_missing, mesh_settings, mesh_task_of
from DiffusionSiblingsUI.runs.meshing import Heart, MeshTask, heart_of, settings_of
from DiffusionSiblingsUI.runs.operation import OperationCancelled
from DiffusionSiblingsUI.scene import meshes
from panel_parameters import parameters

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.meshing.formats.listing import FORMATS

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture(autouse=True)
def _with_scipy() -> None:
    pytest.importorskip("scipy")


def all_nodes() -> int:
    return int(slicer.mrmlScene.GetNumberOfNodes())


def test_a_mesh_of_the_twin_is_in_the_scene_and_its_files_stay_where_they_were_asked_for(
        heart_node: Any, logic: SiblingsLogic, tmp_path: Path) -> None:
    made = logic.mesh(heart_node, out=tmp_path / "out", formats="stl", space="RAS")
    (mesh,) = made.shown
    assert mesh.heart is heart_node and made.failed == () and list(made.folders) == ["heart"]
    folder = Path(made.folders["heart"])
    assert folder == tmp_path / "out" / "heart"
    assert json.loads((folder / "mesh.json").read_text(encoding="utf-8")) == mesh.report
    assert {path.name for path in folder.iterdir()} == {"mesh.json", "vtk", "stl"}
    assert (mesh.report["space"], mesh.report["settings"]["fill"]) == ("RAS", "surfaces")
    with pytest.raises(InputError, match="holds a mesh") as refused:
        logic.mesh(heart_node, out=tmp_path / "out")
    assert "Replace earlier meshes" in refused.value.hint
    again = logic.mesh(heart_node, out=tmp_path / "out", replace=True, show=False)
    assert again.shown == () and len(meshes.find_meshes()) == 1


def test_several_hearts_are_meshed_and_one_that_cannot_be_is_told(heart_node: Any, heart: Any, make_node: Any,
                                                                  logic: SiblingsLogic, tmp_path: Path) -> None:
    other = make_node(heart, "other")
    other.GetSegmentation().RemoveAllSegments()
    with pytest.raises(InputError, match="no segment"):
        logic.mesh([heart_node, other])
    other = make_node(heart, "another")
    made = logic.mesh([heart_node, other], out=tmp_path)
    assert [mesh.heart for mesh in made.shown] == [heart_node, other]
    with pytest.raises(InputError, match="share the folder"):
        logic.mesh([heart_node, heart_node])


def test_what_is_cancelled_or_cannot_be_leaves_the_scene(heart_node: Any, logic: SiblingsLogic) -> None:
    before = all_nodes()
    operation = logic.mesh_operation(MeshTask((heart_of(heart_node),), settings_of(True, {}), shown=(heart_node,)))
    while operation.progress < 0.06:
        operation.step()
    operation.cancel()
    with pytest.raises(OperationCancelled):
        operation.wait()
    assert all_nodes() == before
    for refused, words in (({"edge": 100.0}, "edge"), ({"walls": {"Myo": 3}}, "wall"), ({"formats": "obj"}, "format"),
                           ({"formats": "febio"}, "tetrahedra"), ({"colour": 3}, "option"),
                           ({"space": "XYZ"}, "mesh"), ({"grade": 3}, "grade")):
        with pytest.raises(InputError, match=words):
            logic.mesh(heart_node, **refused)
    assert all_nodes() == before


def asked(**values: Any) -> Any:
    return parameters(**values).parameters


def panel(twin: Any, **values: Any) -> Any:
    """A context as the panel gives it."""
    made = parameters(twin=twin, **values)
    made.twin = twin
    return made


def test_the_panel_says_what_is_missing(heart_node: Any) -> None:
    assert "twin" in mesh_missing(panel(None), None, 0)
    assert "siblings" in mesh_missing(panel(heart_node, mesh_of="sibling"), None, 0)
    with pytest.raises(InputError, match="cannot be made"):
        mesh_task_of(panel(heart_node, mesh_of="run"), None, 0)


def test_the_panel_asks_for_what_is_ticked_and_for_no_format_that_needs_more(heart_node: Any) -> None:
    ticked = {"mesh_walls": "RV,valves", "mesh_thickness": 2.5, "mesh_formats": ",".join(FORMATS), "mesh_folder": "/f"}
    found = mesh_settings(asked(twin=heart_node, **ticked))
    assert (dict(found.walls), found.valves_mm, found.edge_mm) == ({"RV": 2.5}, 2.5, None)
    assert found.formats == ("vtk", *(name for name in FORMATS if name != "vtk" and not FORMATS[name].tetrahedra))
    filled = mesh_settings(asked(twin=heart_node, **ticked, mesh_fill="tetrahedra", mesh_edge=1.5))
    assert set(filled.formats) == set(FORMATS) and filled.edge_mm == 1.5
    assert mesh_settings(asked(twin=heart_node, mesh_formats="stl")).formats == ("vtk",)


def test_a_task_without_hearts_is_refused(heart_node: Any) -> None:
    with pytest.raises(InputError, match="nothing to mesh"):
        MeshTask((), settings_of(False, {}))
    assert heart_of(heart_node) == Heart(heart_node, "heart")
