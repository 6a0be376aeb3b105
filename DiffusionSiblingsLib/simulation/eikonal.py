"""When an activation arrives at each point of a wall: the anisotropic eikonal equation on tetrahedra.

Each point takes the earliest time over the tetrahedra around it, in which the front is flat (Fu, Kirby and Whitaker,
SIAM J Sci Comput 2013; 35:C473); rounds go on, all tetrahedra at once, until no time changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from .elements import Floats
from .wall import Ints

CHANGE_MS = 1e-6  # smaller changes are rounding
MOST_ROUNDS = 2000
_OTHERS = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))


@dataclass(frozen=True)
class Speed:
    """m/s (= mm/ms), along and across fibres: round numbers of the size that Roberts, Hersh and Scher measured in dogs
    (Circ Res 1979; 44:701).
    """

    along: float = 0.6
    across: float = 0.3

    def __post_init__(self) -> None:
        if not (np.isfinite([self.along, self.across]).all() and min(self.along, self.across) > 0):
            raise InputError("The speed of activation cannot be used", value=(self.along, self.across),
                             rule="both are above 0 m/s")

    def slowness(self, fibres: Floats) -> Floats:
        """(t, 3, 3) ms^2/mm^2: the time of a short way v is the root of v M v. fibres: (t, 3) unit vectors."""
        along = fibres[:, :, None] * fibres[:, None, :]
        return np.asarray(along / self.along**2 + (np.eye(3) - along) / self.across**2)


def activation(points: Floats, tetrahedra: Ints, slowness: Floats, start: Floats) -> Floats:
    """(n,) ms. points: (n, 3) mm. start: (n,) ms, infinite where the activation has to arrive first.

    Raises InputError where it starts nowhere or does not reach every point.
    """
    if not np.isfinite(start).any():
        raise InputError("The activation starts nowhere", rule="at least one point has a time to start with")
    times = start.astype(np.float64).copy()
    rounds = [_Round.of(points, tetrahedra[:, [corner, *others]], slowness) for corner, others in enumerate(_OTHERS)]
    changed = np.isfinite(times)
    for _ in range(MOST_ROUNDS):
        before = times.copy()
        awake = np.asarray(changed[tetrahedra].any(axis=1), dtype=np.bool_)
        for one in rounds:
            one.lower(times, awake)
        changed = times < before - CHANGE_MS
        if not changed.any():
            break
    used = np.unique(tetrahedra)
    if not np.isfinite(times[used]).all():
        raise InputError("The activation does not reach the whole wall",
                         value=f"{int(np.isinf(times[used]).sum())} points", rule="the wall hangs together")
    return times


@dataclass(frozen=True)
class _Round:
    """Tetrahedra as their first corner (t,) sees the three others (t, 3). ways: (t, 3, 3) from these to it. products:
    (t, 3, 3) ms^2: the inner products of ways. inverse: of the products.
    """

    corner: Ints
    others: Ints
    products: Floats
    inverse: Floats

    @classmethod
    def of(cls, points: Floats, corners: Ints, slowness: Floats) -> _Round:
        ways = points[corners[:, :1]] - points[corners[:, 1:]]
        products = ways @ slowness @ np.swapaxes(ways, 1, 2)
        return cls(corners[:, 0], corners[:, 1:], np.asarray(products), _inverse(products))

    def lower(self, times: Floats, awake: npt.NDArray[np.bool_]) -> None:
        """Lowers the times of first corners in place."""
        rows = np.flatnonzero(awake & np.isfinite(times[self.others]).any(axis=1))
        if not len(rows):
            return
        known, products = times[self.others[rows]], self.products[rows]
        found = np.min(known + np.sqrt(np.einsum("tii->ti", products)), axis=1)
        for first, second in ((0, 1), (0, 2), (1, 2)):
            pair = products[:, (first, second)][:, :, (first, second)]
            found = np.minimum(found, _over(known[:, (first, second)], _inverse(pair)))
        found = np.minimum(found, _over(known, self.inverse[rows]))
        np.minimum.at(times, self.corner[rows], found)


def _inverse(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)


def _over(known: Floats, inverse: Floats) -> Floats:
    """(t,) arrival of a flat front over a side or an edge; infinite where it comes from outside of it.

    With slope g, W g = T - known for the rows W of ways, and g D g = 1 with D the inverse of M, so that
    (T - known) P^-1 (T - known) = 1 with the products P = W M W^T. The front comes from within where the weights
    P^-1 (T - known) are all positive.
    """
    finite = np.asarray(np.isfinite(known).all(axis=1))
    level = np.where(finite[:, None], known, 0.0)
    low = level.min(axis=1, keepdims=True)
    level = level - low
    whole = inverse.sum(axis=(1, 2))
    mixed = np.einsum("tij,tj->t", inverse, level)
    own = np.einsum("ti,tij,tj->t", level, inverse, level)
    root = mixed**2 - whole * (own - 1.0)
    time = (mixed + np.sqrt(root.clip(0.0))) / whole
    weights = np.einsum("tij,tj->ti", inverse, time[:, None] - level)
    sound = finite & (root >= 0) & (weights >= -1e-12).all(axis=1)
    return np.where(sound, time + low[:, 0], np.inf)
