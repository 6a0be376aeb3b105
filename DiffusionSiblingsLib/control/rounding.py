"""Labels of voxels that a decoder left nearly undecided, chosen so that lines and planes measure what was asked.

A label map is its decoder's probabilities, rounded voxel by voxel. Where a line meets a surface, one voxel's rounding
is worth a good part of a millimetre, and no change of the latents turns one voxel alone. Here the few voxels that a
line or plane samples are rounded together: of two labels that the decoder finds nearly as likely, the less likely one
may be taken. Boxes average rounding out and need none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from .absolute_targets import Asked
from .checks import FloatArray
from .domain import ControlDomain
from .measure import template_to_voxels

QUANTITIES = ("mass", "position", "size")  # that follow from sums over voxels
UNDECIDED = 3.0  # log of how many times likelier a voxel's label may be than the one it is given
NEAR = 0.25  # of a tolerance: nearer than this, nothing more is turned
MOST_TURNS = 200
LEAST_GAIN = 1e-3  # of squared errors in tolerances
PAIRED = 150  # voxels of which pairs are tried: the least decided ones
Labels = npt.NDArray[np.integer[Any]]
Likelihood = Callable[[npt.NDArray[np.intp]], FloatArray]  # (n, 3) voxels, KJI -> (classes, n) log-likelihoods


@dataclass(frozen=True)
class Sampled:
    """What a domain sees of the voxels: the amount of tissue and its first and second moment are sums over them.

    voxels: (n,) flat indices, ascending. share: (n, 5) what a whole voxel of the tissue adds to the mass, to the mass
    times the centroid, as mm from the domain's centre, and to the mass times the mean square of the distance from it.
    inside: label -> whether it is one of the domain's tissues.
    """

    voxels: npt.NDArray[np.intp]
    share: FloatArray
    inside: npt.NDArray[np.bool_]
    goals: tuple[tuple[str, FloatArray, float], ...]  # quantity, value (position: 3, else 1), tolerance

    @classmethod
    def of(cls, domain: ControlDomain, asked: Sequence[Asked], affine: FloatArray, shape: tuple[int, ...],
           anatomy: Anatomy) -> Sampled | None:
        """None where nothing is asked that is a sum over voxels. Trilinear, as `measure` samples."""
        goals = tuple(_goal(target, domain) for target in asked if target.quantity in QUANTITIES)
        if not goals:
            return None
        points = domain.points().reshape(-1, 3) - np.array(domain.centre)
        grid = np.indices(domain.template).reshape(3, -1)
        index = template_to_voxels(domain, affine)
        place = (index[:, :3] @ grid + index[:, 3:]).T  # (N, 3) KJI
        low = np.floor(place).astype(np.intp)
        corners = np.indices((2, 2, 2)).reshape(3, 8).T  # (8, 3)
        near = low[:, None] + corners
        weight = np.where(corners == 1, (place - low)[:, None], 1 - (place - low)[:, None]).prod(axis=2)  # (N, 8)
        there = ((near >= 0) & (near < shape)).all(axis=2) & (weight > 0)
        flat = np.ravel_multi_index(tuple(near[there].T), shape)
        voxels, which = np.unique(flat, return_inverse=True)
        sums = np.concatenate([np.ones((len(points), 1)), points, np.square(points).sum(axis=1)[:, None]], axis=1)
        amounts = (weight[..., None] * sums[:, None])[there]
        share = np.stack([np.bincount(which, column, len(voxels)) for column in amounts.T], axis=1) * domain.cell
        inside = np.zeros(256, dtype=bool)
        inside[[anatomy.label_of(tissue) for tissue in domain.tissues]] = True
        return cls(voxels, np.asarray(share, dtype=np.float64), inside, goals)

    def total(self, labels: Labels) -> FloatArray:
        """(5,) mass and moments in a map."""
        return np.asarray(self.share[self.inside[labels.reshape(-1)[self.voxels]]].sum(axis=0))

    def missed(self, total: FloatArray) -> FloatArray:
        """(..., goals) errors in tolerances. total: (..., 5)."""
        mass = np.maximum(total[..., 0], 1e-9)
        centroid, square = total[..., 1:4] / mass[..., None], total[..., 4] / mass
        found = []
        for quantity, value, tolerance in self.goals:
            if quantity == "mass":
                error = np.abs(mass - value[0]) / value[0]
            elif quantity == "size":
                error = np.abs(square - np.square(centroid).sum(axis=-1) - value[0]) / value[0]
            else:
                error = np.linalg.norm(np.nan_to_num(centroid - value), axis=-1)
            found.append(error / tolerance)
        return np.stack(found, axis=-1)


def _goal(target: Asked, domain: ControlDomain) -> tuple[str, FloatArray, float]:
    value = np.array(target.value, dtype=np.float64).reshape(-1)  # None -> NaN: a coordinate that is not asked for
    if target.quantity == "position":
        value = value - np.array(domain.centre)
    return target.quantity, value, max(target.tolerance, 1e-6)


def round_to_targets(
    labels: npt.NDArray[np.uint8], affine: FloatArray, domains: Sequence[ControlDomain], asked: Sequence[Asked],
    likelihood: Likelihood, anatomy: Anatomy, *, reach: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.uint8]:
    """The map with a few undecided voxels turned, so that lines and planes come nearer to mass, place and size asked.

    labels: (D, H, W) uint8, KJI, the anatomy's labels. affine: (4, 4) voxel IJK -> mm of the domains' frame.
    likelihood: of the classes at voxels; -inf for a label that may not stand there. reach: (D, H, W) bool, voxels that
    may change, all by default. A voxel is only given a label that one of its six neighbours has. Returns `labels`
    itself where nothing was turned.
    """
    thin = (Sampled.of(domain, [t for t in asked if t.domain == domain.name], affine, labels.shape, anatomy)
            for domain in domains if domain.dimension < 3)
    seen = [sampled for sampled in thin if sampled is not None]
    if not seen:
        return labels
    voxels = np.unique(np.concatenate([sampled.voxels for sampled in seen]))
    if reach is not None:
        voxels = voxels[reach.reshape(-1)[voxels]]
    places = np.stack(np.unravel_index(voxels, labels.shape), axis=1)
    turn = _Turns.of(labels, voxels, likelihood(places))
    return _turned(labels, seen, turn)


@dataclass(frozen=True)
class _Turns:
    """Voxels whose label may be another one. voxels: (n,) flat. other: (n,) the label. cost: (n,) log-odds against."""

    voxels: npt.NDArray[np.intp]
    other: npt.NDArray[np.uint8]
    cost: FloatArray

    @classmethod
    def of(cls, labels: Labels, voxels: npt.NDArray[np.intp], scores: FloatArray) -> _Turns:
        rows = np.arange(len(voxels))
        own = labels.reshape(-1)[voxels]
        with np.errstate(invalid="ignore"):
            cost = scores[own, rows] - scores
        cost[own, rows] = np.inf
        cost[~np.isfinite(cost)] = np.inf
        other = cost.argmin(axis=0)
        least = cost[other, rows]
        kept = least <= UNDECIDED
        return cls(voxels[kept], other[kept].astype(np.uint8), np.maximum(least[kept], 0.0))


def _turned(labels: npt.NDArray[np.uint8], seen: Sequence[Sampled], turns: _Turns) -> npt.NDArray[np.uint8]:
    """Turns the voxel that helps most for its cost, or where none does the pair, as long as that helps."""
    result = labels.copy()
    steps = [_steps(sampled, labels, turns) for sampled in seen]  # (n, 5) each: what a turn adds
    totals = [sampled.total(labels) for sampled in seen]
    sign = np.ones(len(turns.voxels))  # -1 where a voxel is turned already: turning it back takes the step away
    for _ in range(MOST_TURNS):
        now = np.concatenate([sampled.missed(total) for sampled, total in zip(seen, totals, strict=True)])
        free = np.flatnonzero(_touching(result, turns, sign))
        if now.max() <= NEAR or not len(free):
            break
        moves = [sign[free, None] * step[free] for step in steps]
        for pairs in (_singles(len(free)), _pairs(turns.cost[free])):
            sums = [total + move[pairs].sum(axis=1) for total, move in zip(totals, moves, strict=True)]
            then = sum(np.square(sampled.missed(total)).sum(axis=1) for sampled, total in zip(seen, sums, strict=True))
            gain = (np.square(now).sum() - then) / (1.0 + turns.cost[free][pairs].sum(axis=1))
            if len(gain) and gain.max() > LEAST_GAIN:
                break
        else:
            break
        best = int(gain.argmax())
        totals = [total[best] for total in sums]
        for chosen in free[pairs[best]]:
            flat = turns.voxels[chosen]
            result.reshape(-1)[flat] = turns.other[chosen] if sign[chosen] > 0 else labels.reshape(-1)[flat]
            sign[chosen] = -sign[chosen]
    return result if (sign < 0).any() else labels


def _singles(count: int) -> npt.NDArray[np.intp]:
    return np.arange(count)[:, None]


def _pairs(cost: FloatArray) -> npt.NDArray[np.intp]:
    """(m, 2) pairs of the least decided voxels."""
    first, second = np.triu_indices(min(len(cost), PAIRED), 1)
    order = np.argsort(cost, kind="stable")
    return np.stack([order[first], order[second]], axis=1)


def _steps(sampled: Sampled, labels: Labels, turns: _Turns) -> FloatArray:
    """(n, 5) what each turn would add to the domain's sums."""
    step = np.zeros((len(turns.voxels), sampled.share.shape[1]))
    at = np.searchsorted(sampled.voxels, turns.voxels)
    at[at == len(sampled.voxels)] = 0
    its = sampled.voxels[at] == turns.voxels
    own = labels.reshape(-1)[turns.voxels]
    change = sampled.inside[turns.other].astype(np.float64) - sampled.inside[own]
    step[its] = change[its, None] * sampled.share[at[its]]
    return step


def _touching(labels: Labels, turns: _Turns, sign: FloatArray) -> npt.NDArray[np.bool_]:
    """(n,) whether one of a voxel's six neighbours has the label it would get. A turn back needs none."""
    place = np.stack(np.unravel_index(turns.voxels, labels.shape))  # (3, n)
    found = sign < 0
    for axis, size in enumerate(labels.shape):
        for way in (-1, 1):
            beside = place.copy()
            beside[axis] = np.clip(place[axis] + way, 0, size - 1)
            found |= labels[tuple(beside)] == turns.other
    return found
