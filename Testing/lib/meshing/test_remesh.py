"""Surfaces with edges of one length: what they keep, and how good their triangles are."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import faults, grid, two_balls

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.repair.composed import well_compose
from DiffusionSiblingsLib.meshing.intersections import crossing_triangles
from DiffusionSiblingsLib.meshing.surface import map_volumes, surface_of
from DiffusionSiblingsLib.meshing.triangulate import triangle_quality


def edge_lengths(mesh) -> np.ndarray:
    corners = mesh.points[mesh.triangles]
    return np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).ravel()


@pytest.mark.parametrize("edge", [0.8, 1.5, 3.0])
def test_edges_have_the_length_that_is_asked_for_and_surfaces_stay_as_they_are(edge):
    labels, affine = two_balls((0.9, 1.0, 1.2), mirrored=True)
    labels = well_compose(labels).labels
    mesh, fine = surface_of(labels, affine, edge), surface_of(labels, affine)
    assert faults(mesh) == []
    assert mesh.pairs == fine.pairs
    assert np.median(edge_lengths(mesh)) == pytest.approx(edge, rel=0.15)
    assert np.mean((edge_lengths(mesh) > 0.55 * edge) & (edge_lengths(mesh) < 1.5 * edge)) > 0.95
    for label, volume in map_volumes(labels, affine).items():
        assert mesh.volume(label) == pytest.approx(volume, rel=0.003)
    for pair in fine.pairs:
        assert mesh.area(mesh.between(*pair)) == pytest.approx(fine.area(fine.between(*pair)), rel=0.05)
    quality = triangle_quality(mesh.points, mesh.triangles)
    assert quality.min() > 0.2
    assert np.median(quality) > 0.9
    assert len(crossing_triangles(mesh.points, mesh.triangles)) == 0


def test_a_coarse_surface_lies_on_the_fine_one():
    labels, affine = two_balls()
    mesh = surface_of(labels, affine, 2.5)
    index = (mesh.points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T - 19.5
    away = np.minimum(*(np.abs(np.linalg.norm(index - [place, 0, 0], axis=1) - 9.7) for place in (-6.3, 6.3)))
    assert np.quantile(away[np.abs(index[:, 0]) > 1], 0.99) < 0.5


def test_the_cut_ends_of_a_tube_stay_flat_and_sharp():
    place, _ = grid((40, 30, 30))
    labels = ((np.hypot(place[..., 0], place[..., 1]) < 9.2) & (np.abs(place[..., 2]) < 14)).astype(np.uint8)
    mesh = surface_of(labels, np.eye(4), 3.0)
    height = mesh.points[:, 2] - 19.5
    assert height.max() == pytest.approx(14.0)
    end = np.isclose(height, 14.0)[mesh.triangles].all(axis=1)
    assert mesh.area(np.flatnonzero(end)) == pytest.approx(np.pi * 9.2**2, rel=0.05)


def test_the_same_map_gives_the_same_coarse_surface():
    labels, affine = two_balls()
    one, other = surface_of(labels, affine, 2.0), surface_of(labels, affine, 2.0)
    assert np.array_equal(one.points, other.points)
    assert np.array_equal(one.triangles, other.triangles)


def test_a_sheet_and_a_post_thinner_than_the_edge_stay_whole():
    labels = np.zeros((30, 30, 12), dtype=np.uint8)
    labels[4:26, 4:26, 5:7] = 1
    labels[10:14, 10:14, 4:8] = 2
    mesh = surface_of(labels, np.eye(4), 6.0)
    assert faults(mesh) == []
    assert len(crossing_triangles(mesh.points, mesh.triangles)) == 0
    assert mesh.volume(1) == pytest.approx(22 * 22 * 2 - 4 * 4 * 2, rel=0.05)
    assert mesh.pairs == ((1, 0), (1, 2), (2, 0))


@pytest.mark.parametrize("edge", [0.0, -1.0, np.nan, np.inf])
def test_an_edge_that_is_no_length_is_refused(edge):
    with pytest.raises(InputError, match="edges of this length"):
        surface_of(np.ones((2, 2, 2), np.uint8), np.eye(4), edge)
