"""What the workers of a batch are told, and what they tell: plain values that travel between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..editing.request import Request
from ..labelmaps.twin import Twin


@dataclass(frozen=True)
class Job:
    """What all workers of a batch have in common.

    out: the run's folder. dtype: of the networks, None for the device's own. gate: names of checks, "" for none.
    threads: of each worker; 0 leaves them as they are.
    """

    requests: tuple[Request, ...]
    model: str
    device: str
    dtype: str | None
    twin: Twin | None
    out: Path
    format: str
    gate: str
    threads: int


@dataclass(frozen=True)
class Task:
    """Siblings `ks` (ascending) of request number `run`, for one worker."""

    run: int
    ks: tuple[int, ...]


@dataclass(frozen=True)
class Ready:
    """The worker has its model. compute: device, name, dtype, threads. batch: siblings that it samples at once."""

    compute: dict[str, Any]
    batch: int


@dataclass(frozen=True)
class Finished:
    """Sibling k of a request is written. accepted: by the gate. files: name -> bytes, of a worker that cannot reach the
    run's folder; else empty, as they are there.
    """

    run: int
    k: int
    accepted: bool
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Stepped:
    """How much of the task is done, 0..1."""

    share: float


@dataclass(frozen=True)
class Idle:
    """The task is done."""


@dataclass(frozen=True)
class Failed:
    """The worker met an error, which stops the batch."""

    error: Exception


@dataclass(frozen=True)
class Lost:
    """The worker is gone: killed, out of memory, its machine switched off."""

    why: str


Message = Ready | Finished | Stepped | Idle | Failed | Lost


@dataclass(frozen=True)
class Made:
    """What a batch came to.

    out: the folder. asked: siblings asked for. accepted: that are there, of this and earlier calls. made: by this call,
    rejected ones included. drawn: by all calls; more than accepted only with a gate. complete: nothing is left to do;
    False for a run that was stopped.
    lost: workers that were lost on the way. seconds: of this call. rows: of metrics.csv, the twin first, at most 41.
    told: what a person should look at, a line each. gate: its checks, "" without one. doubts: how many siblings are
    beyond the training hearts or suspiciously near to one, a line each. unplaced: siblings of a stopped run beyond the
    drawn ones: finished, and kept until those before them are decided.
    """

    out: Path
    asked: int
    accepted: int
    made: int
    drawn: int
    complete: bool
    lost: int = 0
    seconds: float = 0.0
    rows: Sequence[dict[str, object]] = ()
    told: tuple[str, ...] = ()
    gate: str = ""
    doubts: tuple[str, ...] = ()
    unplaced: int = 0

    @property
    def short(self) -> int:
        """Siblings that the gate's limit left missing."""
        return self.asked - self.accepted if self.complete else 0
