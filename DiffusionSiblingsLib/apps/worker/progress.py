"""How far a whole job is and how long it will take, learned from the jobs before and from this one as it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# Seconds for one unit until this machine has been seen at work. Units: `open`: models. `place` (twin into the canonical
# frame, latents), `measure` and `finish` (decode, compose, check, repair, write): a constant and millions of voxels,
# see `effort`. `sample`, `guide`: solver steps of one sibling, without and with a control. Of cohorts: `member`
# (measured for a table), `cohort` (measured for a comparison), `occupancy`: members; `pairs`: of members; `report`.
FIRST_GUESS = {"open": 1.5, "place": 0.4, "measure": 0.15, "sample": 0.1, "guide": 0.3, "finish": 0.25,
               "member": 0.5, "cohort": 0.5, "occupancy": 0.02, "pairs": 0.01, "report": 5.0}
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
    """The course of one job through its planned work, reported as done / (done + left) in seconds.

        course.plan("sample", 100); course.plan("finish", 2)
        course.start("sample", "Sampling sibling 1 of 2", 50); course.advance(10) ...
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


class Sampling:
    """Listens to the engine's progress and tells sampling from finishing; `task` may end it at every step.

    count: siblings of the request. steps: of one sibling. batch: how many are sampled at once. finish: units of
    `finish` for one sibling. kind: of the steps, "sample" or "guide".
    """

    def __init__(self, course: JobProgress, task: Any, count: int, steps: int, batch: int, finish: float,
                 kind: str = "sample") -> None:
        self._course, self._task, self._finish, self._kind = course, task, finish, kind
        self._count, self._steps, self._batch = count, steps, batch
        self._finished, self._sampled, self._name = 0, 0, ""

    def begin(self, finished: int, made: int, whole: int) -> None:
        """What comes after `finished` siblings of this request (`made` of `whole` in the job)."""
        self._finished = finished
        if finished == self._count:
            return
        self._name = f"sibling {made + 1} of {whole}"
        if finished < self._sampled or not self._steps:
            self._course.start("finish", f"Checking {self._name}", self._finish)
        else:
            together = min(self._batch, self._count - finished)
            self._course.start(self._kind, f"Sampling {self._name}", together * self._steps)

    def __call__(self, done: int, total: int) -> None:
        self._task.check()
        share = done * self._count / total  # siblings of the request that are sampled, fractions included
        self._course.advance((share - self._finished) * self._steps)
        together = min(self._finished + self._batch, self._count)
        if done * self._count >= together * total:
            self._sampled = together
            self._course.start("finish", f"Checking {self._name}", self._finish)


def effort(shape: tuple[int, ...]) -> float:
    """Units of the work that grows with the twin's grid: a constant, and one for every million voxels."""
    return 5.0 + shape[0] * shape[1] * shape[2] / 1e6
