"""Shapes of tetrahedra, against shapes whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest
from small_meshes import block_labels, volume_of

from DiffusionSiblingsLib.meshing.mesh import SurfaceMesh, VolumeMesh
from DiffusionSiblingsLib.meshing.quality import dihedral_angles, interfaces, mean_ratio, scaled_jacobian, six_volumes
from DiffusionSiblingsLib.meshing.quality_report import faults_of, quality_of

REGULAR = np.array([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]], dtype=float)[[0, 2, 1, 3]]
CORNER = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
FLAT = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=float)


def one(shape: np.ndarray) -> np.ndarray:
    return shape[None] if np.linalg.det(shape[1:] - shape[0]) >= 0 else shape[None, [0, 2, 1, 3]]


def test_a_regular_tetrahedron_has_the_best_of_each_measure() -> None:
    assert scaled_jacobian(one(REGULAR)) == pytest.approx(1.0)
    assert mean_ratio(one(REGULAR)) == pytest.approx(1.0)
    assert dihedral_angles(one(REGULAR)) == pytest.approx(np.degrees(np.arccos(1 / 3)))


def test_the_corner_of_a_cube_has_the_known_measures() -> None:
    assert six_volumes(one(CORNER)) == pytest.approx(1.0)
    assert scaled_jacobian(one(CORNER)) == pytest.approx(np.sqrt(2) / 2)
    assert mean_ratio(one(CORNER)) == pytest.approx(12 * 0.5 ** (2 / 3) / 9)
    slanted = np.degrees(np.arccos(1 / np.sqrt(3)))
    assert sorted(dihedral_angles(one(CORNER))[0]) == pytest.approx([slanted] * 3 + [90] * 3)


def test_size_and_place_do_not_matter_and_turning_inside_out_changes_the_sign() -> None:
    generator = np.random.default_rng(1)
    shapes = generator.normal(size=(50, 4, 3))
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    moved = 7.0 * shapes @ (turn * np.sign(np.linalg.det(turn))) + [3.0, -2.0, 5.0]
    assert scaled_jacobian(moved) == pytest.approx(scaled_jacobian(shapes))
    assert mean_ratio(moved) == pytest.approx(mean_ratio(shapes))
    assert scaled_jacobian(shapes[:, [1, 0, 2, 3]]) == pytest.approx(-scaled_jacobian(shapes))


def test_a_flat_tetrahedron_has_no_quality() -> None:
    assert scaled_jacobian(FLAT[None]) == pytest.approx(0.0)
    assert mean_ratio(FLAT[None]) == pytest.approx(0.0)


def test_faces_between_tissues_are_found_as_a_slow_search_finds_them() -> None:
    mesh = volume_of(block_labels())
    triangles, sides = interfaces(mesh.tetrahedra, mesh.tissue, len(mesh.points))
    assert faults_of(mesh) == []
    assert len(triangles) == len(mesh.surface.triangles)
    found = SurfaceMesh(mesh.points, triangles, sides)
    for tissue in found.tissues:
        assert found.volume(tissue) == pytest.approx(mesh.surface.volume(tissue))


def test_a_mesh_that_does_not_fit_together_is_told() -> None:
    mesh = volume_of(block_labels())
    surface = mesh.surface
    shorter = SurfaceMesh(mesh.points, surface.triangles[1:], surface.sides[1:])
    assert "surface" in faults_of(VolumeMesh(mesh.points, mesh.tetrahedra, mesh.tissue, shorter))[0]
    thrice = np.concatenate([mesh.tetrahedra, mesh.tetrahedra[:1], mesh.tetrahedra[:1]])
    tissue = np.concatenate([mesh.tissue, mesh.tissue[:1], mesh.tissue[:1]])
    assert "more than two" in faults_of(VolumeMesh(mesh.points, thrice, tissue, surface))[0]


def test_the_report_has_volumes_against_the_map_and_a_histogram_of_all_elements() -> None:
    mesh = volume_of(block_labels())
    label = int(mesh.tissue[0])
    volume = float(mesh.volumes()[mesh.tissue == label].sum())
    report = quality_of(mesh, {label: volume / 1.01})
    assert report["volumes"][str(label)]["difference_percent"] == pytest.approx(1.0, abs=1e-3)
    assert sum(report["scaled_jacobian"]["histogram"]) == report["tetrahedra"] == len(mesh.tetrahedra)
    assert report["shortest_edge_mm"] == pytest.approx(5.0)
    assert report["longest_edge_mm"] == pytest.approx(5.0 * np.sqrt(3), abs=1e-3)
