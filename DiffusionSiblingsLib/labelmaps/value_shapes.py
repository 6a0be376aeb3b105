"""Where the values of a label map lie and what they touch, and how well that is a layout of tissues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.boxes import foreground_box
from ..core.labelmap import Affine, Labels
from ..core.numberings import Pair, TissueLayout
from .formats.volume import look_up

FINE_MM = 1.2  # finer voxels are read at every n-th one: shapes are compared, not measured
LEAST_SIDE = 32  # voxels of the shortest side that are looked at
CAP = 9.0  # of a squared deviation: a patient's heart may differ in a few respects as much as it likes
TURN_WEIGHT = 0.7
MANY = 254  # values; of more, the largest are looked at

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValueShapes:
    """n values of a label map.

    values: (n,) int64. volumes: (n,) float64, ml. contacts: (n, n) float64,
    mm^2, faces that two values share. surfaces: (n,) float64, mm^2. centroids: (n, 3) float64, RAS mm. extents: (n,)
    float64, mm, root mean square distance from the centroid.
    """

    values: npt.NDArray[np.int64]
    volumes: FloatArray
    contacts: FloatArray
    surfaces: FloatArray
    centroids: FloatArray
    extents: FloatArray

    def index(self, value: int) -> int:
        """The place of a value, -1 if it is not among them."""
        found = np.flatnonzero(self.values == value)
        return int(found[0]) if len(found) else -1

    def joined(self, groups: Sequence[Sequence[int]]) -> ValueShapes:
        """Several values taken as one: groups of places, one for each value of the result."""
        member = np.zeros((len(groups), len(self.values)))
        for row, group in enumerate(groups):
            member[row, list(group)] = 1.0
        volumes = member @ self.volumes
        weights = member * self.volumes / np.maximum(volumes, 1e-12)[:, None]
        centroids = weights @ self.centroids
        spread = ((self.centroids[None] - centroids[:, None]) ** 2).sum(axis=2) + self.extents**2
        contacts = member @ self.contacts @ member.T
        surfaces = member @ self.surfaces - np.diag(contacts)
        np.fill_diagonal(contacts, 0.0)
        first = np.array([self.values[group[0]] for group in groups], dtype=np.int64)
        return ValueShapes(first, volumes, contacts, surfaces, centroids, np.sqrt((weights * spread).sum(axis=1)))


@np.errstate(all="ignore")  # a grid of absurd spacing is refused elsewhere; here it is like nothing
def value_shapes(labels: Labels, affine: Affine, counts: dict[int, int]) -> ValueShapes:
    """The shapes of the values of a label map. counts: non-zero value -> number of voxels."""
    chosen = sorted(sorted(counts, key=lambda value: -counts[value])[:MANY])
    places = {value: place for place, value in enumerate(chosen, 1)}
    box = foreground_box(labels)
    part: Labels = labels[box] if box is not None else labels[:0, :0, :0]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    most = np.maximum(np.array(part.shape[::-1]) // LEAST_SIDE, 1)
    stride = np.clip(np.floor(FINE_MM / spacing), 1, most).astype(int)  # (3,) IJK
    coarse = np.ascontiguousarray(part[:: stride[2], :: stride[1], :: stride[0]])
    direct = chosen == list(range(1, len(chosen) + 1)) and coarse.dtype == np.uint8
    coded = coarse.astype(np.uint8, copy=False) if direct else look_up(coarse, places)
    matrix = affine[:3, :3] * stride
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
    volumes = np.array([counts[value] * voxel_ml for value in chosen])
    centroids, extents = _moments(coded, matrix, len(chosen))
    contacts = _faces(coded, np.asarray(np.linalg.norm(matrix, axis=0), dtype=np.float64), len(chosen))
    surfaces = contacts.sum(axis=1) - np.diag(contacts)
    inner = contacts[1:, 1:].copy()
    np.fill_diagonal(inner, 0.0)
    return ValueShapes(np.array(chosen, dtype=np.int64), volumes, inner, surfaces[1:], centroids, extents)


def _moments(coded: npt.NDArray[np.uint8], matrix: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """(count, 3) centroids and (count,) extents in mm, from histograms along each axis (shear is left out)."""
    centroids, variance = np.zeros((count, 3)), np.zeros(count)
    spacing = np.linalg.norm(matrix, axis=0)
    for axis in range(3):
        planes = np.moveaxis(coded, axis, 0)
        table = np.array([np.bincount(plane.reshape(-1), minlength=count + 1)[1 : count + 1] for plane in planes])
        total = np.maximum(table.sum(axis=0), 1)
        position = np.arange(len(planes), dtype=np.float64)
        mean = position @ table / total
        variance += ((position**2) @ table / total - mean**2) * spacing[2 - axis] ** 2
        centroids += mean[:, None] * matrix[:, 2 - axis]
    return centroids, np.sqrt(np.maximum(variance, 0.0))


def _faces(coded: npt.NDArray[np.uint8], spacing: FloatArray, count: int) -> FloatArray:
    """(count + 1, count + 1) mm^2 of faces between values, background (0) included; spacing: (3,) IJK mm."""
    side = count + 1
    table = np.zeros((side, side))
    for axis in range(3):
        planes = np.moveaxis(coded, axis, 0)
        found = np.zeros(side * side, dtype=np.int64)
        for one, two in pairwise(planes):
            edge = one != two
            found += np.bincount(one[edge].astype(np.intp) * side + two[edge], minlength=side * side)
        table += found.reshape(side, side) * (np.prod(spacing) / spacing[2 - axis])
    return np.asarray(table + table.T, dtype=np.float64)


@np.errstate(all="ignore")
def likeness(shapes: ValueShapes, layout: TissueLayout, tissues: Sequence[int],
             picks: npt.NDArray[np.int64]) -> FloatArray:
    """(m,) float64: how well each of m choices lays out the tissues; 0 is the mean heart, less is worse.

    tissues: k places in the layout's order. picks: (m, k) places in `shapes`, one for each of these tissues. Choices
    for the same tissues can be compared with one another.
    """
    total = len(layout.volume)
    pairs, fours = list(combinations(range(len(tissues)), 2)), list(combinations(range(len(tissues)), 4))
    every = {pair: n for n, pair in enumerate(combinations(range(total), 2))}
    quads = {four: n for n, four in enumerate(combinations(range(total), 4))}
    order = np.argsort(tissues)
    chosen = picks[:, order]
    names = [tissues[place] for place in order]
    volume = np.log(np.maximum(shapes.volumes[chosen], 1e-6))
    mean, deviation = _split([layout.volume[t] for t in names])
    result = -_capped((volume - volume.mean(axis=1, keepdims=True) - (mean - mean.mean())) / deviation)
    extent = np.log(np.maximum(shapes.extents[chosen], 1e-3)) - (volume + np.log(1000.0)) / 3
    result -= _deviations(extent, [layout.extent[t] for t in names])
    if not pairs:
        return result
    i, j = (np.array(side) for side in zip(*pairs, strict=True))
    known = [every[names[a], names[b]] for a, b in pairs]
    smaller = np.minimum(shapes.surfaces[chosen[:, i]], shapes.surfaces[chosen[:, j]])
    contact = np.log(0.02 + shapes.contacts[chosen[:, i], chosen[:, j]] / np.maximum(smaller, 1e-9))
    result -= _deviations(contact, [layout.contact[n] for n in known])
    where = shapes.centroids[chosen]  # (m, k, 3)
    distance = np.linalg.norm(where[:, i] - where[:, j], axis=2)
    scale = np.maximum(np.sqrt((distance**2).mean(axis=1)), 1e-9)
    mean, deviation = _split([layout.distance[n] for n in known])
    usual = float(np.sqrt((mean**2).mean()))
    result -= _capped((distance / scale[:, None] - mean / usual) / (deviation / usual))
    if fours:
        result -= TURN_WEIGHT * _turns(where / scale[:, None, None], fours,
                                       [layout.turn[quads[names[a], names[b], names[c], names[d]]]
                                        for a, b, c, d in fours], usual)
    return np.asarray(result, dtype=np.float64)


def _turns(where: FloatArray, fours: Sequence[tuple[int, ...]], known: Sequence[Pair], usual: float) -> FloatArray:
    """(m,) penalty of left and right. A mirror image is as good: its header is wrong, and not its numbering."""
    index = np.array(fours)
    edges = where[:, index[:, 1:]] - where[:, index[:, :1]]  # (m, q, 3, 3)
    turn = (edges[:, :, 0] * np.cross(edges[:, :, 1], edges[:, :, 2])).sum(axis=2)
    mean, deviation = _split(known)
    mean, deviation = mean / usual**3, deviation / usual**3
    return np.minimum(_capped((turn - mean) / deviation), _capped((-turn - mean) / deviation))


def _split(pairs: Sequence[Pair]) -> tuple[FloatArray, FloatArray]:
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _deviations(found: FloatArray, known: Sequence[Pair]) -> FloatArray:
    mean, deviation = _split(known)
    return _capped((found - mean) / deviation)


def _capped(deviations: npt.NDArray[Any]) -> FloatArray:
    """(m,) half the sum of squared deviations (m, n), each limited."""
    squares = np.nan_to_num(deviations**2, nan=CAP, posinf=CAP)
    return np.asarray(0.5 * np.minimum(squares, CAP).sum(axis=1), dtype=np.float64)
