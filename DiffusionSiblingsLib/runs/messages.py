"""What travels between the scheduler of a run and its workers, and what a run came to: plain values."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import SiblingsError, means_memory, too_little_memory
from .plan import Plan


@dataclass(frozen=True)
class RunJob:
    """What all workers of a run have in common.

    out: the run's folder. dtype: of the networks, None for the device's own. threads: of each worker; 0 leaves them as
    they are.
    """

    plan: Plan
    out: Path
    dtype: str | None
    threads: int


@dataclass(frozen=True)
class SamplingTask:
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
    """Sibling k of a request is written. accepted: it passed the checks. files: name -> bytes, from a worker that
    cannot reach the run's folder; else empty, as they are there.
    """

    run: int
    k: int
    accepted: bool
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Stepped:
    """How much of the task is sampled, 0..1."""

    share: float


@dataclass(frozen=True)
class Idle:
    """The task is done."""


@dataclass(frozen=True)
class Failed:
    """The worker met an error, which stops the run."""

    error: Exception


def as_told(error: Exception) -> Exception:
    """An error of a worker as another process can raise it, with the place where it came from."""
    if isinstance(error, SiblingsError):
        return error
    if means_memory(error):
        return too_little_memory(f"{type(error).__name__} in a worker process; each takes its own memory (--jobs)")
    return RuntimeError("A worker failed:\n" + "".join(traceback.format_exception(error)))


@dataclass(frozen=True)
class Lost:
    """The worker is gone: killed, out of memory, or its machine is switched off."""

    why: str


Message = Ready | Finished | Stepped | Idle | Failed | Lost


@dataclass(frozen=True)
class RunSummary:
    """What a run came to.

    out: the folder. asked: siblings asked for. accepted: siblings that are there, from this call and earlier ones.
    made: by this call, rejected ones included. drawn: by all calls; more than accepted only with acceptance checks.
    complete: nothing is left to do; False for a run that was stopped. lost: workers that were lost. seconds: of this
    call. rows: of metrics.csv, the twin first, at most 41. remarks: what a person should look at, a line each. gate:
    the acceptance checks, "" without any. doubts: how many siblings are beyond the training hearts or suspiciously near
    to one, a line each. unplaced: finished siblings of a stopped run that wait until those before them are decided.
    measures: rows of a table, how the siblings' measures by name vary.
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
    remarks: tuple[str, ...] = ()
    gate: str = ""
    doubts: tuple[str, ...] = ()
    unplaced: int = 0
    measures: Sequence[dict[str, object]] = ()

    @property
    def short(self) -> int:
        """Siblings that are missing because the limit of draws was reached."""
        return self.asked - self.accepted if self.complete else 0
