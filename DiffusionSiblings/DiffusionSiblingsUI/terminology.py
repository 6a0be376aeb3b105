"""Which segment of a segmentation node means which tissue: by terminology code, then by name, unless the user says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import vtk

from DiffusionSiblingsLib.anatomy import TERMINOLOGY_TAG, Anatomy


def tags_of(segment: Any) -> dict[str, str]:
    """The tags of a vtkSegment that the library reads: its terminology entry, if it has one."""
    text = vtk.reference("")
    return {TERMINOLOGY_TAG: str(text)} if segment.GetTag(TERMINOLOGY_TAG, text) and str(text) else {}


def match_tissues(node: Any, anatomy: Anatomy) -> dict[str, str | None]:
    """Segment id -> tissue id, None where the anatomy does not know the segment, in the node's order."""
    segmentation = node.GetSegmentation()
    ids = segmentation.GetSegmentIDs()
    segments = [segmentation.GetSegment(identifier) for identifier in ids]
    found = anatomy.identify_all([(segment.GetName() or "", tags_of(segment)) for segment in segments])
    return dict(zip(ids, found, strict=True))


def with_overrides(
    found: Mapping[str, str | None], overrides: Mapping[str, str | None], anatomy: Anatomy
) -> dict[str, str | None]:
    """The matches with the user's corrections over them; what names no segment or tissue any more is left out."""
    chosen = {
        identifier: tissue or None
        for identifier, tissue in overrides.items()
        if identifier in found and (not tissue or tissue in anatomy.ids)
    }
    return {**found, **chosen}


def missing_tissues(mapping: Mapping[str, str | None], anatomy: Anatomy) -> list[str]:
    """Ids of tissues that no segment means, in the anatomy's order; two segments may mean one tissue."""
    there = set(mapping.values())
    return [tissue for tissue in anatomy.ids if tissue not in there]
