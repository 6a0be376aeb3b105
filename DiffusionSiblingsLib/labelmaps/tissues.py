"""Which label means which tissue, and whether the map contains every tissue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelMap, Labels, Segment
from .formats.volume import label_counts, look_up
from .numbering import as_option, check_numbering

FEWEST_VOXELS = 10
"""A smaller tissue is a stray click or a remnant of resampling, and its shape cannot be measured."""
_SHOWN = 12


def parse_labels(text: str) -> dict[str, int]:
    """ "LV=3,RV=4" -> {"LV": 3, "RV": 4}. Raises InputError for anything else."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator or not name or not (value.isascii() and value.isdigit()) or name in found:
            raise InputError(
                "The label values cannot be parsed",
                value=part.strip() or text,
                rule="label values are tissue=value pairs, separated by commas; each tissue appears once",
                hint='write them as --labels "LV=3,RV=4"',
            )
        found[name] = int(value)
    return found


def known_labels(labelmap: LabelMap, anatomy: Anatomy) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8, KJI order: the anatomy's values; 0 for background and for tissues unknown to the anatomy."""
    known = {s.value: anatomy.label_of(s.tissue) for s in labelmap.segments if s.tissue is not None}
    return look_up(labelmap.labels, known)


def unknown_mask(labelmap: LabelMap) -> npt.NDArray[np.bool_]:
    """(D, H, W) bool, KJI order: the voxels of labels that are not a tissue of the anatomy."""
    known = {s.value for s in labelmap.segments if s.tissue is not None}
    others = [s.value for s in labelmap.segments if s.tissue is None and s.value not in known]
    return look_up(labelmap.labels, dict.fromkeys(others, 1)).view(np.bool_)


def find_tissues(
    segments: tuple[Segment, ...], values: Labels, anatomy: Anatomy, labels: Mapping[str, int] | None, path: Path,
    *, whole: bool = True, recorded: Mapping[int, str] | None = None,
) -> tuple[tuple[Segment, ...], bool]:
    """The segments with their tissues, and whether the anatomy's own numbering was assumed.

    labels: tissue -> value, from the user. recorded: value -> tissue id, from the record of a run. whole=False assumes
    the numbering even if the map has only some of the anatomy's values.
    """
    chosen = _explicit(labels, segments, anatomy, path) if labels else recorded
    if chosen:
        taken = set(chosen.values())
        found = [None if tissue in taken else tissue for tissue in _identified(segments, anatomy)]
        pairs = zip(segments, found, strict=True)
        return tuple(replace(s, tissue=chosen.get(s.value, tissue)) for s, tissue in pairs), False
    if any(segment.name or segment.tags for segment in segments):
        pairs = zip(segments, _identified(segments, anatomy), strict=True)
        return tuple(replace(s, tissue=tissue) for s, tissue in pairs), False
    own = {tissue.label: tissue.id for tissue in anatomy.tissues}
    present = {segment.value for segment in segments}
    if present != set(own) and (whole or not present or not present < set(own)):
        raise _ask_for_labels(present, anatomy, path)
    check_numbering(values, anatomy, path)
    return tuple(replace(segment, tissue=own[segment.value]) for segment in segments), True


def _explicit(labels: Mapping[str, int], segments: Sequence[Segment], anatomy: Anatomy, path: Path) -> dict[int, str]:
    """Value -> tissue id, from the user. Raises InputError for missing or repeated tissues and values."""
    present = sorted(segment.value for segment in segments)
    chosen: dict[int, str] = {}
    for name, value in labels.items():
        tissue = name if name in anatomy.ids else anatomy.identify(name)
        if tissue is None:
            raise InputError(
                "The label values name an unknown tissue",
                value=name,
                rule=f"the tissues of the {anatomy.id} are {', '.join(anatomy.ids)}",
            )
        if value not in present:
            raise InputError(
                f"{path} has no voxel with the value given for {tissue}",
                value=value,
                rule=f"the values in this file are {_listed(present)}",
                hint="correct --labels",
            )
        if value in chosen or tissue in chosen.values():
            raise InputError(
                "The label values contradict each other", value=f"{name}={value}", rule="each tissue has its own value"
            )
        chosen[value] = tissue
    return chosen


def _identified(segments: tuple[Segment, ...], anatomy: Anatomy) -> list[str | None]:
    """The tissue of every segment, found by its code or else by its name."""
    return anatomy.identify_all([(segment.name, segment.tags) for segment in segments])


def _ask_for_labels(present: set[int], anatomy: Anatomy, path: Path) -> InputError:
    """The InputError for values without names; it lists the numberings of well-known programs that fit."""
    fits = [f"{name}: {as_option(numbers)}" for name, numbers in anatomy.numberings if set(numbers.values()) <= present]
    example = ",".join(f"{tissue.id}={tissue.label}" for tissue in anatomy.tissues)
    hint = f"name the tissues with --labels, such as {'; '.join(fits)}" if fits else f'--labels "{example}"'
    return InputError(
        f"{path} does not say which label is which tissue",
        value=f"label values {_listed(sorted(present))}" if present else "no labels at all, every voxel is 0",
        rule=f"the file names its labels, or has exactly the values {example}",
        hint=hint if fits or not present else f"name the tissues, for example {hint}, with the values in this file",
    )


def _listed(values: Sequence[int]) -> str:
    shown = ", ".join(map(str, values[:_SHOWN]))
    return shown if len(values) <= _SHOWN else f"{shown}, ... ({len(values)} in all)"


def check_tissues(labelmap: LabelMap, anatomy: Anatomy, path: Path) -> None:
    """Raises InputError if a tissue of the anatomy is missing, is empty or has only a few voxels."""
    counts, found = label_counts(labelmap.labels), labelmap.tissues
    missing = [tissue for tissue in anatomy.tissues if tissue.id not in found]
    names = [segment.name or str(segment.value) for segment in labelmap.segments]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(f'{tissue.id} ({tissue.name})' for tissue in missing)}",
            value=f"it has {', '.join(names[:_SHOWN]) or 'nothing'}{', ...' if len(names) > _SHOWN else ''}",
            rule=f"the {anatomy.id} needs {', '.join(anatomy.ids)}",
            hint=f'if the tissue has another name or value, give it: --labels "{missing[0].id}=7"',
        )
    for tissue in anatomy.tissues:
        size = sum(counts.get(value, 0) for value in found[tissue.id])
        if size < FEWEST_VOXELS:
            raise InputError(
                f"{path} has too little of {tissue.id} ({tissue.name})" if size else f"{tissue.id} is empty in {path}",
                value=f"{size} voxel{'' if size == 1 else 's'}",
                rule=f"every tissue has at least {FEWEST_VOXELS} voxels",
                hint="complete the segmentation, or give the right label with --labels",
            )
