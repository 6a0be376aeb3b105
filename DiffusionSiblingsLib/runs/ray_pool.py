"""A pool of Ray actors: on this machine, or on all machines and GPUs of a Ray cluster.

A worker that sees the run's folder writes its siblings there. One on a machine without that disk sends them back. Each
task is one call: a worker that is lost takes with it what it had not written there, or not sent, which is all of its
task.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import DeviceError, InputError
from ..core.files import atomic_path
from .messages import Failed, Idle, Lost, Message, RunJob, SamplingTask, as_told
from .own_files import TOKEN, remove_parts  # TOKEN tells whether a worker sees the same folder
from .partial_results import PartialResults

if TYPE_CHECKING:
    from .sampler_loop import SamplerLoop

LOCAL = "ray"
SILENCE_S = 5.0
PATIENCE_S = 10.0  # with a cluster's head that does not answer
MOST_THREADS = 4  # of a worker in a cluster; more gain little
LOSSES = ("RayActorError", "OutOfMemoryError", "NodeDiedError", "WorkerCrashedError", "ObjectLostError")


class RayPool:
    """Ray actors. size: how many; 0: one for each GPU of the cluster, or for each core where it has none.

    address: "ray" starts Ray on this machine, else a cluster's: "ray://head:10001", "auto", "head:6379".
    """

    scheduler = "ray"

    def __init__(self, job: RunJob, size: int, address: str) -> None:
        self.size, self._job, self._address = size, job, address
        self._ray = _ray(address)
        self._own = not self._ray.is_initialized()
        self._actors: list[Any] = []
        self._calls: dict[Any, int] = {}  # reference to what is to come -> worker
        self._token, self._shown = secrets.token_hex(16), False

    def start(self) -> None:
        """Joins or starts Ray, and asks for the workers; they come as there is room for them."""
        if self._own:
            self._join()
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0)) if self._job.plan.settings.device in ("auto", "cuda") else 0
        cores = max(1, int(resources.get("CPU", 1)))
        self.size = self.size or gpus or cores
        threads = max(1, min(MOST_THREADS, cores // self.size))
        needs = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": threads}
        self._worker = self._ray.remote(RayWorker).options(max_restarts=0, **needs)
        self._shared = self._ray.put(replace(self._job, threads=threads))
        self._actors = [None] * self.size
        for number in range(self.size):
            self.replace(number)

    def _join(self) -> None:
        variables = {name: os.environ[name] for name in ("SIBLINGS_MODELS",) if name in os.environ}
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address == LOCAL:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
            options |= {"address": "local", "include_dashboard": False, "num_cpus": self.size or None}
        else:
            options |= {"address": self._address, "runtime_env": {"env_vars": variables}}
        try:
            _knock(self._address)
            self._ray.init(**options)
        except (ConnectionError, OSError, RuntimeError, ValueError, TimeoutError) as error:
            raise DeviceError("The Ray cluster cannot be joined",
                              value=f"{self._address}: {' '.join(str(error).split())[:300] or type(error).__name__}",
                              rule="ray, auto or the address of a running head",
                              hint="check with `ray status` that the head runs; ray:// needs the head's client port, "
                                   "usually 10001; newer clusters need a token (RAY_AUTH_TOKEN_PATH)") from error

    def give(self, worker: int, task: SamplingTask) -> None:
        """Calls the worker."""
        if not self._shown:  # a run that was killed may have left its own token there
            with atomic_path(PartialResults(self._job.out).folder / TOKEN) as temporary:
                temporary.write_text(self._token, encoding="ascii")
            self._shown = True
        self._calls[self._actors[worker].run.remote(task, self._token)] = worker

    def wait(self) -> list[tuple[int, Message]]:
        """The answers that have come."""
        if not self._calls:
            return []
        there, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=SILENCE_S)
        found: list[tuple[int, Message]] = []
        for call in there:
            worker = self._calls.pop(call)
            try:
                found += [(worker, message) for message in self._ray.get(call)]
            except tuple(getattr(self._ray.exceptions, name) for name in LOSSES) as error:
                found.append((worker, Lost(_reason(error))))
        return found

    def replace(self, worker: int) -> None:
        """Asks for another worker; it says Ready when there is room for it and its model is loaded."""
        if self._actors[worker] is not None:
            self._ray.kill(self._actors[worker])  # it may live, and only what it said be lost
        self._actors[worker] = self._worker.remote()
        self._calls[self._actors[worker].begin.remote(self._shared)] = worker

    def close(self, *, at_once: bool) -> None:
        """Ends the workers, and Ray where it was started or joined here."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors, self._calls = [], {}
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()


class RayWorker:
    """One worker, in a process of Ray's."""

    def __init__(self) -> None:
        self._loop: SamplerLoop | None = None
        self._job: RunJob | None = None

    def begin(self, job: RunJob) -> list[Message]:
        """Loads the model."""
        os.environ["OMP_NUM_THREADS"] = str(job.threads)  # before torch is imported
        try:
            from ..engine.engine import Engine
            from .sampler_loop import SamplerLoop

            settings = job.plan.settings  # the model by its name, which may lie elsewhere on this machine
            self._job = job
            self._loop = SamplerLoop(job, Engine.open(settings.model, settings.device, dtype=job.dtype))
            return [self._loop.ready]
        except Exception as error:
            return [Failed(as_told(error))]

    def run(self, task: SamplingTask, token: str) -> list[Message]:
        """Makes a task's siblings."""
        assert self._loop is not None and self._job is not None  # it has begun
        try:
            if _sees(self._job.out, token):
                return [*self._loop.run(task), Idle()]
            return [*self._sent(self._loop, task), Idle()]
        except Exception as error:
            return [Failed(as_told(error))]

    def _sent(self, loop: SamplerLoop, task: SamplingTask) -> list[Message]:
        """The same where the run's folder is out of sight: made in a folder of its own, and sent as bytes."""
        made: list[Message] = []
        with tempfile.TemporaryDirectory(prefix="siblings-") as folder:
            parts = PartialResults(Path(folder))
            for finished in loop.run(task, parts=parts):
                files = {path.relative_to(parts.folder).as_posix(): path.read_bytes()
                         for path in parts.folder.rglob("*") if path.is_file()}
                remove_parts(parts.folder)
                made.append(replace(finished, files=files))
        return made


def _sees(out: Path, token: str) -> bool:
    try:
        return (PartialResults(out).folder / TOKEN).read_text(encoding="ascii") == token
    except OSError:
        return False


def _reason(error: Exception) -> str:
    """The first line of what Ray says, its error's name where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _knock(address: str) -> None:
    """Raises OSError or ValueError where nobody listens at HOST:PORT; Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S).close()


def _ray(address: str) -> Any:
    if address == LOCAL:  # else Ray listens to the network on Linux; it reads this once, when it is imported
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed", value="--cluster", rule="the optional package ray",
                         hint='pip install "diffusion-siblings[cluster]", or use --jobs on this machine') from error
    return ray
