"""Workers, wherever they run: the interface of all pools, and the pool of one that works in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from ..core.errors import SiblingsError
from ..engine.engine import Engine
from .messages import Failed, Idle, Message, RunJob, SamplingTask
from .sampler_loop import SamplerLoop, Seen, Step


class WorkerPool(Protocol):
    """Workers 0..size-1. A worker says Ready once; after each task that it was given, Idle.

    After Lost it says nothing more until `replace` has put another in its place, which says Ready again.
    """

    size: int
    scheduler: str  # for the record

    def start(self) -> None:
        """Starts all workers; returns at once."""

    def give(self, worker: int, task: SamplingTask) -> None:
        """Gives a task to a worker that is ready and idle."""

    def wait(self) -> list[tuple[int, Message]]:
        """What workers have to say, as soon as there is something; empty after some time of silence."""

    def replace(self, worker: int) -> None:
        """Starts another worker in the place of one that was lost."""

    def close(self, *, at_once: bool) -> None:
        """Ends all workers. at_once: whatever they are doing."""


class LocalWorker:
    """One worker in this process. opener: gives an engine that is loaded already. step: called at each step of the
    sampler, as no message can be while the worker is busy.
    """

    size, scheduler = 1, ""

    def __init__(self, job: RunJob, opener: Callable[[], Engine] | None = None, *, step: Step | None = None,
                 seen: Seen | None = None) -> None:
        self._job, self._opener, self._step, self._seen = job, opener, step, seen
        self._loop: SamplerLoop | None = None
        self._work: Iterator[Message] = iter(())

    def start(self) -> None:
        """Nothing: the model is loaded when it is waited for."""

    def give(self, worker: int, task: SamplingTask) -> None:
        """The next `wait` works on it."""
        assert self._loop is not None  # it has said Ready
        self._work = self._loop.run(task, self._step)

    def wait(self) -> list[tuple[int, Message]]:
        """Makes the next sibling."""
        try:
            if self._loop is None:
                self._loop = SamplerLoop(self._job, self._opener() if self._opener else None, seen=self._seen)
                return [(0, self._loop.ready)]
            return [(0, next(self._work, Idle()))]
        except SiblingsError as error:
            return [(0, Failed(error))]

    def replace(self, worker: int) -> None:
        """Never called."""
        self._loop = None

    def close(self, *, at_once: bool) -> None:
        """Lets go of the model."""
        self._loop, self._work = None, iter(())
