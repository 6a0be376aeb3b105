"""Resuming the run in a folder: the same run or none, with every sibling that it has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import ending, move_over
from ..core.labelmap import LabelMap
from ..core.record import RECORD_NAME, Record, hash_labelmap, read_record
from ..editing.record_entries import segment_rows
from ..editing.request import Request
from .partial_results import PartialResult, PartialResults
from .rejection import SamplingBudget


def recorded(out: Path) -> Record | None:
    """The record of the run that a folder holds, None where there is none. Raises InputError for an unreadable one."""
    path = out / RECORD_NAME
    return read_record(path) if path.exists() else None


def require_same(old: Record, new: Record, out: Path) -> None:
    """Raises InputError where a run in a folder is another one than asked for; more siblings may be asked for now."""
    if any(old.model.get(part) != new.model.get(part) for part in ("id", "sha256")):
        raise _differs(out, "model", f"{old.model.get('id')} {old.model.get('version')}")
    if (old.twin or {}).get("labels_sha256") != (new.twin or {}).get("labels_sha256"):
        raise _differs(out, "twin", (old.twin or {}).get("file") or "none")
    if other := _other_meanings(old.twin, new.twin):
        meanings = ", ".join(f"{value} = {tissue or 'no tissue'}" for value, tissue in other.items())
        raise _differs(out, "meaning of the twin's labels", meanings)
    if len(old.runs) > len(new.runs):
        raise _differs(out, "number of requests", len(old.runs))
    for before, after in zip(old.runs, json.loads(json.dumps(new.runs)), strict=False):
        _require_same_request(before, after, out)


def twin_entry(labelmap: LabelMap) -> dict[str, Any]:
    """What a record knows a twin by, wherever its file lies: its voxels on their grid, and what they mean."""
    return {"labels_sha256": hash_labelmap(labelmap), "segments": segment_rows(labelmap.segments)}


def same_twin(was: dict[str, Any] | None, now: dict[str, Any]) -> bool:
    """Whether a record's entry of its twin is of the same heart, read in the same way. now: as `twin_entry` has it."""
    return was is not None and was.get("labels_sha256") == now["labels_sha256"] and not _other_meanings(was, now)


def _require_same_request(before: dict[str, Any], after: dict[str, Any], out: Path) -> None:
    was, want = Request.from_json(before["request"]).to_json(), dict(after["request"])
    had, wanted = was.pop("count"), want.pop("count")
    if was != want:
        names = [name for name in want if was.get(name) != want[name]] + [name for name in was if name not in want]
        had_before = ", ".join(f"{name} {was.get(name)}" for name in names if not isinstance(was.get(name), dict))
        raise _differs(out, ", ".join(names), had_before)
    if had > wanted:
        raise InputError("The run in this folder already has more siblings than you asked for",
                         value=f"{had} in {out}",
                         rule=f"--count may grow but not shrink; you gave {wanted}",
                         hint=f"give --count {had}, or choose another --out")
    if (was_gate := _checks(before)) != _checks(after):
        raise _differs(out, "acceptance checks", was_gate or "none")


def require_format(old: Record, suffixes: Sequence[str], out: Path) -> None:
    """Raises InputError where siblings of a request lie in a folder with other endings than they would have now."""
    found = verdicts_of(PartialResults(out), len(suffixes))
    for number, (verdicts, suffix) in enumerate(zip(found, suffixes, strict=True)):
        entries = old.runs[number]["siblings"] if number < len(old.runs) else ()
        had = {ending(entry["file"]).lstrip(".") for entry in entries}
        had |= {suffix for good, suffix in verdicts.values() if good}
        if other := sorted(had - {suffix}):
            raise _differs(out, "format", ", ".join(other))


def _other_meanings(was: dict[str, Any] | None, now: dict[str, Any] | None) -> dict[int, str | None]:
    """Value -> tissue that it was, of the twin's values that are another tissue now."""
    before, after = ({segment["value"]: segment["tissue"] for segment in (twin or {}).get("segments", ())}
                     for twin in (was, now))
    return {value: before[value] for value in sorted(before.keys() & after.keys()) if before[value] != after[value]}


def _checks(run: dict[str, Any]) -> str:
    return str(run.get("gate", {}).get("checks", ""))


def _differs(out: Path, what: str, value: object) -> InputError:
    return InputError(f"The run in this folder differs in its {what}", value=f"{value} in {out}",
                      rule="--resume continues a run with the same settings",
                      hint="repeat the command that started the run, or choose another --out")


def restore(out: Path, record: Record) -> None:
    """Makes parts again of all siblings in a record, of a run that came to its end."""
    parts = PartialResults(out)
    for number, run in enumerate(record.runs):
        for entry in (*run["siblings"], *run.get("rejected", ())):
            if not parts.file_of(number, entry["k"]).exists():
                parts.write(_part(number, dict(entry)), None, "")


def _part(run: int, entry: dict[str, Any]) -> PartialResult:
    """The part of a sibling. entry: of the record; it loses what is the folder's."""
    rejected, file = entry.pop("rejected", None), entry.pop("file") or ""
    suffix = ending(file).lstrip(".") or "nii.gz"
    return PartialResult(run, entry["k"], suffix, {"file": "", **entry}, None if rejected is None else tuple(rejected))


def inherit(record: Record, old: Record) -> None:
    """Gives the record of a resumed run what is known of the earlier calls: when it began, and what computed it."""
    earlier = {**old.compute}
    before = earlier.pop("earlier", [])
    if earlier != record.compute:
        before = [*before, earlier]
    record.created = old.created
    if before:
        record.compute["earlier"] = before


Verdicts = dict[int, tuple[bool, str]]  # k -> accepted, and the suffix of its label map


def verdicts_of(parts: PartialResults, requests: int) -> list[Verdicts]:
    """What the parts of a run say, request by request. A damaged part goes, so that its sibling is made again."""
    found: list[Verdicts] = [{} for _ in range(requests)]
    for run, k in parts.all():
        if run < requests:
            try:
                part = parts.read(run, k)
            except InputError:
                parts.forget(run, k)
                continue
            found[run][k] = (part.rejected is None, part.suffix)
    return found


def take_back(out: Path, record: Record, counts: Sequence[int]) -> None:
    """Gives the siblings of a run that is to grow their old places back, where their numbers are going to change."""
    had = [run["request"]["count"] for run in record.runs]
    if had == list(counts[: len(had)]):
        return
    parts, offset = PartialResults(out), 0
    for number, verdicts in enumerate(verdicts_of(parts, len(had))):
        run = record.runs[number]
        first, most = run["request"]["first"], run.get("gate", {}).get("most")
        for k, at in settled(verdicts, first, had[number], offset, most):
            place = out / f"sibling_{at:04d}.{verdicts[k][1]}"
            if place.exists():
                move_over(place, parts.map_of(number, k, verdicts[k][1]))
        offset += had[number]


def settled(verdicts: Verdicts, first: int, count: int, offset: int, most: int | None) -> list[tuple[int, int]]:
    """(k, number) of the siblings whose number is known."""
    budget = SamplingBudget(first, count, offset, most)
    budget.known({k: good for k, (good, _) in verdicts.items()})
    return budget.settled()
