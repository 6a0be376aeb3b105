"""Label maps between two programs of one machine: voxels in NAME.npy, all the rest in NAME.json.

This is faster than any image format and loses nothing: the type of the voxels, the order, names, colours and tags of
the segments, and the notes of whoever read the map. It is not meant for keeping; `write_labelmap` writes files that
other programs read.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..core.codec import from_plain, to_plain
from ..core.errors import InputError, reason_of
from ..core.files import atomic_path
from ..core.json_files import MALFORMED, read_json
from ..core.labelmap import LabelMap, Segment

SCHEMA = 1
SUFFIXES = (".json", ".npy")


def write_exchange(labelmap: LabelMap, stem: Path | str) -> Path:
    """Writes STEM.npy, then STEM.json -> STEM. The description comes last: once it is there, the voxels are too."""
    stem = Path(stem)
    with atomic_path(_beside(stem, ".npy")) as temporary:
        np.save(temporary, np.ascontiguousarray(labelmap.labels), allow_pickle=False)
    described = {"schema": SCHEMA, "shape": list(labelmap.labels.shape), "dtype": labelmap.labels.dtype.str,
                 "affine": np.asarray(labelmap.affine, dtype=np.float64).tolist(),
                 "segments": to_plain(labelmap.segments), "notes": list(labelmap.notes)}
    with atomic_path(_beside(stem, ".json")) as temporary:
        temporary.write_text(json.dumps(described), encoding="utf-8")
    return stem


def read_exchange(stem: Path | str) -> LabelMap:
    """The label map that `write_exchange` wrote. Raises InputError if it is missing, damaged or of another version."""
    stem = Path(stem)
    try:
        described = read_json(_beside(stem, ".json"))
        if described["schema"] != SCHEMA:
            raise ValueError(f"it has schema {described['schema']}, and this version reads schema {SCHEMA}")
        labels = np.load(_beside(stem, ".npy"), allow_pickle=False)
        if labels.ndim != 3 or labels.dtype.kind not in "iu":
            raise ValueError(f"voxels of type {labels.dtype} in {labels.ndim} dimensions")
        if list(labels.shape) != described["shape"] or labels.dtype.str != described["dtype"]:
            raise ValueError("the voxels and the description belong to different maps")
        affine = np.asarray(described["affine"], dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("the affine is not a (4, 4) matrix of finite numbers")
        return LabelMap(labels, affine, tuple(from_plain(Segment, entry) for entry in described["segments"]),
                        notes=tuple(str(note) for note in described["notes"]))
    except (OSError, EOFError, *MALFORMED) as error:
        raise InputError("The label map from another process cannot be read", value=f"{stem}: {reason_of(error)}",
                         rule="this version wrote both STEM.npy and STEM.json",
                         hint="try again; if this error returns, check the space in the temporary folder") from error


def has_exchange(stem: Path | str) -> bool:
    """Whether a label map was written under this stem."""
    return _beside(Path(stem), ".json").is_file()


def remove_exchange(stem: Path | str) -> None:
    """Removes both files if they are there."""
    for suffix in SUFFIXES:
        _beside(Path(stem), suffix).unlink(missing_ok=True)


def _beside(stem: Path, suffix: str) -> Path:
    """STEM + suffix; dots in the stem stay ("patient.1" -> "patient.1.npy")."""
    return stem.with_name(stem.name + suffix)
