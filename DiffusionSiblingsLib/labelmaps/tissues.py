"""Which label means which tissue, and whether the map contains every tissue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap, LabelValues, Segment
from .formats.volume import label_counts, look_up
from .label_options import as_option, chosen_tissues
from .numbering import OWN, best_fit, is_doubtful, known_fits, own_numbering
from .tissue_words import ask_for_labels, assumed, lacks, left_over, listed, too_little, worse_than
from .value_shapes import value_shapes

FEWEST_VOXELS = 10
"""A smaller tissue is a stray click or a remnant of resampling, and its shape cannot be measured."""


def known_labels(labelmap: LabelMap, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8, KJI order: the anatomy's values; 0 for background and for tissues unknown to the anatomy."""
    known = {s.value: anatomy.label_of(s.tissue) for s in labelmap.segments if s.tissue is not None}
    return look_up(labelmap.labels, known)


def unknown_mask(labelmap: LabelMap) -> npt.NDArray[np.bool_]:
    """(D, H, W) bool, KJI order: the voxels of labels that are not a tissue of the anatomy."""
    known = {s.value for s in labelmap.segments if s.tissue is not None}
    others = [s.value for s in labelmap.segments if s.tissue is None and s.value not in known]
    return look_up(labelmap.labels, dict.fromkeys(others, 1)).view(np.bool_)


@dataclass(frozen=True)
class Found:
    """The segments with their tissues. assumed: the numbering that was taken because the file names no tissue, or "".
    notes: what a user should know of it.
    """

    segments: tuple[Segment, ...]
    assumed: str = ""
    notes: tuple[str, ...] = ()


def find_tissues(labelmap: LabelMap, anatomy: Anatomy, labels: LabelValues | None, path: Path,
                 recorded: Mapping[int, str] | None = None) -> Found:
    """The tissues of a map: by what the user or a record says, else by codes and names, else by a known numbering.

    labels: tissue -> values or names, from the user. recorded: value -> tissue id, from the record of a run.
    Raises InputError.
    """
    segments = labelmap.segments
    if labels:
        listing = listed(labelmap, label_counts(labelmap.labels))
        return _as_said(labelmap, anatomy, chosen_tissues(labels, segments, anatomy, path, listing))
    if recorded:
        return Found(_with(segments, recorded, anatomy))
    if any(segment.name or segment.tags for segment in segments):
        return Found(_with(segments, {}, anatomy))
    return _by_numbering(labelmap, anatomy, path)


def _with(segments: tuple[Segment, ...], chosen: Mapping[int, str], anatomy: Anatomy) -> tuple[Segment, ...]:
    """The segments with tissues from `chosen` (value -> tissue), and by codes and names those that it does not have."""
    taken = set(chosen.values())
    found = anatomy.identify_all([(segment.name, segment.tags) for segment in segments])
    found = [segment.tissue or tissue for segment, tissue in zip(segments, found, strict=True)]
    return tuple(replace(s, tissue=chosen.get(s.value, None if tissue in taken else tissue))
                 for s, tissue in zip(segments, found, strict=True))


def _as_said(labelmap: LabelMap, anatomy: Anatomy, chosen: Mapping[int, str]) -> Found:
    """The tissues as the user says, with notes on what that leaves over and on a choice that hardly fits."""
    found = Found(_with(labelmap.segments, chosen, anatomy))
    counts = label_counts(labelmap.labels)
    if not counts:
        return found
    shapes = value_shapes(labelmap.labels, labelmap.affine, counts)
    said = replace(labelmap, segments=found.segments)
    notes = left_over(said, counts, shapes)
    labels = {tissue: values for tissue, values in said.tissues.items() if all(v in counts for v in values)}
    if (best := is_doubtful(shapes, anatomy, labels)) is not None:
        notes = (*notes, worse_than(as_option(best.labels), labels))
    return Found(found.segments, notes=notes)


def _by_numbering(labelmap: LabelMap, anatomy: Anatomy, path: Path) -> Found:
    """The tissues of values without names, by a numbering that clearly fits. Raises InputError where none does."""
    counts = label_counts(labelmap.labels)
    own = own_numbering(anatomy)
    if anatomy.layout is None and set(counts) == set(own.tissue_of):
        return Found(_numbered(labelmap.segments, own.tissue_of), OWN, (assumed(OWN, own.labels),))
    if not counts:
        raise ask_for_labels(labelmap, counts, anatomy, None, path)
    shapes = value_shapes(labelmap.labels, labelmap.affine, counts)
    fits = known_fits(shapes, anatomy)
    if not fits or not fits[0].clear:
        likely = [fit for fit in fits if fit.plausible]
        best = best_fit(shapes, anatomy) or max(likely, key=lambda fit: fit.score / len(fit.labels), default=None)
        raise ask_for_labels(labelmap, counts, anatomy, best, path)
    segments = _numbered(labelmap.segments, fits[0].tissue_of)
    other = next((n.other for n in anatomy.numberings if n.name == fits[0].name), {})
    notes = left_over(replace(labelmap, segments=segments), counts, shapes, other)
    return Found(segments, fits[0].name, (assumed(fits[0].name, fits[0].labels), *notes))


def _numbered(segments: tuple[Segment, ...], tissue_of: Mapping[int, str]) -> tuple[Segment, ...]:
    return tuple(replace(segment, tissue=tissue_of.get(segment.value)) for segment in segments)


def check_tissues(labelmap: LabelMap, anatomy: Anatomy, path: Path) -> None:
    """Raises InputError if a tissue of the anatomy is missing, is empty or has only a few voxels."""
    counts, found = label_counts(labelmap.labels), labelmap.tissues
    missing = [tissue.id for tissue in anatomy.tissues if tissue.id not in found]
    if missing:
        raise lacks(labelmap, counts, missing, anatomy, _suggested(labelmap, anatomy, counts), path)
    for tissue in anatomy.tissues:
        size = sum(counts.get(value, 0) for value in found[tissue.id])
        if size < FEWEST_VOXELS:
            raise too_little(tissue, size, FEWEST_VOXELS, path)


def check_measurable(labelmap: LabelMap, anatomy: Anatomy, path: Path) -> tuple[str, ...]:
    """Notes on tissues that are missing or empty in a map that is only measured.

    Raises InputError where no chamber is there, and where a missing tissue is likely to be there under another name.
    """
    counts, found = label_counts(labelmap.labels), labelmap.tissues
    size = {tissue: sum(counts.get(value, 0) for value in found.get(tissue, ())) for tissue in anatomy.ids}
    if not any(size[chamber] for chamber in anatomy.chambers or anatomy.ids):
        check_tissues(labelmap, anatomy, path)
    missing = [tissue for tissue in anatomy.ids if tissue not in found]
    if missing and (suggested := _suggested(labelmap, anatomy, counts)):
        raise lacks(labelmap, counts, missing, anatomy, suggested, path)
    return tuple(f"{tissue.id} ({tissue.name}) {'is empty' if tissue.id in found else 'is missing'}; its measurements "
                 "stay empty, and its checks fail" for tissue in anatomy.tissues if not size[tissue.id])


def _suggested(labelmap: LabelMap, anatomy: Anatomy, counts: dict[int, int]) -> dict[str, tuple[int, ...]]:
    """The likeliest values of all tissues, beside those that are known."""
    known = {t: values for t, values in labelmap.tissues.items() if any(value in counts for value in values)}
    best = best_fit(value_shapes(labelmap.labels, labelmap.affine, counts), anatomy, known) if counts else None
    return dict(best.labels) if best is not None and best.plausible else {}
