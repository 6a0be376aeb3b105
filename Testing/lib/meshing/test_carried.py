"""A twin's tetrahedra carried to a sibling: the same elements on the sibling's surfaces, or a reason why not."""

from __future__ import annotations

import numpy as np
import pytest
from raw_surfaces import balls

from DiffusionSiblingsLib.meshing.carried import LEAST, carried_to, surface_distances
from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh, VolumeMesh
from DiffusionSiblingsLib.meshing.quality import scaled_jacobian
from DiffusionSiblingsLib.meshing.quality_report import faults_of
from DiffusionSiblingsLib.meshing.tetrahedra import tetrahedra_of

RADII = (7.0, 11.0)
STRETCH = np.array([1.15, 0.9, 1.05])
SHIFT = np.array([2.0, -1.0, 1.5])


@pytest.fixture(scope="module")
def twin() -> VolumeMesh:
    return tetrahedra_of(*balls(RADII, 28, 1.0), 1.6)[0]


def sibling(radii: tuple[float, ...], stretch: np.ndarray, shift: np.ndarray) -> tuple[SurfaceMesh, dict[int, float]]:
    """Ellipsoids in one another, and the volume of each tissue in mm^3."""
    _, _, surface = balls(radii, 8, 1.0)
    moved = SurfaceMesh(surface.points * stretch + shift, surface.triangles, surface.sides)
    return moved, {tissue: moved.volume(tissue) for tissue in moved.tissues}


def test_a_sibling_of_another_shape_gets_the_same_elements_on_its_own_surfaces(twin: VolumeMesh) -> None:
    surface, volumes = sibling((7.6, 11.0), STRETCH, SHIFT)
    mesh, said = carried_to(twin, surface, volumes)
    assert mesh is not None, said["why"]
    assert said["carried"] is True
    assert np.array_equal(mesh.tetrahedra, twin.tetrahedra)
    assert np.array_equal(mesh.tissue, twin.tissue)
    assert np.array_equal(mesh.surface.triangles, twin.surface.triangles)
    assert faults_of(mesh) == []
    assert scaled_jacobian(mesh.points[mesh.tetrahedra]).min() >= LEAST - 1e-9
    for tissue, volume in volumes.items():
        assert mesh.volumes()[mesh.tissue == tissue].sum() == pytest.approx(volume, rel=1e-3)
    for pair, radius in (((1, 2), 7.6), ((2, 0), 11.0)):
        rows = np.unique(mesh.surface.triangles[mesh.surface.between(*pair)])
        away = np.linalg.norm((mesh.points[rows] - SHIFT) / STRETCH, axis=1)
        assert np.abs(away - radius).mean() < 0.2
    assert said["mean_distance_mm"] < 0.3
    assert [row["between"] for row in said["distances"]] == [[1, 2], [2, 0]]


def test_carried_to_itself_it_stays_where_it_is(twin: VolumeMesh) -> None:
    surface, volumes = sibling(RADII, np.ones(3), np.zeros(3))
    mesh, said = carried_to(twin, surface, volumes)
    assert mesh is not None, said["why"]
    assert np.linalg.norm(mesh.points - twin.points, axis=1).mean() < 0.2


def test_the_same_sibling_gives_the_same_nodes(twin: VolumeMesh) -> None:
    surface, volumes = sibling((7.6, 11.0), STRETCH, SHIFT)
    first, _ = carried_to(twin, surface, volumes)
    second, _ = carried_to(twin, surface, volumes)
    assert first is not None and second is not None
    assert first.points.tobytes() == second.points.tobytes()


def test_a_sibling_without_a_tissue_is_refused_with_the_reason(twin: VolumeMesh) -> None:
    surface, volumes = sibling((11.0,), np.ones(3), np.zeros(3))
    mesh, said = carried_to(twin, surface, volumes)
    assert mesh is None
    assert said["carried"] is False
    assert said["why"] == "only one of the maps has label 2"


def test_a_contact_that_one_map_alone_has_is_the_reason_by_name(twin: VolumeMesh) -> None:
    surface, volumes = sibling(RADII, np.ones(3), np.zeros(3))
    opened = surface.sides.copy()
    ring = (opened[:, 1] == 0) & (surface.points[surface.triangles].mean(axis=1)[:, 2] > 6.0)
    opened[ring, 0] = 1  # the inner tissue comes to the outside
    other = SurfaceMesh(surface.points, surface.triangles, opened)
    mesh, said = carried_to(twin, other, volumes, {1: "left ventricle"})
    assert mesh is None
    assert said["why"].startswith("left ventricle and the outside touch in one of the maps alone: 0 mm² in the twin")


def test_a_sibling_in_other_pieces_is_refused_with_its_distance(twin: VolumeMesh) -> None:
    surface, _ = sibling(RADII, np.ones(3), np.zeros(3))
    count, apart = len(surface.points), np.array([30.0, 0.0, 0.0])
    both = SurfaceMesh(np.concatenate([surface.points, surface.points + apart]),
                       np.concatenate([surface.triangles, surface.triangles + count]).astype(np.int32),
                       np.concatenate([surface.sides, surface.sides]))
    mesh, said = carried_to(twin, both, {tissue: both.volume(tissue) for tissue in both.tissues})
    assert mesh is None
    assert "mm from the sibling" in said["why"] or "scaled Jacobian" in said["why"]
    assert said["mean_distance_mm"] > 1.0


def test_distances_are_those_between_balls() -> None:
    _, _, small = balls((7.0,), 8, 1.0)
    _, _, large = balls((8.0,), 8, 1.0)
    rows = surface_distances(small, large, np.array([0, 1], dtype=np.int16))
    assert len(rows) == 1
    assert rows[0]["between"] == [1, 0]
    assert rows[0]["mean_mm"] == pytest.approx(1.0, abs=0.02)
    assert rows[0]["most_mm"] < 1.1
