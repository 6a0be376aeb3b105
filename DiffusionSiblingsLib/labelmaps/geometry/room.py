"""Room around a heart: a grid that ends where the heart ends, made wider, and what of a sibling lies beyond its grid.

Slicer saves segmentations cropped to their segments, and notes the whole grid in the file ("reference image geometry").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.labelmap import Affine, LabelMap
from ...core.limits import MOST_VOXEL_BYTES

CLEAR_MM = 25.0
"""How far a grid should reach beyond the heart: a chamber that a model enlarges by half grows less than this."""
MOST_MARGIN_MM = 200.0
MORE_THAN_TWIN, MORE_VOXELS = 1.25, 4  # a face shows more of a sibling's tissue than of the twin's from here on
_PARAMETERS, _GEOMETRY, _OFFSET = ("Segmentation_ConversionParameters", "Reference image geometry",
                                   "Segmentation_ReferenceImageExtentOffset")
Extension = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Voxels of background before and after each axis, I, J, K."""
NONE: Extension = ((0, 0), (0, 0), (0, 0))
BoolArray = npt.NDArray[np.bool_]
UInt8Array = npt.NDArray[np.uint8]


def check_margin(margin: float | None) -> None:
    """Raises InputError for a margin that cannot be used."""
    if margin is not None and not 0 <= margin <= MOST_MARGIN_MM:
        raise InputError("The margin cannot be used", value=margin,
                         rule=f"a number of mm from 0 to {MOST_MARGIN_MM:g}")


def extension_of(labelmap: LabelMap, heart: BoolArray, margin: float | None) -> Extension:
    """How a grid is to be extended, so that siblings have room around the heart.

    heart: (D, H, W) bool, its voxels. margin: mm that the grid shall reach beyond them at least; None extends it by
    CLEAR_MM at most, and only within the larger grid that the file itself notes.
    """
    check_margin(margin)
    if not heart.any():
        return NONE
    wanted = CLEAR_MM if margin is None else margin
    edges = np.linalg.norm(labelmap.affine[:3, :3], axis=0)
    room = _room_in_reference(labelmap) if margin is None else None
    found = []
    for axis in range(3):
        filled = np.flatnonzero(heart.any(axis=tuple(other for other in range(3) if other != 2 - axis)))
        free = int(filled[0]), heart.shape[2 - axis] - 1 - int(filled[-1])
        missing = [max(0, int(np.ceil(wanted / edges[axis] - 1e-6)) - voxels) for voxels in free]
        most = missing if margin is not None else room[axis] if room is not None else (0, 0)
        found.append((min(missing[0], most[0]), min(missing[1], most[1])))
    sizes = [size + sum(more) for size, more in zip(heart.shape[::-1], found, strict=True)]
    if int(np.prod(sizes)) * labelmap.labels.itemsize > MOST_VOXEL_BYTES:
        raise InputError("The margin makes the grid too large", value=" x ".join(map(str, sizes)) + " voxels",
                         rule=f"at most {MOST_VOXEL_BYTES >> 30} GiB", hint="ask for a smaller --margin")
    return found[0], found[1], found[2]


def extended(labelmap: LabelMap, extension: Extension) -> LabelMap:
    """A label map with background around it; every voxel stays at its place in the world."""
    if extension == NONE:
        return labelmap
    affine = labelmap.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [float(before) for before, _ in extension]
    header = dict(labelmap.header)
    if "metadata" in header:
        header["metadata"] = _moved_offset(header["metadata"], extension)
    if header.get("beside"):
        header["beside"] = tuple((segment, np.pad(mask, extension[::-1])) for segment, mask in header["beside"])
    return replace(labelmap, labels=np.pad(labelmap.labels, extension[::-1]), affine=affine, header=header)


def _moved_offset(metadata: Mapping[str, str], extension: Extension) -> dict[str, str]:
    """Key/value pairs with the place of the grid in its reference geometry as it is now."""
    try:
        old = [int(value) for value in metadata[_OFFSET].split()]
        moved = [value - before for value, (before, _) in zip(old, extension, strict=True)]
    except (KeyError, ValueError):
        return dict(metadata)
    return {**metadata, _OFFSET: " ".join(map(str, moved))}


def _room_in_reference(labelmap: LabelMap) -> Extension | None:
    """Voxels between a grid and the larger one that its file notes; None where it notes none along the same axes."""
    reference = _reference_geometry(labelmap.header.get("metadata", {}))
    if reference is None:
        return None
    affine, extent = reference
    for world in (np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])):  # Slicer notes it in RAS, other programs in LPS
        place = np.linalg.inv(world @ affine) @ labelmap.affine  # voxel IJK of the grid -> of the reference
        steps = np.diag(place)[:3]
        if steps.min() > 1e-3 and np.allclose(place[:3, :3], np.diag(steps), atol=1e-3 * steps.max()):
            low = (place[:3, 3] - 0.5 * steps - (extent[::2] - 0.5)) / steps
            ends = place[:3, 3] + (np.array(labelmap.labels.shape[::-1]) - 0.5) * steps
            high = (extent[1::2] + 0.5 - ends) / steps
            if min(low.min(), high.min()) > -0.6:  # it lies within its reference
                before, after = (np.maximum(0, np.floor(part + 1e-2)).astype(int).tolist() for part in (low, high))
                return (before[0], after[0]), (before[1], after[1]), (before[2], after[2])
    return None


def _reference_geometry(metadata: Mapping[str, str]) -> tuple[Affine, npt.NDArray[np.float64]] | None:
    """(4, 4) voxel IJK -> mm and (6,) extent of the reference image geometry in a Slicer file, None without one."""
    for entry in metadata.get(_PARAMETERS, "").split("&", 1000):
        name, _, rest = entry.partition("|")
        if name.strip() != _GEOMETRY:
            continue
        try:
            values = np.array([float(part) for part in rest.partition("|")[0].split(";", 23)[:22]])
        except ValueError:
            return None
        if len(values) != 22 or not np.isfinite(values).all() or not np.abs(values).max() < 1e6:
            return None
        affine = values[:16].reshape(4, 4)
        return (affine, values[16:]) if abs(np.linalg.det(affine)) > 1e-9 else None
    return None


def cut_at_faces(sibling: UInt8Array, twin: UInt8Array) -> set[int]:
    """Labels of a sibling that reach a face of the grid where its twin's own voxels do not; both (D, H, W) uint8."""
    found: set[int] = set()
    for axis in range(3):
        for side in (0, -1):
            now, was = (np.bincount(np.take(labels, side, axis=axis).ravel(), minlength=256)
                        for labels in (sibling, twin))
            found |= set(np.flatnonzero(now > MORE_THAN_TWIN * was + MORE_VOXELS).tolist())
    return found - {0}


def ml_beyond(probabilities: npt.NDArray[np.floating], beyond: BoolArray, spacing: float) -> dict[int, float]:
    """Label -> ml of the canonical map that lies where the grid of its twin does not reach.

    probabilities: (C, D, H, W) float, canonical; class 0 is background. beyond: (D, H, W) bool. spacing: mm.
    """
    places = np.flatnonzero(beyond)
    flat = probabilities.reshape(len(probabilities), -1)
    places = places[flat[0][places] < 0.5]  # background wins everywhere else
    counts = np.bincount(flat[:, places].argmax(axis=0), minlength=len(probabilities))
    return {label: float(counts[label]) * spacing**3 / 1000.0 for label in range(1, len(counts)) if counts[label]}
