"""Which label maps make up a cohort: the siblings of a run folder, the files of a folder, or a list of either."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..core.anatomy import Anatomy, load_anatomy
from ..core.errors import InputError, reason_of
from ..core.files import ending, looking_into
from ..core.labelmap import LabelMap, LabelValues
from ..core.record import RECORD_NAME, Record, has_record, read_record
from ..labelmaps.label_options import as_option, values_of
from ..labelmaps.mask_names import stem_of
from ..labelmaps.read import FORMATS, is_folder_of_masks, read_labelmap

MASKS_FOLDER = "segmentations"  # TotalSegmentator's sXXXX/segmentations/*.nii.gz
UNNAMED = (".nii", ".nii.gz")  # formats that need not keep names
CODED = (".seg.nrrd", ".nrrd", ".mha")  # formats that keep terminology codes of segments
Rows = tuple[tuple[float, ...], ...]
Values = tuple[tuple[int, str], ...]  # label value, tissue id


@dataclass(frozen=True)
class Member:
    """One map of a cohort before it is read. name: unique in its cohort. path: a file, or a folder of masks.

    entry: the sibling's entry in the record of its run, None for any other map. request: that of its run.
    canonical_to_ras: (4, 4), the place of the sibling's twin as the record has it; None where there is no twin.
    values: which value is which tissue in the sibling's file, as the record has it of its twin; None where the names in
    the file say so. renumbered: whether the file alone would be read otherwise.
    """

    name: str
    path: Path
    entry: dict[str, Any] | None = field(default=None, compare=False)
    request: dict[str, Any] | None = field(default=None, compare=False)
    canonical_to_ras: Rows | None = None
    values: Values | None = None
    renumbered: bool = False


def find_members(source: Path | str | Sequence[Path | str], *, anatomy: Anatomy | None = None) -> list[Member]:
    """The members of a cohort, in the record's order or in natural order of their names (2 before 10).

    source: a run folder (with record.json): its siblings, not its twin; any other folder: the label-map files in it,
    and every folder of masks in it as one member (not deeper); a folder of masks or a file: one member; or a list of
    such paths, one after the other. anatomy: by whose names of tissues a folder of masks is told from a folder of maps
    (default: heart). Raises InputError for what is not there, an empty folder, and a record that cannot be read.
    """
    if not isinstance(source, (str, Path)):
        found = [member for part in source for member in find_members(part, anatomy=anatomy)]
        if not found:
            raise InputError("The cohort has no members", rule="at least one label map",
                             hint="name a folder of label maps, or a run folder")
        return _with_unique_names(found)
    path, anatomy = Path(source), anatomy or load_anatomy()
    if not path.exists():
        raise InputError(f"{path} does not exist", rule="a folder of label maps, a run folder, or a label map",
                         hint="check the path")
    if not path.is_dir():
        return [Member(stem_of(path), path)]
    with looking_into(path):
        found = _of_run(path, anatomy) if has_record(path) else _of_folder(path, anatomy)
    return _with_unique_names(found)


def is_cohort(path: Path, anatomy: Anatomy) -> bool:
    """True for a folder whose maps are to be measured one by one: a run, or anything that is not a folder of masks."""
    return path.is_dir() and (has_record(path) or not is_folder_of_masks(path, anatomy))


def find_member(path: Path, anatomy: Anatomy) -> Member:
    """The member that one label map is: of the run in whose folder it lies, where that names it; else of none."""
    return named_by_record(path.parent, anatomy).get(path.name) or Member(stem_of(path), path)


def named_by_record(folder: Path, anatomy: Anatomy) -> dict[str, Member]:
    """File name -> member of the run in a folder; nothing where it is no run's, or its record cannot be read."""
    try:
        members = _of_run(folder, anatomy) if has_record(folder) else []
    except InputError:  # a record of something else, beside maps that are none of a run, or one not to be seen
        return {}
    return {member.path.name: member for member in members}


def read_member(member: Member, anatomy: Anatomy, labels: LabelValues | None = None, *, unknown: bool = True,
                whole: bool | None = None) -> LabelMap:
    """The label map of a member, its values read as its record has them. Raises InputError.

    labels: tissue id -> value, as the user says; wins over the record. unknown, whole: of `read_labelmap`; a sibling of
    a record need not be whole: that it has lost a tissue is a finding.
    """
    return read_labelmap(member.path, anatomy, labels, unknown=unknown,
                         whole=member.entry is None if whole is None else whole,
                         recorded=dict(member.values) if member.values is not None else None)


def numbering_notes(copied: Sequence[Member], folder: str) -> tuple[str, ...]:
    """Notes about copies of members whose label numbers their record alone tells, as a folder without it does not.

    folder: where the copies are.
    """
    renumbered = [member.values for member in copied if member.renumbered and member.values is not None]
    return tuple(f"{renumbered.count(values)} hearts in {folder} use the label numbers of their twins, which their "
                 f"files do not state: read them with {as_option(values_of(values))}."
                 for values in dict.fromkeys(renumbered))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorting key by which "map 2" comes before "map 10"."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _of_run(folder: Path, anatomy: Anatomy) -> list[Member]:
    record = read_record(folder / RECORD_NAME)
    place = _place(record, folder)
    found, numbers = [], dict[str, _Numbers]()  # by format
    try:
        for run in record.runs:
            for entry in run["siblings"]:
                path = folder / Path(str(entry["file"])).name
                kind = ending(path)
                if kind not in numbers:
                    numbers[kind] = _numbers(record, path, anatomy)
                found.append(Member(stem_of(path), path, dict(entry), dict(run["request"]), place, *numbers[kind]))
    except (KeyError, TypeError, ValueError) as problem:
        raise InputError("The record cannot be read", value=f"{folder / RECORD_NAME}: {reason_of(problem)}",
                         rule="runs with a request and siblings") from problem
    if not found:
        raise InputError("The run folder has no siblings", value=folder, rule="at least one sibling in its record",
                         hint="wait until the first sibling is finished, or name another folder")
    return found


def _place(record: Record, folder: Path) -> Rows | None:
    """The twin's canonical mm -> RAS mm, as plain numbers."""
    if record.twin is None:
        return None
    try:
        rows = tuple(tuple(float(value) for value in row) for row in record.twin["canonical_to_ras_mm"])
    except (KeyError, TypeError, ValueError) as problem:
        raise InputError("The record does not say where its twin lies",
                         value=f"{folder / RECORD_NAME}: {reason_of(problem)}",
                         rule="canonical_to_ras_mm, four rows of four numbers") from problem
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        raise InputError("The record does not say where its twin lies", value=folder / RECORD_NAME,
                         rule="canonical_to_ras_mm, four rows of four numbers")
    return rows


class _Numbers(NamedTuple):
    """`values` and `renumbered` of a member."""

    values: Values | None = None
    renumbered: bool = False


def _numbers(record: Record, path: Path, anatomy: Anatomy) -> _Numbers:
    """What the values in a sibling's file, and others of its format, mean: those of its twin, as the record has them.

    A folder of masks names its tissues, as does a .seg.nrrd file, also where the twin's had no names.
    """
    segments = record.twin.get("segments", ()) if record.twin is not None else ()
    names, kind = [str(segment["name"] or "") for segment in segments], ending(path)
    if record.twin is None and kind not in (".masks", ".seg.nrrd"):
        return _Numbers(tuple((tissue.label, tissue.id) for tissue in anatomy.tissues))
    if not segments or kind == ".masks" or (kind == ".seg.nrrd" and not any(names)):
        return _Numbers()
    tissues = [segment["tissue"] for segment in segments]
    values = tuple((int(s["value"]), str(s["tissue"])) for s in segments if s["tissue"])
    if any(names):
        said = anatomy.identify_all([(name, {}) for name in names])
        if said == tissues and kind in UNNAMED:  # the names may have stood in a table beside the twin
            return _Numbers(values)
        return _Numbers() if said == tissues or _coded(path, anatomy, values) else _Numbers(values, True)
    own = {(tissue.label, tissue.id) for tissue in anatomy.tissues}
    return _Numbers(values, set(values) != own or len(segments) > len(own))


def _coded(path: Path, anatomy: Anatomy, values: Values) -> bool:
    """Whether a file has codes that say what its names do not. The record keeps names alone."""
    if ending(path) not in CODED or not path.is_file():
        return False
    try:
        segments = read_labelmap(path, anatomy, whole=False).segments
    except InputError:  # is said when the member is read
        return False
    return {(segment.value, segment.tissue) for segment in segments if segment.tissue} == set(values)


def _of_folder(folder: Path, anatomy: Anatomy) -> list[Member]:
    if is_folder_of_masks(folder, anatomy):
        return [Member(folder.name, folder)]
    found = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_file() and ending(path).lstrip(".") in FORMATS:
            found.append(Member(stem_of(path), path))
        elif path.is_dir():
            masks = [p for p in (path, path / MASKS_FOLDER) if p.is_dir() and is_folder_of_masks(p, anatomy)][:1]
            found += [Member(path.name.removesuffix(".masks"), part) for part in masks]
    if not found:
        raise InputError("The folder holds no label maps", value=folder,
                         rule=f"a run's folder, files ending in {', '.join(f for f in FORMATS if f != 'folder')}, or "
                         "folders of masks", hint="name the folder that holds the maps themselves; its "
                         "subfolders are not searched")
    return sorted(found, key=lambda member: (natural(member.path.name), member.path.name))


def _with_unique_names(members: list[Member]) -> list[Member]:
    """Names told apart where several folders have the same ones: first by the folder, then by a number."""
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        double = {name for name in names if names.count(name) > 1}
        members = [replace(m, name=f"{m.path.parent.name}/{m.name}") if m.name in double else m for m in members]
    taken: dict[str, int] = {}
    result = []
    for member in members:
        count = taken[member.name] = taken.get(member.name, 0) + 1
        result.append(member if count == 1 else replace(member, name=f"{member.name} ({count})"))
    return result
