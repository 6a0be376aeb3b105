"""`siblings replay`: make a record's siblings again and say whether they are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..engine import Encoded, Engine
from ..errors import InputError
from ..export.run_folder import RunFolder
from ..export.tables import short_table
from ..labelmap_io import read_labelmap
from ..metrics.overlap import dice
from ..record import hash_labelmap, read_record
from ..request import Request
from ..result import Sibling
from .running import new_record

SAME_DICE = 0.99  # another device or build rounds differently; below this a sibling counts as another one
SAME_VOLUME = 0.01  # and no feature may be further off than 1 %


def replay_record(path: Path, *, twin: Path | None, out: Path | None, device: str, as_json: bool) -> int:
    """Replays every sibling of a record -> 0 if all are identical or within tolerance, 3 if one is different."""
    record = read_record(path)
    engine = open_recorded(record.model, record.compute, device)
    encoded = _open_twin(engine, record.twin, twin)
    folder = None
    if out is not None:
        folder = RunFolder(out, new_record(engine), engine.anatomy, "same", encoded.twin if encoded else None)
        folder.begin()
    rows = []
    for run in record.runs:
        request = Request.from_json(run["request"])
        if folder is not None:
            folder.begin_request(request)
        wanted = run["siblings"]
        for entry, sibling in zip(wanted, engine.run(request, encoded), strict=False):
            rows.append(compare(entry, sibling, path.parent, engine))
            if folder is not None:
                folder.add(sibling)
    if folder is not None:
        folder.finish(complete=True, title=f"Replay of {path.name}")
    print(json.dumps(rows, indent=1) if as_json else short_table(rows))
    return 3 if any(row["verdict"] == "different" for row in rows) else 0


def open_recorded(model: dict[str, Any], compute: dict[str, Any], device: str) -> Engine:
    """The engine of a record: the same weights, and the same floating type where this machine has it."""
    engine = Engine.open(model["id"], device, dtype=compute["dtype"])
    if engine.card.sha256 != model["sha256"]:
        raise InputError("The installed model is not the one of the record",
                         value=f"{engine.card.id} {engine.card.version}, SHA-256 {engine.card.sha256[:12]}...",
                         rule=f"version {model['version']}, SHA-256 {model['sha256'][:12]}...",
                         hint="install that version of the model")
    return engine


def _open_twin(engine: Engine, described: dict[str, Any] | None, moved: Path | None) -> Encoded | None:
    if described is None:
        return None
    path = moved or (Path(described["file"]) if described["file"] else None)
    if path is None or not path.exists():
        raise InputError("The twin of the record is not there", value=path, rule="the label map that was edited",
                         hint="say where it is now with --twin")
    values = {s["tissue"]: s["value"] for s in described["segments"] if s["tissue"]}
    encoded = engine.twin(path, values)
    if hash_labelmap(encoded.twin.labelmap) != described["labels_sha256"]:
        raise InputError("This is not the twin of the record", value=path,
                         rule=f"a label map with hash {described['labels_sha256'][:12]}...",
                         hint="name the unchanged file with --twin")
    return encoded


def compare(entry: dict[str, Any], sibling: Sibling, folder: Path, engine: Engine) -> dict[str, object]:
    """One recorded sibling against its replay: identical (same hash), within tolerance, or different."""
    row: dict[str, object] = {"sibling": entry["file"], "verdict": "identical"}
    if entry["labels_sha256"] == hash_labelmap(sibling.labelmap):
        return row | {"least Dice": 1.0, "largest feature difference [%]": 0.0}
    off = max(abs(sibling.features[key] - value) / max(abs(value), 1e-9) for key, value in entry["features"].items())
    least = _least_dice(folder / entry["file"], sibling, engine)
    alike = off <= SAME_VOLUME and (least is None or least >= SAME_DICE)
    return row | {"verdict": "within tolerance" if alike else "different", "least Dice": least,
                  "largest feature difference [%]": 100 * off}


def _least_dice(path: Path, sibling: Sibling, engine: Engine) -> float | None:
    if not path.exists():
        return None
    values = {tissue: numbers[0] for tissue, numbers in sibling.labelmap.tissues.items()}
    stored = read_labelmap(path, engine.anatomy, values)
    return min(dice(stored.labels, sibling.labelmap.labels, values).values())
