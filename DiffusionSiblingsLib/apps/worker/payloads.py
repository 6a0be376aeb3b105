"""What a command names on disk: the twin, recorded siblings, weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.anatomy import Anatomy
from ...core.errors import SiblingsError
from ...core.files import atomic_path, make_folder
from ...core.labelmap import LabelMap, Segment
from ...core.record import RECORD_NAME
from ...editing.record_entries import segment_rows
from ...labelmaps.ipc_labelmap import SUFFIXES as EXCHANGE_SUFFIXES
from ...labelmaps.ipc_labelmap import has_exchange, read_exchange
from ...labelmaps.read import read_labelmap
from ...labelmaps.tissues import check_tissues, known_labels
from ...labelmaps.write import write_labelmap
from ...runs.run_folder import read_sibling


def read_twin(command: dict[str, Any], anatomy: Anatomy) -> LabelMap:
    """The twin from an exchange stem, or from a label map file with `labels` (tissue id -> value)."""
    path = Path(command["twin"])
    if not has_exchange(path):
        return read_labelmap(path, anatomy, command.get("labels"))
    labelmap = read_exchange(path)
    check_tissues(labelmap, anatomy, Path("The segmentation"))
    return labelmap


def files_of(command: dict[str, Any]) -> list[tuple[str, Path]]:
    """The files of a command's twin, of which a run writes over none, each with what it is."""
    if not command.get("twin"):
        return []
    stem = Path(command["twin"])
    return [("the twin", stem.with_name(stem.name + suffix)) for suffix in ("", *EXCHANGE_SUFFIXES)]


def described(labelmap: LabelMap, anatomy: Anatomy) -> LabelMap:
    """The same label map; where its file has no name, colour or code for a tissue, the anatomy's."""
    segments = []
    for segment in labelmap.segments:
        tissue = anatomy.tissue(segment.tissue) if segment.tissue else None
        segments.append(segment if tissue is None else replace(
            segment, name=segment.name or tissue.name, color=segment.color or tissue.color,
            tags={**tissue.tags, **segment.tags}))
    return replace(labelmap, segments=tuple(segments))


def cohort_source(source: dict[str, Any], anatomy: Anatomy, folder: Path) -> Path:
    """Where the members of a cohort lie: {"folder": PATH}, or {"maps": [STEM, ...], "record": {...}} handed over.

    Maps handed over are written into `folder` as files in the anatomy's numbering, so that what the user corrected of
    their tissues stays. record: of the run that made all of them, which says where their twin lies; None for others. In
    the folder's record the twin has the values of these files.
    """
    if source.get("folder"):
        return Path(source["folder"])
    make_folder(folder)
    segments = tuple(Segment(tissue.label, tissue.name, tissue.id) for tissue in anatomy.tissues)
    names = []
    for stem in source["maps"]:
        labelmap = read_exchange(stem)
        known = known_labels(labelmap, anatomy)
        path = write_labelmap(LabelMap(known, labelmap.affine, segments), folder / f"{Path(stem).name}.nrrd")
        names.append(path.name)
    if record := source.get("record"):
        runs = [{**run, "siblings": [{**entry, "file": f"{Path(entry['file']).name.split('.')[0]}.nrrd"}
                                     for entry in run["siblings"]]} for run in record["runs"]]
        runs = [{**run, "siblings": [entry for entry in run["siblings"] if entry["file"] in names]} for run in runs]
        twin = record["twin"] and {**record["twin"], "segments": segment_rows(segments)}
        with atomic_path(folder / RECORD_NAME) as temporary:
            temporary.write_text(json.dumps({**record, "twin": twin, "runs": runs}), encoding="utf-8")
    return folder


def moved(request: dict[str, Any], region: str | None) -> dict[str, Any]:
    """A request whose region, if it has one, lies in another file now."""
    return {**request, "region": region} if request.get("region") and region else request


def stored(folder: str | None, anatomy: Anatomy, name: str, template: LabelMap) -> LabelMap | None:
    """A recorded sibling as it was handed over or as its file has it, None where it is not there any more."""
    if not folder:
        return None
    path = Path(folder) / name
    stem = path.with_name(path.name.split(".")[0])
    try:
        if has_exchange(stem):
            return read_exchange(stem)
        return read_sibling(path, template, anatomy) if path.exists() else None
    except SiblingsError:
        return None


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0
