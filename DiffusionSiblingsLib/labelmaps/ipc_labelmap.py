"""Label maps between two programs of one machine: voxels in NAME.npy, all the rest in NAME.json.

Quicker than any image format and nothing is lost: type of the voxels, order, names, colours and tags of the segments.
Not a format for keeping: `labelmap_io` writes those.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.files import atomic_path
from ..core.labelmap import LabelMap, Segment

SCHEMA = 1


def write_exchange(labelmap: LabelMap, stem: Path | str) -> Path:
    """Writes STEM.npy, then STEM.json -> STEM. The description comes last: where it is, all is there."""
    stem = Path(stem)
    with atomic_path(_beside(stem, ".npy")) as temporary:
        np.save(temporary, np.ascontiguousarray(labelmap.labels), allow_pickle=False)
    described = {"schema": SCHEMA, "shape": list(labelmap.labels.shape), "dtype": labelmap.labels.dtype.str,
                 "affine": np.asarray(labelmap.affine, dtype=np.float64).tolist(),
                 "segments": [_plain(segment) for segment in labelmap.segments]}
    with atomic_path(_beside(stem, ".json")) as temporary:
        temporary.write_text(json.dumps(described), encoding="utf-8")
    return stem


def read_exchange(stem: Path | str) -> LabelMap:
    """The label map that `write_exchange` wrote. Raises InputError if it is missing, damaged or of another version."""
    stem = Path(stem)
    try:
        described = json.loads(_beside(stem, ".json").read_text(encoding="utf-8"))
        if described["schema"] != SCHEMA:
            raise ValueError(f"schema {described['schema']}, this version reads {SCHEMA}")
        labels = np.load(_beside(stem, ".npy"), allow_pickle=False)
        if labels.ndim != 3 or labels.dtype.kind not in "iu":
            raise ValueError(f"voxels of type {labels.dtype} in {labels.ndim} dimensions")
        if list(labels.shape) != described["shape"] or labels.dtype.str != described["dtype"]:
            raise ValueError("voxels and description are of different maps")
        affine = np.asarray(described["affine"], dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("the affine is no (4, 4) matrix of numbers")
        return LabelMap(labels, affine, tuple(_segment(entry) for entry in described["segments"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise InputError("A label map handed over cannot be read", value=f"{stem}: {error}",
                         rule="STEM.npy and STEM.json as this version writes them",
                         hint="run it again; if it stays, check the space in the temporary folder") from error


def has_exchange(stem: Path | str) -> bool:
    """Whether a label map was handed over under this stem."""
    return _beside(Path(stem), ".json").is_file()


def remove_exchange(stem: Path | str) -> None:
    """Removes both files if they are there."""
    for suffix in (".json", ".npy"):
        _beside(Path(stem), suffix).unlink(missing_ok=True)


def _beside(stem: Path, suffix: str) -> Path:
    """STEM + suffix; dots in the stem stay ("patient.1" -> "patient.1.npy")."""
    return stem.with_name(stem.name + suffix)


def _plain(segment: Segment) -> dict[str, Any]:
    values = asdict(segment)
    values["value"] = int(segment.value)
    values["color"] = [float(part) for part in segment.color] if segment.color is not None else None
    return values


def _segment(entry: dict[str, Any]) -> Segment:
    color = entry["color"]
    return Segment(value=int(entry["value"]), name=entry["name"], tissue=entry["tissue"],
                   color=(float(color[0]), float(color[1]), float(color[2])) if color is not None else None,
                   identifier=entry["identifier"], tags=dict(entry["tags"]))
