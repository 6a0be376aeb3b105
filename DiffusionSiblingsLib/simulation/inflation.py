"""The wall under pressure: Newton's method in steps of pressure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from .assembly import Pattern
from .elements import Floats, Quadratic
from .guccione import Guccione
from .load import cavity_ml, force_of
from .stiffness import State, state_of
from .two_levels import TwoLevels, conjugate_gradients, interpolation

CONVERGED = 1e-4  # force out of balance, of the pressure's whole force
MOST_NEWTON = 12
LEAST_STEP = 1 / 64  # of the greatest pressure
OVERSHOOT = 10.0  # what is missing may grow so much in one step
DIVERGED = 100.0  # of the pressure's whole force
_HALVINGS = 4


@dataclass(frozen=True)
class Inflated:
    """pressures: (p,) kPa from 0. volumes: (p,) ml of the cavity. moved: (N, 3) mm at the greatest pressure.
    dilatation: (t,) mean J of each element there. newton, iterations: steps of Newton and of conjugate gradients in
    all.
    """

    pressures: tuple[float, ...]
    volumes: tuple[float, ...]
    moved: Floats
    dilatation: Floats
    newton: int
    iterations: int


@dataclass
class _Work:
    newton: int = 0
    iterations: int = 0


@dataclass(frozen=True)
class Problem:
    """axes: (t, 3, 3), columns fibre, sheet, sheet normal. held: (N,) stiffness of springs by volume, kPa/mm^2, that
    hold each node in its place; 0 where it is free.
    """

    space: Quadratic
    axes: Floats
    material: Guccione
    held: Floats

    def inflate(self, pressures: tuple[float, ...]) -> Inflated:
        """The wall at rising pressures in kPa. A step that does not converge is taken in halves.

        Raises InputError where halves of halves do not converge either.
        """
        solver = _Solver.of(self)
        moved, volumes, at, work = np.zeros_like(self.space.nodes), [cavity_ml(self.space)], 0.0, _Work()
        mean = np.ones(len(self.space.cells))
        for goal in pressures:
            step = goal - at
            while at < goal - 1e-12:
                found = solver.balanced(min(goal, at + step), moved, work)
                if found is not None:
                    (moved, mean), at = found, min(goal, at + step)
                    continue
                step /= 2
                if step < LEAST_STEP * pressures[-1]:
                    raise InputError("The wall could not be inflated", value=f"no balance beyond {at:.3g} kPa",
                                     rule="the equations of each step of pressure converge",
                                     hint="a finer mesh may help, or a lower pressure")
            volumes.append(cavity_ml(self.space, moved))
        return Inflated((0.0, *pressures), tuple(volumes), moved, mean, work.newton, work.iterations)


@dataclass(frozen=True)
class _Balance:
    """moved: (N, 3) mm. push: size of the force of 1 kPa. turning: its derivative. missing: (3 N,) mN, and its size."""

    moved: Floats
    state: State
    push: float
    turning: Floats
    missing: Floats
    size: float


@dataclass(frozen=True)
class _Solver:
    problem: Problem
    pattern: Pattern
    springs: Floats
    held: Any
    faces: Any
    up: Any

    @classmethod
    def of(cls, problem: Problem) -> _Solver:
        space = problem.space
        pattern = Pattern(space.cells, len(space.nodes))
        springs = np.einsum("tq,tq,qa,qb->tab", space.weights, space.at_points(problem.held), space.shapes,
                            space.shapes, optimize=True)
        blocks = pattern.blocks_of(np.ascontiguousarray(springs[..., None, None] * np.eye(3)))
        return cls(problem, pattern, blocks, pattern.matrix(blocks), pattern.places(space.inner), interpolation(space))

    def balanced(self, pressure: float, start: Floats, work: _Work) -> tuple[Floats, Floats] | None:
        """Displacements (N, 3) in balance with a pressure in kPa and the mean J of elements; None if none was found."""
        at = self._at(start, pressure)
        goal = CONVERGED * pressure * at.push
        for _ in range(MOST_NEWTON):
            if at.size <= goal:
                return at.moved, at.state.mean
            if not at.size <= DIVERGED * pressure * at.push or at.state.blocks is None:
                return None
            blocks = self.springs + self.pattern.blocks_of(at.state.blocks)
            before = TwoLevels.of(self.pattern.matrix(blocks.copy()), self.up)  # positive, which the whole need not be
            np.subtract.at(blocks, self.faces, pressure * at.turning.reshape(-1, 3, 3))
            change, steps = conjugate_gradients(self.pattern.matrix(blocks), at.missing, before)
            work.newton, work.iterations = work.newton + 1, work.iterations + steps
            at = self._shortened(at, change.reshape(-1, 3), pressure)
        return None

    def _at(self, moved: Floats, pressure: float) -> _Balance:
        """What is missing to balance at displacements; without end where an element is turned over."""
        with np.errstate(over="ignore", invalid="ignore"):
            state = state_of(self.problem.space, self.problem.axes, self.problem.material, moved)
            push, turning = force_of(self.problem.space, moved)
            missing = pressure * push - state.forces - self.held @ moved.ravel()
        size = float(np.linalg.norm(missing)) if np.isfinite(missing).all() and state.least > 0 else np.inf
        return _Balance(moved, state, float(np.linalg.norm(push)), turning, missing, size)

    def _shortened(self, before: _Balance, change: Floats, pressure: float) -> _Balance:
        """The balance after a step, which is halved while it turns elements over or grows what is missing too much:
        the law is an exponential, so that the first step of several always overshoots.
        """
        for halving in range(_HALVINGS):
            after = self._at(before.moved + change / 2**halving, pressure)
            if after.size < OVERSHOOT * before.size:
                break
        return after
