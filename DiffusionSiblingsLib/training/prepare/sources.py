"""The cases of a folder: label maps of any format, or TotalSegmentator's layout, and the list `cases.json`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ...core.anatomy import Anatomy
from ...core.errors import InputError, reason_of
from ...core.files import ending, looking_into, signature
from ...core.json_files import read_json
from ...labelmaps.read import FORMATS, is_folder_of_masks

CASES_FILE = "cases.json"
MASKS_FOLDER = "segmentations"


@dataclass(frozen=True)
class CaseSource:
    """A case before it is read. name: unique, safe as a file name. path: a file, or a folder of masks.

    subject: the person it shows. split: "" if it is not listed. weight: how often training draws it. source: where it
    comes from.
    """

    name: str
    path: Path
    subject: str
    split: str = ""
    weight: float = 1.0
    source: str = ""

    def signature(self) -> list[list[Any]]:
        """Name, size and time of every file of the case; a cached result is valid while they are unchanged."""
        return signature(self.path)


def find_cases(
    folder: Path, anatomy: Anatomy, *, exclude: Sequence[str] = (), listing: Path | None = None
) -> tuple[CaseSource, ...]:
    """All cases of a folder in the order of their names, without those whose name or path matches a pattern of
    `exclude`.

    listing: a JSON list of {"name", "subject", "split", "weight", "source"}, of which only the name is required; by
    default `cases.json` in the folder. Raises InputError if there is no folder or no case, or if the list is wrong.
    """
    if not folder.is_dir():
        raise InputError("The source is not a folder", value=folder, hint="name the folder that holds the label maps")
    with looking_into(folder):
        paths = _label_maps(folder, anatomy)
    kept = {path: rel for path, rel in paths.items() if not _matches(rel, exclude)}
    if not kept:
        raise InputError(
            "The source has no label maps",
            value=f"{folder}, {len(paths) - len(kept)} left out by --exclude" if paths else folder,
            rule=f"files ending in {', '.join(f for f in FORMATS if f != 'folder')}, or sXXXX/{MASKS_FOLDER}/*.nii.gz",
        )
    default = folder / CASES_FILE
    listed = _listing(listing) if listing is not None else _listing(default) if default.is_file() else {}
    cases = [_case(path, rel, listed) for path, rel in sorted(kept.items(), key=lambda item: item[1])]
    _check_names(cases)
    return tuple(cases)


def _label_maps(folder: Path, anatomy: Anatomy) -> dict[Path, str]:
    """Path -> path relative to the folder, with forward slashes, for every label map and folder of masks."""
    found: dict[Path, str] = {}
    pending = [folder]
    while pending:
        here = pending.pop()
        entries = [entry for entry in sorted(here.iterdir()) if not entry.name.startswith(".")]
        files = [e for e in entries if e.is_file() and ending(e).lstrip(".") in FORMATS]
        if here.name == MASKS_FOLDER or (len(files) > 1 and is_folder_of_masks(here, anatomy)):
            found[here] = here.relative_to(folder).as_posix()
            continue
        # TotalSegmentator keeps the CT beside the masks; it is not a label map.
        has_masks = any(e.is_dir() and e.name == MASKS_FOLDER for e in entries)
        found.update({file: file.relative_to(folder).as_posix() for file in files if not has_masks})
        pending.extend(e for e in entries if e.is_dir())
    return found


def _matches(name: str, patterns: Sequence[str]) -> bool:
    short = name.rsplit("/", 1)[-1]
    stem = short[: len(short) - len(ending(short))]
    parts = (name, short, stem, *name.split("/"))
    return any(fnmatch(part, pattern) for pattern in patterns for part in parts)


def _listing(path: Path) -> dict[str, dict[str, Any]]:
    """Name -> entry, for every name that refers to an entry. Raises InputError if the file is not such a list."""
    what = "The list of cases cannot be used"
    try:
        entries = read_json(path)
    except (OSError, ValueError) as problem:
        raise InputError(what, value=f"{path}: {reason_of(problem)}", rule="a JSON list") from problem
    named = isinstance(entries, list) and all(isinstance(e, dict) and isinstance(e.get("name"), str) for e in entries)
    if not named:
        raise InputError(what, value=path, rule='a JSON list of objects, each with a "name"')
    listed: dict[str, dict[str, Any]] = {}
    for entry in entries:
        weight = entry.get("weight", 1.0)
        number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight <= 0:
            raise InputError(what, value=f"{entry['name']}: weight {weight!r}", rule="a weight is a number above 0")
        for key in ("subject", "split", "source"):
            if not isinstance(entry.get(key, ""), str):
                raise InputError(what, value=f"{entry['name']}: {key} {entry[key]!r}", rule=f"{key} must be text")
        for alias in {entry["name"], entry["name"][: len(entry["name"]) - len(ending(entry["name"]))]}:
            if listed.setdefault(alias, entry) != entry:
                raise InputError(what, value=entry["name"], rule="every name may occur only once")
    return listed


def _case(path: Path, relative: str, listed: dict[str, dict[str, Any]]) -> CaseSource:
    """The case of one path. relative: "." if the source itself is a folder of masks."""
    parts = [part for part in relative.split("/") if part != MASKS_FOLDER and part != "."] or [path.resolve().name]
    parts[-1] = parts[-1][: len(parts[-1]) - len(ending(parts[-1]))] if path.is_file() else parts[-1]
    name = "_".join(parts)
    entry = next((listed[key] for key in (relative, name, parts[-1], path.name) if key in listed), {})
    return CaseSource(
        name,
        path,
        str(entry.get("subject") or name),
        str(entry.get("split", "")),
        float(entry.get("weight", 1.0)),
        str(entry.get("source", "")),
    )


def _check_names(cases: list[CaseSource]) -> None:
    """Raises InputError if two cases have the same name or a subject is listed in two splits."""
    seen: dict[str, Path] = {}
    home: dict[str, str] = {}
    for case in cases:
        if case.name in seen:
            raise InputError(
                "Two cases have the same name",
                value=f"{seen[case.name]} and {case.path}",
                hint="rename one, or leave one out with --exclude",
            )
        seen[case.name] = case.path
        if home.setdefault(case.subject, case.split) != case.split:
            raise InputError(
                "A subject is listed in two splits",
                value=f"{case.subject}: {home[case.subject] or 'none'} and {case.split or 'none'}",
                rule="all maps of a subject are in the same split",
            )


def with_splits(cases: Sequence[CaseSource], validation_every: int) -> dict[str, str]:
    """Case name -> split. Cases without a split go to "train"; every n-th training subject goes to "validation".

    validation_every: n, 0 for no validation. If the list names validation cases itself, nothing is moved.
    """
    splits = {case.name: case.split or "train" for case in cases}
    if validation_every > 0 and "validation" not in splits.values():
        subjects = sorted({case.subject for case in cases if splits[case.name] == "train"})
        held = set(subjects[validation_every - 1 :: validation_every])
        splits.update({case.name: "validation" for case in cases if case.subject in held})
    return splits
