"""Numbers out of files and consoles: finite, of the right count, as tuples of Python's own types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError

FloatArray = npt.NDArray[np.float64]
Vector = tuple[float, float, float]
Rows = tuple[Vector, Vector, Vector]

ORTHONORMAL = 1e-3  # how far rows may be from orthonormal: hand-written files round to three or four digits
EXACT = 1e-9  # nearer than this they are kept as they are, so that a file read and written again is the same file


def number(value: object, what: str, rule: str = "a finite number") -> float:
    """`value` as a float; InputError for anything but a finite number (bools are refused)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(what, value=repr(value), rule=rule)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise InputError(what, value=found, rule=rule)
    return found


def vector(values: object, what: str, rule: str = "three finite numbers") -> Vector:
    """`values` as three floats; InputError otherwise."""
    listed = sequence(values, what, rule)
    if len(listed) != 3:
        raise InputError(what, value=listed, rule=rule)
    x, y, z = (number(value, what, rule) for value in listed)
    return x, y, z


def matrix_rows(values: object, what: str, rule: str = "three rows of three finite numbers") -> Rows:
    """`values` as three rows of three floats; InputError otherwise."""
    listed = sequence(values, what, rule)
    if len(listed) != 3:
        raise InputError(what, value=listed, rule=rule)
    first, second, third = (vector(row, what, rule) for row in listed)
    return first, second, third


def orthonormal_rows(values: object, what: str) -> Rows:
    """Three orthonormal rows. Rounded ones are made exact (the nearest orthonormal rows, by SVD); others refused."""
    rule = "three unit vectors at right angles, as rows"
    rows = matrix_rows(values, what, rule)
    matrix = np.array(rows)
    error = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    if error > ORTHONORMAL:
        raise InputError(what, value=f"{rows}, {error:.3g} away from orthonormal", rule=rule,
                         hint="normalise each row; a size belongs to `size`, not to the axes")
    if error <= EXACT:
        return rows
    left, _, right = np.linalg.svd(matrix)
    return as_rows(left @ right)


def rigid(matrix: object, what: str = "The transform between two frames cannot be used") -> FloatArray:
    """(4, 4) float64, rotation and shift only; InputError where it scales, shears, mirrors or is not finite."""
    rule = "a rigid (4, 4) matrix: a rotation and a shift in mm"
    try:
        found = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(what, value=repr(matrix), rule=rule) from error
    good = found.shape == (4, 4) and bool(np.isfinite(found).all())
    good = good and bool(np.abs(found[3] - (0, 0, 0, 1)).max() < EXACT)
    turn = found[:3, :3] if good else np.zeros((3, 3))
    if not good or np.abs(turn @ turn.T - np.eye(3)).max() > ORTHONORMAL or np.linalg.det(turn) < 0:
        raise InputError(what, value=np.array2string(found, precision=4).replace("\n", ""), rule=rule,
                         hint="harden or remove a scaling or mirroring transform first")
    return found


def sequence(values: object, what: str, rule: str) -> list[Any]:
    """The items of a list, tuple or array; InputError for text, mappings and single values."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, (list, tuple)):
        raise InputError(what, value=repr(values), rule=rule)
    return list(values)


def fields(values: object, what: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """A JSON object with exactly these fields; InputError names what is missing or unknown."""
    if not isinstance(values, Mapping):
        raise InputError(what, value=repr(values), rule="a JSON object")
    missing = [key for key in needed if key not in values]
    unknown = [str(key) for key in values if key not in (*needed, *optional)]
    if missing or unknown:
        found = [f"without {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(unknown)}"] * bool(unknown)
        raise InputError(what, value="; ".join(found), rule=f"fields are {', '.join((*needed, *optional))}")
    return dict(values)


def text(value: object, what: str) -> str:
    """`value` as text without blanks around it. Raises InputError for anything but text, and for blanks alone."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(what, value=repr(value), rule="a name that is not empty")
    return value.strip()


def as_vector(values: npt.ArrayLike) -> Vector:
    """(3,) array -> three floats."""
    x, y, z = np.asarray(values, dtype=np.float64).tolist()
    return x, y, z


def as_rows(values: npt.ArrayLike) -> Rows:
    """(3, 3) array -> three rows of three floats."""
    first, second, third = np.asarray(values, dtype=np.float64)
    return as_vector(first), as_vector(second), as_vector(third)
