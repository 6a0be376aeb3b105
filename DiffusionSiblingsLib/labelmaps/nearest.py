"""Voxels of one grid on another by nearest neighbour, a plane at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def nearest_planes(source: npt.NDArray[Any], to_source: npt.NDArray[np.float64],
                   shape: tuple[int, int, int]) -> Iterator[npt.NDArray[Any]]:
    """The planes (H, W) of a grid of `shape` (D, H, W), first to last along K; 0 where the source has no voxel.

    source: (d, h, w), KJI order. to_source: (4, 4) float64, voxel IJK of the grid -> voxel IJK of the source.
    """
    limit = np.array(source.shape[::-1])[:, None, None]
    j, i = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    place = to_source[:3, 0, None, None] * i + to_source[:3, 1, None, None] * j
    for k in range(shape[0]):
        index = np.rint(place + (to_source[:3, 2] * k + to_source[:3, 3])[:, None, None]).astype(np.int64)  # (3, H, W)
        inside = ((index >= 0) & (index < limit)).all(axis=0)
        plane = np.zeros(shape[1:], dtype=source.dtype)
        x, y, z = index[:, inside]
        plane[inside] = source[z, y, x]
        yield plane
