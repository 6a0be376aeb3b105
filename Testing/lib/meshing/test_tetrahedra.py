"""Tetrahedra of label maps: sound elements, true volumes, shared nodes, for whatever map."""

from __future__ import annotations

import numpy as np
import pytest
from raw_surfaces import balls, voxel_faces

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.limits import MOST_TETRAHEDRA
from DiffusionSiblingsLib.meshing.quality import scaled_jacobian
from DiffusionSiblingsLib.meshing.quality_report import faults_of
from DiffusionSiblingsLib.meshing.tetrahedra import LEAST, tetrahedra_of

RADII = (7.0, 11.0)


@pytest.mark.parametrize(("edge", "grade"), [(1.6, 1), (2.0, 1), (1.6, 2)])
def test_balls_in_balls_have_good_elements_true_volumes_and_round_surfaces(edge: float, grade: int) -> None:
    labels, affine, surface = balls(RADII, 28, 1.0)
    mesh, said = tetrahedra_of(labels, affine, surface, edge, grade)

    assert faults_of(mesh) == []
    shape = scaled_jacobian(mesh.points[mesh.tetrahedra])
    assert shape.min() >= LEAST - 1e-9
    assert np.percentile(shape, 1) >= 0.18  # so curved a surface is harder than a heart's
    assert np.median(shape) >= 0.55
    volumes = mesh.volumes()
    for label in (1, 2):
        assert volumes[mesh.tissue == label].sum() == pytest.approx(np.count_nonzero(labels == label), rel=1e-3)
        assert abs(said["volumes"][str(label)]["difference_percent"]) < 0.1
    for pair, radius in (((1, 2), RADII[0]), ((2, 0), RADII[1])):
        rows = np.unique(mesh.surface.triangles[mesh.surface.between(*pair)])
        assert np.linalg.norm(mesh.points[rows], axis=1) == pytest.approx(radius, abs=0.35 * edge)
    assert said["mean_edge_mm"] == pytest.approx(edge, rel=0.15)
    assert said["relabelled_cubes"] == 0


def test_elements_grow_inside_and_shrink_at_thin_walls() -> None:
    labels, affine, surface = balls((20.0, 21.0), 48, 1.0)
    even, _ = tetrahedra_of(labels, affine, surface, 2.0)
    graded, said = tetrahedra_of(labels, affine, surface, 2.0, 4)
    assert faults_of(graded) == []
    away = np.linalg.norm(graded.points[graded.tetrahedra].mean(axis=1), axis=1)
    volumes = graded.volumes()
    assert np.median(volumes[away < 5.0]) > 4.0 * np.median(even.volumes())
    assert np.median(volumes[graded.tissue == 2]) < np.median(even.volumes()) / 4.0
    assert said["grade"] == 4


def test_the_same_map_gives_the_same_mesh_and_a_turned_map_a_turned_one() -> None:
    labels, affine, surface = balls(RADII, 28, 1.0)
    mesh, _ = tetrahedra_of(labels, affine, surface, 1.6)
    again, _ = tetrahedra_of(labels, affine, surface, 1.6)
    assert mesh.points.tobytes() == again.points.tobytes()
    assert mesh.tetrahedra.tobytes() == again.tetrahedra.tobytes()

    mirrored = affine.copy()
    mirrored[0] *= -1.0  # voxel axis I from right to left
    other, _ = tetrahedra_of(labels, mirrored, surface, 1.6)
    assert faults_of(other) == []
    assert other.volumes().sum() == pytest.approx(mesh.volumes().sum(), rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_any_map_has_tetrahedra(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = np.zeros((12, 13, 14), dtype=np.int16)
    labels[2:-2, 2:-2, 2:-2] = generator.integers(0, 4, (4, 9, 5)).repeat(2, 0).repeat(2, 2)
    affine = np.diag([0.8, 1.0, 1.3, 1.0]) if seed % 2 else np.diag([-1.0, -1.0, 1.0, 1.0])
    mesh, _ = tetrahedra_of(labels, affine, voxel_faces(labels, affine), 1.2, 1 + seed % 2)
    assert faults_of(mesh) == []
    assert scaled_jacobian(mesh.points[mesh.tetrahedra]).min() >= LEAST - 1e-9
    assert set(np.unique(mesh.tissue)) == {1, 2, 3}


def test_a_tissue_thinner_than_an_element_is_named_with_its_place() -> None:
    labels, affine, surface = balls(RADII, 28, 1.0)
    labels[20, 14, 14] = 3
    with pytest.raises(InputError, match=r"tissue papillary muscle cannot be meshed.*RAS \(0, 0, 6\) mm") as raised:
        tetrahedra_of(labels, affine, surface, 4.0, names={3: "papillary muscle"})
    assert "smaller edge" in str(raised.value)


@pytest.mark.parametrize(("edge", "grade", "words"), [
    (0.05, 1, "edge of the elements"), (float("nan"), 1, "edge of the elements"), (2.0, 3, "grading"),
    (0.11, 1, "too many tetrahedra"),
])
def test_what_cannot_be_made_is_refused_before_it_is_begun(edge: float, grade: int, words: str) -> None:
    labels, affine, surface = balls(RADII, 28, 1.0)
    with pytest.raises(InputError, match=words):
        tetrahedra_of(labels, affine, surface, edge, grade)
    if words == "too many tetrahedra":
        assert 5 * np.count_nonzero(labels) / (edge / 1.207) ** 3 > MOST_TETRAHEDRA


def test_thin_tissue_in_a_large_box_is_refused_for_short_edges_only() -> None:
    labels = np.zeros((60, 60, 60), dtype=np.int16)
    labels[range(60), range(60), range(60)] = 1
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    with pytest.raises(InputError, match=r"box around the tissues is too large.*edge of 0\.3 mm or more"):
        tetrahedra_of(labels, affine, voxel_faces(labels, affine), 0.25)


def test_a_map_without_tissue_is_refused() -> None:
    labels, affine, surface = balls(RADII, 28, 1.0)
    with pytest.raises(InputError, match="no tissue"):
        tetrahedra_of(np.zeros_like(labels), affine, surface, 2.0)
