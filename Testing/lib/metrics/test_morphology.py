"""Volumes and axis lengths are those of the continuous body, on any grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.boxes import foreground_box
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.measurement import feature_keys, tissue_key
from DiffusionSiblingsLib.metrics.morphology import features, moments, tissue_volumes
from DiffusionSiblingsLib.metrics.run_lengths import find_runs

HEART = load_anatomy("heart")


def grid_affine(spacing, rotation=None, flip=False, origin=(11.0, -7.0, 3.0)):
    """(4, 4) voxel IJK -> RAS mm."""
    matrix = np.eye(3) if rotation is None else rotation.as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = matrix @ np.diag([-spacing[0] if flip else spacing[0], spacing[1], spacing[2]])
    affine[:3, 3] = origin
    return affine


def points_of(shape, affine):
    """(D, H, W, 3) RAS mm of the voxel centres."""
    kji = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return kji[..., ::-1] @ affine[:3, :3].T + affine[:3, 3]


def ellipsoid(shape, affine, semi_axes, pose):
    """(D, H, W) uint8: 3 (LV) inside a solid ellipsoid about the middle of the grid, axes turned by `pose`."""
    middle = affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2) + affine[:3, 3]
    local = (points_of(shape, affine) - middle) @ pose.as_matrix()
    return ((local / np.array(semi_axes)) ** 2).sum(-1).__le__(1.0).astype(np.uint8) * 3


def test_box_has_exactly_its_analytic_volume_and_axes():
    labels = np.zeros((20, 30, 40), np.uint8)
    labels[2:12, 3:23, 5:35] = 3  # 10 x 20 x 30 voxels along K, J, I
    affine = grid_affine((0.5, 1.25, 3.0), Rotation.from_euler("xyz", [20, -35, 70], degrees=True), flip=True)
    found = features(labels, affine, HEART)
    edges = np.array([30 * 0.5, 20 * 1.25, 10 * 3.0])
    assert found[tissue_key("LV")] == pytest.approx(edges.prod() / 1000)
    assert found[tissue_key("LV", "major axis")] == pytest.approx(2 * np.sqrt(5 * edges.max() ** 2 / 12))
    assert found[tissue_key("LV", "minor axis")] == pytest.approx(2 * np.sqrt(5 * edges.min() ** 2 / 12))


def test_box_centroid_is_in_world_coordinates():
    labels = np.zeros((6, 8, 10), np.int16)
    labels[1:3, 2:6, 4:10] = 7
    affine = grid_affine((0.7, 1.1, 2.5), Rotation.from_euler("zyx", [10, 40, -20], degrees=True))
    expected = affine[:3, :3] @ np.array([6.5, 3.5, 1.5]) + affine[:3, 3]
    assert moments(labels, affine, [7])[7].centroid == pytest.approx(expected)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.6, 0.6, 2.5), (1.8, 0.9, 1.2)])
@pytest.mark.parametrize("flip", [False, True])
def test_ellipsoid_axes_are_found_in_any_pose_and_grid(spacing, flip):
    rng = np.random.default_rng(5)
    affine = grid_affine(spacing, Rotation.random(random_state=rng.integers(99)), flip=flip)
    shape = tuple(int(np.ceil(66 / step)) for step in spacing[::-1])
    labels = ellipsoid(shape, affine, (29.0, 20.0, 14.0), Rotation.random(random_state=7))
    found = features(labels, affine, HEART)
    assert found[tissue_key("LV")] == pytest.approx(4 / 3 * np.pi * 29 * 20 * 14 / 1000, rel=0.005)
    assert found[tissue_key("LV", "major axis")] == pytest.approx(58.0, rel=0.005)
    assert found[tissue_key("LV", "minor axis")] == pytest.approx(28.0, rel=0.005)


def test_coarse_grid_does_not_shrink_a_sphere():
    fine, coarse = grid_affine((0.5,) * 3), grid_affine((5.0,) * 3)
    minor = tissue_key("LV", "minor axis")
    lengths = [
        features(ellipsoid((n,) * 3, affine, (25.0,) * 3, Rotation.identity()), affine, HEART)[minor]
        for n, affine in ((110, fine), (13, coarse))
    ]
    assert lengths == pytest.approx([50.0, 50.0], rel=0.02)


def test_agrees_with_scikit_image_but_for_the_voxels_own_moment():
    measure = pytest.importorskip("skimage.measure")
    spacing = 1.4
    affine = grid_affine((spacing,) * 3, Rotation.from_euler("x", 30, degrees=True))
    labels = ellipsoid((40, 40, 40), affine, (24.0, 17.0, 9.0), Rotation.from_euler("xyz", [40, 10, 5], degrees=True))
    found = features(labels, affine, HEART)
    theirs = measure.regionprops(labels, spacing=(spacing,) * 3)[0]
    own = 20 / 12 * spacing**2  # 4 * 5 * spacing^2 / 12
    assert found[tissue_key("LV", "major axis")] ** 2 == pytest.approx(theirs.axis_major_length**2 + own)
    assert found[tissue_key("LV", "minor axis")] ** 2 == pytest.approx(theirs.axis_minor_length**2 + own)


def test_sheared_grid_keeps_the_volume_of_the_parallelepiped():
    affine = grid_affine((1.0, 1.0, 1.0))
    affine[0, 1] = 0.5
    labels = np.full((10, 10, 10), 3, np.uint8)
    assert features(labels, affine, HEART)[tissue_key("LV")] == pytest.approx(1.0)
    found = moments(labels, affine, [3])[3].covariance
    assert found == pytest.approx(affine[:3, :3] @ affine[:3, :3].T * 100 / 12)


@settings(max_examples=60, deadline=None)
@given(arrays(np.int16, st.tuples(*[st.integers(1, 7)] * 3), elements=st.integers(-1, 4)))
def test_moments_equal_those_of_the_voxel_list(labels):
    affine = grid_affine((0.8, 1.3, 2.1), Rotation.from_euler("xyz", [15, 25, 35], degrees=True))
    points = points_of(labels.shape, affine)
    for value, body in moments(labels, affine, [1, 3]).items():
        own = points[labels == value]
        assert body.volume_ml == pytest.approx(len(own) * 0.8 * 1.3 * 2.1 / 1000)
        if len(own):
            covariance = np.cov(own.T, bias=True) + affine[:3, :3] @ affine[:3, :3].T / 12
            assert body.centroid == pytest.approx(own.mean(0))
            assert body.covariance == pytest.approx(covariance, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 2)))
def test_runs_paint_the_map_again_and_the_box_is_tight(labels):
    runs = find_runs(labels)
    assert np.array_equal(np.repeat(runs.value, runs.length).reshape(labels.shape), labels)
    box = foreground_box(labels)
    if box is None:
        assert not labels.any()
    else:
        assert np.count_nonzero(labels[box]) == np.count_nonzero(labels)
        assert all(labels[box].any(axis=tuple({0, 1, 2} - {axis}))[[0, -1]].all() for axis in range(3))


def test_memory_order_does_not_matter():
    labels = np.random.default_rng(0).integers(0, 7, (9, 8, 7)).astype(np.uint8)
    affine = grid_affine((1.0, 2.0, 3.0))
    assert features(np.asfortranarray(labels), affine, HEART) == features(labels, affine, HEART)


def test_names_and_order_are_fixed_and_absent_tissues_are_zero():
    found = features(np.zeros((4, 4, 4), np.uint8), np.eye(4), HEART)
    kinds = ("volume [ml]", "major axis [mm]", "minor axis [mm]")
    assert list(found) == list(feature_keys(HEART))
    titles = [f"{chamber} {kind}" for chamber in ("LV", "RV", "LA", "RA") for kind in kinds]
    assert [key.title for key in found] == titles
    assert set(found.values()) == {0.0}
    assert tuple(tissue_volumes(np.ones((2, 2, 2), np.uint8), np.eye(4), HEART)) == HEART.ids


def test_volumes_count_voxels():
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[0], labels[1, 0] = 1, 6
    found = tissue_volumes(labels, grid_affine((2.0, 2.0, 2.5), flip=True), HEART)
    assert found["Ao"] == pytest.approx(0.3)
    assert found["RA"] == pytest.approx(0.06)
    assert found["LV"] == 0.0


@pytest.mark.parametrize("labels", [np.zeros((4, 4), np.uint8), np.zeros((2, 2, 2)), np.zeros((0, 2, 2), np.uint8)])
def test_what_is_not_a_label_map_is_refused(labels):
    with pytest.raises(InputError):
        features(labels, np.eye(4), HEART)


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.eye(3), np.full((4, 4), np.nan)])
def test_a_grid_without_volume_is_refused(affine):
    with pytest.raises(InputError, match="no volume"):
        tissue_volumes(np.ones((2, 2, 2), np.uint8), affine, HEART)
