"""The copy of a map that is meshed: what is filled, what is kept."""

from __future__ import annotations

import numpy as np

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.meshing.meshable import meshable_map
from DiffusionSiblingsLib.metrics.composed import ill_composed

HEART = load_anatomy("heart")


def block_with_bubbles() -> np.ndarray:
    labels = np.zeros((30, 30, 30), dtype=np.uint8)
    labels[2:28, 2:28, 2:28] = 2
    labels[20:28, 2:28, 2:28] = 3
    labels[5:8, 5:8, 5:8] = 0
    labels[19, 10, 10] = 0
    return labels


def test_small_bubbles_take_the_label_around_them_and_large_ones_stay():
    labels = block_with_bubbles()
    done = meshable_map(labels, np.eye(4))
    assert (done.bubbles, done.bubble_voxels) == (2, 28)
    assert done.labels[6, 6, 6] == done.labels[19, 10, 10] == 2
    assert done.to_json()["changed_voxels"] == 28
    coarse = meshable_map(labels, np.diag([2.0, 2.0, 2.0, 1.0]))  # 0.2 ml of background
    assert coarse.bubbles == 1
    assert coarse.labels[6, 6, 6] == 0


def test_bubbles_that_must_be_kept_and_those_between_tissues_that_must_not_touch_stay():
    labels = block_with_bubbles()
    keep = np.zeros(labels.shape, dtype=np.bool_)
    keep[6, 6, 6] = True
    assert meshable_map(labels, np.eye(4), keep=keep).labels[6, 6, 6] == 0
    left, right = HEART.label_of("LA"), HEART.label_of("RA")
    between = np.zeros((12, 12, 12), dtype=np.uint8)
    between[1:11, 1:11, 1:11] = HEART.label_of("Ao")
    between[5:7, 5, 5] = 0
    between[4, 5, 5], between[7, 5, 5] = left, right
    between[5:7, 4, 5] = left
    between[5:7, 5, 4] = right
    done = meshable_map(between, np.eye(4), anatomy=HEART)
    assert not np.isin(done.labels[5:7, 5, 5], [left, right]).any()


def test_the_copy_is_well_composed_and_a_sound_map_is_not_changed(heart):
    labels, affine, _ = heart
    done = meshable_map(labels, affine, anatomy=HEART)
    assert ill_composed(done.labels).cubes == 0
    assert np.array_equal(done.changed, done.labels != labels)
    again = meshable_map(done.labels, affine, anatomy=HEART)
    assert not again.changed.any()
    assert again.bubbles == 0
