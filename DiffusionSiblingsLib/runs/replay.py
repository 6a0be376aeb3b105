"""Replays: a record's siblings made again by the pipeline, and a verdict on each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..cohorts.model_facts import ModelFacts
from ..core.errors import InputError
from ..core.labelmap import LabelMap
from ..core.record import Record, has_hash
from ..editing.planned import PlacedTwin
from ..editing.request import Request
from ..editing.result import Sibling
from ..metrics.overlap import dice
from .pipeline import run_plan
from .plan import Plan
from .run_folder import Placed, RunFolder
from .scheduler import Hooks
from .settings import RunSettings
from .views import Entry, Row

SAME_DICE = 0.99  # another device or build rounds differently; below this a sibling counts as another one
SAME_FEATURES = 0.01  # and no feature may differ by more than 1 %
Stored = Callable[[str, LabelMap], LabelMap | None]  # a recorded sibling's file, and a template of its grid and tissues


@dataclass(frozen=True)
class Replay:
    """A record to be replayed.

    facts: of the model that is installed. twin: placed; None for generated hearts. requests: of the record, with
    regions where they lie now. stored: reads a recorded sibling, None where it is not there any more; it is called only
    where voxels differ. title: of the overview.
    """

    record: Record
    facts: ModelFacts
    twin: PlacedTwin | None
    requests: tuple[Request, ...]
    stored: Stored
    title: str = "Replay"

    def plan(self, device: str = "auto", *, overview: bool = False) -> Plan:
        """The plan that makes exactly the recorded siblings; a gate leaves gaps in their numbers k."""
        settings = RunSettings(str(self.facts.card.folder), device, title=self.title, overview=overview,
                               dtype=self.record.compute["dtype"])
        ks = tuple(tuple(sorted(entry["k"] for entry in run["siblings"])) for run in self.record.runs)
        return replace(Plan.of(self.requests, self.twin, settings, facts=self.facts), ks=ks)

    def run(self, plan: Plan, out: Path | None = None, hooks: Hooks | None = None,
            judged: Callable[[Row], None] | None = None) -> list[Row]:
        """Makes the siblings again, into the run folder `out` if one is named -> a verdict on each, in their order.

        judged: called with each verdict.
        """
        given, verdicts = hooks or Hooks(), dict[int, Row]()

        def judge(folder: RunFolder, at: Placed, sibling: Sibling | None) -> None:
            verdicts[at.number] = self._verdict(folder, at, sibling)
            if judged is not None:
                judged(verdicts[at.number])
            if given.placed is not None:
                given.placed(folder, at, sibling)

        with ExitStack() as held:
            if out is None:
                out = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="siblings-replay-")))
            run_plan(plan, out, replace(given, placed=judge))
        return [verdicts[number] for number in sorted(verdicts)]

    def _verdict(self, folder: RunFolder, at: Placed, sibling: Sibling | None) -> Row:
        """A sibling against the recorded one."""
        recorded = next(entry for entry in self.record.runs[at.run]["siblings"] if entry["k"] == at.k)
        template = folder.plan.template_of(at.run)
        return compare(recorded, folder.entry(at),
                       lambda: sibling.labelmap if sibling is not None else folder.labelmap(at),
                       lambda: self.stored(recorded["file"], template))


def installed(record: Record, named: str = "") -> ModelFacts:
    """The facts of a record's model. named: where it is, "" for the installed model that the record names.

    Raises ModelError where there is no such model, and InputError where it has other weights than the record's.
    """
    model = {"id": "", "version": "", "sha256": "", **record.model}
    facts = ModelFacts.of(named or model["id"])
    if facts.card.sha256 != model["sha256"]:
        raise InputError("This model is not the model of the record",
                         value=f"{facts.card.id} {facts.card.version}, SHA-256 {facts.card.sha256[:12]}...",
                         rule=f"version {model['version']}, SHA-256 {model['sha256'][:12]}...",
                         hint="install the version of the model that the record names, or name its folder with --model")
    return facts


def check_twin(placed: PlacedTwin, described: Entry, *, named: object, hint: str) -> PlacedTwin:
    """The twin, if it is the one that a record describes. Raises InputError. named, hint: for the message."""
    if not has_hash(placed.twin.labelmap, described["labels_sha256"]):
        raise InputError("This is not the twin of the record", value=named,
                         rule=f"the label map has SHA-256 {described['labels_sha256'][:12]}...", hint=hint)
    return placed


def compare(recorded: Entry, now: Entry, made: Callable[[], LabelMap], stored: Callable[[], LabelMap | None]) -> Row:
    """One recorded sibling against its replay: identical (same hash), within tolerance, or different.

    recorded, now: their entries. made, stored: read their label maps, called only where hashes differ.
    """
    row: Row = {"sibling": recorded["file"], "verdict": "identical"}
    if recorded["labels_sha256"] == now["labels_sha256"] or has_hash(made(), recorded["labels_sha256"]):
        return row | {"least Dice": 1.0, "largest feature difference [%]": 0.0}
    off = max(abs(now["features"][key] - value) / max(abs(value), 1e-9) for key, value in recorded["features"].items())
    least = _least_dice(stored(), made)
    alike = off <= SAME_FEATURES and (least is None or least >= SAME_DICE)
    return row | {"verdict": "within tolerance" if alike else "different", "least Dice": least,
                  "largest feature difference [%]": 100 * off}


def _least_dice(stored: LabelMap | None, made: Callable[[], LabelMap]) -> float | None:
    if stored is None:
        return None
    now = made()
    values: dict[str, Any] = {tissue: numbers[0] for tissue, numbers in now.tissues.items()}
    return min(dice(stored.labels, now.labels, values).values())
