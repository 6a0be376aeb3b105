"""Walls under pressure against solutions in closed form, and derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from shells import shell

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.simulation.assembly import Pattern
from DiffusionSiblingsLib.simulation.elements import Quadratic, quadratic_of
from DiffusionSiblingsLib.simulation.guccione import Guccione
from DiffusionSiblingsLib.simulation.inflation import Problem
from DiffusionSiblingsLib.simulation.load import cavity_ml, force_of
from DiffusionSiblingsLib.simulation.stiffness import state_of

INNER, OUTER = 20.0, 30.0
ALIKE = Guccione(stiffness=2.0, along=1.0, across=1.0, shear=1.0, bulk=50.0)  # the same in all directions


def axes_of(space: Quadratic) -> np.ndarray:
    return np.broadcast_to(np.eye(3), (len(space.cells), 3, 3)).copy()


def sphere(parts: int) -> Problem:
    space = quadratic_of(shell(parts, 1, INNER, OUTER))
    return Problem(space, axes_of(space), ALIKE, np.full(len(space.nodes), 1e-6))


def test_a_thick_sphere_widens_as_lame_says() -> None:
    pressure, shear, first = 1e-3, ALIKE.stiffness / 2, ALIKE.bulk  # Lame's constants of the law at small strains
    room = OUTER**3 - INNER**3
    widening = (pressure * INNER**3 / room / (3 * first + 2 * shear)
                + pressure * OUTER**3 / (4 * shear * room))
    errors = []
    for parts in (2, 4):
        found = sphere(parts).inflate((pressure,)).volumes
        errors.append(abs((found[1] / found[0] - 1) / (3 * widening) - 1))
    assert errors[1] < 0.03 and errors[1] < 0.5 * errors[0]


def test_a_thick_sphere_widens_as_the_law_says_at_large_strains() -> None:
    def pressure_at(stretch: float) -> float:
        """Of an incompressible sphere (Ogden): integral of W'(l) / (l^3 - 1) from the outer to the inner stretch."""
        def slope(way: float) -> float:
            radial, around = (way**-4 - 1) / 2, (way**2 - 1) / 2
            return float(np.exp(radial**2 + 2 * around**2) * (2 * radial * -2 * way**-5 + 4 * around * way))

        outer = ((stretch * INNER)**3 - INNER**3 + OUTER**3)**(1 / 3) / OUTER
        return float(quad(lambda way: slope(way) / (way**3 - 1), outer, stretch)[0])

    found = sphere(3).inflate((0.1, 0.25))
    exact = brentq(lambda stretch: pressure_at(stretch) - 0.25, 1.001, 1.5)**3
    assert found.volumes[-1] / found.volumes[0] - 1 == pytest.approx(exact - 1, rel=0.04)
    assert found.dilatation.min() > 0.98 and found.dilatation.max() < 1.02


def test_stress_is_the_derivative_of_the_energy_and_the_tangent_that_of_stress() -> None:
    law, rng, step = Guccione(), np.random.default_rng(1), 1e-6
    strain = 0.1 * rng.standard_normal((3, 3))
    strain = (strain + strain.T) / 2
    for number, (row, column) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))):
        change = np.zeros((3, 3))
        change[row, column] += step / 2
        change[column, row] += step / 2
        slope = (law.energy(strain + change) - law.energy(strain - change)) / (2 * step)
        assert law.stress(strain)[row, column] == pytest.approx(float(slope), rel=1e-5)
        curve = (law.stress(strain + change) - law.stress(strain - change)) / (2 * step)
        assert law.tangent(strain)[:, number] == pytest.approx(curve[[0, 1, 2, 0, 1, 0], [0, 1, 2, 1, 2, 2]], rel=1e-4)


def test_the_matrix_is_the_derivative_of_the_forces() -> None:
    space, rng = quadratic_of(shell(1, 1, INNER, OUTER)), np.random.default_rng(2)
    axes = np.linalg.qr(rng.standard_normal((len(space.cells), 3, 3)))[0]
    axes[np.linalg.det(axes) < 0, :, 0] *= -1
    moved, way = (scale * rng.standard_normal(space.nodes.shape) for scale in (0.3, 1e-5))
    pattern = Pattern(space.cells, len(space.nodes))
    state = state_of(space, axes, Guccione(), moved)
    assert state.blocks is not None
    expected = (state_of(space, axes, Guccione(), moved + way).forces
                - state_of(space, axes, Guccione(), moved - way).forces) / 2
    found = pattern.matrix(pattern.blocks_of(state.blocks)) @ way.ravel()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6 * np.abs(expected).max())
    turning = pattern.blocks_of(np.zeros((len(space.cells), 10, 10, 3, 3)))
    np.add.at(turning, pattern.places(space.inner), force_of(space, moved)[1].reshape(-1, 3, 3))
    pushed = (force_of(space, moved + way)[0] - force_of(space, moved - way)[0]) / 2
    found = pattern.matrix(turning) @ way.ravel()
    assert found @ way.ravel() == pytest.approx(pushed @ way.ravel(), rel=1e-5)  # of its symmetric part


def test_pressure_in_a_closed_cavity_pushes_nowhere_and_its_work_is_the_volume() -> None:
    space, rng = quadratic_of(shell(2, 1, INNER, OUTER)), np.random.default_rng(3)
    force = force_of(space, np.zeros_like(space.nodes))[0].reshape(-1, 3)
    assert force.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-9 * np.abs(force).max() * len(force))
    linear = space.everywhere(1e-4 * rng.standard_normal((space.corners, 3)))
    grown = 1000 * (cavity_ml(space, linear) - cavity_ml(space))
    assert float((force * linear).sum()) == pytest.approx(grown, rel=1e-3)


def test_a_wall_that_cannot_be_filled_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="could not be inflated"):
        sphere(1).inflate((500.0,))


def test_a_material_has_only_numbers_above_zero() -> None:
    with pytest.raises(InputError, match="material"):
        Guccione(bulk=0.0)
