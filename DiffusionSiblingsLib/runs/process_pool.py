"""A pool of processes on this machine: each loads the model once and has its share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from ..core.children import obey_parent
from .messages import Failed, Idle, Lost, Message, RunJob, SamplingTask, Stepped, as_told

SILENCE_S = 0.5  # after which `wait` comes back with nothing
LEAST_STEP = 0.01  # of a task: progress is not reported more often


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    lost: bool = False


class ProcessPool:
    """`size` processes. They are spawned, so a script that uses them starts them under `if __name__ == "__main__"`."""

    scheduler = "processes"

    def __init__(self, job: RunJob, size: int) -> None:
        self.size, self._job = size, job
        self._spawn = multiprocessing.get_context("spawn")  # forked threads of torch would hang
        self._workers: list[_Worker] = []

    def start(self) -> None:
        """Starts them all."""
        self._workers = [self._worker(number) for number in range(self.size)]

    def _worker(self, number: int) -> _Worker:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(target=serve, args=(theirs, self._job, number), daemon=True,
                                      name=f"siblings worker {number}")
        process.start()
        theirs.close()  # so that its end is seen here
        return _Worker(process, ours)

    def give(self, worker: int, task: SamplingTask) -> None:
        """Sends a task; `wait` says if the worker is lost meanwhile."""
        try:
            self._workers[worker].pipe.send(task)
        except OSError:
            pass

    def wait(self) -> list[tuple[int, Message]]:
        """All that has come."""
        by_pipe = {worker.pipe: n for n, worker in enumerate(self._workers) if not worker.lost}
        found: list[tuple[int, Message]] = []
        for pipe in connection.wait(list(by_pipe), timeout=SILENCE_S):
            number = by_pipe[pipe]  # type: ignore[index]
            try:
                found.append((number, self._workers[number].pipe.recv()))
            except (EOFError, OSError):
                found.append((number, self._end(number)))
        return found

    def _end(self, number: int) -> Lost:
        """What became of a worker whose pipe has closed; all that it said before has been heard."""
        worker = self._workers[number]
        worker.lost = True
        worker.process.join(10)
        code = worker.process.exitcode
        if code is not None and code < 0:
            return Lost(f"ended by {signal.Signals(-code).name}")
        return Lost(f"ended with code {code}")

    def replace(self, worker: int) -> None:
        """Another process in the place of a lost one."""
        self._workers[worker].pipe.close()
        self._workers[worker] = self._worker(worker)

    def close(self, *, at_once: bool) -> None:
        """Ends the processes: idle ones end by themselves when their pipe closes."""
        for worker in self._workers:
            if at_once:
                worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(0.1 if at_once else 5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(5)
        self._workers = []


def serve(pipe: Connection, job: RunJob, number: int) -> None:
    """A worker's life: model, tasks, end. number: of the worker, which chooses among several GPUs."""
    obey_parent()
    if job.threads:
        os.environ["OMP_NUM_THREADS"] = str(job.threads)  # before torch is imported
    try:
        _serve(pipe, job, number)
    except (EOFError, BrokenPipeError):  # the parent has no more work, or is gone
        pass
    except Exception as error:
        _send(pipe, as_told(error))


def _serve(pipe: Connection, job: RunJob, number: int) -> None:
    import torch

    from .sampler_loop import SamplerLoop

    if job.plan.settings.device in ("auto", "cuda") and torch.cuda.device_count() > 1:
        torch.cuda.set_device(number % torch.cuda.device_count())
    loop = SamplerLoop(job)
    pipe.send(loop.ready)
    while True:
        task: SamplingTask = pipe.recv()
        sent = 0.0

        def step(share: float) -> None:
            nonlocal sent
            if share - sent >= LEAST_STEP:
                sent = share
                pipe.send(Stepped(share))

        for finished in loop.run(task, step):
            pipe.send(finished)
        pipe.send(Idle())


def _send(pipe: Connection, error: Exception) -> None:
    try:
        pipe.send(Failed(error))
    except OSError:
        pass
