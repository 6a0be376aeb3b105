"""The scheduler of a run: which worker makes what, what has come, and what becomes of a worker that is lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import DeviceError
from .messages import Failed, Finished, Idle, Lost, Ready, SamplingTask, Stepped
from .resume import verdicts_of
from .run_folder import Placed, RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..editing.result import Sibling
    from ..engine.engine import Engine
    from .messages import RunSummary
    from .pool import WorkerPool
    from .rejection import SamplingBudget

DEATHS = 3  # of workers at one sibling, or of one in a row before it was ready


@dataclass(frozen=True)
class Hooks:
    """What a run calls while it is under way; each may be left away, and may raise to stop the run.

    progress: with (siblings done, asked for, words). say: with each warning. report: with what the run came to, also
    when it is stopped. sampling: with the task and the share of it that is sampled (0 at its start), of a worker in
    this process. placed: with each sibling that has its place, and with the sibling itself while it is in memory.
    engine: gives the loaded model for a worker in this process.
    """

    progress: Callable[[float, int, str], None] | None = None
    say: Callable[[str], None] | None = None
    report: Callable[[RunSummary], None] | None = None
    sampling: Callable[[SamplingTask, float], None] | None = None
    placed: Callable[[RunFolder, Placed, Sibling | None], None] | None = None
    engine: Callable[[], Engine] | None = None


class Scheduler:
    """The siblings of all requests on their way through workers into a folder."""

    def __init__(self, budgets: Sequence[SamplingBudget], hooks: Hooks) -> None:
        self.budgets, self.hooks = budgets, hooks
        self.folder: RunFolder | None = None
        self.batch = 1
        self.tasks: dict[int, SamplingTask] = {}  # worker -> what it works on
        self.shares: dict[int, float] = {}  # worker -> how many siblings' worth of that is done and not yet here
        self.idle: set[int] = set()
        self.deaths: Counter[tuple[int, int]] = Counter()  # (request, k) -> workers lost at it
        self.false_starts: Counter[int] = Counter()  # worker -> losses in a row before it was ready
        self.made, self.lost, self.compute = 0, 0, dict[str, object]()
        self.seen: dict[tuple[int, int], Sibling] = {}  # the latest in this process, until it has its number

    def ready(self, pool: WorkerPool) -> dict[str, object]:
        """Waits for the first worker -> what it computes with. Raises what it met, or DeviceError if none lives."""
        while not self.compute:
            self._hear(pool)
        return self.compute

    def begin(self, folder: RunFolder, *, resumed: bool) -> None:
        """Takes the folder over with the parts that it has."""
        self.folder = folder
        folder.begin()
        for run, verdicts in enumerate(verdicts_of(folder.parts, len(self.budgets))) if resumed else ():
            budget, good = self.budgets[run], {k: accepted for k, (accepted, _) in verdicts.items()}
            budget.known(good)
            while gone := [k for k, number in budget.settled() if not folder.has(run, k, number, verdicts[k][1])]:
                for k in gone:  # its label map was taken away: it is made again
                    folder.parts.forget(run, k)
                    del good[k]
                budget.known(good)
            budget.known(good)
            for k in (k for k, accepted in good.items() if not accepted):
                folder.set_aside(run, k)
            self._settle(run)
        folder.checkpoint(always=True)
        self._show()

    def run(self, pool: WorkerPool) -> None:
        """Makes all that is left. Raises what a worker met, or DeviceError where workers are lost again and again."""
        while not all(budget.done for budget in self.budgets):
            for worker in sorted(self.idle):
                waiting = ((run, budget.take(self.batch)) for run, budget in enumerate(self.budgets))
                if task := next((SamplingTask(run, ks) for run, ks in waiting if ks), None):
                    self.idle.discard(worker)
                    self.tasks[worker] = task
                    if self.hooks.sampling is not None:
                        self.hooks.sampling(task, 0.0)
                    pool.give(worker, task)
            self._hear(pool)

    def gather(self) -> None:
        """Takes what workers wrote and could not say any more."""
        for run, verdicts in enumerate(verdicts_of(self.folder.parts, len(self.budgets)) if self.folder else ()):
            for k, (accepted, _) in verdicts.items():
                if k not in self.budgets[run].verdicts:
                    self._take(-1, Finished(run, k, accepted))

    def step_here(self, share: float) -> None:
        """The worker in this process has sampled so much of its task."""
        if self.hooks.sampling is not None:
            self.hooks.sampling(self.tasks[0], share)
        self._step(0, share)

    def see(self, run: int, k: int, sibling: Sibling) -> None:
        """A sibling that is in memory."""
        self.seen = {(run, k): sibling}

    def _hear(self, pool: WorkerPool) -> None:
        """Takes what the workers have to say."""
        for worker, message in pool.wait():
            if isinstance(message, Ready):
                self._welcome(worker, message)
            elif isinstance(message, Stepped):
                self._step(worker, message.share)
            elif isinstance(message, Finished):
                self._take(worker, message)
            elif isinstance(message, Idle):
                self.tasks.pop(worker, None)
                self.shares.pop(worker, None)
                self.idle.add(worker)
            elif isinstance(message, Failed):
                raise message.error
            else:
                self._lose(pool, worker, message)

    def _welcome(self, worker: int, ready: Ready) -> None:
        """A worker has its model."""
        if not self.compute:
            self.compute, self.batch = ready.compute, ready.batch
        elif (other := ready.compute["dtype"]) != self.compute["dtype"]:
            raise DeviceError("The workers compute with different number formats",
                              value=f"{self.compute['dtype']} and {other}",
                              rule="all workers use one format, so that a sibling does not depend on its worker",
                              hint="choose one --device for all")
        self.idle.add(worker)
        del self.false_starts[worker]

    def _take(self, worker: int, finished: Finished) -> None:
        """A sibling has come."""
        folder, run, k = self.folder, finished.run, finished.k
        assert folder is not None
        folder.parts.receive(finished.files)
        self.made += 1
        self.shares[worker] = max(0.0, self.shares.get(worker, 0.0) - 1)
        self.budgets[run].decide(k, finished.accepted)
        if not finished.accepted:
            folder.set_aside(run, k)
        self._settle(run)
        folder.checkpoint()
        self._show()

    def _settle(self, run: int) -> None:
        """Gives those their place whose number is known now."""
        folder = self.folder
        assert folder is not None
        for k, number in self.budgets[run].settled():
            sibling = self.seen.pop((run, k), None)
            if (at := folder.place(number, folder.parts.read(run, k))) is None:
                continue
            if sibling is not None:
                folder.picture(number, sibling)
            if self.hooks.placed is not None:
                self.hooks.placed(folder, at, sibling)

    def _lose(self, pool: WorkerPool, worker: int, message: Lost) -> None:
        """A worker is gone: what it wrote is kept, the rest is for others. Raises DeviceError for one loss too many."""
        self.lost += 1
        starting = worker not in self.idle and worker not in self.tasks
        self.idle.discard(worker)
        self.shares.pop(worker, None)
        task = self.tasks.pop(worker, None)
        if starting:
            self.false_starts[worker] += 1
            _require_few(self.false_starts[worker], "in a row before it was ready", message)
        elif task is not None and (missing := self._save(worker, task)):
            self.deaths[task.run, missing[0]] += 1
            _require_few(self.deaths[task.run, missing[0]], f"at sibling {missing[0]} of request {task.run + 1}",
                         message)
        pool.replace(worker)

    def _save(self, worker: int, task: SamplingTask) -> list[int]:
        """Takes what a lost worker wrote of its task -> what is to be made again."""
        assert self.folder is not None
        budget, parts = self.budgets[task.run], self.folder.parts
        missing = [k for k in task.ks if k in budget.out]
        for k in [k for k in missing if parts.file_of(task.run, k).exists()]:
            self._take(worker, Finished(task.run, k, parts.read(task.run, k).rejected is None))
            missing.remove(k)
        budget.put_back(missing)
        return missing

    def _step(self, worker: int, share: float) -> None:
        task = self.tasks.get(worker)
        if task is not None:
            here = sum(k not in self.budgets[task.run].out for k in task.ks)
            self.shares[worker] = max(0.0, share * len(task.ks) - here)
            self._show()

    def _show(self) -> None:
        if self.hooks.progress is not None:
            asked = sum(budget.count for budget in self.budgets)
            done = sum(budget.accepted for budget in self.budgets) + sum(self.shares.values())
            self.hooks.progress(min(done, asked), asked, f"{self.lost} workers lost" if self.lost else "")


def _require_few(losses: int, where: str, message: Lost) -> None:
    """Raises DeviceError where workers were lost once too often."""
    if losses >= DEATHS:
        raise DeviceError(f"A worker process stopped {DEATHS} times {where}", value=message.why,
                          rule="a worker process runs until its siblings are finished",
                          hint="memory has probably run out: repeat the command with fewer --jobs and --resume")
