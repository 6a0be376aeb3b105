"""Distances between all shapes of two cohorts, in several processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..metrics.pointcloud import chamfer, earth_mover
from .pool import each

FloatArray = npt.NDArray[np.float64]
Kind = Literal["CD", "EMD"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Distances:
    """to_real: (g, r), generated: (g, g), real: (r, r) float64, in the unit of the clouds (its square for CD)."""

    to_real: FloatArray
    generated: FloatArray
    real: FloatArray


_clouds: list[FloatArray] = []  # of this process: the synthetic shapes, then the real ones
_kind: list[Kind] = []


def all_distances(synthetic: npt.NDArray[np.floating], real: npt.NDArray[np.floating], kind: Kind, *, jobs: int = 0,
                  progress: Progress | None = None) -> Distances:
    """Every pair of shapes once. synthetic: (g, n, 3), real: (r, n, 3), in the unit of the comparison.

    jobs: processes, 0 for one a core.
    """
    g, r = len(synthetic), len(real)
    clouds = np.concatenate([synthetic, real])
    result = np.zeros((g + r, g + r), dtype=np.float64)
    rows = range(1, g + r)
    for done, (index, row) in enumerate(each(_row, list(rows), jobs, start=_begin, given=(clouds, kind)), 1):
        result[rows[index], : rows[index]] = row
        if progress is not None:
            progress(done, g + r - 1, f"{kind} of shape {rows[index] + 1}")
    result = result + result.T
    return Distances(result[:g, g:], result[:g, :g], result[g:, g:])


def _begin(clouds: npt.NDArray[np.floating], kind: Kind) -> None:
    _clouds[:] = list(np.asarray(clouds, dtype=np.float64))
    _kind[:] = [kind]


def _row(index: int) -> FloatArray:
    """(index,) distances of one shape to all before it."""
    distance = chamfer if _kind[0] == "CD" else earth_mover
    return np.array([distance(_clouds[index], other) for other in _clouds[:index]])
