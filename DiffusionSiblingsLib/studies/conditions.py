"""Conditions of studies: a request for a twin, made once in a run folder and found again in any run that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohorts.measured_map import measurements_of
from ..cohorts.members import Member, find_members
from ..core.errors import InputError
from ..core.labelmap import LabelMap
from ..core.names import plain_name
from ..core.record import RECORD_NAME, has_record, readable_record
from ..editing.request import Request
from ..metrics.measurement import MeasurementKey
from ..runs.own_files import PARTS
from ..runs.resume import same_twin
from .twins import TwinSource

MakeSiblings = Callable[[Sequence[Request], LabelMap | None, Path], None]  # requests, twin, run folder


@dataclass(frozen=True)
class Condition:
    """Siblings first .. first + count - 1 of a request. folder: the run that has them. members: in that order."""

    request: Request
    folder: Path
    members: tuple[Member, ...]
    threads: int = 1

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """The entries of the members in the record."""
        return [member.entry or {} for member in self.members]

    def mean_violations(self, *, raw: bool) -> float:
        """Mean share of failed checks at half resolution, in percent. raw: before repair; the papers have no repair."""
        checks = [entry["raw_checks" if raw else "checks"]["half"]["violation_percent"] for entry in self.entries]
        return float(np.mean(checks))

    def column(self, key: MeasurementKey) -> npt.NDArray[np.float64]:
        """(n,) float64: one measurement of every member."""
        return np.array([measurements_of(entry)[key] for entry in self.entries], dtype=np.float64)


def busy_seconds(entry: dict[str, Any]) -> float:
    """Wall seconds of a sibling, all stages together."""
    return float(sum(entry.get("timings_s", {}).values()))


@dataclass
class Conditions:
    """The conditions of a study folder. folder: where new ones are made. elsewhere: run folders, or folders of them,
    that are only read. sha256: of the model's weights. make: makes siblings in a run folder, and resumes a stopped run.
    """

    folder: Path
    sha256: str
    make: MakeSiblings
    elsewhere: tuple[Path, ...] = ()
    say: Callable[[str], None] = print

    def get(self, name: str, requests: Sequence[Request], twin: TwinSource | None = None) -> list[Condition]:
        """The conditions of some requests for one twin. Those that no run has are made in one run.

        Raises InputError if a run ends without all of its siblings.
        """
        own = self.folder / plain_name(name)
        others = {index: condition for index, request in enumerate(requests)
                  if (condition := self._elsewhere(request, twin, own)) is not None}
        wanted = [request for index, request in enumerate(requests) if index not in others]
        stopped = (own / PARTS).exists()  # perhaps just before its end, with all siblings in its record
        if wanted and (stopped or any(matching(own, request, twin, self.sha256) is None for request in wanted)):
            for request in wanted:
                self.say(f"{name}: {request.count} x {request.describe()}")
            self.make(wanted, twin.read() if twin is not None else None, own)
        found = [others.get(index) or matching(own, request, twin, self.sha256)
                 for index, request in enumerate(requests)]
        complete = [condition for condition in found if condition is not None]
        if len(complete) < len(requests):
            raise InputError("A run of the study is incomplete", value=own,
                             rule=f"it has all {sum(request.count for request in wanted)} siblings",
                             hint="run the study again; if that does not help, delete the folder")
        return complete

    def _elsewhere(self, request: Request, twin: TwinSource | None, own: Path) -> Condition | None:
        """The condition in another run than its own, if a run has at least its siblings."""
        for folder in self._runs(own):
            found = matching(folder, request, twin, self.sha256)
            if found is not None:
                return found
        return None

    def _runs(self, own: Path) -> Iterator[Path]:
        """All run folders except `own`."""
        for root in (*self.elsewhere, self.folder):
            if has_record(root):
                yield root
            elif root.is_dir():
                yield from (path.parent for path in sorted(root.glob(f"*/{RECORD_NAME}")) if path.parent != own)


def matching(folder: Path, request: Request, twin: TwinSource | None, model_sha256: str) -> Condition | None:
    """The condition in a run folder; None if the run has another model, twin or request, or too few siblings so far.

    Twins are equal if their voxels and the meanings of their labels are equal, as for a run that is resumed: the file
    may have moved or may be a folder of masks, but the same file read with other --labels is another heart.
    """
    record = readable_record(folder)
    if record is None or record.model.get("sha256") != model_sha256:
        return None
    if request.needs_twin and (twin is None or not same_twin(record.twin, twin.entry)):
        return None
    wanted, ks = same_but_count(request.to_json()), range(request.first, request.first + request.count)
    there = {entry.get("k") for run in record.runs if same_but_count(run.get("request", {})) == wanted
             for entry in run.get("siblings", ())}
    if not there.issuperset(ks):  # checked before searching for files: most runs have other requests or just began
        return None
    members = [member for member in find_members(folder)
               if member.request is not None and same_but_count(member.request) == wanted]
    by_k = {int(member.entry["k"]): member for member in members if member.entry is not None and member.path.exists()}
    if not all(k in by_k for k in ks):
        return None
    threads = int(record.compute.get("threads") or 1)
    return Condition(request, folder, tuple(by_k[k] for k in ks), threads)


def same_but_count(request: dict[str, Any]) -> dict[str, Any]:
    """A request's JSON without `count` and `first`, which do not influence sibling k."""
    return {key: value for key, value in request.items() if key not in ("count", "first")}


