"""Cohorts by their shapes: clouds of known surfaces, hand-computed distances, other implementations, and properties."""

from __future__ import annotations

from itertools import pairwise, permutations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.pointcloud import (
    between,
    chamfer,
    coverage,
    minimum_matching,
    nearest_neighbour,
    surface_points,
    unit_length,
    within,
)
from DiffusionSiblingsLib.metrics.transport import earth_mover

HEART = load_anatomy("heart")
RNG = np.random.default_rng


def ball(radius: float, spacing: float = 1.0, label: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A ball about 0 on a left-handed, turned grid that just holds it -> labels and affine."""
    n = int(np.ceil(2 * radius / spacing)) + 3
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [30, -20, 50], degrees=True).as_matrix() @ np.diag([-1, 1, 1]) * spacing
    affine[:3, 3] = -affine[:3, :3] @ np.full(3, (n - 1) / 2)
    kji = np.indices((n, n, n)).reshape(3, -1)
    points = affine[:3, :3] @ kji[::-1] + affine[:3, 3:]
    inside = np.linalg.norm(points, axis=0) <= radius
    return (inside.reshape(n, n, n) * label).astype(np.uint8), affine


def blobs(seed: int, count: int, stretch: float = 1.0) -> list[np.ndarray]:
    """Clouds of random ellipsoids: one shape a cloud, of one family."""
    rng = RNG(seed)
    result = []
    for _ in range(count):
        points = rng.normal(size=(200, 3))
        result.append(points / np.linalg.norm(points, axis=1, keepdims=True) * rng.normal(1, 0.15, 3) * stretch)
    return result


def compared(to_real: np.ndarray, generated: np.ndarray, real: np.ndarray, seed: int = 0) -> SimpleNamespace:
    """MMD, COV and 1-NNA from the distances: (g, r), (g, g) and (r, r)."""
    return SimpleNamespace(mmd=minimum_matching(to_real), coverage=coverage(to_real),
                           nearest=nearest_neighbour(to_real, generated, real, RNG(seed)))


def figures(generated: list[np.ndarray], real: list[np.ndarray], seed: int = 0) -> SimpleNamespace:
    return compared(between(generated, real), within(generated), within(real), seed)


# The surface

@pytest.mark.parametrize("spacing", [1.0, 2.0])
def test_points_lie_on_the_surface_in_world_coordinates(spacing: float) -> None:
    labels, affine = ball(20.0, spacing)
    points = surface_points(labels, affine, HEART, RNG(0))
    assert points.shape == (1024, 3)
    radius = np.linalg.norm(points, axis=1)
    assert radius.mean() == pytest.approx(20.0, abs=0.3 * spacing)
    assert np.abs(radius - 20.0).max() < spacing
    assert np.abs(points.mean(axis=0)).max() < 1.5  # uniform: the mean of 1024 points is within 20 / sqrt(3 * 1024) * 4


def test_points_are_uniform_by_area() -> None:
    labels = np.zeros((12, 22, 42), np.uint8)
    labels[1:11, 1:21, 1:41] = 4  # 10 x 20 x 40 mm along z, y, x
    points = surface_points(labels, np.eye(4), HEART, RNG(3), count=20_000)
    ends = (np.abs(points[:, 0] - 20.5) > 19.9).mean()  # both faces across x, rims cut at 45 degrees
    area = 2 * (10 * 20 + 10 * 40 + 20 * 40)
    assert ends == pytest.approx(2 * 10 * 20 / area, rel=0.15)


def test_the_surface_is_that_of_the_union_and_agrees_with_marching_cubes_on_all_voxels() -> None:
    measure = pytest.importorskip("skimage.measure")
    labels, affine = ball(12.0)
    labels[:, :, : labels.shape[2] // 2] *= 2  # two tissues: their border is no surface; 6 = RA
    alone, _ = ball(12.0)
    assert surface_points(labels, affine, HEART, RNG(1)) == pytest.approx(surface_points(alone, affine, HEART, RNG(1)))
    labels[labels == 6] = 1  # the aorta is no part of it
    half = surface_points(labels, affine, HEART, RNG(1), count=4000)
    vertices, faces, *_ = measure.marching_cubes((np.pad(labels == 3, 3)).astype(float), 0.5)
    vertices = (vertices - 3)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    centres = vertices[faces].mean(axis=1)
    assert cdist(half, centres).min(axis=1).max() < 0.8  # every point lies in some triangle
    assert cdist(centres, half).min(axis=1).mean() < 1.0  # and every part is reached


def test_tissue_at_the_rim_is_closed_there() -> None:
    points = surface_points(np.full((8, 8, 8), 3, np.uint8), np.eye(4), HEART, RNG(0))
    assert points.min() == pytest.approx(-0.5)
    assert points.max() == pytest.approx(7.5)


def test_a_map_without_the_tissues_is_refused() -> None:
    with pytest.raises(InputError, match="no points"):
        surface_points(np.full((4, 4, 4), 1, np.uint8), np.eye(4), HEART, RNG(0))


def test_points_follow_the_generator_alone() -> None:
    labels, affine = ball(9.0)
    first, again, other = (surface_points(labels, affine, HEART, RNG(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_unit_is_the_field_of_view() -> None:
    assert unit_length(HEART) == pytest.approx(128 * 1.4)


# Distances of two clouds

def test_distances_of_hand_made_clouds() -> None:
    a = np.array([[0.0, 0, 0], [1, 0, 0]])
    b = np.array([[0.0, 0, 0], [3, 0, 0]])
    assert chamfer(a, b) == pytest.approx((0 + 1) / 2 + (0 + 4) / 2)
    assert earth_mover(a, b) == pytest.approx((0 + 2) / 2)
    assert chamfer(a, b[:1]) == pytest.approx(1 / 2 + 0)
    with pytest.raises(InputError, match="2 and 1 points"):
        earth_mover(a, b[:1])


@given(seed=st.integers(0, 2**32 - 1))
def test_distances_are_those_of_the_definitions(seed: int) -> None:
    rng = RNG(seed)
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)) + 1
    costs = cdist(a, b)
    assert chamfer(a, b) == pytest.approx((costs**2).min(1).mean() + (costs**2).min(0).mean())
    best = min(costs[np.arange(6), list(order)].mean() for order in permutations(range(6)))
    assert earth_mover(a, b) == pytest.approx(best)
    turn = Rotation.random(random_state=seed % 1000).as_matrix()
    for distance, power in ((chamfer, 2), (earth_mover, 1)):
        assert distance(b, a) == pytest.approx(distance(a, b))
        assert distance(a, rng.permutation(a)) == pytest.approx(0, abs=1e-12)
        assert distance(2 * a @ turn.T, 2 * b @ turn.T) == pytest.approx(2**power * distance(a, b))


def test_the_floor_of_two_draws_is_that_of_the_area() -> None:
    labels, affine = ball(30.0)
    clouds = [surface_points(labels, affine, HEART, RNG(seed)) for seed in range(8)]
    area = 4 * np.pi * 30.0**2
    assert np.mean(np.diag(between(clouds[:4], clouds[4:]))) == pytest.approx(2 * area / (np.pi * 1024), rel=0.1)


@pytest.mark.parametrize("distance", [chamfer, earth_mover])
def test_growing_damage_grows_the_distance(distance) -> None:
    (cloud,) = blobs(0, 1)
    moved = [distance(cloud, cloud + np.array([step, 0, 0])) for step in (0.0, 0.1, 0.3, 0.9)]
    swollen = [distance(cloud, cloud * factor) for factor in (1.0, 1.1, 1.3, 2.0)]
    for values in (moved, swollen):
        assert all(a < b for a, b in pairwise(values))


@pytest.mark.parametrize("cloud", [np.zeros((0, 3)), np.zeros((4, 2)), np.full((4, 3), np.nan)])
def test_what_is_no_cloud_is_refused(cloud: np.ndarray) -> None:
    with pytest.raises(InputError, match="not a point cloud"):
        chamfer(np.zeros((4, 3)), cloud)
    with pytest.raises(InputError, match="not a point cloud"):
        earth_mover(cloud, np.zeros((4, 3)))


# Sets of clouds

def test_figures_of_a_matrix_that_one_can_check_by_eye() -> None:
    to_real = np.array([[1.0, 5, 9], [2, 6, 3], [4, 7, 8]])  # three generated against three real shapes
    assert minimum_matching(to_real) == pytest.approx((1 + 5 + 3) / 3)
    assert coverage(to_real) == pytest.approx(1 / 3)  # every row is nearest to real shape 0
    generated = np.array([[0.0, 3, 1.5], [3, 0, 9], [1.5, 9, 0]])
    real = np.array([[0.0, 0.5, 8], [0.5, 0, 9], [8, 9, 0]])
    # generated 0: real 0 (1 < 1.5), no; 1: real 0 (2), no; 2: generated 0 (1.5), yes
    # real 0: real 1 (0.5), yes; 1: real 0, yes; 2: generated 1 (3), no
    assert nearest_neighbour(to_real, generated, real, RNG(0)).raw == pytest.approx(3 / 6)


def test_a_set_against_itself_is_covered_and_found_to_be_a_copy() -> None:
    shapes = blobs(1, 12)
    found = figures(shapes, shapes)
    assert found.mmd == pytest.approx(0, abs=1e-12)
    assert found.coverage == 1.0
    assert found.nearest.raw == 0.0  # a copy is nearer than any other: below one half, not at it


@pytest.mark.parametrize("distance", [chamfer, earth_mover])
def test_two_halves_of_one_set_cannot_be_told_apart_and_two_kinds_can(distance) -> None:
    size = 40 if distance is chamfer else 14
    shapes, other = blobs(2, 2 * size), blobs(3, size, stretch=1.6)
    real, half = shapes[:size], shapes[size:]
    same = compared(between(half, real, distance), within(half, distance), within(real, distance))
    apart = compared(between(other, real, distance), within(other, distance), within(real, distance))
    assert same.nearest.balanced == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * size))
    assert apart.nearest.balanced > 0.95
    assert apart.mmd > same.mmd
    assert apart.coverage < same.coverage


def test_unequal_sets_are_balanced_and_chance_is_said() -> None:
    shapes = RNG(4).normal(size=(190, 3))
    generated, real = shapes[:140], shapes[140:]
    found = nearest_neighbour(cdist(generated, real), cdist(generated, generated), cdist(real, real), RNG(0))
    assert found.chance == pytest.approx(0.61, abs=0.005)  # METHODS.md
    assert found.raw == pytest.approx(found.chance, abs=0.12)
    assert found.balanced == pytest.approx(0.5, abs=0.1)
    assert (found.size, found.draws) == (50, 100)
    assert found.deviation > 0
    swapped = nearest_neighbour(cdist(real, generated), cdist(real, real), cdist(generated, generated), RNG(0))
    assert swapped.raw == found.raw
    assert swapped.balanced == pytest.approx(found.balanced, abs=0.03)


def test_balancing_follows_its_seed_and_equal_sets_need_none() -> None:
    generated, real = blobs(5, 9), blobs(6, 6)
    distances = (between(generated, real), within(generated), within(real))
    first, again, other = (nearest_neighbour(*distances, RNG(seed), draws=7) for seed in (1, 1, 2))
    assert first == again
    assert first.balanced != other.balanced
    equal = nearest_neighbour(distances[0][:6], distances[1][:6, :6], distances[2], RNG(0))
    assert equal.balanced == equal.raw


@given(seed=st.integers(0, 2**32 - 1), doubles=st.booleans())
def test_order_of_shapes_does_not_matter_even_with_ties(seed: int, doubles: bool) -> None:
    rng = RNG(seed)
    points = rng.integers(0, 4, size=(11, 2)).astype(float) if doubles else rng.normal(size=(11, 2))
    generated, real = points[:5], points[5:]
    one, other = rng.permutation(5), rng.permutation(6)
    first = compared(cdist(generated, real), cdist(generated, generated), cdist(real, real))
    g, r = generated[one], real[other]
    again = compared(cdist(g, r), cdist(g, g), cdist(r, r))
    assert again.mmd == pytest.approx(first.mmd)
    assert again.coverage == first.coverage
    assert again.nearest.raw == pytest.approx(first.nearest.raw)


def test_damage_worsens_every_figure_step_by_step() -> None:
    real, fresh = blobs(7, 25), blobs(8, 25)
    damaged = [figures([cloud * factor for cloud in fresh], real) for factor in (1.0, 1.15, 1.4, 2.0)]
    for a, b in pairwise(damaged):
        assert a.mmd < b.mmd
        assert a.coverage >= b.coverage
        assert a.nearest.raw <= b.nearest.raw
    assert damaged[-1].nearest.raw == 1.0
    assert damaged[-1].coverage < damaged[0].coverage / 2


def test_distances_inside_a_set_are_those_between_it_and_itself() -> None:
    shapes = blobs(9, 5)
    assert within(shapes) == pytest.approx(between(shapes, shapes), abs=1e-12)


def test_matrices_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit together"):
        nearest_neighbour(np.ones((3, 2)), np.ones((2, 2)), np.ones((2, 2)), RNG(0))
    with pytest.raises(InputError, match="finite numbers"):
        minimum_matching(np.full((2, 2), np.nan))
