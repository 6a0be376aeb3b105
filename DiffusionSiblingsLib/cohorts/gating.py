"""Whether the members of a cohort had to pass acceptance checks, as the records beside them say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..core.record import Record, readable_record


def accepted_of(record: Record) -> tuple[int, int] | None:
    """How many siblings of a run were accepted, and how many it made; None where it used no acceptance checks."""
    kept = [entry for run in record.runs for entry in run["siblings"]]
    rejected = sum(len(run.get("rejected", ())) for run in record.runs)
    gated = rejected or any("gate" in part for part in (*record.runs, *kept))
    return (len(kept), len(kept) + rejected) if gated else None


def gate_words(paths: Iterable[Path]) -> str | None:
    """What a reader must know of a cohort whose members were accepted by checks; None where no record says so.

    paths: of the members.
    """
    records = (readable_record(folder) for folder in dict.fromkeys(path.resolve().parent for path in paths))
    counts = [found for record in records if record is not None and (found := accepted_of(record)) is not None]
    if not counts:
        return None
    accepted, made = (sum(numbers) for numbers in zip(*counts, strict=True))
    return (f"was made with acceptance checks, which {accepted} of {made} hearts passed: what they reject is missing "
            "from it, and the figures say nothing about it")
