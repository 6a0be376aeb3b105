"""Betti numbers of a voxel set: components (26-connected), loops, voids (6-connected background)."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from ..core.boxes import foreground_box


def betti_numbers(inside: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """(B0, B1, B2) of the union of closed voxels, as of a cubical complex whose top cells they are.

    inside: (a, b, c) bool. What touches the border of the array encloses nothing there. B1 follows from the Euler
    number, chi = B0 - B1 + B2. An array of one layer gives the numbers of the plane's picture (8-connected, no voids).
    """
    import cc3d

    box = foreground_box(inside)
    if box is None:
        return 0, 0, 0
    padded = np.pad(inside[box], 1)
    _, pieces = cc3d.connected_components(padded, connectivity=26, return_N=True)
    _, gaps = cc3d.connected_components(~padded, connectivity=6, return_N=True)
    voids = int(gaps) - 1  # the outside is one of them
    return int(pieces), int(pieces) + voids - euler_number(inside[box]), voids


def euler_number(inside: npt.NDArray[np.bool_]) -> int:
    """Vertices - edges + faces - voxels of the union of closed voxels. inside: (a, b, c) bool.

    A vertex, edge or face is there if a voxel around it is: the array is spread by "or" along the axes across it.
    """
    total = 0
    for across in product((False, True), repeat=3):
        cells = inside
        for axis, spread in enumerate(across):
            if spread:
                cells = _spread(cells, axis)
        total += (-1) ** (3 - sum(across)) * int(np.count_nonzero(cells))
    return total


def _spread(cells: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """One longer along `axis`: at each border between two cells (and at both ends) whether one of them is there."""
    width = [(0, 0)] * 3
    width[axis] = (0, 1)
    ahead = np.pad(cells, width)
    width[axis] = (1, 0)
    return ahead | np.pad(cells, width)
