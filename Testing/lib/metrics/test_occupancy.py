"""Occupancy: counted by hand, streamed, and the same whoever counts in whatever order."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.occupancy import Occupancy, difference, occupied

SMALL = replace(load_anatomy(), shape=(4, 5, 6))
LV, RV = SMALL.label_of("LV"), SMALL.label_of("RV")


def maps(seed: int, count: int) -> list[np.ndarray]:
    """Random maps with all labels and one that the anatomy does not know."""
    return list(np.random.default_rng(seed).integers(0, 8, (count, *SMALL.shape)).astype(np.uint8))


def test_shares_of_two_maps_are_those_that_one_counts() -> None:
    first, second = np.zeros(SMALL.shape, np.uint8), np.zeros(SMALL.shape, np.uint8)
    first[1, 2, 3], second[1, 2, 3], second[0, 0, 0] = LV, RV, LV
    counted = Occupancy.of([first, second], SMALL)
    assert counted.maps == 2
    assert counted.probability("LV")[1, 2, 3] == 0.5
    assert counted.probability("RV")[1, 2, 3] == 0.5
    assert counted.probability()[1, 2, 3] == 1.0
    assert counted.probability()[0, 0, 0] == 0.5
    assert counted.probability("LV").dtype == np.float32
    assert counted.counts.sum() == 3


def test_shares_are_means_of_masks_in_any_order_and_in_parts() -> None:
    some = maps(0, 9)
    counted = Occupancy.of(some, SMALL)
    for tissue in SMALL.tissues:
        expected = np.mean([labels == tissue.label for labels in some], axis=0)
        assert counted.probability(tissue.id) == pytest.approx(expected, abs=1e-6)
    known = [tissue.label for tissue in SMALL.tissues]
    assert counted.probability() == pytest.approx(np.mean([np.isin(m, known) for m in some], axis=0), abs=1e-6)
    parts = Occupancy.of(some[5:][::-1], SMALL)
    for labels in some[:5]:
        parts.add(labels)
    assert np.array_equal(parts.counts, counted.counts)
    assert parts.maps == 9


def test_a_cohort_does_not_differ_from_itself_and_the_sign_says_who_has_more() -> None:
    real = Occupancy.of(maps(1, 6), SMALL)
    assert not difference(real, real).any()
    more = np.full(SMALL.shape, LV, np.uint8)
    grown = Occupancy.of([*maps(1, 6), more], SMALL)
    found = difference(real, grown, "LV")
    assert (found >= 0).all()
    assert found.max() > 0
    assert difference(grown, real, "LV") == pytest.approx(-found)


def test_where_neither_cohort_has_tissue_is_told_from_where_they_agree() -> None:
    labels = np.zeros(SMALL.shape, np.uint8)
    labels[2, 2, 2] = LV
    real, same = Occupancy.of([labels], SMALL), Occupancy.of([labels, labels], SMALL)
    assert not difference(real, same, "LV").any()
    assert np.argwhere(occupied(real, same, "LV")).tolist() == [[2, 2, 2]]


def test_differences_grow_with_damage() -> None:
    some = maps(2, 8)
    real = Occupancy.of(some, SMALL)
    found = []
    for damaged in (0, 2, 5, 8):
        other = [np.where(m == LV, 0, m).astype(np.uint8) if n < damaged else m for n, m in enumerate(some)]
        found.append(float(np.abs(difference(real, Occupancy.of(other, SMALL), "LV")).sum()))
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] > found[1] > 0


def test_memory_does_not_grow_with_the_cohort() -> None:
    anatomy = replace(SMALL, shape=(48, 48, 48))
    counted = Occupancy.empty(anatomy)
    labels = np.random.default_rng(0).integers(0, 7, (6, 6, 6)).astype(np.uint8).repeat(8, 0).repeat(8, 1).repeat(8, 2)
    counted.add(labels)
    tracemalloc.start()
    for _ in range(20):
        counted.add(labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * labels.size  # what one map needs in passing; 20 that are kept would take more


def test_an_empty_map_counts_and_no_map_has_no_share() -> None:
    counted = Occupancy.empty(SMALL)
    with pytest.raises(InputError, match="no occupancy yet"):
        counted.probability()
    counted.add(np.zeros(SMALL.shape, np.uint8))
    assert (counted.maps, counted.probability().max()) == (1, 0.0)


def test_maps_of_another_grid_and_unknown_tissues_are_refused() -> None:
    counted = Occupancy.of(maps(3, 1), SMALL)
    with pytest.raises(InputError, match="grid of the occupancy"):
        counted.add(np.zeros((4, 5, 7), np.uint8))
    with pytest.raises(InputError, match="no such tissue"):
        counted.probability("spleen")
