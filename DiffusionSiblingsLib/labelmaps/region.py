"""The region of an edit on the twin's grid: a box in RAS mm, or a mask painted on any grid."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.labelmap import LabelMap
from .nearest import nearest_planes

BoolArray = npt.NDArray[np.bool_]
AROUND = "around:"  # begins a box that is a cube around a place


def read_region(path: Path, like: LabelMap) -> BoolArray:
    """A mask file (any grid, non-zero = inside) on the grid of `like` by nearest neighbour -> (D, H, W) bool.

    Raises InputError if the file cannot be read or is empty.
    """
    return read_noted_region(path, like)[0]


def read_noted_region(path: Path, like: LabelMap) -> tuple[BoolArray, tuple[str, ...]]:
    """The same, and what had to be assumed about the file, such as where it lies."""
    from .read import read_noted_mask  # brings scipy, and Slicer imports this file through `request` when it starts

    mask, affine, notes = read_noted_mask(path)
    if not mask.any():
        raise InputError("The region mask is empty", value=path, rule="at least one voxel that is not 0",
                         hint="paint the region, or use --edit or --box")
    if mask.shape == like.labels.shape and np.allclose(affine, like.affine, atol=1e-4):
        return mask, notes
    depth, height, width = like.labels.shape
    return np.stack(list(nearest_planes(mask, np.linalg.inv(affine) @ like.affine, (depth, height, width)))), notes


def box_mask(box: tuple[float, ...], labelmap: LabelMap) -> BoolArray:
    """Voxels whose centre lies in an RAS box (x0, x1, y0, y1, z0, z1) -> (D, H, W) bool."""
    inside = np.ones(labelmap.labels.shape, dtype=bool)
    k, j, i = (np.arange(n, dtype=np.float32) for n in labelmap.labels.shape)
    for axis in range(3):
        a = labelmap.affine[axis].astype(np.float32)
        position = (a[2] * k + a[3])[:, None, None] + (a[1] * j)[None, :, None] + (a[0] * i)[None, None, :]
        inside &= (position >= box[2 * axis]) & (position <= box[2 * axis + 1])
    return inside


def parse_box(text: str) -> tuple[float, ...] | str:
    """'x0,x1,y0,y1,z0,z1' in RAS mm -> six numbers, each pair in rising order; 'around:PLACE,MM' as it is, checked."""
    if text.strip().startswith(AROUND):
        box_around(text.strip())
        return text.strip()
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    check_box(values, text)
    return values


def box_around(text: str) -> tuple[str, float]:
    """'around:PLACE,MM' -> the name of the place, and the edge of the cube around it in mm. Raises InputError."""
    place, _, edge = text.removeprefix(AROUND).rpartition(",")
    try:
        mm = float(edge)
    except ValueError:
        mm = math.nan
    if not place.strip() or not 0 < mm < math.inf:
        raise InputError("The box around a place cannot be used", value=text,
                         rule='"around:PLACE,MM": a tissue or the place of a measure, and the edge of the cube in mm',
                         hint='for example --box "around:aortic annulus,30"')
    return place.strip(), mm


def check_box(box: tuple[float, ...] | str, text: str | None = None) -> None:
    """Raises InputError unless these are the corners of a box, or a place to put one around.

    text: the user's own words, for the message.
    """
    if isinstance(box, str):
        box_around(box)
        return
    pairs = list(zip(box[::2], box[1::2], strict=False))
    if len(box) != 6 or not all(math.isfinite(a) and math.isfinite(b) and a < b for a, b in pairs):
        raise InputError("The box cannot be used", value=text if text is not None else box,
                         rule='six numbers "x0,x1,y0,y1,z0,z1" in RAS mm with x0 < x1, y0 < y1, z0 < z1, or '
                              '"around:PLACE,MM"',
                         hint="read the corners off in Slicer (they are RAS there), or put the box around a place: "
                              '"around:LVOT,30"')
