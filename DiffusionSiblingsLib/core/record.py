"""The record of a run: everything that tells what a sibling is, and how to make it again."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError, SiblingsError, reason_of
from .files import looking_into, write_json
from .json_files import MALFORMED, read_json
from .labelmap import LabelMap
from .limits import MOST_RECORD_BYTES
from .record_shape import check_record
from .steps import exhaust
from .version import __version__

SCHEMA = 1
RECORD_NAME = "record.json"  # in the folder of a run
HASHED_AT_ONCE = 1 << 21  # voxels
HASHED_DECIMALS, FIRST_HASHED_DECIMALS = 3, 6  # of an affine in mm; the latter in the first records
PACKAGES = ("torch", "numpy", "scipy", "SimpleITK", "connected-components-3d", "safetensors")


@dataclass
class Record:
    """Grows sibling by sibling and is written after each, so that a stopped run leaves a valid record.

    model: id, version, sha256. compute: device, dtype, threads, software. twin: file, hashes, grid, transform, checks.
    runs: one entry per request: {"request": ..., "siblings": [...]}.
    """

    model: dict[str, Any]
    compute: dict[str, Any]
    created: str
    twin: dict[str, Any] | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False

    @classmethod
    def new(cls, model: dict[str, Any], compute: dict[str, Any]) -> Record:
        """An empty record. model: id, version, sha256. compute: device, name, dtype, threads."""
        return cls(model=model, compute={**compute, "software": software()}, created=now())

    def to_json(self) -> dict[str, Any]:
        """Plain values, in reading order."""
        return {"schema": SCHEMA, "program": {"name": "DiffusionSiblings", "version": __version__},
                "created": self.created, "complete": self.complete, "model": self.model, "compute": self.compute,
                "twin": self.twin, "runs": self.runs}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        """What `to_json` wrote. One of MALFORMED where it did not; InputError for another version's."""
        if values["schema"] != SCHEMA:
            raise InputError("A later program version wrote the record", value=values["schema"],
                             rule=f"schema {SCHEMA}",
                             hint=f"use the version that wrote it, {values.get('program')}, or a newer one")
        check_record(values)
        return cls(model=values["model"], compute=values["compute"], created=values["created"], twin=values["twin"],
                   runs=values["runs"], complete=values["complete"])

    def write(self, path: Path) -> None:
        """Writes the record atomically as UTF-8 JSON; numbers that are not finite as null."""
        write_json(path, self.to_json())


def read_record(path: Path) -> Record:
    """Reads a record of this version or an earlier one. Raises InputError for anything else."""
    try:
        return Record.from_json(read_json(path, MOST_RECORD_BYTES))
    except (OSError, *MALFORMED) as error:
        raise InputError("The record cannot be read", value=f"{path}: {reason_of(error)}",
                         rule="a record.json written by this program", hint="name the record.json of a run") from error


def record_in(folder: Path) -> Record | None:
    """The record of a run folder, None for a folder without one. Raises InputError for a damaged record."""
    return read_record(folder / RECORD_NAME) if has_record(folder) else None


def readable_record(folder: Path) -> Record | None:
    """The same; None for a damaged record as well, for looking through many folders."""
    try:
        return record_in(folder)
    except SiblingsError:
        return None


def has_record(folder: Path) -> bool:
    """Whether a folder belongs to a run. Raises InputError if it cannot be read."""
    with looking_into(folder):
        return (folder / RECORD_NAME).is_file()


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def software() -> dict[str, str]:
    """Versions of Python, the system and the packages that decide results."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "bundled"
    return found


def hash_labelmap(labelmap: LabelMap, decimals: int = HASHED_DECIMALS) -> str:
    """SHA-256 over shape, affine (to 0.001 mm) and voxels: the same map in another format most often hashes alike."""
    return exhaust(hashing_labelmap(labelmap, decimals))


def hashing_labelmap(labelmap: LabelMap, decimals: int = HASHED_DECIMALS) -> Generator[None, None, str]:
    """The same in short steps, for a window that must stay usable."""
    digest = hashlib.sha256()
    digest.update(np.asarray(labelmap.labels.shape, dtype="<i8").tobytes())
    digest.update((np.round(labelmap.affine, decimals) + 0.0).astype("<f8").tobytes())
    planes = max(1, HASHED_AT_ONCE // max(1, int(np.prod(labelmap.labels.shape[1:]))))
    for start in range(0, labelmap.labels.shape[0], planes):
        digest.update(np.ascontiguousarray(labelmap.labels[start:start + planes], dtype="<i4").tobytes())
        yield
    return digest.hexdigest()


def has_hash(labelmap: LabelMap, recorded: str) -> bool:
    """Whether a record's hash is that of a label map; the first records hashed the affine more finely."""
    return any(hash_labelmap(labelmap, decimals) == recorded for decimals in (HASHED_DECIMALS, FIRST_HASHED_DECIMALS))


def hash_file(path: Path) -> str | None:
    """SHA-256 of a file's bytes; None for a folder."""
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
