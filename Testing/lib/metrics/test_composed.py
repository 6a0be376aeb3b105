"""Ill-composed cubes, against surfaces whose edges are counted one by one."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from DiffusionSiblingsLib.metrics.composed import ill_composed

SMALL = arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3), elements=st.integers(0, 3))


def surface_is_proper(inside: np.ndarray) -> bool:
    """Whether each edge of the voxels' surface has two faces, and the faces at each corner are one fan."""
    solid = {tuple(voxel) for voxel in np.argwhere(inside).tolist()}
    edges: Counter[tuple] = Counter()
    fans: dict[tuple, list[set]] = {}
    for voxel, axis, side in product(solid, range(3), (0, 1)):
        beyond = tuple(place + (2 * side - 1) * (a == axis) for a, place in enumerate(voxel))
        if beyond in solid:
            continue
        corners = [tuple(place + (side if a == axis else step[a - (a > axis)]) for a, place in enumerate(voxel))
                   for step in ((0, 0), (0, 1), (1, 1), (1, 0))]
        for place in range(4):
            edges[tuple(sorted((corners[place], corners[place - 1])))] += 1
            fans.setdefault(corners[place], []).append({corners[place - 1], corners[(place + 1) % 4]})
    return set(edges.values()) <= {2} and all(map(is_one_fan, fans.values()))


def is_one_fan(faces: list[set]) -> bool:
    """Whether faces, each as the two neighbours of the corner that they share, hang together."""
    reached, left = faces[0], faces[1:]
    while found := [face for face in left if face & reached]:
        reached = reached.union(*found)
        left = [face for face in left if face not in found]
    return not left


@settings(max_examples=150, deadline=None)
@given(SMALL)
def test_a_label_is_well_composed_where_and_only_where_its_surface_is_proper(labels):
    found = ill_composed(labels)
    for value in range(1, 4):
        assert (value not in found.counts) == surface_is_proper(labels == value)


@pytest.mark.parametrize("other", [0, 7])
def test_voxels_that_touch_along_an_edge_are_named_with_their_place(other):
    labels = np.full((4, 4, 4), other, dtype=np.int16)
    labels[1, 1, 1] = labels[1, 2, 2] = 3
    found = ill_composed(labels, [3])
    assert found.counts == {3: 2}
    assert found.lowest.tolist() == [[0, 1, 1], [1, 1, 1]]
    assert found.cubes == 2


def test_voxels_at_the_border_of_the_map_touch_the_background_outside():
    labels = np.zeros((2, 2, 2), dtype=np.uint8)
    labels[0, 0, 0] = labels[0, 1, 1] = 1
    found = ill_composed(labels)
    assert {tuple(place) for place in found.lowest.tolist()} == {(-1, 0, 0), (0, 0, 0)}


def test_an_empty_map_and_a_whole_block_are_well_composed():
    assert ill_composed(np.zeros((3, 3, 3), np.uint8)).cubes == 0
    assert ill_composed(np.ones((3, 4, 5), np.uint8)).counts == {}
