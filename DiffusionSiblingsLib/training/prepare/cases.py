"""The two preparation steps of a case. Each is cached in small files, so that a stopped run can be resumed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...cohorts.dataset_file import encode
from ...core.anatomy import Anatomy
from ...core.errors import InputError, SiblingsError, reason_of
from ...core.files import atomic_path, digest_of, write_json
from ...core.labelmap import LabelValues
from ...editing.repair.repair import repair
from ...labelmaps.geometry.canonical import canonicalise, doubts
from ...labelmaps.geometry.reference import Reference
from ...labelmaps.read import read_labelmap
from ...labelmaps.tissues import known_labels
from .quality import reasons_against, volumes_ml
from .sources import CaseSource

LONGEST_NAME = 160  # bytes of a case's name that is used as it is for its file
MARGIN = 2  # voxels kept around the anatomy when a map is cut out


@dataclass(frozen=True)
class Verdict:
    """The result of a case. reasons: why it was rejected, empty if it was accepted.

    volumes: tissue id -> ml. outside: tissue id -> ml outside the field of view. agreement: with the cohort's mean.
    key: digest of the inputs and settings for which the verdict is valid. notes: what reading the case assumed.
    """

    name: str
    reasons: tuple[str, ...] = ()
    volumes: dict[str, float] = field(default_factory=dict)
    outside: dict[str, float] = field(default_factory=dict)
    agreement: float | None = None
    key: str = ""
    notes: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the case goes into the data set."""
        return not self.reasons


def _kept(folder: Path, name: str, suffix: str) -> Path:
    """Where a step keeps a case; a name from many folders can be longer than a file's name may be."""
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME // 4]}-{digest_of(name)[:16]}"
    return folder / f"{name}{suffix}"


def stored(folder: Path, name: str, key: str) -> Verdict | None:
    """The verdict of an earlier run; None if it is missing or damaged, or if inputs or settings have changed."""
    try:
        data = json.loads(_kept(folder, name, ".json").read_text(encoding="utf-8"))
        verdict = Verdict(**{**data, "reasons": tuple(data["reasons"]), "notes": tuple(data["notes"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if verdict.key != key or (verdict.accepted and not _kept(folder, name, ".npz").is_file()):
        return None
    return verdict


def _store(folder: Path, verdict: Verdict, arrays: dict[str, npt.NDArray[Any]]) -> Verdict:
    """Writes the arrays before the verdict, so that every case with a verdict is complete."""
    if arrays:
        with atomic_path(_kept(folder, verdict.name, ".npz")) as temporary, temporary.open("wb") as file:
            # numpy's annotations take any keyword for its flag allow_pickle.
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_json(_kept(folder, verdict.name, ".json"), asdict(verdict))
    return verdict


def load_arrays(folder: Path, name: str) -> dict[str, npt.NDArray[Any]]:
    """The cached arrays of a case. Raises InputError if they cannot be read."""
    path = _kept(folder, name, ".npz")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, KeyError, EOFError) as problem:
        hint = "delete the .work folder beside the data set and prepare it again"
        raise InputError("A cached case is damaged", value=f"{path}: {reason_of(problem)}", hint=hint) from problem


def read_case(case: CaseSource, anatomy: Anatomy, labels: LabelValues | None, folder: Path, key: str) -> Verdict:
    """Step one: reads and checks a case, and stores its cropped "labels" and "affine" if it is accepted."""
    try:
        labelmap = read_labelmap(case.path, anatomy, labels, unknown=False)
        known = known_labels(labelmap, anatomy)
        volumes = volumes_ml(known, labelmap.affine, anatomy)
        reasons = reasons_against(known, labelmap.affine, anatomy)
    except SiblingsError as error:
        return _store(folder, Verdict(case.name, (error.message(),), key=key), {})
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # one broken file of a thousand must not stop the run
        return _store(folder, Verdict(case.name, (f"unreadable: {type(error).__name__}: {error}",), key=key), {})
    verdict = Verdict(case.name, tuple(reasons), volumes, key=key, notes=labelmap.notes)
    if reasons:
        return _store(folder, verdict, {})
    cut, affine = _cut_out(known, labelmap.affine)
    return _store(folder, verdict, {"labels": cut, "affine": affine})


def _cut_out(
    labels: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """The box around all labels with a small margin, and its affine."""
    box = []
    for axis in range(3):
        hit = np.flatnonzero(labels.any(axis=tuple(b for b in range(3) if b != axis)))
        box.append(slice(max(int(hit[0]) - MARGIN, 0), int(hit[-1]) + 1 + MARGIN))
    shift = np.eye(4)
    shift[:3, 3] = [s.start for s in reversed(box)]
    return np.ascontiguousarray(labels[tuple(box)]), affine @ shift


def align_case(
    verdict: Verdict, anatomy: Anatomy, reference: Reference, source: Path, folder: Path, key: str
) -> Verdict:
    """Step two: stores the canonical map of an accepted case from `source`, run-length coded, or the reason against it.

    The map is repaired like a sibling, because a model learns walls that are too thin for the grid as contacts.
    """
    try:
        arrays = load_arrays(source, verdict.name)
        found = canonicalise(arrays["labels"], arrays["affine"], anatomy, reference)
    except SiblingsError as error:
        refused = Verdict(verdict.name, (error.message(),), verdict.volumes, key=key, notes=verdict.notes)
        return _store(folder, refused, {})
    doubt = doubts(arrays["labels"], arrays["affine"], anatomy, reference, found.agreement)
    reasons = (doubt,) if doubt else ()
    agreement = None if np.isnan(found.agreement) else found.agreement
    repaired = repair(found.labels, anatomy).labels
    result = Verdict(verdict.name, reasons, verdict.volumes, found.outside_ml, agreement, key, verdict.notes)
    return _store(folder, result, {} if reasons else {"code": encode(repaired.astype(np.uint8))})
