"""One image of a file as numbers, and what all formats share: label values, and the grid that they lie on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.labelmap import Affine, Labels, Segment
from ...core.limits import MOST_NOTED
from .guard import raw_bytes

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS mm <-> RAS mm
MAX_LABEL = 2**31 - 1
NEARLY_WHOLE = 1e-3  # so near to a whole number, a value is that number
MOST_ROUNDED = 0.25  # so far from its whole number a value may be that lost precision
NO_SPACING = "The file gives no spacing; voxels of 1 x 1 x 1 mm are assumed"
_INTEGERS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64)


@dataclass(frozen=True)
class Volume:
    """The content of a file, before its tissues are found.

    array: (D, H, W) or (D, H, W, layers), KJI order, as stored. affine: (4, 4) float64, voxel IJK -> RAS mm.
    segments: the labels that the file describes, without a tissue. layer_of: the layer of each segment, where there are
    layers. header: what the format needs to write the file again as it was. notes: what the reader had to assume or
    leave out, a sentence each.
    """

    array: npt.NDArray[Any]
    affine: Affine
    segments: tuple[Segment, ...] = ()
    layer_of: tuple[int, ...] = ()
    header: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def little_endian(array: npt.NDArray[Any]) -> memoryview:
    """The bytes of an array, little-endian and in C order; they are copied only if they are in another order."""
    return raw_bytes(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")))


def as_labels(
    array: npt.NDArray[Any], path: Path, slope: float = 1.0, offset: float = 0.0
) -> tuple[Labels, tuple[str, ...]]:
    """Stored numbers -> integer label values, and notes. Integers are not copied; other numbers go slice by slice.

    Raises InputError for values that are NaN, infinite, not whole, negative or too large.
    """
    scaled = (slope, offset) != (1.0, 0.0)
    if array.dtype.type in _INTEGERS and not scaled:
        _check_range(float(array.min()), float(array.max()), path)
        return array, ()
    if array.dtype.type not in _INTEGERS and array.dtype.kind != "f":
        raise InputError(f"{path} does not hold label values", value=array.dtype,
                         rule="each voxel is one integer or floating-point number")
    step = abs(slope) if array.dtype.type in _INTEGERS else math.inf
    labels, notes = np.empty(array.shape, dtype=np.int32), tuple[str, ...]()
    for k, plane in enumerate(array):
        values = plane * slope + offset if scaled else plane
        if not np.isfinite(values).all():
            raise InputError(
                f"{path} has NaN or infinite values",
                value=f"slice {k}",
                rule="labels are whole numbers from 0 upwards",
                hint="export the label map again, or replace these voxels with 0",
            )
        whole = np.rint(values)
        wrong = np.abs(values - whole) > NEARLY_WHOLE
        if not notes and wrong.any():
            notes = _rounded(array, path, (slope, offset), step, (float(values[wrong].flat[0]), k))
        _check_range(float(whole.min()), float(whole.max()), path)
        labels[k] = whole
    return shrink(labels), notes


def _rounded(
    array: npt.NDArray[Any], path: Path, scale: tuple[float, float], step: float, found: tuple[float, int]
) -> tuple[str, ...]:
    """The note on values that are whole numbers but for the precision that their file lost.

    That is so where they are few, and each is the nearest to a whole number of its own; interpolation leaves many in
    between. step: between two numbers that the file can hold. found: a value and its slice. Raises InputError.
    """
    values = _distinct(array) * scale[0] + scale[1]
    off = np.abs(values - np.rint(values))
    most = MOST_ROUNDED if math.isinf(step) else step / 2 * (1 + 1e-5) + NEARLY_WHOLE
    if not len(values) or most > MOST_ROUNDED or off.max() > most or len(np.unique(np.rint(values))) < len(values):
        raise InputError(
            f"{path} has values that are not whole numbers",
            value=f"{found[0]:g} in slice {found[1]}",
            rule="labels are whole numbers from 0 upwards",
            hint="choose the label map, not the image; resample label maps with nearest-neighbour interpolation",
        )
    return (f"Its values are whole numbers only to within {off.max():.2g}, as a file does that was saved with a scale "
            "factor; they were rounded",)


def _distinct(array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The distinct numbers of an array, ascending; none where there are more than MOST_NOTED."""
    found = np.zeros(0)
    for plane in array:
        found = np.union1d(found, plane.reshape(-1).astype(np.float64))
        if len(found) > MOST_NOTED or not np.isfinite(found).all():
            return np.zeros(0)
    return found


def one_time_point(array: npt.NDArray[Any], path: Path) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """The one label map of an image with points in time, and notes.

    array: (..., D, H, W); axes before these count points in time or channels. A series is read where there is only one
    map in it: one point, all points alike, or one point that is not empty. Raises InputError.
    """
    if array.ndim == 3:
        return array, ()
    series = array.reshape(-1, *array.shape[-3:])
    if len(series) == 1:
        return series[0], ()
    if all(np.array_equal(series[0], other) for other in series[1:]):
        return series[0], (f"The file holds {len(series)} points in time that are all alike; the first was read",)
    filled = [point for point, image in enumerate(series) if image.any()]
    if len(filled) == 1:
        return series[filled[0]], (f"The file holds {len(series)} points in time, and labels at number "
                                   f"{filled[0] + 1} only; that one was read",)
    shown = ", ".join(str(point + 1) for point in filled[:10]) + (", ..." if len(filled) > 10 else "")
    raise InputError(
        f"{path} is not a 3D image but a series",
        value=f"{len(series)} points in time or channels, with labels at number {shown}",
        rule="a file holds one label map, of one heart at one time",
        hint="save the point in time that you want as a file of its own, for example in Slicer's Sequences module",
    )


def _check_range(low: float, high: float, path: Path) -> None:
    if low < 0 or high > MAX_LABEL:
        raise InputError(
            f"{path} has numbers that cannot be label values",
            value=f"{low if low < 0 else high:.0f}",
            rule=f"labels are whole numbers from 0 to {MAX_LABEL}",
            hint="choose the label map, not the image",
        )


def shrink(labels: Labels) -> Labels:
    """The same values in the smallest of uint8, int16 and int32 that holds them."""
    high = int(labels.max(initial=0))
    for small in (np.uint8, np.int16, np.int32):
        if high <= np.iinfo(small).max:
            return labels.astype(small, copy=False)
    return labels


def storable(labels: npt.NDArray[Any], wanted: np.dtype[Any] | None) -> Labels:
    """The labels in the integer dtype of their file if it holds them; otherwise in a small dtype."""
    if labels.dtype == np.bool_:
        labels = labels.view(np.uint8)
    if wanted is not None and wanted.type in _INTEGERS and int(labels.max(initial=0)) <= np.iinfo(wanted).max:
        return labels.astype(wanted, copy=False)
    return labels if labels.dtype.type in (np.uint8, np.int16, np.uint16, np.int32) else shrink(labels)


def label_counts(labels: Labels) -> dict[int, int]:
    """Non-zero label value -> number of voxels, ascending; slice by slice, because counting copies to int64."""
    high = int(labels.max(initial=0))
    if high < 1 << 16:
        total = np.zeros(high + 1, dtype=np.int64)
        for plane in labels:
            total += np.bincount(plane.reshape(-1), minlength=high + 1)
        return {int(value): int(total[value]) for value in np.flatnonzero(total) if value}
    counts: dict[int, int] = {}
    for plane in labels:
        for value, count in zip(*np.unique(plane, return_counts=True), strict=True):
            counts[int(value)] = counts.get(int(value), 0) + int(count)
    return {value: counts[value] for value in sorted(counts) if value}


def look_up(labels: Labels, table: Mapping[int, int]) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8: the entry of `table` for every label, or 0; slice by slice, to keep memory low."""
    result = np.zeros(labels.shape, dtype=np.uint8)
    keys = np.array(sorted(table), dtype=np.int64)
    if not len(keys):
        return result
    high = int(labels.max(initial=0))
    if high < 1 << 16:
        lut = np.zeros(high + 1, dtype=np.uint8)
        for key, value in table.items():
            if 0 <= key <= high:
                lut[key] = value
        for k, plane in enumerate(labels):
            result[k] = lut[plane]
        return result
    values = np.array([table[int(key)] for key in keys], dtype=np.uint8)
    for k, plane in enumerate(labels):
        place = np.minimum(np.searchsorted(keys, plane), len(keys) - 1)
        result[k] = np.where(keys[place] == plane, values[place], 0)
    return result


def not_3d(path: Path, sizes: tuple[int, ...]) -> InputError:
    """The InputError for an image with other axes than a label map has; sizes: fastest axis first."""
    return InputError(
        f"{path} is not a 3D image",
        value=" x ".join(map(str, sizes)),
        rule="there are three axes in space; a further axis has length 1, or holds the layers of a segmentation",
        hint="choose one label map, not a series of images",
    )


@np.errstate(all="ignore")  # what is not finite is refused with a message in place of numpy's warning
def check_grid(shape: tuple[int, ...], affine: Affine, path: Path) -> None:
    """Refuses a grid that is not a volume in space: fewer than three axes, no spacing, or singular directions."""
    if len(shape) != 3 or min(shape) < 2:
        raise InputError(
            f"{path} is not a 3D image",
            value=" x ".join(map(str, shape[::-1])),
            rule="each of the three axes has at least 2 voxels",
            hint="save the label map as one volume",
        )
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not (spacing > 0).all():
        raise InputError(
            f"{path} has a voxel spacing that cannot be used",
            value=" x ".join(f"{value:g}" for value in spacing),
            rule="the spacing is finite and above 0 mm along each axis",
            hint="set the spacing in the program that wrote the file",
        )
    volume = abs(float(np.linalg.det(affine[:3, :3] / spacing)))
    if volume < 1e-3:
        raise InputError(
            f"{path} has a singular direction matrix",
            value=np.array2string(affine[:3, :3] / spacing, precision=3).replace("\n", ""),
            rule="the three voxel axes point in three different directions",
            hint="correct the orientation in the program that wrote the file",
        )
