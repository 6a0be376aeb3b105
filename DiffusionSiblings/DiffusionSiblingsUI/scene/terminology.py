"""Which segment of a segmentation node means which tissue: by terminology code, then by name, unless the user says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import vtk
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.anatomy import TERMINOLOGY_TAG, Anatomy

if TYPE_CHECKING:
    import slicer

BY_CODE, BY_NAME, BY_USER = "terminology", "name", "you"


def tags_of(segment: slicer.vtkSegment) -> dict[str, str]:
    """The tags of a vtkSegment that the library reads: its terminology entry, if it has one."""
    text = vtk.reference("")
    return {TERMINOLOGY_TAG: str(text)} if segment.GetTag(TERMINOLOGY_TAG, text) and str(text) else {}


def match_tissues(node: slicer.vtkMRMLSegmentationNode, anatomy: Anatomy) -> dict[str, str | None]:
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


def chosen_tissues(node: slicer.vtkMRMLSegmentationNode, text: str, anatomy: Anatomy) -> dict[str, str | None]:
    """Segment id -> tissue id as the panel shows it. text: the parameter `tissue_overrides`."""
    return with_overrides(match_tissues(node, anatomy), read_overrides(text, node), anatomy)


def read_overrides(text: str, node: slicer.vtkMRMLSegmentationNode) -> dict[str, str]:
    """The corrections for one node: segment id -> tissue id, "" for none.

    text: JSON, node id -> corrections, as segment ids alone are the same in many segmentations. A text that is none of
    ours means no corrections.
    """
    return _all_overrides(text).get(node.GetID() or "", {})


def write_overrides(text: str, node: slicer.vtkMRMLSegmentationNode, overrides: Mapping[str, str]) -> str:
    """The parameter's new text with these corrections for one node; without any the node is left out."""
    everything = {**_all_overrides(text), node.GetID(): dict(overrides)}
    kept = {identifier: chosen for identifier, chosen in everything.items() if chosen}
    return json.dumps(kept, sort_keys=True) if kept else ""


def _all_overrides(text: str) -> dict[str, dict[str, str]]:
    try:
        data = json.loads(text) if text else {}
    except ValueError:
        return {}
    entries = data.items() if isinstance(data, dict) else ()
    return {key: {str(k): str(v or "") for k, v in value.items()} for key, value in entries if isinstance(value, dict)}


def found_by(node: slicer.vtkMRMLSegmentationNode, identifier: str, tissue: str | None, overrides: Mapping[str, str],
             anatomy: Anatomy) -> str:
    """How a segment came to its tissue: BY_CODE, BY_NAME, BY_USER, or "" where nothing was found."""
    if identifier in overrides:
        return BY_USER
    if tissue is None:
        return ""
    segment = node.GetSegmentation().GetSegment(identifier)
    return BY_CODE if anatomy.identify("", tags_of(segment)) == tissue else BY_NAME


def missing_tissues(mapping: Mapping[str, str | None], anatomy: Anatomy) -> list[str]:
    """Ids of tissues that no segment means, in the anatomy's order; two segments may mean one tissue."""
    there = set(mapping.values())
    return [tissue for tissue in anatomy.ids if tissue not in there]


def twin_warning(node: slicer.vtkMRMLSegmentationNode, mapping: Mapping[str, str | None], anatomy: Anatomy) -> str:
    """What keeps a segmentation from being a twin, in plain words; "" if nothing does."""
    if not mapping:
        return _("{name} has no segments yet. A twin has one for each of {count} tissues.").format(
            name=node.GetName(), count=len(anatomy.ids))
    missing = missing_tissues(mapping, anatomy)
    if not missing:
        return ""
    if len(missing) == len(anatomy.ids):
        return _("No segment was recognised. Choose the tissue of each segment in the table.")
    names = _listed([anatomy.tissue(tissue).name.lower() for tissue in missing])
    if len(missing) == 1:
        return _("The {tissue} is missing. If a segment of another name is this tissue, choose it in the table; "
                 "otherwise segment it first.").format(tissue=names)
    return _("These tissues are missing: {tissues}. If segments of other names are these tissues, choose them in the "
             "table; otherwise segment them first.").format(tissues=names)


def twin_remarks(node: slicer.vtkMRMLSegmentationNode, mapping: Mapping[str, str | None],
                 anatomy: Anatomy, apart: Sequence[str] = ()) -> list[str]:
    """What a user may want to know about a twin that can be used, in plain words. apart: names of segments that are no
    tissue and lie over tissues.
    """
    segmentation = node.GetSegmentation()
    name = {identifier: segmentation.GetSegment(identifier).GetName() or identifier for identifier in mapping}
    remarks = []
    for tissue in anatomy.tissues:
        parts = [name[identifier] for identifier, meant in mapping.items() if meant == tissue.id]
        if len(parts) > 1:
            remarks.append(_("{segments} together form the {tissue}.").format(segments=_listed(parts),
                                                                              tissue=tissue.name.lower()))
    if apart:
        text = _("{segment} lies over tissues of the heart: the model does not see it, and siblings keep it.") \
            if len(apart) == 1 else _("{segment} lie over tissues of the heart: the model does not see them, and "
                                      "siblings keep them.")
        remarks.append(text.format(segment=_listed(list(apart))))
    kept = [name[identifier] for identifier, meant in mapping.items() if meant is None]
    kept = [each for each in kept if each not in apart]
    if len(kept) == 1:
        remarks.append(_("{segment} is not a tissue that the model knows; it stays unchanged.").format(segment=kept[0]))
    elif kept:
        remarks.append(_("{segments} are not tissues that the model knows; they stay unchanged.").format(
            segments=_listed(kept)))
    return remarks


def _listed(names: list[str], most: int = 6) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(names) > most:
        names = [*names[: most - 1], _("{count} more").format(count=len(names) - most + 1)]
    if len(names) == 1:
        return names[0]
    return _("{names} and {last}").format(names=", ".join(names[:-1]), last=names[-1])
