"""Runs of the worker: their settings, and the events that tell of the twin, of targets and of each sibling."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...cohorts.training_distance import training_distance_words
from ...core.defaults import DEFAULT_MODEL, GATE_LIMIT
from ...editing.result import Sibling
from ...labelmaps.ipc_labelmap import write_exchange
from ...runs.plan import Plan
from ...runs.run_folder import Placed, RunFolder
from ...runs.settings import RunSettings

OnPlaced = Callable[[RunFolder, Placed, Sibling | None], None]


def settings_of(command: dict[str, Any]) -> RunSettings:
    """The settings of a command. A run in its folder is replaced, unless the command says anything of resuming."""
    resume = bool(command.get("resume", False))
    return RunSettings(command.get("model", DEFAULT_MODEL), command.get("device", "auto"),
                       command.get("format", "same"), int(command.get("jobs", 1)), gate=command.get("gate", ""),
                       limit=int(command.get("limit", GATE_LIMIT)), resume=resume,
                       replace=bool(command.get("replace", "resume" not in command)),
                       overview=bool(command.get("overview", True)))


class RunEvents:
    """The events of a run, and the rows of its table by number, the twin's first.

    out: the run folder. exchange: the folder in which siblings are handed over.
    """

    def __init__(self, task: Any, plan: Plan, out: Path, exchange: Path) -> None:
        self._task, self._plan, self.out, self._exchange = task, plan, out, exchange
        self._since = time.monotonic()
        self._rows: dict[int, dict[str, object]] = {}

    @property
    def rows(self) -> list[dict[str, object]]:
        """Rows of metrics.csv."""
        return [self._rows[number] for number in sorted(self._rows)]

    def planned(self) -> None:
        """Tells of the twin, and what guided requests ask for."""
        if (twin := self._plan.twin) is not None:
            self._rows[-1] = twin.measured.row("twin", "twin")
            self._task.emit("twin", row=self._rows[-1], entry=self._plan.twin_entry, warnings=[
                *twin.twin.warnings, *training_distance_words("The twin", twin.measured.training_distance),
                *self._idle_words()])
        for number, planned in enumerate(self._plan.requests):
            if planned.request.control is not None:
                self._task.emit("guided", request=number, **planned.guided.to_json())

    def _idle_words(self) -> list[str]:
        """Warnings about edits that will most likely change nothing."""
        scopes = [planned.scope for planned in self._plan.requests if planned.scope is not None]
        return [words for scope in scopes for words in scope.warnings]

    def placed(self, folder: RunFolder, at: Placed, sibling: Sibling | None) -> None:
        """Hands a sibling over and tells of it."""
        stem = write_exchange(sibling.labelmap if sibling is not None else folder.labelmap(at),
                              self._exchange / at.name)
        self._rows[at.number] = row = folder.row(at)
        if self._plan.twin is not None:
            self._rows[-1] = folder.tally.twin_row(self._plan.twin)
        self._task.emit("sibling", index=at.number, request=at.run, k=at.k, stem=str(stem), row=row,
                        entry=folder.entry(at), seconds=round(time.monotonic() - self._since, 3))
        self._since = time.monotonic()
