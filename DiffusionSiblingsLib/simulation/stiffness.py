"""Inner forces of a wall of Guccione's material, and their derivative: total Lagrangian, mean dilatation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .elements import Floats, Quadratic
from .guccione import Guccione

CHUNK = 2000  # elements at once: about 100 MB
_FIRST, _SECOND = (0, 1, 2, 0, 1, 0), (0, 1, 2, 1, 2, 2)  # ff, ss, nn, fs, sn, fn


@dataclass(frozen=True)
class State:
    """forces: (3 N,), mN, that the wall exerts. blocks: (t, 10, 10, 3, 3), mN/mm, their derivative; None
    where an element is turned over. least: the smallest J anywhere. mean: (t,) mean J of each element.
    """

    forces: Floats
    blocks: Floats | None
    least: float
    mean: Floats


def state_of(space: Quadratic, axes: Floats, material: Guccione, moved: Floats) -> State:
    """The state at displacements. axes: (t, 3, 3), columns fibre, sheet, sheet normal. moved: (N, 3) mm."""
    count = len(space.cells)
    own = np.empty((count, 10, 3))
    blocks = np.empty((count, 10, 10, 3, 3))
    mean, least = np.empty(count), np.inf
    for start in range(0, count, CHUNK):
        rows = slice(start, start + CHUNK)
        part = _Part.of(space, axes, moved, rows)
        own[rows] = part.forces(material)
        mean[rows] = part.mean
        least = min(least, float(part.dilatation.min()))
        if least <= 0:
            break
        blocks[rows] = part.derivative(material)
    forces = np.zeros((len(space.nodes), 3))
    for column in range(3):
        forces[:, column] = np.bincount(space.cells.ravel(), own[:, :, column].ravel(), minlength=len(forces))
    return State(forces.ravel(), blocks if least > 0 else None, least, mean)


def deformation(space: Quadratic, axes: Floats, moved: Floats, rows: slice) -> tuple[Floats, Floats]:
    """(t, q, 10, 3) gradients of shapes in the axes of the fibres, and (t, q, 3, 3) F from those axes to space."""
    gradients = space.gradients[rows] @ axes[rows][:, None]
    turned = axes[rows][:, None] + np.swapaxes(moved[space.cells[rows]], 1, 2)[:, None] @ gradients
    return gradients, turned


def strain_of(turned: Floats) -> Floats:
    """(..., 3, 3) Green-Lagrange strain in the axes of the fibres."""
    return np.asarray((np.swapaxes(turned, -1, -2) @ turned - np.eye(3)) / 2)


@dataclass(frozen=True)
class _Part:
    """Some elements. along: (t, q, 10, 3) gradients of shapes in fibre axes. turned: (t, q, 3, 3) F from those axes.
    rows: (t, q, 6, 30): strain of displacement. opened: (t, q, 30): J of displacement. mean: (t,).
    """

    along: Floats
    turned: Floats
    weights: Floats
    dilatation: Floats
    rows: Floats
    inverse: Floats
    mean: Floats

    @classmethod
    def of(cls, space: Quadratic, axes: Floats, moved: Floats, chosen: slice) -> _Part:
        along, turned = deformation(space, axes, moved, chosen)
        weights = space.weights[chosen]
        dilatation = np.linalg.det(turned)
        first = turned[..., None, :, _FIRST] * along[..., :, None, _SECOND]
        second = turned[..., None, :, _SECOND] * along[..., :, None, _FIRST]
        rows = first + second
        rows[..., :3] /= 2
        rows = np.ascontiguousarray(rows.reshape(*rows.shape[:2], 30, 6).swapaxes(2, 3))
        volume = weights.sum(axis=1)
        return cls(along, turned, weights, dilatation, rows, np.asarray(np.linalg.inv(turned)),
                   (weights * dilatation).sum(axis=1) / volume)

    @property
    def opened(self) -> Floats:
        """(t, q, 10, 3): F^-T of the gradients; times J, the derivative of J."""
        return np.asarray(self.along @ self.inverse)

    def _pressure(self, material: Guccione) -> Floats:
        return np.asarray(material.bulk * (self.mean - 1.0))

    def _volume_rows(self) -> Floats:
        """(t, 10, 3): derivative of the element's volume."""
        return np.asarray(np.einsum("tq,tqai->tai", self.weights * self.dilatation, self.opened))

    def forces(self, material: Guccione) -> Floats:
        """(t, 10, 3) mN."""
        stress = material.stress(strain_of(self.turned))[..., _FIRST, _SECOND]
        own = np.einsum("tqvr,tqv->tr", self.rows, stress * self.weights[..., None]).reshape(-1, 10, 3)
        return np.asarray(own + self._pressure(material)[:, None, None] * self._volume_rows())

    def derivative(self, material: Guccione) -> Floats:
        """(t, 10, 10, 3, 3) mN/mm."""
        strain = strain_of(self.turned)
        tangent = material.tangent(strain) * self.weights[..., None, None]
        count, points = self.weights.shape
        weighted = (tangent @ self.rows).reshape(count, points * 6, 30)
        whole = np.swapaxes(self.rows.reshape(count, points * 6, 30), 1, 2) @ weighted
        opened = self._volume_rows().reshape(count, 30)
        whole += (material.bulk / self.weights.sum(axis=1))[:, None, None] * opened[:, :, None] * opened[:, None, :]
        pressed = self.weights * self.dilatation * self._pressure(material)[:, None]
        rows = self.opened.reshape(count, points, 30)
        whole += np.swapaxes(rows * pressed[..., None], 1, 2) @ rows
        blocks = whole.reshape(count, 10, 3, 10, 3).transpose(0, 1, 3, 2, 4).copy()
        crossed = np.einsum("tq,tqaj,tqbi->tabij", pressed, self.opened, self.opened, optimize=True)
        stress = material.stress(strain) * self.weights[..., None, None]
        sheared = np.einsum("tqai,tqij,tqbj->tab", self.along, stress, self.along, optimize=True)
        return np.asarray(blocks - crossed + sheared[..., None, None] * np.eye(3))
