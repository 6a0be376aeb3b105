"""A run of requests from the command line: engine, folder, progress bar, and an orderly stop on Ctrl-C."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tqdm import tqdm

from ..compose import edit_scope
from ..engine import Encoded, Engine
from ..export.run_folder import RunFolder
from ..export.tables import short_table
from ..replaying import new_record
from ..request import Request

SHOWN = ("map", "edit", "LV volume [ml]", "RV volume [ml]", "LA volume [ml]", "RA volume [ml]", "mean Dice to twin",
         "violations [%]", "voxels repaired", "voxels changed outside region")


def run_requests(requests: list[Request], twin: Path | None, out: Path, *, labels: dict[str, int] | None = None,
                 model: str = "heart-compact", device: str = "auto", format_name: str = "same",
                 replace_run: bool = False, as_json: bool = False) -> int:
    """Makes all siblings of all requests into `out` -> exit code. Input is checked before anything is written."""
    engine = Engine.open(model, device)
    encoded = engine.twin(twin, labels) if twin is not None else None
    for warning in encoded.twin.warnings if encoded is not None else ():
        print(f"siblings: note: {warning}", file=sys.stderr)
    scopes = [edit_scope(request, encoded.twin, engine.anatomy) for request in requests] if encoded is not None else []
    bounded = len(requests) == 1 and bool(requests[0].box or requests[0].region)
    region = scopes[0].editable if bounded and scopes else None
    folder = RunFolder(out, new_record(engine), engine.anatomy, format_name, encoded.twin if encoded else None)
    folder.begin(replace=replace_run)
    complete = False
    try:
        _make(engine, encoded, requests, folder)
        complete = True
    finally:
        folder.finish(complete=complete, region=region, title=_title(twin), notes=_notes(engine, encoded, complete))
        _report(folder, complete, as_json)
    return 0


def _make(engine: Engine, encoded: Encoded | None, requests: list[Request], folder: RunFolder) -> None:
    total = sum(request.count for request in requests)
    with tqdm(total=total, unit="sibling", disable=not sys.stderr.isatty()) as bar:
        for request in requests:
            done = bar.n
            folder.begin_request(request)

            def show(step: int, steps: int, done: float = done, request: Request = request) -> None:
                bar.n = round(done + request.count * step / steps, 2)
                bar.set_postfix_str(request.describe(), refresh=False)
                bar.update(0)

            for sibling in engine.run(request, encoded, progress=show):
                folder.add(sibling)
            bar.n = done + request.count
            bar.refresh()


def _title(twin: Path | None) -> str:
    return f"Digital siblings of {twin.name}" if twin is not None else "Generated hearts"


def _notes(engine: Engine, encoded: Encoded | None, complete: bool) -> tuple[str, ...]:
    notes = [f"Model {engine.card.id} {engine.card.version}"]
    if encoded is not None and encoded.twin.canonical.outside_ml:
        cut = ", ".join(f"{tissue} {ml:.1f} ml" for tissue, ml in encoded.twin.canonical.outside_ml.items())
        notes.append(f"Outside the field of view, copied from the twin: {cut}")
    if not complete:
        notes.append("The run was stopped before its end")
    return tuple(notes)


def _report(folder: RunFolder, complete: bool, as_json: bool) -> None:
    """The closing words: a table (or the record as JSON) and where the files are."""
    if as_json:
        print(json.dumps(folder.record.to_json(), indent=1))
        return
    print(short_table([{key: row[key] for key in SHOWN if key in row} for row in folder.rows]))
    if not complete:
        print("\nStopped early; the siblings above are finished and recorded.")
    names = ", ".join(name for name in ("overview.png", "metrics.csv", "record.json") if (folder.out / name).exists())
    print(f"\nSiblings, {names} are in {folder.out}")
