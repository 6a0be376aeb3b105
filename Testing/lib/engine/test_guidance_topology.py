"""The topology term reaches what it is asked for on phantoms whose answer is known, and its gradient is right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.engine.guidance.homology import betti_numbers
from DiffusionSiblingsLib.engine.guidance.topology import CriticalPoints, TopologyTerm, persistence_of, residuals

pytest.importorskip("gudhi")


def potential(values: torch.Tensor, points: CriticalPoints) -> torch.Tensor:
    """Anatomica's L_topo of values at the critical points: the residuals' critical points must be its own too."""
    squared = persistence_of(values, points).square()
    return torch.where(torch.from_numpy(points.kept), -squared, squared).sum(-1)


def soft(mask: np.ndarray, width: float = 0.7) -> np.ndarray:
    """A mask as a field of probabilities with a soft edge, from 0.02 to 0.98."""
    return 0.02 + 0.96 * ndimage.gaussian_filter(mask.astype(np.float64), width)


def ball(centre: tuple[float, ...], radius: float, side: int = 64) -> np.ndarray:
    grid = np.indices((side,) * 3) - np.reshape(centre, (3, 1, 1, 1))
    return (grid**2).sum(0) <= radius**2


def two_blobs() -> np.ndarray:
    """Two balls joined by a bridge of 3 x 3 voxels: one component."""
    mask = ball((32, 20, 32), 9) | ball((32, 44, 32), 9)
    mask[31:34, 20:44, 31:34] = True
    return soft(mask)


def ring(gap: bool) -> np.ndarray:
    """A torus, whole or cut through once."""
    i, j, k = np.indices((64,) * 3) - 31.5
    mask = (np.hypot(i, j) - 14) ** 2 + k**2 <= 2.5**2
    if gap:
        mask &= ~((i > 0) & (abs(j) < 3))
    return soft(mask)


def hollow() -> np.ndarray:
    """A ball in which one voxel is empty."""
    field = soft(ball((32, 32, 32), 12))
    field[30, 32, 33] = 0.1
    return field


def descend(field: np.ndarray, term: TopologyTerm, steps: int, rate: float = 3.0) -> tuple[int, np.ndarray]:
    """Gradient steps on a field that is smooth, as decoded ones are; -> steps until the Betti numbers are as asked."""
    logits = torch.from_numpy(np.log(field / (1 - field))).requires_grad_()
    for step in range(steps):
        values = logits.detach().sigmoid().numpy()
        found = betti_numbers(values)
        if all(wanted in (None, value) for wanted, value in zip(term.targets, found, strict=True)):
            return step, values
        points = term.select(values)
        again = logits.sigmoid().flatten()[torch.from_numpy(points.index)]
        (gradient,) = torch.autograd.grad(potential(again, points), logits)
        change = ndimage.gaussian_filter(gradient.numpy(), 1.5)
        with torch.no_grad():
            logits -= rate * torch.from_numpy(change / max(abs(change).max(), 1e-12))
    return steps, logits.detach().sigmoid().numpy()


@pytest.mark.parametrize(
    ("field", "before", "targets", "steps"),
    [
        (two_blobs(), (1, 0, 0), (2, 0, 0), 12),
        (ring(gap=False), (1, 1, 0), (1, 0, 0), 12),
        (ring(gap=True), (1, 0, 0), (1, 1, 0), 12),
        (hollow(), (1, 0, 1), (1, 0, 0), 5),
        (two_blobs(), (1, 0, 0), (2, None, None), 12),
        (hollow(), (1, 0, 1), (None, None, 0), 5),
    ],
    ids=["bridge cut", "ring opened", "ring closed", "void filled", "components alone", "voids alone"],
)
def test_phantoms_get_the_topology_that_is_asked_for(field, before, targets, steps) -> None:
    assert betti_numbers(field) == before
    taken, after = descend(field, TopologyTerm(targets), steps)
    assert taken < steps
    assert ((after >= 0.5) != (field >= 0.5)).sum() < 400, "only the place in question is changed"


def test_gradient_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(3)
    field = ndimage.gaussian_filter(rng.standard_normal((9, 8, 7)), 1)
    field = (field - field.min()) / np.ptp(field)
    term = TopologyTerm((2, 1, 1), floor=None, least=1e-6)
    points = term.select(field)
    assert len(points) > 8 and set(points.dimension) == {0, 1, 2}
    index = torch.from_numpy(points.index)
    values = torch.from_numpy(field).requires_grad_()
    (gradient,) = torch.autograd.grad(potential(values.flatten()[index], points), values)
    for at in rng.choice(points.index, 20):
        step = np.zeros(field.size)
        step[at] = 1e-7  # too little to change the pairing
        up, down = (term.select(field + sign * step.reshape(field.shape)) for sign in (1, -1))
        rise = sum(
            sign * float(potential(torch.from_numpy((field + sign * step.reshape(field.shape)).ravel()[p.index]), p))
            for sign, p in ((1, up), (-1, down))
        )
        assert rise / 2e-7 == pytest.approx(float(gradient.flatten()[at]), abs=1e-5)


def test_residuals_vanish_where_kept_features_are_whole_and_others_gone() -> None:
    points = CriticalPoints(np.array([0, 1]), np.array([2, 3]), np.array([0, 0], np.int8), np.array([True, False]),
                            np.array([1.0, 0.5]))
    values = torch.tensor([[1.0, 0.7, 0.0, 0.7], [0.8, 0.6, 0.1, 0.1]], dtype=torch.float64)
    np.testing.assert_allclose(persistence_of(values, points), [[1, 0], [0.7, 0.5]])
    np.testing.assert_allclose(residuals(values, points), [[0, 0], [0.3, 0.5]])
    np.testing.assert_allclose(residuals(values, points, enough=0.9), [[0, 0], [0.2, 0.5]])
    np.testing.assert_allclose(potential(values, points), [-1, 0.25 - 0.49])


def test_features_that_do_not_count_at_the_level_can_be_left_alone() -> None:
    field = soft(ball((20, 20, 20), 6) | ball((44, 44, 44), 6))
    field[10:13, 50:53, 50:53] = 0.2  # an island below the level, and one above
    field[50:53, 10:13, 10:13] = 0.45
    assert len(TopologyTerm((1, None, None)).select(field)) == 4
    assert len(TopologyTerm((1, None, None), level=0.5, margin=0.2).select(field)) == 3
    assert len(TopologyTerm((1, None, None), level=0.5, margin=0.01).select(field)) == 2


def test_only_what_is_asked_is_selected_and_noise_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    field = np.clip(two_blobs() + 0.003 * rng.standard_normal((64,) * 3), 0, 1)
    points = TopologyTerm((2, None, 0)).select(torch.from_numpy(field).float())
    assert set(points.dimension[points.kept]) == {0} and points.kept.sum() == 2
    assert len(points) == 2, "the noise has less persistence than what is worth suppressing"
    many = TopologyTerm((0, None, None), floor=None, least=1e-4, most=5).select(field)
    assert len(many) == 5 and not many.kept.any() and (np.diff(many.persistence) <= 0).all()


def test_what_has_nothing_to_grow_from_is_said() -> None:
    points = TopologyTerm((3, 2, None)).select(soft(ball((32, 32, 32), 10)))
    assert points.missing == (2, 2, 0)


def test_a_field_too_coarse_for_its_targets_keeps_what_it_has() -> None:
    """Planning refuses such targets (`control.limits`); in the middle of sampling nothing may be refused."""
    for targets, template in (((1, 0, 1), (8, 8, 1)), ((1, 1, 0), (8, 1, 1)), ((100, None, None), (4, 4, 4))):
        points = TopologyTerm(targets).select(np.zeros(template))
        assert len(points) == 0
        assert points.missing == tuple(wanted or 0 for wanted in targets)


def test_undefined_numbers_have_no_critical_points() -> None:
    field = soft(ball((32, 32, 32), 10))
    field[30, 30, 30] = np.nan
    assert len(TopologyTerm((2, None, None)).select(field)) == 0


@pytest.mark.parametrize("targets", [(None, None, None), (-1, None, None), (1.5, None, None), (1, 2)])
def test_targets_are_counts(targets) -> None:
    with pytest.raises(InputError):
        TopologyTerm(targets)
