"""The child process that does the work: start it, ask it, hear its progress, stop it, notice its end.

No threads, no Qt, no pipe to read from: the child writes its events into a file that `poll` reads, so that nothing here
ever waits, and that works alike on Linux, macOS and Windows. torch is loaded in the child only.
"""

from __future__ import annotations

import collections
import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from DiffusionSiblingsUI.i18n import tr as _
from DiffusionSiblingsUI.runs import worker_process
from DiffusionSiblingsUI.runs.worker_job import Job, OnEvent, WorkerDied, died, error_of
from DiffusionSiblingsUI.runs.worker_process import Process, close, kill_tree

__all__ = ["Job", "WorkerClient", "WorkerDied"]

CANCEL_GRACE = 0.9  # s until a child that does not answer a cancel is killed; the user is promised one second
STOP_GRACE = 1.0  # s for a child to end by itself when Slicer ends
LONGEST_LINE = 2000  # bytes to send at once; a pipe takes 4096 on every system without making the sender wait
LAST_LINES = 20  # of the log, in messages about a child that died


class WorkerClient:
    """Starts the child at the first command and again after it died; one job is done after the other.

    python: the interpreter that has torch. library_parent: the folder that holds DiffusionSiblingsLib. work: a folder
    for logs and events. environment: of the child (None: this process's own).
    """

    def __init__(self, python: Path, library_parent: Path, work: Path,
                 environment: Mapping[str, str] | None = None) -> None:
        self.python, self.library_parent, self.work = Path(python), Path(library_parent), Path(work)
        self._environment = environment
        self._numbers, self._starts = itertools.count(1), itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._lines: collections.deque[bytes] = collections.deque()
        self._process: Process | None = None
        self._ending: list[Process] = []
        self._events: Any = None
        self._rest = b""
        self.log_path: Path | None = None

    @property
    def running(self) -> bool:
        """Whether the child is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def busy(self) -> bool:
        """Whether a job is on its way."""
        return any(job.running for job in self._jobs.values())

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return self._process.pid if self._process is not None else None

    def submit(self, command: Mapping[str, Any], on_event: OnEvent | None = None) -> Job:
        """Sends a command to the child, which is started if it is not there. Raises WorkerDied if it cannot be."""
        if self._process is not None and self._process.poll() is not None:
            self.poll()  # what it had left to say, then its death
        if self._process is None:
            self._start()
        what = _("Waiting") if self.busy else _("Starting the worker")
        job = Job(next(self._numbers), dict(command), on_event, what=what)
        self._jobs[job.id] = job
        self._send({**job.command, "id": job.id})
        return job

    def poll(self) -> None:
        """Takes in what the child said since, kills one that ignores a cancel, notices one that died. Never waits."""
        self._ending = [process for process in self._ending if process.poll() is None]
        if self._process is None:
            return
        ended = self._process.poll()
        self._read()  # after asking whether it ended, so that its last words are in
        self._dispatch()
        if self._process is None:
            return
        now = time.monotonic()
        overdue = [job for job in self._jobs.values() if job.cancel_by is not None and job.cancel_by <= now]
        if ended is not None:
            self._died(ended)
        elif overdue:
            self._kill_for(overdue)

    def cancel(self, job: Job) -> None:
        """Asks the child to stop a job; `poll` sees to it that the job ends within a second."""
        if job.running and job.cancel_by is None:
            job.cancel_by = time.monotonic() + CANCEL_GRACE
            job.what = _("Cancelling")
            self._send({"command": "cancel", "id": job.id})

    def wait(self, job: Job, tick: Callable[[], None] | None = None) -> Job:
        """Polls until the job has ended. tick: called in between, for an event loop."""
        while True:
            self.poll()
            if not job.running:
                return job
            if tick is not None:
                tick()
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends the child with all that it started; jobs on their way are cancelled."""
        process, self._process = self._process, None
        if process is not None:
            self._write(process, b'{"command": "quit"}\n')
            close(process.stdin)
            try:
                process.wait(STOP_GRACE)
            except subprocess.TimeoutExpired:
                pass
            kill_tree(process)
            self._ending.append(process)
        self._close_events()
        for job in self._take_jobs():
            self._finish(job, "cancelled", {"id": job.id, "event": "cancelled"})

    def last_words(self) -> str:
        """The last lines of the child's log."""
        try:
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines() if self.log_path else []
        except OSError:
            return ""
        return "\n".join(lines[-LAST_LINES:])

    # Starting and ending the child

    def _start(self) -> None:
        name = f"worker-{os.getpid()}-{next(self._starts)}"
        self.log_path, events = self.work / f"{name}.log", self.work / f"{name}.jsonl"
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            with events.open("wb") as out, self.log_path.open("wb") as log:
                self._process = worker_process.start(self.python, self.library_parent, self.work, self._environment,
                                                     out, log)
            self._events = events.open("rb")
        except OSError as error:
            raise WorkerDied(_("The worker process could not be started"), value=f"{self.python}: {error}",
                             rule=_("it needs a Python with the module's packages and a writable temporary folder"),
                             hint=_("install the packages in the module's panel, and check the free disk space")
                             ) from error
        self._rest = b""

    def _died(self, code: int) -> None:
        """The child is gone: its jobs fail, the next command starts another."""
        process, self._process = self._process, None
        if process is not None:  # of a launcher that died, Python itself may be left: it ends without its input
            kill_tree(process)
            close(process.stdin)
        self._close_events()
        error = died(code, self.last_words(), self.log_path)
        for job in self._take_jobs():
            if job.cancel_by is not None:
                self._finish(job, "cancelled", {"id": job.id, "event": "cancelled"})
            else:
                self._fail(job, error)

    def _kill_for(self, overdue: list[Job]) -> None:
        """Kills a child that goes on with a cancelled job; jobs that it had not begun go to the next child."""
        process, self._process = self._process, None
        if process is not None:
            kill_tree(process)
            close(process.stdin)
            self._ending.append(process)
        self._close_events()
        again = [job for job in self._take_jobs() if job not in overdue]
        for job in overdue:
            self._finish(job, "cancelled", {"id": job.id, "event": "cancelled"})
        self._submit_again([job for job in again if job.running])

    def _submit_again(self, jobs: list[Job]) -> None:
        try:
            if jobs and self._process is None:
                self._start()
        except WorkerDied as error:
            for job in jobs:
                self._fail(job, error)
            return
        for job in jobs:
            self._jobs[job.id] = job
            self._send({**job.command, "id": job.id})

    # The line

    def _send(self, command: dict[str, Any]) -> None:
        line = json.dumps(command).encode("utf-8") + b"\n"
        if len(line) > LONGEST_LINE:
            path = self.work / f"command-{os.getpid()}-{command.get('id', 0)}.json"
            path.write_bytes(line)
            line = json.dumps({"command_file": str(path)}).encode("utf-8") + b"\n"
        if self._process is not None:
            self._write(self._process, line)

    @staticmethod
    def _write(process: Process, line: bytes) -> None:
        """A child that is gone takes nothing more; `poll` notices that."""
        try:
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.write(line)
                process.stdin.flush()
        except OSError:
            pass

    def _read(self) -> None:
        if self._events is not None and (more := self._events.read()):
            *lines, self._rest = (self._rest + more).split(b"\n")
            self._lines.extend(lines)

    def _dispatch(self) -> None:
        """Each line once, even if a callback runs the event loop and this is called again meanwhile."""
        while self._lines:
            line = self._lines.popleft().strip()
            try:
                values = json.loads(line) if line else {}
            except ValueError:
                continue  # a library in the child that writes past all standard streams
            job = self._jobs.get(values.get("id", 0)) if isinstance(values, dict) else None
            if job is not None:
                self._take(job, values)

    def _take(self, job: Job, values: dict[str, Any]) -> None:
        """One event of a job."""
        event = values["event"]
        if event == "progress":
            job.progress = max(job.progress, values["done"])
            job.seconds_left = values["seconds_left"]
            job.what = job.what if job.cancelling else values["what"]
            self._tell(job, values)
            return
        job.events.append(values)
        if event == "started":
            job.started = True
        elif event == "done":
            job.result = {key: value for key, value in values.items() if key not in ("id", "event")}
            job.progress, job.seconds_left = 1.0, 0.0
        elif event == "failed":
            job.error, job.log = error_of(values), values.get("log", "")
        if event in ("done", "failed", "cancelled"):
            self._jobs.pop(job.id, None)
            job.state = event
        self._tell(job, values)

    def _fail(self, job: Job, error: WorkerDied) -> None:
        job.error, job.log = error, error.log
        self._finish(job, "failed", {"id": job.id, "event": "failed", "kind": "WorkerDied", "what": error.what,
                                     "value": error.value, "rule": "", "hint": error.hint, "log": error.log})

    def _finish(self, job: Job, state: str, values: dict[str, Any]) -> None:
        job.state = state
        job.events.append(values)
        self._tell(job, values)

    @staticmethod
    def _tell(job: Job, values: dict[str, Any]) -> None:
        if job.on_event is not None:
            job.on_event(job, values)

    def _take_jobs(self) -> list[Job]:
        jobs, self._jobs = list(self._jobs.values()), {}
        return jobs

    def _close_events(self) -> None:
        close(self._events)
        self._events = None
        self._lines.clear()
