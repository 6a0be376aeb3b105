"""Grids whose axes are not quite at right angles, and the nearest grid whose axes are.

ITK, and with it Slicer and ITK-SNAP, opens a NIfTI file only where its sform or its qform has axes at right angles,
and a qform cannot say anything else. Directions that were rounded to three decimals give such grids, and so do scanners
with a tilted gantry. Other formats hold them as they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...core.labelmap import Affine

MOST_OF_A_VOXEL = 0.5
"""How far, in edges of its smallest voxel, a grid may move where its axes are made square: no label shows more."""


def squared(affine: Affine, shape: tuple[int, ...]) -> Affine:
    """The grid with axes at right angles that is nearest to another: same voxel edges, same centre.

    affine: (4, 4) voxel IJK -> RAS mm. shape: (D, H, W). Raises numpy.linalg.LinAlgError where it is not finite.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    centre = (np.array(shape[::-1], dtype=np.float64) - 1) / 2
    found = np.eye(4)
    found[:3, :3] = left @ right * spacing
    found[:3, 3] = affine[:3, :3] @ centre + affine[:3, 3] - found[:3, :3] @ centre
    return found


@np.errstate(all="ignore")  # what is not finite is refused elsewhere
def apart_mm(one: Affine, other: Affine, shape: tuple[int, ...]) -> float:
    """The largest distance in mm between the places that two affines give to a voxel of a (D, H, W) grid."""
    ends = [(0.0, float(size - 1)) for size in shape[::-1]]
    corners = np.array(np.meshgrid(*ends, indexing="ij"), dtype=np.float64).reshape(3, 8)
    difference = np.asarray(one - other, dtype=np.float64)
    return float(np.linalg.norm(difference[:3, :3] @ corners + difference[:3, 3:], axis=0).max())


def off_square_mm(affine: Affine, shape: tuple[int, ...]) -> float:
    """How far, in mm, a voxel moves at most where the axes of a grid are made square."""
    return apart_mm(affine, squared(affine, shape), shape)


def can_be_squared(affine: Affine, shape: tuple[int, ...]) -> bool:
    """Whether the axes are so nearly at right angles that a label map shows no difference."""
    smallest: float = np.linalg.norm(affine[:3, :3], axis=0).min()
    return off_square_mm(affine, shape) <= MOST_OF_A_VOXEL * smallest


def degrees_off(affine: npt.NDArray[np.float64]) -> float:
    """How many degrees the angle between two of the axes differs from a right angle, at most."""
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(unit.T @ unit - np.eye(3)).max()
    return float(np.degrees(np.arcsin(min(1.0, cosines))))
