"""Measurements in control domains: worked out by hand on boxes, ellipsoids, discs and slabs; the same in any frame."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from frames import grid_around, random_pose, random_rotation
from hypothesis import given, settings
from hypothesis import strategies as st

from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import measure, measured_weights, moments_of, sample
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError

HEART = load_anatomy("heart")
EYE = np.eye(3)
RV, LV = HEART.label_of("RV"), HEART.label_of("LV")


def domain(size, template, tissues=("RV",), centre=(0.0, 0.0, 0.0), axes=EYE, name="D") -> ControlDomain:
    return ControlDomain(name, tissues, centre, axes, size, template)


def box_map():
    """A box of 20 x 10 x 30 voxels of 1.5 x 2 x 1 mm (30 x 20 x 30 mm) of RV about the origin; beside it one of LV."""
    labels = np.zeros((50, 30, 60), np.uint8)  # KJI
    labels[10:40, 10:20, 20:40] = RV
    labels[10:40, 20:25, 20:40] = LV
    affine = np.diag([1.5, 2.0, 1.0, 1.0])
    affine[:3, 3] = -np.array([29.5 * 1.5, 14.5 * 2.0, 24.5])
    return labels, affine


def test_a_box_on_the_voxels_is_exact():
    labels, affine = box_map()
    d = domain((60.0, 48.0, 50.0), (40, 24, 50))  # a point at every voxel centre
    found = measure(labels, affine, d, HEART)
    variance = np.array([30**2 * (1 - 1 / 20**2), 20**2 * (1 - 1 / 10**2), 30**2 * (1 - 1 / 30**2)]) / 12
    assert found.mass == pytest.approx(18.0) and found.unit == "ml" and found.betti == (1, 0, 0)
    assert found.centroid == pytest.approx((0, 0, 0), abs=1e-9)
    assert found.size == pytest.approx(variance.sum())
    assert found.shape == pytest.approx(sorted(variance / variance.sum(), reverse=True))
    assert np.array(found.covariance) == pytest.approx(np.diag(variance) / variance.sum(), abs=1e-9)
    assert np.abs(np.array(found.orientation)) == pytest.approx(EYE[[2, 0, 1]], abs=1e-6)
    both = measure(labels, affine, domain((60.0, 48.0, 50.0), (40, 24, 50), ("RV", "LV")), HEART)
    assert both.mass == pytest.approx(27.0) and both.centroid == pytest.approx((0, 5, 0), abs=1e-9)


def test_half_of_it_in_the_domain_is_half_the_mass():
    labels, affine = box_map()
    found = measure(labels, affine, domain((30.0, 48.0, 50.0), (20, 24, 50), centre=(15.0, 0.0, 0.0)), HEART)
    assert found.mass == pytest.approx(9.0) and found.centroid == pytest.approx((7.5, 0, 0), abs=1e-9)


def test_planes_and_lines_measure_areas_and_lengths():
    labels, affine = box_map()
    across = measure(labels, affine, domain((60.0, 48.0, 0.0), (40, 24, 1), centre=(0, 0, 0.5)), HEART)
    assert (across.mass, across.unit) == (pytest.approx(600.0), "mm^2")
    assert across.shape == pytest.approx((np.array([897.75, 396.0]) / 1293.75).tolist())
    assert np.array(across.covariance)[2] == pytest.approx([0, 0, 0]) and across.betti == (1, 0, 0)
    assert np.abs(np.array(across.orientation)) == pytest.approx(EYE, abs=1e-9)
    along = measure(labels, affine, domain((50.0, 0.0, 0.0), (100, 1, 1), axes=EYE[[2, 0, 1]]), HEART)
    assert (along.mass, along.unit) == (pytest.approx(30.0), "mm") and along.shape == pytest.approx((1.0,))
    assert np.array(along.covariance) == pytest.approx(np.diag([0, 0, 1.0]), abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_turned_ellipsoid_on_an_anisotropic_oblique_grid(seed):
    rng = np.random.default_rng(seed)
    pose = random_pose(rng)
    semi = np.array([24.0, 15.0, 10.0])
    affine, shape = grid_around(rng, pose, (0.9, 1.2, 2.0), half=35.0)
    k, j, i = np.indices(shape)
    place = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    local = (place - pose[:3, 3]) @ pose[:3, :3]
    labels = np.where(((local / semi) ** 2).sum(-1) <= 1, RV, 0).astype(np.int16)
    axes = random_rotation(rng)
    found = measure(labels, affine, domain((64.0,) * 3, (64,) * 3, centre=pose[:3, 3], axes=axes), HEART)
    assert found.mass == pytest.approx(4 / 3 * np.pi * semi.prod() / 1000, rel=0.01)
    assert found.centroid == pytest.approx(pose[:3, 3], abs=0.05)
    assert found.size == pytest.approx((semi**2).sum() / 5, rel=0.015)
    assert found.shape == pytest.approx(semi**2 / (semi**2).sum(), abs=0.004)
    cosines = np.abs((np.array(found.orientation) * pose[:3, :3].T).sum(axis=1))
    assert cosines.min() > np.cos(np.radians(1.0))


def test_shares_of_a_ball_and_a_disc_at_the_points_themselves():
    d = domain((40.0, 40.0, 40.0), (80, 80, 80))
    ball = measured_weights((np.linalg.norm(d.points(), axis=-1) <= 16).astype(float), d)
    assert ball.mass == pytest.approx(4 / 3 * np.pi * 16**3 / 1000, rel=2e-3)
    assert ball.size == pytest.approx(3 * 16**2 / 5, rel=2e-3) and ball.shape == pytest.approx((1 / 3,) * 3, abs=1e-6)
    p = domain((40.0, 40.0, 0.0), (160, 160, 1), axes=random_rotation(np.random.default_rng(0)), centre=(5, 6, 7))
    disc = measured_weights((np.linalg.norm(p.points() - (5, 6, 7), axis=-1) <= 12).astype(float), p)
    assert disc.mass == pytest.approx(np.pi * 144, rel=2e-3) and disc.size == pytest.approx(144 / 2, rel=2e-3)
    assert disc.centroid == pytest.approx((5, 6, 7), abs=1e-9)
    half = measured_weights(np.full((160, 160, 1), 0.25), p)  # a share counts as a share
    assert half.mass == pytest.approx(400.0) and half.betti == (0, 0, 0)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_the_same_in_any_frame(seed):
    rng = np.random.default_rng(seed)
    labels, affine = box_map()
    motion = random_pose(rng)
    for size, template in (((45.0, 40.0, 33.0), (20, 16, 12)), ((45.0, 40.0, 0.0), (20, 16, 1)),
                           ((45.0, 0.0, 0.0), (50, 1, 1))):
        d = domain(size, template, ("RV", "LV"), rng.uniform(-5, 5, 3), random_rotation(rng))
        here = measure(labels, affine, d, HEART)
        there = measure(labels, motion @ affine, d.moved(motion), HEART)
        carried = here.moved(motion)
        assert there.mass == pytest.approx(here.mass, rel=1e-4) and there.size == pytest.approx(here.size, rel=1e-4)
        assert there.centroid == pytest.approx(carried.centroid, abs=1e-3)
        assert there.shape == pytest.approx(here.shape, abs=1e-4)
        assert np.array(there.covariance) == pytest.approx(np.array(carried.covariance), abs=1e-4)
        values = np.array(here.shape)
        if len(values) == 1 or np.diff(values).max() < -0.02:  # eigenvectors have a direction
            assert np.abs((np.array(there.orientation) * carried.orientation).sum(axis=1)) == pytest.approx(1, abs=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_samples_are_the_trilinear_share(seed):
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, (9, 8, 7)).astype(np.uint8)
    affine, _ = grid_around(rng, np.eye(4), (1.0, 2.0, 1.5), half=5.0)
    affine[:3, 3] = -affine[:3, :3] @ [3, 3.5, 4]
    d = domain((14.0, 12.0, 18.0), (7, 6, 5), ("RV", "LV"), rng.uniform(-2, 2, 3), random_rotation(rng))
    index = (d.points() - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T + 4
    padded = np.pad(np.isin(labels, (RV, LV)).astype(float), 4)
    expected = ndimage.map_coordinates(padded, np.moveaxis(index[..., ::-1], -1, 0), order=1)
    assert sample(labels, affine, d, HEART) == pytest.approx(expected, abs=1e-5)


def test_moments_are_their_definition():
    rng = np.random.default_rng(5)
    w, r = rng.random((4, 3, 2)), rng.normal(size=(4, 3, 2, 3))
    found = moments_of(w, r, 0.5)
    p = sum(w[i] * r[i] for i in np.ndindex(w.shape)) / w.sum()
    c = sum(w[i] * np.outer(r[i] - p, r[i] - p) for i in np.ndindex(w.shape)) / w.sum()
    assert found.mass == pytest.approx(w.sum() / 2)
    assert found.centroid == pytest.approx(p) and found.covariance == pytest.approx(c)
    assert moments_of(np.zeros(4), np.zeros((4, 3)), 1.0).mass == 0.0


def test_nothing_to_measure_is_said_with_none():
    labels, affine = box_map()
    empty = measure(labels, affine, domain((50.0,) * 3, (20,) * 3, ("LA",)), HEART)
    assert empty.mass == 0.0 and empty.betti == (0, 0, 0)
    assert [empty.get(q) for q in ("position", "size", "shape", "orientation", "covariance")] == [None] * 5
    point = np.zeros((8, 8, 8))
    point[3, 3, 3] = 1.0
    single = measured_weights(point, domain((8.0,) * 3, (8,) * 3))
    assert single.centroid == pytest.approx((-0.5,) * 3) and single.size == 0.0 and single.shape is None
    assert measured_weights(0.4 * point, domain((8.0,) * 3, (8,) * 3)).centroid is None
    assert json.loads(json.dumps(single.to_json()))["position"] == pytest.approx([-0.5] * 3)
    assert empty.moved(np.eye(4)) == empty


def test_betti_numbers_can_be_left_out():
    labels, affine = box_map()
    assert measure(labels, affine, domain((50.0,) * 3, (20,) * 3), HEART, betti=False).betti is None


def test_bad_input_is_refused():
    labels, affine = box_map()
    d = domain((50.0,) * 3, (20,) * 3)
    with pytest.raises(InputError, match="outside the image"):
        measure(labels, affine, domain((50.0,) * 3, (20,) * 3, centre=(0, 500, 0)), HEART)
    with pytest.raises(InputError, match="no such tissue"):
        measure(labels, affine, domain((50.0,) * 3, (20,) * 3, ("PV",)), HEART)
    for bad in (np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)):
        with pytest.raises(InputError, match="no volume"):
            measure(labels, bad, d, HEART)
    with pytest.raises(InputError, match="three axes"):
        measure(labels[0], affine, d, HEART)


def test_a_domain_partly_outside_measures_what_is_inside():
    labels, affine = box_map()
    found = measure(labels, affine, domain((200.0,) * 3, (200,) * 3), HEART)
    assert found.mass == pytest.approx(18.0, rel=0.01)
    labels[:] = RV  # up to the border: what is beyond is nothing
    full = measure(labels, affine, domain((200.0,) * 3, (200,) * 3), HEART)
    assert full.mass == pytest.approx(labels.size * 3 / 1000, rel=0.01)


def test_a_template_of_64_on_a_map_of_256_is_measured_in_a_moment():
    labels = np.zeros((256, 256, 256), np.uint8)
    labels[40:200, 40:200, 40:200] = RV
    affine = np.diag([0.7, 0.7, 0.7, 1.0])
    d = domain((170.0,) * 3, (64,) * 3, centre=(84,) * 3, axes=random_rotation(np.random.default_rng(0)))
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        measure(labels, affine, d, HEART)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.1
