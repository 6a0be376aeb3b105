"""The report beside a mesh tells what is not as it was asked for."""

from __future__ import annotations

import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.meshing import mesh_map, surface
from DiffusionSiblingsLib.meshing.mesh_map import MeshResult
from DiffusionSiblingsLib.meshing.report import report_of
from DiffusionSiblingsLib.meshing.settings import MeshSettings

ANATOMY = load_anatomy("heart")
COARSE = MeshSettings(formats=("stl",), edge_mm=7.0, fill="surfaces")


def meshed() -> MeshResult:
    return mesh_map.mesh_map(ellipsoid_heart((40, 36, 44), 3.4), ANATOMY, COARSE, "heart")


def test_edges_as_long_as_asked_for_need_no_note() -> None:
    found = report_of(meshed(), {"notes": []})["surface"]
    assert 0.7 * 7 < found["mean_edge_mm"] < 1.3 * 7 and "note" not in found


def test_a_surface_that_cannot_be_so_coarse_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = surface.surface_of
    monkeypatch.setattr(mesh_map, "surface_of", lambda labels, affine, edge_mm=None: fine(labels, affine))
    found = report_of(meshed(), {"notes": []})["surface"]
    assert found["mean_edge_mm"] < 0.7 * 7 and "and not 7 mm" in found["note"]
