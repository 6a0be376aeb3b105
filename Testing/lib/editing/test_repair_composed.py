"""The repair of ill-composed maps: what it leaves, what it keeps, and that it changes little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.repair.composed import well_compose
from DiffusionSiblingsLib.editing.repair.simple_points import is_simple
from DiffusionSiblingsLib.metrics.betti import betti_numbers
from DiffusionSiblingsLib.metrics.composed import ill_composed
from DiffusionSiblingsLib.metrics.topology import check

HEART = load_anatomy("heart")
NOISE = arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3), elements=st.integers(0, 3))


@settings(max_examples=300, deadline=None)
@given(arrays(np.bool_, 27))
def test_a_voxel_is_simple_where_and_only_where_its_neighbours_alone_are_like_a_ball(inside):
    """With the voxel they are like a ball anyway; so nothing changes where they are like one without it."""
    around = inside.reshape(3, 3, 3).copy()
    around[1, 1, 1] = False
    assert is_simple(inside[None])[0] == (betti_numbers(around) == (1, 0, 0))


@settings(max_examples=60, deadline=None)
@given(NOISE)
def test_noise_loses_most_of_its_cubes_and_the_report_says_which_are_left(labels):
    done = well_compose(labels)
    assert done.left.counts == ill_composed(done.labels).counts
    assert done.left.cubes <= max(0.05 * done.cubes, 2)
    assert done.changed_voxels == np.count_nonzero(done.labels != labels) == sum(done.taken.values())
    assert sum(done.given.values()) == sum(done.taken.values())


@settings(max_examples=60, deadline=None)
@given(NOISE, st.data())
def test_voxels_to_keep_are_kept(labels, data):
    keep = data.draw(arrays(np.bool_, labels.shape))
    done = well_compose(labels, keep=keep)
    assert np.array_equal(done.labels[keep], labels[keep])
    assert np.array_equal(well_compose(labels, keep=keep).labels, done.labels)


def test_a_map_that_is_well_composed_stays_as_it_is():
    labels = np.zeros((6, 6, 6), dtype=np.int16)
    labels[2:4, 1:5, 1:5] = -3
    labels[4:5, 1:5, 1:5] = 900
    done = well_compose(labels)
    assert np.array_equal(done.labels, labels)
    assert done.labels.dtype == np.int16
    assert done.cubes == done.changed_voxels == 0


def test_two_boxes_of_one_tissue_that_touch_along_an_edge_take_one_row_of_voxels():
    labels = np.zeros((8, 8, 8), dtype=np.uint8)
    labels[1:7, 1:4, 1:4] = labels[1:7, 4:7, 4:7] = 3
    done = well_compose(labels)
    assert done.left.cubes == 0
    assert done.changed_voxels == 6
    assert betti_numbers(done.labels == 3) == (1, 0, 0)


def test_a_bad_mask_is_refused():
    with pytest.raises(InputError, match="another grid"):
        well_compose(np.zeros((3, 3, 3), np.uint8), keep=np.zeros((3, 3, 4), np.bool_))


def test_a_drawn_heart_keeps_its_tissues_whole(heart):
    labels, _, _ = heart
    done = well_compose(labels, anatomy=HEART)
    assert done.cubes > 0
    assert done.left.cubes == 0
    assert done.changed_voxels <= done.cubes
    for value in np.unique(labels[labels > 0]):
        now, before = betti_numbers(done.labels == value), betti_numbers(labels == value)
        assert all(new <= old for new, old in zip(now, before, strict=True))
    assert set(check(done.labels, HEART).failed) <= set(check(labels, HEART).failed)
    assert set(done.to_json()) == {"ill_composed_cubes", "left", "changed_voxels", "taken", "given"}


def test_the_last_face_between_tissues_that_must_touch_stays():
    """The only face of LV and Ao lies in an ill-composed cube."""
    labels = np.zeros((6, 6, 6), dtype=np.uint8)
    lv, ao = HEART.label_of("LV"), HEART.label_of("Ao")
    labels[2, 1:3, 1:3] = lv
    labels[3, 2, 2] = labels[3, 3, 3] = labels[4, 3, 3] = labels[4, 2, 3] = ao
    done = well_compose(labels, anatomy=HEART)
    assert done.left.cubes == 0
    assert check(done.labels, HEART).checks["LV-Ao contact"]
