"""Long work in small steps: driven by a timer so that Slicer stays usable, or exhausted at once for scripts.

Work is a generator that yields often (each stretch below 50 ms) and returns its result. What it yields is None, or a
`Status`. Closing the generator cancels it: what it began it takes back in its `finally` and `except` clauses.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy.typing as npt
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import SiblingsError
from DiffusionSiblingsLib.core.labelmap import LabelMap

T = TypeVar("T")
BUDGET_S = 0.02  # work between two turns of the event loop: a screen refreshes every 0.016 s
BUSY_MS, IDLE_MS = 1, 40


@dataclass(frozen=True)
class Status:
    """Where a generator stands. done: 0..1, None where it does not know. what: in words, "" to keep the last ones.

    seconds_left: None where unknown. idle: it only waits for something outside, so the next step may come later.
    """

    done: float | None = None
    what: str = ""
    seconds_left: float | None = None
    idle: bool = False


Steps = Generator["Status | None", None, T]


@dataclass
class SiblingResult:
    """One sibling as it came from the worker, not yet in the scene.

    index: 0, 1, ... over the whole run. k: number within its request; request_number: which request of the run.
    labels: (D, H, W) integer, KJI order, in the values of the twin's `Bridged`; a LabelMap for a heart without a twin.
    row: its row of metrics.csv. entry: its entry in the record.
    """

    index: int
    k: int
    request_number: int
    labels: npt.NDArray[Any] | LabelMap
    row: dict[str, Any]
    entry: dict[str, Any]


class Outcome(NamedTuple):
    """What an edit gives before anything is put into the scene.

    record: Record.to_json(). rows: of metrics.csv, the twin's first. bridged: the twin (`bridge.Bridged`), None where
    hearts were generated.
    """

    siblings: list[SiblingResult]
    record: dict[str, Any]
    rows: list[dict[str, Any]]
    bridged: Any


class OperationCancelled(SiblingsError):  # noqa: N818, no error but what the user wanted
    """The user stopped the operation; the scene is as it was before."""

    def __init__(self) -> None:
        super().__init__(_("Cancelled"), rule=_("a cancelled operation leaves the scene unchanged"))


class Operation:
    """A generator on its way.

        operation = Operation(steps, on_finished=show)
        operation.start()           # returns at once; the event loop does the rest
        result = operation.wait()   # or: stay here until it is done, raise its error

    state: "ready", "running", "done", "failed" or "cancelled". error: set if failed. log: what the worker wrote
    about it.
    longest_step: seconds that the slowest stretch between two yields has blocked the event loop.
    on_update(operation) is called when progress changes, on_finished(operation) once at the end, whatever the end is.
    """

    def __init__(self, steps: Steps[Any], *, title: str = "",
                 on_update: Callable[[Operation], None] | None = None,
                 on_finished: Callable[[Operation], None] | None = None) -> None:
        self.title = self.what = title
        self.state, self.progress = "ready", 0.0
        self.seconds_left: float | None = None
        self.error: SiblingsError | None = None
        self.result: Any = None
        self.idle, self.longest_step = False, 0.0
        self.on_update = [on_update] if on_update else []
        self.on_finished = [on_finished] if on_finished else []
        self._steps = steps
        self._timer: Any = None
        self._stepping = self._cancel_asked = False

    @property
    def log(self) -> str:
        """What the worker wrote about a failure: the trace of an error, or its last lines."""
        return str(getattr(self.error, "log", ""))

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in ("done", "failed", "cancelled")

    def start(self) -> Operation:
        """Goes on from a timer of the event loop (needs Qt) -> itself."""
        import qt

        if self._timer is None and not self.finished:
            self.state = "running"
            self._timer = qt.QTimer()
            self._timer.setSingleShot(True)
            self._timer.connect("timeout()", self._tick)
            self._timer.start(BUSY_MS)
        return self

    def wait(self, tick: Callable[[], None] | None = None) -> Any:
        """Stays until the end -> the result; raises the error, or OperationCancelled.

        tick: called while it waits for the worker; without it Slicer's event loop turns, where there is one.
        """
        while not self.finished:
            self.step()
            (tick or process_events)()
            if self.idle and not self.finished:
                time.sleep(0.01)
        if self.error is not None:
            raise self.error
        if self.state == "cancelled":
            raise OperationCancelled
        return self.result

    def cancel(self) -> None:
        """Stops it: the generator is closed and takes back what it began. Does nothing once it has ended."""
        if self._stepping:  # called from within a step: a running generator cannot be closed
            self._cancel_asked = True
        elif not self.finished:
            self._close()
            self._end("cancelled")

    def step(self, budget: float = BUDGET_S) -> None:
        """Takes steps until `budget` seconds are spent, it has to wait, or it has ended."""
        if self._stepping or self.finished:  # an event that comes while a step runs must not step again
            return
        self.state, self._stepping = "running", True
        until = time.perf_counter() + budget
        try:
            while not self._advance() and not (self.idle or self._cancel_asked or time.perf_counter() >= until):
                pass
        finally:
            self._stepping = False
        if self._cancel_asked and not self.finished:
            self.cancel()

    def _advance(self) -> bool:
        """One stretch of the generator -> whether it has ended."""
        began = time.perf_counter()
        try:
            status = next(self._steps)
        except StopIteration as stop:
            self.result = stop.value
            self._end("done")
            return True
        except OperationCancelled:  # the worker was stopped by someone else
            self._end("cancelled")
            return True
        except Exception as error:
            self.error = as_siblings_error(error)
            self._end("failed")
            return True
        finally:
            self.longest_step = max(self.longest_step, time.perf_counter() - began)
        self._show(status)
        return False

    def _show(self, status: Status | None) -> None:
        self.idle = status is not None and status.idle
        if status is None:
            return
        before = (self.progress, self.what, self.seconds_left)
        if status.done is not None:
            self.progress = max(self.progress, min(1.0, status.done))
        self.what = status.what or self.what
        self.seconds_left = status.seconds_left
        if (self.progress, self.what, self.seconds_left) != before:
            self._call(self.on_update)

    def _tick(self) -> None:
        self.step()
        if not self.finished and self._timer is not None:
            self._timer.start(IDLE_MS if self.idle else BUSY_MS)

    def _close(self) -> None:
        try:
            self._steps.close()
        except Exception:
            logging.exception("DiffusionSiblings: taking back a cancelled operation failed")

    def _end(self, state: str) -> None:
        self.state, self.seconds_left = state, None
        if state == "done":
            self.progress = 1.0
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._call(self.on_finished)

    def _call(self, functions: list[Callable[[Operation], None]]) -> None:
        for function in list(functions):
            try:
                function(self)
            except Exception:  # a fault in a display must not end the work
                logging.exception("DiffusionSiblings: showing the state of an operation failed")


def part(steps: Steps[T], low: float, high: float, what: str = "") -> Steps[T]:
    """Runs `steps` as the part low..high of a longer operation, under the words `what` where it has none of its own."""
    yield Status(low, what)
    try:
        while True:
            try:
                status = next(steps)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            if status is None or status.done is None:
                yield status
            else:
                yield Status(low + (high - low) * status.done, status.what or what, status.seconds_left, status.idle)
    finally:
        steps.close()


def as_siblings_error(error: Exception) -> SiblingsError:
    """The error as one that a user can act on; what is a fault of ours goes to Slicer's log with its trace."""
    if isinstance(error, SiblingsError):
        return error
    logging.error("DiffusionSiblings: unexpected error", exc_info=error)
    if isinstance(error, MemoryError):
        wrapped = SiblingsError(_("Slicer does not have enough memory for this"), value=str(error),
                                hint=_("close other scenes and programs, or ask for fewer siblings"))
    else:
        wrapped = SiblingsError(_("An unexpected error occurred"), value=f"{type(error).__name__}: {error}",
                                hint=_("try again; if it happens again, report it with the log (Help > Report a Bug)"))
    wrapped.__cause__ = error
    return wrapped


def process_events() -> None:
    """Lets Slicer draw and react, where there is an application."""
    import slicer

    process = getattr(getattr(slicer, "app", None), "processEvents", None)
    if process is not None:
        process()
