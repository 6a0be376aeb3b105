"""Hearts of the study `mechanics` solved in processes, each kept in a file, so that a stopped study goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..cohorts.pool import each, or_reason
from ..core.errors import SiblingsError
from ..core.files import atomic_path, digest_of, make_folder, read_json_object, write_json
from ..labelmaps.tissues import known_labels
from ..simulation.fields_file import write_fields
from ..simulation.ventricle import Setup, solve
from .twins import TwinSource

VERSION = 1  # of the simulation: another one solves every heart again


@dataclass(frozen=True)
class Task:
    """One heart to solve. name: of its files in `folder`: NAME.json with the numbers, NAME.vtu with the fields."""

    name: str
    heart: TwinSource
    setup: Setup
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """numbers: empty where the heart could not be solved; `why` says so then. notes: of mesh and solver."""

    name: str
    numbers: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    why: str = ""

    @property
    def seconds(self) -> float:
        """Of the processor, for mesh and simulation."""
        return float(sum(self.notes.get("processor seconds", {}).values()))


def solve_all(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[int, Outcome]]:
    """(index, outcome) as they are ready. Raises OutputError where nothing can be written."""
    for folder in {task.folder for task in tasks}:
        make_folder(folder)
    yield from each(_solved, tasks, jobs)


def _solved(task: Task) -> Outcome:
    """From its file where that is of the same heart, setup and version."""
    found = or_reason(_kept_or_made, task)
    return Outcome(task.name, why=found) if isinstance(found, str) else found


def _kept_or_made(task: Task) -> Outcome:
    heart = task.heart.read()
    labels = known_labels(heart, task.heart.anatomy)
    voxels = hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()
    key = digest_of([VERSION, voxels, list(labels.shape), np.round(heart.affine, 9).tolist(), task.setup.to_json()])
    path = task.folder / f"{task.name}.json"
    kept = read_json_object(path)
    if kept is not None and kept.get("key") == key and isinstance(kept.get("notes"), dict):
        return Outcome(task.name, dict(kept.get("numbers") or {}), kept["notes"], str(kept.get("why", "")))
    try:
        solved = solve(labels, np.asarray(heart.affine), task.heart.anatomy, task.setup)
    except SiblingsError as problem:
        outcome = Outcome(task.name, why=problem.message())
    else:
        with atomic_path(path.with_suffix(".vtu")) as temporary:
            write_fields(solved, temporary)
        outcome = Outcome(task.name, dict(solved.numbers), dict(solved.notes))
    write_json(path, {"key": key, "setup": task.setup.to_json(), "numbers": outcome.numbers, "notes": outcome.notes,
                      "why": outcome.why})
    return outcome
