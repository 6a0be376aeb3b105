"""Places in a heart in words, as Slicer shows and finds them: RAS coordinates in mm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DECIMALS = 1  # of a mm


def voxel_within(voxels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(3,) the voxel of a set that is nearest to the middle of them, so that it is one of them whatever their shape.

    voxels: (N, 3) KJI, at least one.
    """
    return np.asarray(voxels[int(np.argmin(np.square(voxels - voxels.mean(axis=0)).sum(axis=1)))])


def ras_of(voxel: npt.NDArray[np.int64], affine: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """RAS mm of a voxel (3,), KJI. affine: (4, 4), voxel IJK -> RAS mm."""
    r, a, s = (round(float(value), DECIMALS) for value in affine[:3, :3] @ voxel[::-1] + affine[:3, 3])
    return r, a, s


def at_words(ras: Sequence[float] | None) -> str:
    """" at -12.3, 4.0, 60.1 mm (RAS)"; "" where the place is not known, as in records of earlier versions."""
    return "" if ras is None else f" at {', '.join(f'{value:.{DECIMALS}f}' for value in ras)} mm (RAS)"
