"""`siblings replay`: make a record's siblings again and say whether they are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...cohorts.model_facts import ModelFacts
from ...core.errors import InputError
from ...core.labelmap import LabelMap
from ...core.progress import ProgressBar
from ...core.record import read_record
from ...editing.planned import PlacedTwin
from ...editing.record_entries import extension_in
from ...editing.request import Request
from ...labelmaps.read import read_labelmap
from ...runs.replay import Replay, check_twin, installed
from ...runs.run_folder import read_sibling
from ...runs.scheduler import Hooks
from . import measuring_options
from .terminal import note, print_table


def replay(options: measuring_options.Replay) -> int:
    """siblings replay RECORD."""
    return replay_record(options.record, twin=options.twin, out=options.out, device=options.device,
                         model=options.model, as_json=options.json)


def replay_record(path: Path, *, twin: Path | None, out: Path | None, device: str, as_json: bool,
                  model: str = "") -> int:
    """Replays every sibling of a record -> 0 if all are identical or within tolerance, 3 if one is different.

    model: where the record's model is; "" for the installed one that it names.
    """
    record = read_record(path)
    if not any(run["siblings"] for run in record.runs):
        raise InputError("The record has no sibling that could be made again", value=path,
                         rule="at least one sibling is finished",
                         hint="continue the run with the command that began it and --resume")
    facts = installed(record, model)
    placed = _place_twin(facts, record.twin, twin)
    requests = tuple(Request.from_json(_located(run["request"], path.parent)) for run in record.runs)

    def stored(file: str, template: LabelMap) -> LabelMap | None:
        return read_sibling(path.parent / file, template, facts.anatomy) if (path.parent / file).exists() else None

    again = Replay(record, facts, placed, requests, stored, f"Replay of {path.name}")
    with ProgressBar("Making siblings again", total=sum(len(run["siblings"]) for run in record.runs),
                     unit="siblings") as bar:
        rows = again.run(again.plan(device, overview=out is not None), out, Hooks(bar.show, note))
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows)
    return 3 if any(row["verdict"] == "different" for row in rows) else 0


def _located(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A request whose region file is found beside the record, if that is where it lies."""
    region = request.get("region")
    beside = folder / region if region else folder
    return {**request, "region": str(beside)} if region and beside.is_file() else request


def _place_twin(facts: ModelFacts, described: dict[str, Any] | None, moved: Path | None) -> PlacedTwin | None:
    """The twin of a record, from the file that it names or that it was moved to."""
    if described is None:
        return None
    path = moved or (Path(described["file"]) if described["file"] else None)
    if path is None or not path.exists():
        raise InputError("The twin of the record cannot be found", value=path, rule="the label map that was edited",
                         hint="give its present place with --twin")
    values = {int(s["value"]): str(s["tissue"]) for s in described["segments"] if s["tissue"]}
    twin = read_labelmap(path, facts.anatomy, recorded=values)
    return check_twin(PlacedTwin.of(twin, facts, room=extension_in(described)), described, named=path,
                      hint="name the unchanged file with --twin")
