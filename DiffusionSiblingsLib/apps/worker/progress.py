"""How far a whole job is and how long it will take, learned from the jobs before and from this one as it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ...editing.choices import PAPERS_SOLVER
from ...editing.request import Request
from ...runs.messages import SamplingTask
from ...runs.plan import Plan

# Seconds for one unit until this machine has been seen at work. Units: `open`: models. `place` (twin into the canonical
# frame, latents), `measure` and `finish` (decode, compose, check, repair, write): a constant and millions of voxels,
# see `effort`. `draw`: maps whose measures are found. `sample`, `guide`: solver steps of one sibling, without and with
# a control. `sibling`: whole siblings that other processes make. Of cohorts: `member` (measured for a table), `cohort`
# (measured for a comparison), `occupancy`: members; `pairs`: of members; `report`.
# `surfaces`, `tetrahedra`: maps that are meshed.
FIRST_GUESS = {"open": 1.5, "place": 0.4, "measure": 0.15, "draw": 2.0, "sample": 0.1, "guide": 0.3,
               "finish": 0.25, "sibling": 6.0,
               "member": 0.5, "cohort": 0.5, "occupancy": 0.02, "pairs": 0.01, "report": 5.0,
               "surfaces": 5.0, "tetrahedra": 15.0}
EVERY = 0.1  # s between two reports at least
PRIOR = 3.0

Tell = Callable[[float, str, float], None]  # (done 0..1, what is being done, seconds left)


class Costs:
    """Seconds for one unit of every kind of work; lives as long as the worker."""

    def __init__(self) -> None:
        self.seconds = dict(FIRST_GUESS)
        self._seen: set[str] = set()

    def learn(self, kind: str, seconds: float, units: float) -> None:
        """Takes a measurement in: the first one replaces the guess, later ones are averaged with it."""
        if units <= 0:
            return
        found = seconds / units
        self.seconds[kind] = (self.seconds[kind] + found) / 2 if kind in self._seen else found
        self._seen.add(kind)


class JobProgress:
    """How far one job is on its way through its planned work, reported as done / (done + left) in seconds.

        progress.plan("sample", 100); progress.plan("finish", 2)
        progress.start("sample", "Sampling sibling 1 of 2", 50); progress.advance(10) ...
    """

    def __init__(self, costs: Costs, tell: Tell) -> None:
        self._costs, self._tell = costs, tell
        self._left: dict[str, float] = {}
        self._began = time.monotonic()
        self._kind, self._what, self._units, self._advanced = "", "Starting", 0.0, 0.0
        self._since = self._latest = self._began
        self._done, self._told = 0.0, -EVERY

    def plan(self, kind: str, units: float) -> None:
        """Adds work that is to come."""
        self._left[kind] = self._left.get(kind, 0.0) + units

    def start(self, kind: str, what: str, units: float) -> None:
        """Ends what was being done and starts `units` of planned work of another kind."""
        self.finish()
        self._left[kind] = max(0.0, self._left.get(kind, 0.0) - units)
        self._kind, self._what, self._units, self._advanced = kind, what, units, 0.0
        self._since = self._latest = time.monotonic()
        self.report()

    def advance(self, units: float) -> None:
        """So many units of what was started are done."""
        self._advanced, self._latest = units, time.monotonic()
        self.report()

    def finish(self) -> None:
        """What was started is done; the costs learn how long it took."""
        if self._kind:
            self._costs.learn(self._kind, time.monotonic() - self._since, self._units)
        self._kind = ""

    def drop(self, kind: str) -> None:
        """Planned work of this kind is not needed (it was done in an earlier job)."""
        self._left.pop(kind, None)

    def seconds_left(self) -> float:
        """Of the whole job, by what is known now."""
        cost = self._costs.seconds
        return self._current_left() + sum(cost[kind] * units for kind, units in list(self._left.items()))

    def report(self) -> None:
        """Tells how far the job is, unless it was told just now. May be called from another thread."""
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told, left, spent = now, self.seconds_left(), now - self._began
        self._done = max(self._done, min(0.99, spent / (spent + left) if left > 0 else 0.99))  # never backwards
        self._tell(round(self._done, 4), self._what, round(left, 1))

    def _current_left(self) -> float:
        """Of what was started: at the pace so far, in which what was known before weighs as much as PRIOR units."""
        if not self._kind:
            return 0.0
        pace = (PRIOR * self._costs.seconds[self._kind] + self._latest - self._since) / (PRIOR + self._advanced)
        left = pace * max(0.0, self._units - self._advanced)
        return max(left - (time.monotonic() - self._latest), 0.05 * left)


class RunProgress:
    """Follows a run: which sibling is being sampled or finished. finish: units of `finish` for one sibling.

    stop: called at every step; it may raise to end the run.
    """

    def __init__(self, progress: JobProgress, plan: Plan, finish: float, stop: Callable[[], None]) -> None:
        self._progress, self._finish, self._stop = progress, finish, stop
        self._requests = [planned.request for planned in plan.requests]
        self._whole, self._made, self._left = plan.asked, 0, 0

    @property
    def _name(self) -> str:
        return f"sibling {min(self._made + 1, self._whole)} of {self._whole}"

    def sampling(self, task: SamplingTask, share: float) -> None:
        """A task has begun (share 0), or so much of it is sampled."""
        self._stop()
        request = self._requests[task.run]
        units = len(task.ks) * steps_of(request)
        if share == 0:
            self._left = len(task.ks)
        if share == 0 and units:
            self._progress.start(kind_of(request), f"Sampling {self._name}", units)
        elif share in (0, 1):
            self._progress.start("finish", f"Checking {self._name}", self._finish)
        else:
            self._progress.advance(share * units)

    def placed(self) -> None:
        """A sibling has its place; the next one of its task is finished now."""
        self._made, self._left = self._made + 1, self._left - 1
        if self._left > 0:
            self._progress.start("finish", f"Checking {self._name}", self._finish)

    def elsewhere(self, done: float, asked: int, words: str) -> None:
        """So many siblings are made by other processes."""
        self._stop()
        self._progress.advance(done)


def steps_of(request: Request) -> int:
    """Steps of Heun's of one sibling, for the plan: the schedule itself may take one more. A step of the other solver
    has half their evaluations.
    """
    half = 1.0 if request.solver == PAPERS_SOLVER else 0.5
    return math.ceil(half * request.sampling_steps * request.psi) * request.resample


def kind_of(request: Request) -> str:
    """The kind of work that its steps are; a guided step is another than a plain one."""
    return "sample" if request.control is None else "guide"


def effort(shape: tuple[int, ...]) -> float:
    """Units of the work that grows with the twin's grid: a constant, and one for every million voxels."""
    return 5.0 + shape[0] * shape[1] * shape[2] / 1e6
