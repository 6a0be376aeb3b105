"""The box around what a map holds: most of a scan is background, so that nearly all work is done inside of this box."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Box = tuple[slice, slice, slice]


def foreground_box(labels: npt.NDArray[Any], margin: int = 0) -> Box | None:
    """The smallest box around all non-zero voxels, widened by `margin` voxels inside the map; None without any.

    labels: (D, H, W) integer or bool, KJI order. Returns slices in the same order.
    """
    occupied = labels if labels.dtype == np.bool_ else labels != 0
    rows = np.flatnonzero(occupied.any(axis=(1, 2)))
    if rows.size == 0:
        return None
    plane = np.zeros(occupied.shape[1:], dtype=np.bool_)
    for index in range(int(rows[0]), int(rows[-1]) + 1):
        plane |= occupied[index]
    sides = (rows, np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0)))
    k, j, i = (slice(max(int(hit[0]) - margin, 0), min(int(hit[-1]) + 1 + margin, size))
               for hit, size in zip(sides, labels.shape, strict=True))
    return k, j, i
