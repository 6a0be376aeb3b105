"""The master of a batch: who is to make what, what has come, and what becomes of a worker that is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ..core.errors import DeviceError
from ..editing.request import Request
from ..editing.result import Sibling
from .messages import Failed, Finished, Idle, Lost, Made, Message, Ready, Stepped, Task
from .pool import WorkerPool
from .rejection import SamplingBudget
from .resume import verdicts_of
from .run_folder import TOLD, RunFolder

Progress = Callable[[float, int, str], None]  # (siblings done, asked for, what is being made)
DEATHS = 3  # of workers at one sibling, or of one in a row before it was ready


class Scheduler:
    """Draws of all requests on their way through workers into a folder."""

    def __init__(self, draws: Sequence[SamplingBudget], progress: Progress | None = None) -> None:
        self.draws, self.progress = draws, progress
        self.folder: RunFolder | None = None
        self.batch = 1
        self.tasks: dict[int, Task] = {}  # worker -> what it is at
        self.shares: dict[int, float] = {}  # worker -> how many siblings' worth of that is done and not yet here
        self.idle: set[int] = set()
        self.deaths: Counter[tuple[int, int]] = Counter()  # (request, k) -> workers lost at it
        self.false_starts: Counter[int] = Counter()  # worker -> losses in a row before it was ready
        self.made_here, self.lost, self.compute = 0, 0, dict[str, object]()
        self.shown: dict[tuple[int, int], Sibling] = {}  # the latest, in this process, until it has its number

    def ready(self, crew: WorkerPool) -> dict[str, object]:
        """Waits for the first worker -> what it computes with. Raises what it met, or DeviceError if none lives."""
        while not self.compute:
            for worker, message in crew.wait():
                self._hear(crew, worker, message)
        return self.compute

    def begin(self, folder: RunFolder, *, resumed: bool) -> None:
        """Takes the folder over with the parts that it has."""
        self.folder = folder
        for run, (draws, verdicts) in enumerate(zip(self.draws, verdicts_of(folder.parts, len(self.draws)),
                                                    strict=True)) if resumed else ():
            good = {k: accepted for k, (accepted, _) in verdicts.items()}
            draws.known(good)
            while gone := [k for k, number in draws.settled() if not folder.has(run, k, number, verdicts[k][1])]:
                for k in gone:  # its label map was taken away: it is made again
                    folder.parts.forget(run, k)
                    del good[k]
                draws.known(good)
            draws.known(good)
            for k in (k for k, accepted in good.items() if not accepted):
                folder.set_aside(folder.parts.read(run, k))
            self._settle(run)
        folder.checkpoint(always=True)
        self._tell()

    def run(self, crew: WorkerPool) -> None:
        """Makes all that is left. Raises what a worker met, or DeviceError where workers are lost again and again."""
        while not all(draws.done for draws in self.draws):
            for worker in sorted(self.idle):
                self._give(crew, worker)
            for worker, message in crew.wait():
                self._hear(crew, worker, message)

    def gather(self) -> None:
        """Takes what workers wrote and could not tell any more."""
        for run, verdicts in enumerate(verdicts_of(self.folder.parts, len(self.draws)) if self.folder else ()):
            for k, (accepted, _) in verdicts.items():
                if k not in self.draws[run].verdicts:
                    self._take(-1, Finished(run, k, accepted))

    def made(self, requests: Sequence[Request], seconds: float, *, complete: bool,
             gate: str) -> Made:
        """What it came to."""
        folder = self.folder
        assert folder is not None
        drawn = len(folder.placed) + sum(map(len, folder.rejected.values()))
        return Made(folder.out, sum(request.count for request in requests), len(folder.placed), self.made_here, drawn,
                    complete, self.lost, seconds, list(folder.rows)[: TOLD + 1], tuple(folder.told),
                    gate, folder.doubtful.words(), 0 if complete else folder.unplaced())

    def step_here(self, share: float) -> None:
        """The worker in this process has done so much of its task."""
        self._step(0, share)

    def seen(self, run: int, k: int, sibling: Sibling) -> None:
        """A sibling that is in memory, for the overview."""
        self.shown = {(run, k): sibling}

    def _give(self, crew: WorkerPool, worker: int) -> None:
        for run, draws in enumerate(self.draws):
            if ks := draws.take(self.batch):
                self.idle.discard(worker)
                self.tasks[worker] = Task(run, ks)
                crew.give(worker, self.tasks[worker])
                return

    def _hear(self, crew: WorkerPool, worker: int, message: Message) -> None:
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
        elif isinstance(message, Lost):
            self._lose(crew, worker, message)

    def _welcome(self, worker: int, ready: Ready) -> None:
        """A worker has its model."""
        if not self.compute:
            self.compute, self.batch = ready.compute, ready.batch
        elif (other := ready.compute["dtype"]) != self.compute["dtype"]:
            raise DeviceError("The workers compute with different numbers",
                              value=f"{self.compute['dtype']} and {other}",
                              rule="one floating type for all, or siblings would depend on who made them",
                              hint="name one --device for all")
        self.idle.add(worker)
        del self.false_starts[worker]

    def _take(self, worker: int, finished: Finished) -> None:
        """A sibling has come."""
        folder, run, k = self.folder, finished.run, finished.k
        assert folder is not None
        folder.parts.receive(finished.files)
        self.made_here += 1
        self.shares[worker] = max(0.0, self.shares.get(worker, 0.0) - 1)
        self.draws[run].decide(k, finished.accepted)
        if finished.accepted:
            self._settle(run)
        else:
            folder.set_aside(folder.parts.read(run, k))
        folder.checkpoint()
        self._tell()

    def _settle(self, run: int) -> None:
        """Gives those their place whose number is known now."""
        folder = self.folder
        assert folder is not None
        for k, number in self.draws[run].settled():
            folder.place(number, folder.parts.read(run, k))
            if (sibling := self.shown.pop((run, k), None)) is not None:
                folder.picture(number, sibling)

    def _lose(self, crew: WorkerPool, worker: int, message: Lost) -> None:
        """A worker is gone: what it wrote is kept, the rest is for others. Raises DeviceError for one loss too many."""
        self.lost += 1
        starting = worker not in self.idle and worker not in self.tasks
        self.idle.discard(worker)
        self.shares.pop(worker, None)
        task = self.tasks.pop(worker, None)
        if starting:
            self.false_starts[worker] += 1
            _bear(self.false_starts[worker], "in a row before it was ready", message)
        elif task is not None and (missing := self._save(worker, task)):
            self.deaths[task.run, missing[0]] += 1
            _bear(self.deaths[task.run, missing[0]], f"at sibling {missing[0]} of request {task.run + 1}", message)
        crew.replace(worker)

    def _save(self, worker: int, task: Task) -> list[int]:
        """Takes what a lost worker wrote of its task -> what is to be made again."""
        assert self.folder is not None
        draws, parts = self.draws[task.run], self.folder.parts
        missing = [k for k in task.ks if k in draws.out]
        for k in [k for k in missing if parts.file_of(task.run, k).exists()]:
            self._take(worker, Finished(task.run, k, parts.read(task.run, k).rejected is None))
            missing.remove(k)
        draws.put_back(missing)
        return missing

    def _step(self, worker: int, share: float) -> None:
        task = self.tasks.get(worker)
        if task is not None:
            here = sum(k not in self.draws[task.run].out for k in task.ks)
            self.shares[worker] = max(0.0, share * len(task.ks) - here)
            self._tell()

    def _tell(self) -> None:
        if self.progress is not None:
            asked = sum(draws.count for draws in self.draws)
            done = sum(draws.accepted for draws in self.draws) + sum(self.shares.values())
            lost = f"{self.lost} workers lost" if self.lost else ""
            self.progress(min(done, asked), asked, lost)


def _bear(losses: int, where: str, message: Lost) -> None:
    """Raises DeviceError where workers were lost once too often."""
    if losses >= DEATHS:
        raise DeviceError(f"A worker was lost {DEATHS} times {where}", value=message.why,
                          rule="a worker lives through its siblings",
                          hint="most often memory ran out: give fewer --jobs; what is finished can be resumed")
