"""A run of requests from the command line: engine, folder, progress bar, and an orderly stop on Ctrl-C."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tqdm import tqdm

from ..anatomy import load_anatomy
from ..compose import edit_scope
from ..control.report import REACHED
from ..engine import Encoded, Engine
from ..export.run_folder import RunFolder
from ..export.tables import short_table
from ..export.targets import looked_at
from ..guided import Guided, plan_guidance
from ..registry import find_model
from ..replaying import new_record
from ..request import Request
from ..support import read_cohort
from ..wishes import Wishes

SHOWN = ("map", "edit", "LV volume [ml]", "RV volume [ml]", "LA volume [ml]", "RA volume [ml]", "mean Dice to twin",
         "violations [%]", "voxels repaired", "voxels changed outside region", REACHED)


def run_requests(requests: list[Request], twin: Path | None, out: Path, *, labels: dict[str, int] | None = None,
                 model: str = "heart-compact", device: str = "auto", format_name: str = "same",
                 replace_run: bool = False, as_json: bool = False, wishes: Wishes | None = None) -> int:
    """Makes all siblings of all requests into `out` -> exit code. Input is checked before anything is written.

    wishes: presets and tissues to hold, added to the control of every request.
    """
    wishes = wishes or Wishes()
    wishes.held(load_anatomy(find_model(model).anatomy))  # says what is wrong before the model is loaded
    engine = Engine.open(model, device)
    encoded = engine.twin(twin, labels) if twin is not None else None
    for warning in encoded.twin.warnings if encoded is not None else ():
        print(f"siblings: note: {warning}", file=sys.stderr)
    planned = _guided(engine, encoded, requests, wishes)
    requests = [guided.request for guided in planned]
    scopes = [edit_scope(request, encoded.twin, engine.anatomy) for request in requests] if encoded is not None else []
    bounded = len(requests) == 1 and bool(requests[0].box or requests[0].region)
    region = scopes[0].editable if bounded and scopes else None
    folder = RunFolder(out, new_record(engine), engine.anatomy, format_name, encoded.twin if encoded else None)
    folder.begin(replace=replace_run)
    complete, missed = False, list[str]()  # a line for each target that was missed, also of a run that was stopped
    try:
        _make(engine, encoded, planned, folder, missed)
        complete = True
    finally:
        folder.finish(complete=complete, region=region, title=_title(twin),
                      notes=_notes(engine, encoded, requests, complete))
        _report(folder, complete, as_json, missed)
    return 0


def _guided(engine: Engine, encoded: Encoded | None, requests: list[Request], wishes: Wishes) -> list[Guided]:
    """The requests with their controls, each warning said once."""
    planned = plan_guidance(requests, [wishes] * len(requests), encoded.twin if encoded is not None else None,
                            engine.anatomy, engine.reference, read_cohort(engine.card.folder))
    for warning in dict.fromkeys(warning for guided in planned for warning in guided.warnings):
        print(f"siblings: note: {warning}", file=sys.stderr)
    return planned


def _make(engine: Engine, encoded: Encoded | None, planned: list[Guided], folder: RunFolder, missed: list[str]) -> None:
    total = sum(guided.request.count for guided in planned)
    with tqdm(total=total, unit="sibling", disable=not sys.stderr.isatty()) as bar:
        for guided in planned:
            request, done = guided.request, bar.n
            folder.begin_request(request, guided.warnings)

            def show(step: int, steps: int, done: float = done, request: Request = request) -> None:
                bar.n = round(done + request.count * step / steps, 2)
                bar.set_postfix_str(request.describe(), refresh=False)
                bar.update(0)

            for sibling in engine.run(request, encoded, progress=show):
                name = folder.add(sibling).name.split(".")[0]
                missed += [f"{name}: {words}" for words in looked_at(sibling)]
            bar.n = done + request.count
            bar.refresh()


def _title(twin: Path | None) -> str:
    return f"Digital siblings of {twin.name}" if twin is not None else "Generated hearts"


def _notes(engine: Engine, encoded: Encoded | None, requests: list[Request], complete: bool) -> tuple[str, ...]:
    notes = [f"Model {engine.card.id} {engine.card.version}"]
    guided = dict.fromkeys(request.describe_guidance() for request in requests if request.control is not None)
    notes += [words[0].upper() + words[1:] for words in guided]
    if encoded is not None and encoded.twin.canonical.outside_ml:
        cut = ", ".join(f"{tissue} {ml:.1f} ml" for tissue, ml in encoded.twin.canonical.outside_ml.items())
        notes.append(f"Outside the field of view, copied from the twin: {cut}")
    if not complete:
        notes.append("The run was stopped before its end")
    return tuple(notes)


def _report(folder: RunFolder, complete: bool, as_json: bool, missed: list[str]) -> None:
    """The closing words: a table (or the record as JSON), what was missed, and where the files are."""
    if as_json:
        print(json.dumps(folder.record.to_json(), indent=1))
        return
    print(short_table([{key: row[key] for key in SHOWN if key in row} for row in folder.rows]))
    if missed:
        print("\nNot reached, or to be looked at:", *missed, sep="\n  ")
    if not complete:
        print("\nStopped early; the siblings above are finished and recorded.")
    names = ", ".join(name for name in ("overview.png", "metrics.csv", "record.json") if (folder.out / name).exists())
    print(f"\nSiblings, {names} are in {folder.out}")
