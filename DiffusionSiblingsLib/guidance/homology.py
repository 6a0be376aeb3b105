"""Persistent homology of a field: components (dimension 0), loops (1) and voids (2) of its superlevel sets.

The complex is the cubical complex whose top cells are the voxels, so that foreground voxels are connected by 26
neighbours and background voxels by 6. Needs gudhi, which is imported when it is used; where numba is installed too,
components and voids come from our own union-find, which is many times faster and finds the same diagrams.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from ..errors import InputError

ENGINES = ("auto", "own", "gudhi")


@dataclass(frozen=True)
class Pairs:
    """The pairs of one dimension, the most persistent first.

    birth_value, death_value: (n,) float64, the field at birth and death; birth > death. birth_index, death_index: (n,)
    int64, flat C-order into the field: the voxels whose values these are.
    """

    birth_value: np.ndarray
    death_value: np.ndarray
    birth_index: np.ndarray
    death_index: np.ndarray

    def __len__(self) -> int:
        return len(self.birth_value)

    @property
    def persistence(self) -> np.ndarray:
        """(n,) float64, descending."""
        return self.birth_value - self.death_value

    def alive_at(self, level: float) -> int:
        """How many of them the superlevel set field >= level has."""
        return int(np.count_nonzero((self.birth_value >= level) & (self.death_value < level)))


def persistence(
    field: np.ndarray, dimensions: Sequence[int] = (0, 1, 2), engine: str = "auto", floor: float | None = None
) -> dict[int, Pairs]:
    """Persistence pairs of a field for each dimension that is asked for.

    field: (a, b, c) finite numbers, used as float64; sides of 1 make it a plane or a line. engine: "own" (numba, only
    dimensions 0 and 2), "gudhi", or "auto", the faster one that is installed. floor: values below it are taken as equal
    to it, and only the box that holds higher ones is searched.

    Pairs of no persistence are left out. The one class that never dies is given the field's lowest value as its death,
    at the first voxel that has it. Errors: InputError where the field, a dimension or the engine is none of these.
    """
    values, asked = _checked(field, dimensions, engine)
    box = (slice(None),) * 3
    if floor is not None:
        values = np.maximum(values, floor)
        box = _box_above(values, floor)
    inside = np.ascontiguousarray(values[box])
    found = _indices(inside, asked, engine)
    lowest = int(values.argmin())
    pairs = {}
    for dimension, (births, deaths) in found.items():
        births = _moved(births, inside.shape, box, values.shape)
        deaths = np.where(deaths < 0, lowest, _moved(deaths, inside.shape, box, values.shape))
        pairs[dimension] = _sorted(values.ravel(), births, deaths)
    return pairs


def betti_numbers(field: np.ndarray, level: float = 0.5, engine: str = "auto") -> tuple[int, int, int]:
    """(B0, B1, B2) of the superlevel set field >= level. field as in `persistence`."""
    if np.min(field) >= level:
        return 1, 0, 0  # a full box: its one component has no death below the level
    pairs = persistence(field, engine=engine)
    return pairs[0].alive_at(level), pairs[1].alive_at(level), pairs[2].alive_at(level)


def _checked(field: np.ndarray, dimensions: Sequence[int], engine: str) -> tuple[np.ndarray, tuple[int, ...]]:
    values = np.ascontiguousarray(field, dtype=np.float64)
    if values.ndim != 3 or not values.size:
        raise InputError("A field for persistent homology has three sides", value=values.shape,
                         rule="at least one voxel")
    if not np.isfinite(values).all():
        raise InputError("A field for persistent homology has values that are no numbers", rule="finite values only")
    asked = tuple(dict.fromkeys(int(dimension) for dimension in dimensions))
    if not set(asked) <= {0, 1, 2}:
        raise InputError("Unknown dimension of homology", value=dimensions, rule="0 components, 1 loops, 2 voids")
    if engine not in ENGINES:
        raise InputError("Unknown engine for persistent homology", value=engine, rule=" | ".join(ENGINES))
    return values, asked


def _box_above(values: np.ndarray, floor: float) -> tuple[slice, ...]:
    """The box around all values above the floor and one voxel more on each side, which stands for all the rest."""
    above = values > floor
    box = []
    for axis, length in enumerate(values.shape):
        (hit,) = np.nonzero(above.any(axis=tuple({0, 1, 2} - {axis})))
        box.append(slice(max(hit[0] - 1, 0), min(hit[-1] + 2, length)) if len(hit) else slice(0, 1))
    return tuple(box)


def _indices(values: np.ndarray, asked: tuple[int, ...], engine: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """dimension -> (births, deaths), flat C-order into values; a death of -1 is that of the essential class."""
    own = union_find() if engine != "gudhi" else None
    if engine == "own" and own is None:
        raise InputError("Our own persistent homology needs numba", rule="pip install numba", hint='use engine "gudhi"')
    ours = tuple(dimension for dimension in asked if own is not None and dimension != 1)
    theirs = tuple(dimension for dimension in asked if dimension not in ours)
    if engine == "own" and theirs:
        raise InputError("Our own persistent homology has no loops", value=theirs, rule="dimensions 0 and 2")
    found = {}
    if ours and own is not None:
        found.update(_by_union_find(own, values, ours))
    if theirs:
        found.update(_by_gudhi(values, theirs))
    return {dimension: found[dimension] for dimension in asked}


@functools.cache
def union_find() -> ModuleType | None:
    """The compiled union-find, or None where numba cannot be imported (it is optional, and lags behind new numpys)."""
    try:
        from . import union_find as compiled
    except ImportError:
        return None
    return compiled


def _by_union_find(
    own: ModuleType, values: np.ndarray, asked: tuple[int, ...]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """As _indices, for dimensions 0 and 2."""
    order = np.argsort(-values, axis=None)
    rank = np.empty(values.size, np.int32)
    rank[order] = np.arange(values.size, dtype=np.int32)
    rank = rank.reshape(values.shape)
    shape = tuple(side + 2 for side in values.shape)
    found = {}
    for dimension in asked:
        if dimension == 0:
            young, at = own.merges(*_padded(rank, values.size), own.ALL, own.steps_of(own.ALL, shape))
            births = np.append(_unpadded(young, shape), order[0])
            found[0] = births, np.append(_unpadded(at, shape), -1)
        else:
            backwards = np.int32(values.size - 1) - rank
            young, at = own.merges(*_padded(backwards, -1), own.FACES, own.steps_of(own.FACES, shape))
            found[2] = _unpadded(at, shape), _unpadded(young, shape)
    return found


def _padded(rank: np.ndarray, border: int) -> tuple[np.ndarray, tuple[int, ...]]:
    padded = np.pad(rank, 1, constant_values=border)
    return padded.ravel(), padded.shape


def _unpadded(index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Flat indices into an array with a border -> flat indices into what is inside."""
    i, j, k = np.unravel_index(index, shape)
    return ((i - 1) * (shape[1] - 2) + (j - 1)) * (shape[2] - 2) + (k - 1)


def _by_gudhi(values: np.ndarray, asked: tuple[int, ...]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """As _indices, for all dimensions."""
    # gudhi numbers cells in Fortran order: of the transposed array that is our C order.
    complex_ = _gudhi_complex()(top_dimensional_cells=-values.T)
    complex_.compute_persistence(homology_coeff_field=2)
    finite, essential = complex_.cofaces_of_persistence_pairs()
    found = {}
    for dimension in asked:
        pairs = np.asarray(finite[dimension] if dimension < len(finite) else [], np.int64).reshape(-1, 2)
        never = np.asarray(essential[dimension] if dimension < len(essential) else [], np.int64).ravel()
        found[dimension] = np.append(pairs[:, 0], never), np.append(pairs[:, 1], np.full(len(never), -1))
    return found


def _gudhi_complex() -> Callable[..., object]:
    try:
        from gudhi.cubical_complex import CubicalComplex
    except ImportError as error:
        raise InputError(
            "Topology needs the package gudhi", value=error, rule="Betti targets are measured by persistent homology",
            hint="pip install gudhi, or leave out the targets for components, loops and voids",
        ) from error
    return CubicalComplex


def _moved(index: np.ndarray, shape: tuple[int, ...], box: tuple[slice, ...], whole: tuple[int, ...]) -> np.ndarray:
    """Flat indices into values[box] (of this shape) -> flat indices into the whole array."""
    starts = [side.start or 0 for side in box]
    i, j, k = np.unravel_index(np.maximum(index, 0), shape)
    return ((i + starts[0]) * whole[1] + (j + starts[1])) * whole[2] + (k + starts[2])


def _sorted(values: np.ndarray, births: np.ndarray, deaths: np.ndarray) -> Pairs:
    """The pairs that have persistence, the most persistent first; equal ones by place, so that order is repeatable."""
    length = values[births] - values[deaths]
    order = np.lexsort((deaths, births, -length))
    order = order[length[order] > 0]
    births, deaths = births[order].astype(np.int64), deaths[order].astype(np.int64)
    return Pairs(values[births], values[deaths], births, deaths)
