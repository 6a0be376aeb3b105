"""The folder of an augmentation: the accepted hearts, a table of all hearts, and the report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.files import copy_whole, ending, json_values, make_folder, output_error, read_json_object, write_json
from ..core.names import plain_name
from ..core.record import now
from ..core.tables import write_metrics_csv
from ..core.version import __version__
from ..editing.metrics_layout import metrics_columns
from ..editing.record_entries import row_of
from ..metrics.measurement import titled
from ..runs.own_files import MAP_ENDINGS, remove_map
from .augmentation import AugmentationResult, AugmentationTask, Candidate

ACCEPTED, MADE, TABLE, REPORT = "accepted", "made", "augment.csv", "augment.json"
_HEART = re.compile(rf"heart_\d{{4,}}(_[A-Za-z0-9.+-]+)?_k\d+\.({MAP_ENDINGS})")  # as `name_of` names them
OTHER = {"model": "another model", "control": "another control", "seeds_sha256": "seeds with other voxels or labels"}


def identity(task: AugmentationTask, model: Mapping[str, str]) -> dict[str, Any]:
    """The part of the report that determines an augmentation's siblings: everything except how many are wanted.

    model: id, version, sha256.
    """
    control = task.control.to_json() if task.control is not None else None
    found: dict[str, Any] = json_values(
        {"model": dict(model), "target": str(task.wanted), "strategy": task.strategy,
         "seeds": [heart.name for heart in task.seeds], "seeds_sha256": [heart.twin.sha256 for heart in task.seeds],
         "control": control, "presets": task.presets, "hold": task.hold, "steps": task.steps, "solver": task.solver,
         "seed": task.seed})
    return found


def require_same_order(out: Path, task: AugmentationTask, model: Mapping[str, str]) -> None:
    """Raises InputError if the folder holds the hearts of another order. The same order may ask for more hearts."""
    old = read_json_object(out / REPORT)
    if old is None:
        return
    hint = "choose another --out, or repeat the first command"
    if other := [name for name, value in identity(task, model).items() if name in old and old[name] != value]:
        shown = [f"{name} {old[name]}" if isinstance(old[name], (str, int)) else OTHER.get(name, f"other {name}")
                 for name in other]
        raise InputError("The folder holds hearts that were made with other settings",
                         value=f"{', '.join(shown)}, in {out}", rule="one command for each folder", hint=hint)
    wanted, made = old.get("count", 0), old.get("made", 0)
    if task.count < wanted or task.most < made:
        raise InputError("The folder holds more hearts than you asked for",
                         value=f"{wanted} wanted, {made} made, in {out}",
                         rule="--count and --most may grow but not shrink", hint=hint)


def require_apart(out: Path, seeds: Path) -> None:
    """Raises InputError where the seed hearts lie in the folder whose hearts are replaced."""
    accepted = (out / ACCEPTED).resolve()
    if accepted in (seeds.resolve(), *seeds.resolve().parents):
        raise InputError("The seed hearts lie among the hearts that the command replaces", value=seeds,
                         rule=f"hearts in {ACCEPTED} are removed when others take their place",
                         hint="choose another --out, or copy the seed hearts to another folder first")


def write_augmentation(out: Path, found: AugmentationResult, model: Mapping[str, str], command: str,
                       anatomy: Anatomy) -> None:
    """Copies the accepted hearts to out/accepted, which loses earlier ones, and writes table and report. Raises
    OutputError.

    command: as it was typed. The table has the columns of metrics.csv, and behind them what became of each heart.
    """
    accepted = make_folder(out / ACCEPTED)
    kept = {id(candidate): name_of(number, candidate) for number, candidate in enumerate(found.accepted)}
    try:
        for old in accepted.iterdir():
            if old.name not in kept.values() and _HEART.fullmatch(old.name):
                remove_map(old)
    except OSError as error:
        raise output_error(accepted, error) from error
    for candidate in found.accepted:
        copy_whole(candidate.member.path, accepted / kept[id(candidate)])
    rows = [_row(out, candidate, kept.get(id(candidate), "")) for candidate in found.candidates]
    write_metrics_csv(out / TABLE, rows, metrics_columns(anatomy))
    values = {"program": __version__, "written": now(), "command": command, **identity(found.task, model),
              "count": found.task.count, "most": found.task.most, **found.row(),
              "notes": list(found.notes), "kept": len(found.accepted)}
    write_json(out / REPORT, values)


def name_of(number: int, candidate: Candidate) -> str:
    """The accepted heart's file name, in the format that it was made in: heart_0003_<seed>_k2.nii.gz."""
    parts = ["heart", f"{number:04d}", plain_name(candidate.seed), f"k{(candidate.member.entry or {}).get('k', 0)}"]
    return "_".join(part for part in parts if part) + ending(candidate.member.path)


def _row(out: Path, candidate: Candidate, kept: str) -> dict[str, object]:
    member = candidate.member
    row = {"map": kept} if member.entry is None or member.request is None else row_of(kept, member.entry,
                                                                                      member.request)
    return {**row, **titled(candidate.values), "accepted": candidate.accepted,
            "why not": "; ".join(candidate.missed), "seed heart": candidate.seed,
            "made as": _relative(member.path, out), "core s": round(candidate.core_seconds, 2)}


def _relative(path: Path, out: Path) -> str:
    try:
        return path.resolve().relative_to(out.resolve()).as_posix()
    except ValueError:
        return str(path)
