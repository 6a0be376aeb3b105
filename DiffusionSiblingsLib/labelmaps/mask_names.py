"""What the files of a folder of masks mean, by their names, by the user's words, or by dcmqi's meta.json."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.anatomy import TERMINOLOGY_TAG, Anatomy
from ..core.files import ending, looking_into
from ..core.json_files import MALFORMED, read_json
from ..core.labelmap import LabelValues, Segment
from .label_options import chosen_tissues

MASKS = (".nii.gz", ".nii", ".nrrd", ".mha")
"""The file endings of masks."""
Described = tuple[str, dict[str, str]]  # a name, and tags with a terminology code


def stem_of(path: Path) -> str:
    """File name without its ending."""
    return path.name[: len(path.name) - len(ending(path))]


def mask_files(folder: Path) -> list[Path]:
    """The files in a folder that may be masks, by name. Raises InputError if the folder cannot be listed."""
    with looking_into(folder):
        return sorted(p for p in folder.iterdir() if ending(p) in MASKS and not p.name.startswith(".") and p.is_file())


def masks_of(folder: Path, anatomy: Anatomy, labels: LabelValues | None = None) -> dict[Path, Segment]:
    """File -> what it is: its name, its tissue or None, and the codes of dcmqi's meta.json. Their values are not set.

    labels: tissue -> name of a file without its ending, from the user. Raises InputError.
    """
    files = mask_files(folder)
    said = _described(folder, files)
    names: list[Described] = [said.get(path, (stem_of(path), {})) for path in files]
    found: Sequence[str | None] = anatomy.identify_all(names)
    if labels:
        files_by_name = [Segment(n, stem_of(path), identifier=names[n][0]) for n, path in enumerate(files)]
        wanted = {tissue: tuple(str(one) for one in (given if isinstance(given, (tuple, list)) else (given,)))
                  for tissue, given in labels.items()}  # files have names and no values
        listing = "the masks " + ", ".join(stem_of(path) for path in files)
        chosen = chosen_tissues(wanted, files_by_name, anatomy, folder, listing)
        found = [chosen.get(n, None if tissue in chosen.values() else tissue) for n, tissue in enumerate(found)]
    return {path: Segment(0, stem_of(path), tissue, tags=dict(tags))
            for path, (_, tags), tissue in zip(files, names, found, strict=True)}


def named_tissues(folder: Path, anatomy: Anatomy) -> set[str]:
    """The tissues that the names in a folder mean, its meta.json included."""
    return {segment.tissue for segment in masks_of(folder, anatomy).values() if segment.tissue is not None}


def _described(folder: Path, files: Sequence[Path]) -> dict[Path, Described]:
    """Numbered mask -> name and code of its segment in meta.json, as dcmqi's segimage2itkimage writes them."""
    found: dict[Path, Described] = {}
    numbered = {path: int(digits[0]) for path in files if (digits := re.search(r"\d{1,6}$", stem_of(path)))}
    tables = sorted(folder.glob("*meta.json"))[:1] if numbered else []
    with suppress(OSError, *MALFORMED):
        entries = [entry for table in tables for group in read_json(table)["segmentAttributes"]
                   for entry in group]
        by_number = {int(entry["labelID"]): entry for entry in entries}
        for path, number in numbered.items():
            if number in by_number:
                found[path] = (str(by_number[number].get("SegmentLabel", "")), _tags(by_number[number]))
    return found


def _tags(entry: Mapping[str, Any]) -> dict[str, str]:
    """A segment's terminology code in the form of this project's anatomies."""
    parts = []
    for key in ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"):
        code = entry.get(key)
        code = code[0] if isinstance(code, list) and code else code
        if isinstance(code, Mapping):
            parts.append(f"{code['CodingSchemeDesignator']}^{code['CodeValue']}^{code.get('CodeMeaning', '')}")
    return {TERMINOLOGY_TAG: "~".join(parts)} if parts else {}
