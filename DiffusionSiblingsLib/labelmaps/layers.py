"""Several layers of labels as one layer, provided that nothing overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.labelmap import Labels, Segment
from .formats.volume import Volume, label_counts


def flatten(volume: Volume, path: Path) -> tuple[Labels, tuple[Segment, ...]]:
    """(D, H, W) labels and their segments, each with its own value. Raises InputError that names overlapping segments.

    The values of the file are kept, unless two layers use the same value: then segments are numbered from 1.
    """
    if volume.array.ndim == 3:
        return _single(volume.array, volume.segments, path)
    parts: list[tuple[Segment, int]] = list(zip(volume.segments, volume.layer_of, strict=True))
    for layer in range(volume.array.shape[3]):
        named = {segment.value for segment, of in parts if of == layer}
        unnamed = (value for value in label_counts(volume.array[..., layer]) if value not in named)
        parts += [(Segment(value), layer) for value in unnamed]
    values = [segment.value for segment, _ in parts]
    fresh = values if len(set(values)) == len(values) else list(range(1, len(parts) + 1))
    labels = np.zeros(volume.array.shape[:3], dtype=np.uint8 if max(fresh, default=0) < 256 else np.int32)
    segments: list[Segment] = []
    for (segment, layer), value in zip(parts, fresh, strict=True):
        mask = volume.array[..., layer] == segment.value
        refuse_overlap(labels, mask, [(s.value, s.name) for s in segments], segment.name or str(segment.value), path)
        labels[mask] = value
        segments.append(replace(segment, value=value))
    return labels, tuple(segments)


def _single(labels: Labels, segments: tuple[Segment, ...], path: Path) -> tuple[Labels, tuple[Segment, ...]]:
    """One layer: two segments must not share a value. A value without a segment gets one without a name."""
    seen: dict[int, str] = {}
    for segment in segments:
        if segment.value in seen:
            raise InputError(
                f"{path} has two segments that overlap",
                value=f"{seen[segment.value]} and {segment.name} are both label {segment.value}",
                rule="every voxel belongs to one segment",
                hint="remove one of the two in the program that wrote the file",
            )
        seen[segment.value] = segment.name
    rest = (value for value in label_counts(labels) if value not in seen)
    return labels, (*segments, *(Segment(value) for value in rest))


def refuse_overlap(
    labels: Labels, mask: npt.NDArray[np.bool_], before: Sequence[tuple[int, str]], name: str, path: Path
) -> None:
    """Raises InputError that names the segments if `mask` covers voxels that already have a label."""
    taken = labels[mask]
    shared = int(np.count_nonzero(taken))
    if shared:
        names = dict(before)
        others = ", ".join(names[int(value)] or str(value) for value in np.unique(taken) if value)
        raise InputError(
            f"{path} has segments that overlap",
            value=f"{name} and {others} share {shared} voxels",
            rule="every voxel belongs to one segment",
            hint="in Slicer's Segment Editor, use masking or Logical operators > Subtract, then save again",
        )
