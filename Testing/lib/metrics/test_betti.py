"""Betti numbers: figures with known answers, and gudhi's on random maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from DiffusionSiblingsLib.metrics.betti import betti_numbers, euler_number


def figure(*voxels, shape=(7, 7, 7)):
    found = np.zeros(shape, dtype=bool)
    for voxel in voxels:
        found[voxel] = True
    return found


def ball(radius, n=24):
    return (((np.indices((n, n, n)) - (n - 1) / 2) ** 2).sum(0)) <= radius**2


def test_nothing_one_voxel_and_two():
    assert betti_numbers(figure()) == (0, 0, 0)
    assert betti_numbers(figure((3, 3, 3))) == (1, 0, 0)
    assert betti_numbers(figure((1, 1, 1), (3, 3, 3))) == (2, 0, 0)
    assert betti_numbers(figure((1, 1, 1), (2, 2, 2))) == (1, 0, 0)  # a corner joins tissue


def test_a_shell_a_ring_and_a_tunnel():
    assert betti_numbers(ball(9) & ~ball(6)) == (1, 0, 1)
    assert betti_numbers(ball(9) & ~ball(6) | ball(4)) == (2, 0, 1)
    ring = ball(9) & ~ball(6)
    ring[:10] = ring[14:] = False
    assert betti_numbers(ring) == (1, 1, 0)
    solid = np.ones((9, 9, 9), dtype=bool)
    solid[4, 4, :] = False
    assert betti_numbers(solid) == (1, 1, 0)
    solid[4, :, 4] = False  # a second tunnel that crosses the first: three loops
    assert betti_numbers(solid) == (1, 3, 0)


def test_a_single_voxel_void_and_a_leak_through_an_edge():
    solid = np.ones((7, 7, 7), dtype=bool)
    solid[3, 3, 3] = False
    assert betti_numbers(solid) == (1, 0, 1)
    solid[4, 4, 3] = False  # background is joined by faces only: another void
    assert betti_numbers(solid) == (1, 0, 2)
    solid[4, 3, 3] = False
    assert betti_numbers(solid) == (1, 0, 1)


def test_a_plane_has_holes_and_no_voids():
    picture = np.zeros((9, 9, 1), dtype=bool)
    picture[1:8, 1:8] = True
    picture[3:5, 3:5] = picture[6, 6] = False
    assert betti_numbers(picture) == (1, 2, 0)
    line = np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool).reshape(7, 1, 1)
    assert betti_numbers(line) == (3, 0, 0)


def test_the_border_encloses_nothing():
    open_box = np.ones((5, 5, 5), dtype=bool)
    open_box[2:, 2, 2] = False
    assert betti_numbers(open_box) == (1, 0, 0)


def test_euler_number_of_a_voxel_is_one():
    assert euler_number(np.ones((1, 1, 1), dtype=bool)) == 1
    assert euler_number(np.ones((3, 4, 5), dtype=bool)) == 1


def gudhi_numbers(inside):
    """As gudhi counts, voxels as top cells; the indicator inverted, as its filtration is by sublevel sets."""
    gudhi = pytest.importorskip("gudhi")
    cells = 1.0 - np.pad(inside, 1).astype(float)
    complex_ = gudhi.CubicalComplex(top_dimensional_cells=cells)
    complex_.compute_persistence()
    return tuple(complex_.persistent_betti_numbers(0.0, 0.5)[:3])


@settings(max_examples=150)
@given(arrays(np.bool_, st.tuples(*[st.integers(1, 6)] * 3)))
def test_agrees_with_gudhi_on_random_maps(inside):
    assert betti_numbers(inside) == gudhi_numbers(inside)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.2, 0.8))
def test_agrees_with_gudhi_on_larger_maps_of_any_density(seed, share):
    inside = np.random.default_rng(seed).random((10, 9, 8)) < share
    assert betti_numbers(inside) == gudhi_numbers(inside)
