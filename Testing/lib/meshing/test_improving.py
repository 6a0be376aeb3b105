"""Moving nodes: never an unsound element, better ones where that can be, and nodes that keep to their surfaces."""

from __future__ import annotations

import numpy as np
import pytest

from DiffusionSiblingsLib.meshing.improving import Hold, guarded, improved
from DiffusionSiblingsLib.meshing.lattice import lattice_of
from DiffusionSiblingsLib.meshing.quality import mean_ratio, scaled_jacobian

LEAST = 0.1


def shaken(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A lattice whose nodes are shaken as far as it stays sound -> its nodes before and after, and tetrahedra."""
    labels = np.zeros((8, 8, 8), dtype=np.int16)
    labels[1:-1, 1:-1, 1:-1] = 1
    lattice = lattice_of(labels, np.zeros(labels.shape, dtype=np.int8))
    start = lattice.points.astype(float)
    wanted = start + np.random.default_rng(seed).normal(0.0, 0.35, start.shape)
    return start, guarded(start, wanted, lattice.tetrahedra, LEAST), lattice.tetrahedra


def free(points: np.ndarray) -> Hold:
    return Hold(points, np.zeros_like(points), np.full(len(points), np.inf), np.full(len(points), np.inf))


@pytest.mark.parametrize("seed", range(4))
def test_no_element_becomes_unsound_and_the_worst_become_better(seed: int) -> None:
    start, points, tetrahedra = shaken(seed)
    assert (points != start).any(axis=1).mean() > 0.8
    assert scaled_jacobian(points[tetrahedra]).min() >= LEAST - 1e-9
    better = improved(points, tetrahedra, free(points), np.ones(len(points)), 0.6, 20, LEAST)
    assert scaled_jacobian(better[tetrahedra]).min() >= LEAST - 1e-9
    before, after = mean_ratio(points[tetrahedra]), mean_ratio(better[tetrahedra])
    assert np.percentile(after, 5) > np.percentile(before, 5) + 0.03


def test_an_element_that_is_unsound_from_the_start_becomes_no_worse() -> None:
    start, points, tetrahedra = shaken(1)
    before = scaled_jacobian(points[tetrahedra])
    after = scaled_jacobian(guarded(points, start[::-1], tetrahedra, 0.5)[tetrahedra])
    assert (after >= np.minimum(before, 0.5) - 1e-9).all()


def test_nodes_keep_within_what_they_may_do() -> None:
    _, points, tetrahedra = shaken(2)
    normal = np.zeros_like(points)
    normal[:, 2] = 1.0
    hold = Hold(points, normal, np.full(len(points), 0.02), np.full(len(points), 0.1))
    moved = improved(points, tetrahedra, hold, np.ones(len(points)), 0.6, 20, LEAST) - points
    assert np.abs(moved).max() > 0.05
    assert np.abs(moved[:, 2]).max() <= 0.02 + 1e-9
    assert np.linalg.norm(moved[:, :2], axis=1).max() <= 0.1 + 1e-9
