"""Surfaces of label maps: closed, turned outwards, of true volume, smooth, flat where the map was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapes import faults, grid, two_balls

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.repair.composed import well_compose
from DiffusionSiblingsLib.meshing.intersections import crossing_triangles
from DiffusionSiblingsLib.meshing.mesh import triangle_normals
from DiffusionSiblingsLib.meshing.smoothing import REACH
from DiffusionSiblingsLib.meshing.surface import map_volumes, surface_of
from DiffusionSiblingsLib.meshing.surface_nets import surface_net

SPACINGS = [(1.0, 1.0, 1.0), (0.7, 1.3, 2.1)]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_two_tissues_share_a_disc_and_hold_the_volume_of_their_voxels(spacing, mirrored):
    labels, affine = two_balls(spacing, mirrored)
    mesh = surface_of(well_compose(labels).labels, affine)
    assert faults(mesh) == []
    assert mesh.pairs == ((2, 0), (2, 5), (5, 0))
    for label, volume in map_volumes(well_compose(labels).labels, affine).items():
        assert mesh.volume(label) == pytest.approx(volume, rel=1e-4)
    assert mesh.area(mesh.between(2, 5)) == pytest.approx(np.pi * (9.7**2 - 6.3**2), rel=0.06)
    assert len(crossing_triangles(mesh.points, mesh.triangles)) == 0


def test_a_point_stays_near_the_middle_of_its_cell():
    labels, affine = two_balls(SPACINGS[1])
    centres = surface_net(labels).centres
    index = (surface_of(labels, affine).points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    assert np.abs(index - centres).max() <= REACH + 1e-9


def test_a_ball_is_round_to_a_tenth_of_a_voxel():
    place, affine = grid((44, 44, 44))
    labels = (np.linalg.norm(place + np.array([0.2, 0.3, 0.1]), axis=-1) < 17.4).astype(np.uint8)
    mesh = surface_of(labels, affine)
    middle = affine @ [21.3, 21.2, 21.4, 1.0]
    radius = np.linalg.norm(mesh.points - middle[:3], axis=1)
    assert np.sqrt(np.mean((radius - 17.4) ** 2)) < 0.1
    assert mesh.area() == pytest.approx(4 * np.pi * 17.4**2, rel=0.01)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_cut_ends_of_a_tube_stay_flat_and_keep_their_place(axis):
    place, _ = grid((40, 40, 40))
    place = np.roll(place, axis, axis=-1)
    along = place[..., 0] + 0.15 * place[..., 1]
    across = np.hypot(place[..., 1], place[..., 2])
    labels = ((across < 8.3) & (np.abs(place[..., 0]) < 14) & (along < 40)).astype(np.uint8)
    mesh = surface_of(labels, np.eye(4))
    column = (mesh.points - 19.5)[:, (0 - axis) % 3]
    assert column.max() == pytest.approx(14.0)
    assert column.min() == pytest.approx(-14.0)
    end = np.isclose(column, 14.0)[mesh.triangles].all(axis=1)
    assert mesh.area(np.flatnonzero(end)) == pytest.approx(np.pi * 8.3**2, rel=0.05)


def test_a_tissue_that_reaches_the_border_of_the_map_is_closed_there():
    labels = np.zeros((12, 14, 16), dtype=np.int16)
    labels[:, 3:11, 4:] = 300
    mesh = surface_of(labels, np.eye(4))
    assert faults(mesh) == []
    assert mesh.volume(300) == pytest.approx(12 * 8 * 12, rel=1e-4)
    assert mesh.points[:, 0].max() == pytest.approx(15.5)
    assert mesh.points[:, 2].min() == pytest.approx(-0.5)


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 3)))
def test_any_well_composed_map_has_surfaces_that_close_and_do_not_cross(labels):
    done = well_compose(labels)
    if done.left.cubes or not done.labels.any():
        return
    mesh = surface_of(done.labels, np.diag([1.0, -2.0, 0.5, 1.0]))
    assert faults(mesh) == []
    assert len(crossing_triangles(mesh.points, mesh.triangles)) == 0
    assert set(mesh.tissues) == set(np.unique(done.labels).tolist()) - {0}


def test_the_same_map_gives_the_same_surface_to_the_last_bit():
    labels, affine = two_balls()
    one, other = surface_of(labels, affine), surface_of(labels.astype(np.int32), affine)
    assert np.array_equal(one.points, other.points)
    assert np.array_equal(one.triangles, other.triangles)


def test_normals_look_from_the_first_side_into_the_second():
    labels, affine = two_balls(mirrored=True)
    mesh = surface_of(labels, affine)
    disc = mesh.between(2, 5)
    normal = triangle_normals(mesh.points, mesh.triangles[disc]).sum(axis=0)
    index = np.linalg.inv(affine[:3, :3]) @ normal
    assert index[0] > 0.99 * np.linalg.norm(index)  # label 5 lies at greater I


@pytest.mark.parametrize(("labels", "words"), [(np.zeros((3, 3, 3), np.uint8), "no tissue"),
                                               (np.full((3, 3, 3), -1, np.int16), "from -1")])
def test_maps_without_tissue_and_labels_below_zero_are_refused(labels, words):
    with pytest.raises(InputError, match=words):
        surface_of(labels, np.eye(4))
