"""Several masks or layers of labels as one map: small overlaps are settled and counted, contradictions are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Labels, LabelValues, Segment
from .formats.volume import Volume, label_counts
from .label_options import chosen_tissues
from .overlaps import RULE, by_rank, contradict, lies_beside, shared_words

SHOWN = 6  # names in one note


@dataclass
class Overlay:
    """A label map that grows mask by mask. left_out: segment -> why it is not part of the map; beside: those of them
    that lie over others, with their voxels. shared: names of two segments -> voxels that both cover; they belong to the
    later one.
    """

    labels: Labels
    path: Path
    voxel_ml: float
    segments: list[Segment] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)
    shared: dict[tuple[str, str], int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    beside: list[tuple[Segment, npt.NDArray[np.bool_]]] = field(default_factory=list)

    def add(self, segment: Segment, mask: npt.NDArray[np.bool_]) -> bool:
        """Adds a segment -> whether it is part of the map. Tissues come first, and win over segments of no tissue.

        Raises InputError where two tissues cover the same voxels to more than a small part.
        """
        size = int(np.count_nonzero(mask))
        name, names = _name(segment), {s.value: _name(s) for s in self.segments}
        taken = {int(value): int(count) for value, count
                 in zip(*np.unique(self.labels[mask], return_counts=True), strict=True) if value}
        if segment.tissue is None:
            if taken and not segment.name and not segment.tags:  # channels of a picture, and not segments
                raise self._contradiction(name, names[next(iter(taken))], sum(taken.values()))
            if lies_beside(sum(taken.values()), size, segment):
                self.left_out[name] = "overlaps " + (", ".join(names[value] for value in taken) or "its twin")
                self.beside.append((segment, mask))
                return False
            mask = mask & (self.labels == 0)
        for value, count in taken.items():
            if segment.tissue is not None and contradict(count, size, self.sizes[value]):
                raise self._contradiction(name, names[value], count)
            winner = (names[value], name) if segment.tissue is not None else (name, names[value])
            self.shared[winner] = count
        self.labels[mask] = segment.value
        self.segments.append(segment)
        self.sizes[segment.value] = size
        return True

    def notes(self, kept: str = "as siblings are made without it") -> tuple[str, ...]:
        """What was settled, in words. kept: what becomes of segments that are left out."""
        found = [shared_words(one, two, count, count * self.voxel_ml) for (one, two), count in self.shared.items()]
        if self.left_out:
            words = [f"{name} ({why})" for name, why in list(self.left_out.items())[:SHOWN]]
            more = f" and {len(self.left_out) - SHOWN} more" if len(self.left_out) > SHOWN else ""
            found.append(f"Left out, {kept}: {'; '.join(words)}{more}")
        return tuple(found)

    def _contradiction(self, one: str, two: str, count: int) -> InputError:
        return InputError(
            f"{self.path} has segments that overlap",
            value=f"{one} and {two} share {count} voxels",
            rule=RULE,
            hint="correct the smaller one; in Slicer's Segment Editor with masking or Logical operators > Subtract",
        )


def _name(segment: Segment) -> str:
    return segment.name or str(segment.value)


def flatten(volume: Volume, path: Path, anatomy: Anatomy, labels: LabelValues | None = None) -> Overlay:
    """The layers of a volume as one. Raises InputError for contradictions.

    The values of the file are kept, unless two layers use the same value: then segments are numbered from 1. labels:
    the user's, as they decide which segments are tissues.
    """
    voxel_ml = abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000.0
    if volume.array.ndim == 3:
        single, found = _single(volume.array, volume.segments, path)
        return Overlay(single, path, voxel_ml, list(found))
    parts: list[tuple[Segment, int]] = list(zip(volume.segments, volume.layer_of, strict=True))
    for layer in range(volume.array.shape[3]):
        named = {segment.value for segment, of in parts if of == layer}
        unnamed = (value for value in label_counts(volume.array[..., layer]) if value not in named)
        parts += [(Segment(value), layer) for value in unnamed]
    values = [segment.value for segment, _ in parts]
    fresh = values if len(set(values)) == len(values) else list(range(1, len(parts) + 1))
    segments = _with_tissues([replace(part, value=value) for (part, _), value in zip(parts, fresh, strict=True)],
                             anatomy, labels, path)
    whole = np.zeros(volume.array.shape[:3], dtype=np.uint8 if max(fresh, default=0) < 256 else np.int32)
    overlay = Overlay(whole, path, voxel_ml)
    for place in by_rank(segments, anatomy):
        stored, layer = parts[place]
        overlay.add(segments[place], volume.array[..., layer] == stored.value)
    kept = {segment.value for segment in overlay.segments}
    return replace(overlay, segments=[replace(s, tissue=None) for s in segments if s.value in kept])


def _with_tissues(segments: Sequence[Segment], anatomy: Anatomy, labels: LabelValues | None,
                  path: Path) -> list[Segment]:
    """The segments with the tissues that the user, codes or names say."""
    listing = ", ".join(f"{_name(segment)} = {segment.value}" for segment in segments)
    chosen = chosen_tissues(labels, segments, anatomy, path, listing) if labels else {}
    found = anatomy.identify_all([(segment.name, segment.tags) for segment in segments])
    return [replace(segment, tissue=chosen.get(segment.value, None if tissue in chosen.values() else tissue))
            for segment, tissue in zip(segments, found, strict=True)]


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
