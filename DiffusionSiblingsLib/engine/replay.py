"""Records of an engine's work: an empty one, and whether a recorded sibling comes out again (next to the engine)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from ..core.errors import InputError
from ..core.labelmap import LabelMap
from ..core.record import Record, hash_labelmap
from ..editing.request import Request
from ..editing.result import Sibling
from ..metrics.overlap import dice
from .engine import Encoded, Engine

SAME_DICE = 0.99  # another device or build rounds differently; below this a sibling counts as another one
SAME_VOLUME = 0.01  # and no feature may be further off than 1 %


def new_record(engine: Engine) -> Record:
    """An empty record of this engine."""
    card = engine.card
    return Record.new({"id": card.id, "version": card.version, "sha256": card.sha256}, engine.compute.to_json())


def open_recorded(model: dict[str, Any], compute: dict[str, Any], device: str,
                  opener: Callable[..., Engine] = Engine.open) -> Engine:
    """The engine of a record: the same weights, and the same floating type where this machine has it.

    opener: called as Engine.open is; a program that keeps engines hands over its own.
    """
    engine = opener(model["id"], device, dtype=compute["dtype"])
    if engine.card.sha256 != model["sha256"]:
        raise InputError("The installed model is not the one of the record",
                         value=f"{engine.card.id} {engine.card.version}, SHA-256 {engine.card.sha256[:12]}...",
                         rule=f"version {model['version']}, SHA-256 {model['sha256'][:12]}...",
                         hint="install that version of the model")
    return engine


def stretches(request: Request, entries: Sequence[dict[str, Any]]) -> Iterator[tuple[Request, list[dict[str, Any]]]]:
    """Requests that make exactly the recorded siblings again, each with its entries.

    One, as a rule; a gate leaves gaps in the numbers k, and a run that was stopped has fewer than were asked for.
    """
    for _, group in groupby(enumerate(entries), key=lambda pair: pair[1]["k"] - pair[0]):
        stretch = [entry for _, entry in group]
        yield replace(request, first=stretch[0]["k"], count=len(stretch)), stretch


def check_twin(encoded: Encoded, described: dict[str, Any], *, named: object, hint: str) -> Encoded:
    """The twin, if it is the one that a record describes. Raises InputError. named, hint: for the message."""
    if hash_labelmap(encoded.twin.labelmap) != described["labels_sha256"]:
        raise InputError("This is not the twin of the record", value=named,
                         rule=f"a label map with hash {described['labels_sha256'][:12]}...", hint=hint)
    return encoded


def compare(entry: dict[str, Any], sibling: Sibling, stored: Callable[[], LabelMap | None]) -> dict[str, object]:
    """One recorded sibling against its replay: identical (same hash), within tolerance, or different.

    stored: gives the recorded sibling's label map, None where it is not there; called only where hashes differ.
    """
    row: dict[str, object] = {"sibling": entry["file"], "verdict": "identical"}
    if entry["labels_sha256"] == hash_labelmap(sibling.labelmap):
        return row | {"least Dice": 1.0, "largest feature difference [%]": 0.0}
    off = max(abs(sibling.features[key] - value) / max(abs(value), 1e-9) for key, value in entry["features"].items())
    least = _least_dice(stored(), sibling)
    alike = off <= SAME_VOLUME and (least is None or least >= SAME_DICE)
    return row | {"verdict": "within tolerance" if alike else "different", "least Dice": least,
                  "largest feature difference [%]": 100 * off}


def _least_dice(stored: LabelMap | None, sibling: Sibling) -> float | None:
    if stored is None:
        return None
    values = {tissue: numbers[0] for tissue, numbers in sibling.labelmap.tissues.items()}
    return min(dice(stored.labels, sibling.labelmap.labels, values).values())
