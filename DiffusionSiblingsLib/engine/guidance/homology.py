"""Persistent homology of a field: components (dimension 0), loops (1) and voids (2) of its superlevel sets.

The complex is the cubical complex whose top cells are the voxels, so that foreground voxels are connected by 26
neighbours and background voxels by 6. Needs gudhi, which is imported when it is used; where numba is installed,
everything comes from our own search, which is many times faster and finds the same diagrams: components and voids by
union-find, loops by a reduction that touches little more than the places where they end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ...core.boxes import foreground_box
from ...core.errors import InputError

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
        return np.asarray(self.birth_value - self.death_value)


def persistence(
    field: np.ndarray, dimensions: Sequence[int] = (0, 1, 2), engine: str = "auto", floor: float | None = None
) -> dict[int, Pairs]:
    """Persistence pairs of a field for each dimension that is asked for.

    field: (a, b, c) finite numbers, used as float64; sides of 1 make it a plane or a line. engine: "own" (needs
    numba), "gudhi", or "auto", the faster one that is installed. floor: values below it are taken as equal
    to it, and only the box that holds higher ones is searched.

    Pairs of no persistence are left out. The one class that never dies is given the field's lowest value as its death,
    at the first voxel that has it. Raises InputError for any other field, dimension or engine.
    """
    values, asked = _checked(field, dimensions, engine)
    box: tuple[slice, ...] = (slice(None),) * 3
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
    _checked(field, (), engine)
    inside = np.asarray(field) >= level
    if inside.all():
        return 1, 0, 0  # a full box: its one component never dies
    pairs = persistence(inside.astype(np.float64), engine=engine, floor=0.0)
    return len(pairs[0]), len(pairs[1]), len(pairs[2])


def _checked(field: np.ndarray, dimensions: Sequence[int], engine: str) -> tuple[np.ndarray, tuple[int, ...]]:
    values = np.ascontiguousarray(field, dtype=np.float64)
    if values.ndim != 3 or not values.size:
        raise InputError("Persistent homology cannot be computed", value=f"shape {values.shape}",
                         rule="three axes and at least one voxel")
    if not np.isfinite(values).all():
        raise InputError("Persistent homology cannot be computed", value="undefined values",
                         rule="all values are finite numbers")
    asked = tuple(dict.fromkeys(int(dimension) for dimension in dimensions))
    if not set(asked) <= {0, 1, 2}:
        raise InputError("Unknown dimension of homology", value=dimensions, rule="0 components, 1 loops, 2 voids")
    if engine not in ENGINES:
        raise InputError("Unknown engine for persistent homology", value=engine, rule=" | ".join(ENGINES))
    return values, asked


def _box_above(values: np.ndarray, floor: float) -> tuple[slice, ...]:
    """The box around all values above the floor and one voxel more on each side, which stands for all the rest."""
    return foreground_box(values > floor, margin=1) or (slice(0, 1),) * 3


def _indices(values: np.ndarray, asked: tuple[int, ...], engine: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """dimension -> (births, deaths), flat C-order into values; a death of -1 is that of the essential class."""
    if engine == "gudhi" or (engine == "auto" and compiled() is None):
        return _by_gudhi(values, asked)
    return _by_own(values, asked)


@functools.cache
def compiled() -> tuple[ModuleType, ModuleType, ModuleType] | None:
    """(ordering, union_find, loops), or None where numba cannot be imported: it is optional, and lags behind numpy."""
    try:
        from . import loops, ordering, union_find
    except (ImportError, RuntimeError):  # RuntimeError: numba finds no folder that it may keep compiled code in
        return None
    return ordering, union_find, loops


def _by_own(values: np.ndarray, asked: tuple[int, ...]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """As _indices. InputError where numba is missing."""
    found = compiled()
    if found is None:
        raise InputError("Our own persistent homology needs numba", rule='numba compiles the engine "own"',
                         hint='pip install numba, or use engine "gudhi"')
    ordering, union_find, loops = found
    order = ordering.descending((values.ravel() + 0.0).view(np.uint64))  # + 0.0: there is one zero
    ranked = np.empty(values.size, np.int32)
    ranked[order] = np.arange(values.size, dtype=np.int32)
    rank = ranked.reshape(values.shape)
    shape = tuple(side + 2 for side in values.shape)
    indices = {}
    if 0 in asked:
        young, at = union_find.merges(*_padded(rank, values.size), union_find.ALL)
        indices[0] = np.append(_unpadded(young, shape), order[0]), np.append(_unpadded(at, shape), -1)
    if {1, 2} & set(asked):
        backwards = np.int32(values.size - 1) - rank
        young, at = union_find.merges(*_padded(backwards, -1), union_find.FACES)
        indices[2] = _unpadded(at, shape), _unpadded(young, shape)
    if 1 in asked:
        starts = np.sort(rank.ravel()[indices[2][0]])
        births, deaths = loops.loops(_padded(rank, values.size)[0], _inside(order, values.shape), shape, starts)
        indices[1] = order[births], order[deaths]
    return {dimension: indices[dimension] for dimension in asked}


def _padded(rank: np.ndarray, border: int) -> tuple[np.ndarray, tuple[int, ...]]:
    padded = np.pad(rank, 1, constant_values=border)
    return padded.ravel(), padded.shape


def _inside(index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Flat indices into an array -> flat indices into the same with a border."""
    i, j, k = np.unravel_index(index, shape)
    return ((i + 1) * (shape[1] + 2) + (j + 1)) * (shape[2] + 2) + (k + 1)


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


def _gudhi_complex() -> Callable[..., Any]:
    """gudhi's class of cubical complexes. InputError where gudhi is missing."""
    try:
        from gudhi.cubical_complex import CubicalComplex
    except ImportError as error:
        raise InputError(
            "Topology needs the package gudhi", value=error, rule="Betti targets are measured by persistent homology",
            hint="pip install gudhi, or leave out the targets for components, loops and voids",
        ) from error
    found: Callable[..., Any] = CubicalComplex
    return found


def _moved(index: np.ndarray, shape: tuple[int, ...], box: tuple[slice, ...], whole: tuple[int, ...]) -> np.ndarray:
    """Flat indices into values[box] (of this shape) -> flat indices into the whole array."""
    starts = [side.start or 0 for side in box]
    i, j, k = np.unravel_index(np.maximum(index, 0), shape)
    return np.asarray(((i + starts[0]) * whole[1] + (j + starts[1])) * whole[2] + (k + starts[2]))


def _sorted(values: np.ndarray, births: np.ndarray, deaths: np.ndarray) -> Pairs:
    """The pairs that have persistence, the most persistent first; equal ones by place, so that order is repeatable."""
    length = values[births] - values[deaths]
    order = np.lexsort((deaths, births, -length))
    order = order[length[order] > 0]
    births, deaths = births[order].astype(np.int64), deaths[order].astype(np.int64)
    return Pairs(values[births], values[deaths], births, deaths)
