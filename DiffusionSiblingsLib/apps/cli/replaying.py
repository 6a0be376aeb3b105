"""`siblings replay`: make a record's siblings again and say whether they are the same."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.labelmap import LabelMap
from ...core.record import read_record
from ...editing.request import Request
from ...editing.result import Sibling
from ...engine.engine import Encoded, Engine
from ...engine.replay import check_twin, compare, new_record, open_recorded, stretches
from ...labelmaps.read import read_labelmap
from ...runs.run_folder import RunFolder
from .measuring_options import Replay
from .terminal import print_table


def replay(options: Replay) -> int:
    """siblings replay RECORD."""
    return replay_record(options.record, twin=options.twin, out=options.out, device=options.device,
                         as_json=options.json)


def replay_record(path: Path, *, twin: Path | None, out: Path | None, device: str, as_json: bool) -> int:
    """Replays every sibling of a record -> 0 if all are identical or within tolerance, 3 if one is different."""
    record = read_record(path)
    engine = open_recorded(record.model, record.compute, device)
    encoded = _open_twin(engine, record.twin, twin)
    folder = None
    if out is not None:
        folder = RunFolder(out, new_record(engine), engine.anatomy, "same", encoded.twin if encoded else None,
                           meter=engine.meter)
        folder.begin()
    rows = []
    for run in record.runs:
        request = Request.from_json(_located(run["request"], path.parent))
        if folder is not None:
            folder.begin_request(request)
        for stretch, wanted in stretches(request, run["siblings"]):
            for entry, sibling in zip(wanted, engine.run(stretch, encoded), strict=True):
                rows.append(compare(entry, sibling, partial(_stored, path.parent / entry["file"], sibling, engine)))
                if folder is not None:
                    folder.add(sibling)
    if folder is not None:
        folder.finish(complete=True, title=f"Replay of {path.name}")
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


def _open_twin(engine: Engine, described: dict[str, Any] | None, moved: Path | None) -> Encoded | None:
    if described is None:
        return None
    path = moved or (Path(described["file"]) if described["file"] else None)
    if path is None or not path.exists():
        raise InputError("The twin of the record cannot be found", value=path, rule="the label map that was edited",
                         hint="give its present place with --twin")
    values = {s["tissue"]: s["value"] for s in described["segments"] if s["tissue"]}
    return check_twin(engine.twin(path, values), described, named=path, hint="name the unchanged file with --twin")


def _stored(path: Path, sibling: Sibling, engine: Engine) -> LabelMap | None:
    """The recorded sibling as its file has it, None where there is no file any more."""
    if not path.exists():
        return None
    recorded = {s.value: s.tissue for s in sibling.labelmap.segments if s.tissue}
    return read_labelmap(path, engine.anatomy, whole=False, recorded=recorded)
