"""Fibres by rule: their angle turns evenly from the inner to the outer side of the wall.

As Bayer et al., Ann Biomed Eng 2012; 40:2243 (two harmonic fields give the axes of the wall), with the angles of +60
and -60 degrees that Piersanti et al., Comput Methods Appl Mech Eng 2021; 373:113468 take for the left ventricle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .elements import Floats
from .laplace import gradient, harmonic
from .wall import Ints, Wall

INNER_DEG, OUTER_DEG = 60.0, -60.0
_TINY = 1e-12


@dataclass(frozen=True)
class Fibres:
    """axes: (t, 3, 3) orthonormal and right-handed, columns fibre, sheet (through the wall, outwards), sheet normal.
    depth, height: (n,) the harmonic fields, 0 to 1 from the inner to the outer side and from apex to base.
    """

    axes: Floats
    depth: Floats
    height: Floats


def fibres_of(wall: Wall, apex: Ints, base: Ints) -> Fibres:
    """apex, base: points of the wall at its two ends."""
    inner = np.unique(wall.inner).astype(np.int64)
    outer = np.setdiff1d(np.unique(wall.outer), np.union1d(inner, base)).astype(np.int64)
    depth = harmonic(wall, inner, outer)
    height = harmonic(wall, apex, base)
    through = _unit(gradient(wall, depth))
    up = gradient(wall, height)
    up = _unit(up - np.einsum("ti,ti->t", up, through)[:, None] * through)
    up = _repaired(up, through)
    around = np.cross(up, through)
    angle = np.radians(INNER_DEG + (OUTER_DEG - INNER_DEG) * depth[wall.tetrahedra].mean(axis=1))[:, None]
    along = np.cos(angle) * around + np.sin(angle) * up
    return Fibres(np.stack([along, through, np.cross(along, through)], axis=2), depth, height)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(_TINY))


def _repaired(up: Floats, through: Floats) -> Floats:
    """Vectors where the two fields run alike, as at the apex itself, are any at right angles to the way through."""
    lost = np.linalg.norm(up, axis=1) < 0.5
    least = np.eye(3)[np.argmin(np.abs(through), axis=1)]
    return np.where(lost[:, None], _unit(np.cross(through, least)), up)
