"""Names of label values from a file that lies beside a label map, where the map itself has none."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.anatomy import Anatomy
from ..core.files import ending
from ..core.json_files import MALFORMED, parse_json
from ..core.labelmap import LabelMap
from .formats.volume import label_counts
from .label_options import values_of
from .numbering import is_doubtful
from .value_shapes import ValueShapes, value_shapes

MOST_BYTES = 1 << 18  # of a table of names; a larger file is something else
MOST_ENTRIES = 5000  # of a folder
MOST_FILES = 40  # tables that are looked into
LEAST_TISSUES = 2  # fewer named tissues do not make a table of this map
_OWN_ENDINGS = (".labels.csv", "_labels.csv", ".labels.tsv", "_ColorTable.csv", "_ColorTable.ctbl", "_ColorTable.txt",
                "-label_ColorTable.csv", "-label_ColorTable.ctbl", ".ctbl", ".csv", ".tsv", ".txt", ".label", ".lut",
                ".json")
_VALUE_HEADS = ("labelvalue", "label value", "value", "index", "id", "label", "idx")
_NAME_HEADS = ("name", "labelname", "label name", "structure", "region", "description")

Names = dict[int, str]


def named_beside(labelmap: LabelMap, path: Path, anatomy: Anatomy) -> LabelMap:
    """The map with the names that a table beside its file gives, and a note that says which table.

    Looked for are Slicer's NAME.labels.csv and colour tables (.ctbl, .txt, .csv), ITK-SNAP's label descriptions, BIDS'
    dseg.tsv and nnU-Net's dataset.json. A map with names of its own is left as it is, and so is one that the names do
    not fit: the table may be of another map.
    """
    values = {segment.value for segment in labelmap.segments}
    if path.is_dir() or not values or any(segment.name or segment.tags for segment in labelmap.segments):
        return labelmap
    shapes: ValueShapes | None = None
    doubts: list[str] = []
    for table, own in _tables(path):
        names = _read(table)
        found = anatomy.identify_all([(names.get(segment.value, ""), {}) for segment in labelmap.segments])
        tissues = {tissue for tissue in found if tissue is not None}
        if len(tissues) < (min(LEAST_TISSUES, len(values)) if own else len(anatomy.ids)):
            continue
        if shapes is None:
            shapes = value_shapes(labelmap.labels, labelmap.affine, label_counts(labelmap.labels))
        labels = values_of((s.value, tissue) for s, tissue in zip(labelmap.segments, found, strict=True) if tissue)
        if is_doubtful(shapes, anatomy, labels):
            doubts += [f"The names in {table.name} do not fit the contacts, places and volumes of the map and are not "
                       "used"] if own else []
            continue
        named = tuple(replace(segment, name=names.get(segment.value, "")) for segment in labelmap.segments)
        note = f"The file names no tissues. Their names are taken from {table.name}"
        return replace(labelmap, segments=named, notes=(*labelmap.notes, *doubts, note))
    return replace(labelmap, notes=(*labelmap.notes, *doubts))


def _tables(path: Path) -> Iterator[tuple[Path, bool]]:
    """Files that may name the values, and whether they are of this map alone: those with its own name, then those of
    its folder, then those of the folders above.
    """
    name = path.name[: len(path.name) - len(ending(path))]
    with suppress(OSError):
        own = [path.with_name(name + end) for end in _OWN_ENDINGS]
        yield from ((file, True) for file in own if file.is_file())
        beside = [file for file in islice(path.parent.iterdir(), MOST_ENTRIES) if file not in own and _is_table(file)]
        yield from ((file, False) for file in sorted(beside)[:MOST_FILES])
        for folder in list(path.resolve().parents)[1:4]:
            above = [folder / "dataset.json", *sorted(folder.glob("*dseg.tsv"))[:MOST_FILES]]
            yield from ((file, False) for file in above if file.is_file())


def _is_table(file: Path) -> bool:
    """Whether a file with another name than the map's may be a table of names for all maps of its folder."""
    name = file.name.lower()
    known = ("dataset.json", "labels.csv", "labels.json", "labels.tsv")
    if name in known or name.endswith((".ctbl", "dseg.tsv", ".label")):
        return True
    return name.endswith((".txt", ".csv", ".lut")) and bool(re.search(r"label|colou?r|lut|snap|name", name))


def _read(table: Path) -> Names:
    """Value -> name; nothing where the file is no such table."""
    try:
        with table.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError:
        return {}
    if len(raw) > MOST_BYTES or b"\0" in raw:
        return {}
    text = raw.decode("utf-8-sig", errors="replace")
    readers: dict[str, Callable[[str], Names]] = {".json": _json, ".csv": _columns, ".tsv": _columns}
    reader = readers.get(table.suffix.lower(), _colour_table)
    try:
        found = reader(text)
        return found if found or reader is not _columns else _colour_table(text)
    except (*MALFORMED, csv.Error):
        return {}


def _json(text: str) -> Names:
    """nnU-Net's "labels", either way round: {"LV": 1} or {"1": "LV"}; regions of several values are left out."""
    labels: Any = parse_json(text)["labels"]
    names: Names = {}
    for key, value in labels.items() if isinstance(labels, Mapping) else ():
        one = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(one, int) and not isinstance(one, bool):
            names[one] = str(key)
        elif isinstance(one, str) and str(key).isdigit():
            names[int(key)] = one
    return names


def _columns(text: str) -> Names:
    """A table with a line of headings, one for the value and one for the name (Slicer's .csv, BIDS' .tsv)."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return {}
    separator = max("\t;,", key=lines[0].count)
    heads = [head.strip().lower() for head in next(csv.reader(lines[:1], delimiter=separator))]
    value = next((heads.index(head) for head in _VALUE_HEADS if head in heads), None)
    name = next((heads.index(head) for head in _NAME_HEADS if head in heads and heads.index(head) != value), None)
    if value is None or name is None:
        return {}
    rows = csv.reader(lines[1:], delimiter=separator)
    return {int(row[value]): row[name].strip() for row in rows
            if len(row) > max(value, name) and row[value].strip().isdigit()}


def _colour_table(text: str) -> Names:
    """Slicer's and FreeSurfer's "3 Left_ventricle 152 55 13 255", ITK-SNAP's '3 152 55 13 1 1 1 "Left ventricle"'."""
    names: Names = {}
    for line in text.splitlines():
        words = line[:500].split()
        if len(words) < 5 or not words[0].isdigit():
            continue
        quoted = re.search(r'"([^"]*)"', line[:500])
        channels = words[1:4] if quoted and all(_number(word) for word in words[1:4]) else words[-4:]
        if quoted and all(_number(word) for word in channels):
            names[int(words[0])] = quoted[1]
        elif all(_number(word) for word in channels) and not _number(words[1]):
            last = next(n for n in range(len(words) - 1, 0, -1) if not _number(words[n]))
            names[int(words[0])] = " ".join(words[1 : last + 1])
    return names


def _number(word: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", word))
