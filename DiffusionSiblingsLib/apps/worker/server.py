"""The worker's two threads: one hears commands at all times, the main one does the work."""

from __future__ import annotations

import _thread
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from ...core.errors import DeviceError, InputError, SiblingsError
from .protocol import Cancelled, Events, Id, failure, lines_of, parse

TICK = 0.25  # s between reports of progress while nothing else reports


class RunningCommand:
    """One command being done: where its events go, and whether it is still wanted."""

    def __init__(self, number: Id, events: Events) -> None:
        self.number, self._events = number, events
        self.cancelled = False
        self.interruptible = True  # at most once: what tidies up after an interruption is left in peace

    def emit(self, event: str, **values: Any) -> None:
        """An event of this job."""
        self._events.emit(self.number, event, **values)

    def check(self) -> None:
        """Raises Cancelled if the job is wanted no more."""
        if self.cancelled:
            raise Cancelled


class Server:
    """Hears commands, does them one after the other, and can be told to stop one or all at any time."""

    def __init__(self, commands: BinaryIO, events: Events, *, own_group: bool = False) -> None:
        self._commands, self._events, self._own_group = commands, events, own_group
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers: queue.Queue[tuple[Id, str, dict[str, Any]]] = queue.Queue()
        self._lock = threading.Lock()
        self._dropped: set[Id] = set()
        self._queued: set[Id] = set()
        self._task: RunningCommand | None = None
        self._progress: Any = None

    def serve(self) -> None:
        """Never returns: the end of the commands ends the process. Must run in the main thread."""
        signal.signal(signal.SIGINT, self._interrupt)
        threading.Thread(target=self._listen, daemon=True, name="commands").start()
        threading.Thread(target=self._answer, daemon=True, name="answers").start()
        threading.Thread(target=self._keep_telling, daemon=True, name="progress").start()
        service, broken = _open_service()
        while True:
            command = self._waiting.get()
            task = self._begin(command)
            if task is not None:
                self._end(task, *self._outcome(command, task, service, broken))

    def _listen(self) -> None:
        """Hears commands until their end, which ends the process, as does anything that stops this thread.

        It writes no event itself: where nobody reads them, that would wait, and the end of the commands go unheard.
        """
        try:
            for line in lines_of(self._commands):
                if line.strip():
                    self._hear(line)
        finally:
            end_process_tree(own_group=self._own_group)

    def _answer(self) -> None:
        while True:
            number, event, values = self._answers.get()
            self._events.emit(number, event, **values)

    def _hear(self, line: bytes) -> None:
        try:
            command = parse(line)
        except InputError as error:
            self._answers.put((None, "failed", failure(error)))
            return
        if command["command"] == "quit":
            end_process_tree(own_group=self._own_group)
        elif command["command"] == "cancel":
            self._cancel(command.get("id"))
        else:
            with self._lock:
                self._queued.add(command.get("id", -1))
            self._waiting.put(command)

    def _cancel(self, number: Id) -> None:
        with self._lock:
            task = self._task
            if task is not None and task.number == number:
                task.cancelled = True
                _thread.interrupt_main()  # between two bytecodes of the main thread, not only at its next step
            elif number in self._queued:
                self._dropped.add(number)
                self._answers.put((number, "cancelled", {}))

    def _interrupt(self, *_: Any) -> None:
        task = self._task
        if task is not None and task.cancelled and task.interruptible:
            task.interruptible = False
            raise Cancelled

    def _begin(self, command: dict[str, Any]) -> RunningCommand | None:
        number = command.get("id", -1)
        with self._lock:
            self._queued.discard(number)
            if number in self._dropped:
                self._dropped.discard(number)
                return None
            self._task = RunningCommand(number, self._events)
            return self._task

    def _outcome(self, command: dict[str, Any], task: RunningCommand, service: Any,
                 broken: BaseException | None) -> tuple[str, dict[str, Any]]:
        """Does the command -> its last event. The outer try is for an interruption that comes just at the end."""
        try:
            try:
                if broken is not None:
                    raise broken
                task.emit("started")
                return "done", service.do(command, task, self._watch)
            except Cancelled:
                return "cancelled", {}
            except BaseException as error:  # SystemExit, or the panic of a package in Rust, must not go unanswered
                return "failed", failure(_explained(service, error))
            finally:
                task.interruptible = False
        except Cancelled:
            return "cancelled", {}

    def _end(self, task: RunningCommand, event: str, values: dict[str, Any]) -> None:
        with self._lock:
            self._task = self._progress = None
        if task.cancelled:  # asked for while the last lines ran: the asker must not get results any more
            event, values = "cancelled", {}
        try:
            task.emit(event, **values)
        except (TypeError, ValueError, RecursionError, MemoryError) as error:  # JSON cannot hold what it gave
            task.emit("failed", **failure(_explained(None, error)))

    def _watch(self, progress: Any) -> None:
        self._progress = progress

    def _keep_telling(self) -> None:
        """Reports while a long step of the work reports nothing itself."""
        while True:
            threading.Event().wait(TICK)
            progress = self._progress
            if progress is not None:
                progress.report()


def _explained(service: Any, error: BaseException) -> BaseException:
    """An error as the user should hear it; of what is no user's fault, all of it goes to the log."""
    found = error
    try:
        if service is not None:
            found = service.explain(error)
    except BaseException as another:  # of the device, say, which was to give its memory back
        sys.excepthook(type(another), another, another.__traceback__)
    if not isinstance(found, SiblingsError):
        sys.excepthook(type(error), error, error.__traceback__)
    return found


def _open_service() -> tuple[Any, BaseException | None]:
    """Loads the engine (some seconds, while commands are already heard) -> it, or why it could not be loaded."""
    try:
        from .service import Service

        return Service(), None
    except MemoryError:
        return None, DeviceError("There is too little memory to start", rule="about 1 GB is free",
                                 hint="close other programs")
    except (ImportError, OSError) as error:  # OSError: a library of torch that does not load on Windows
        sys.excepthook(type(error), error, error.__traceback__)
        return None, ImportError(str(error))
    except Exception as error:  # each command is answered with it
        return None, error


def end_process_tree(*, own_group: bool) -> None:
    """Ends this process at once, and what it started with it."""
    if own_group and hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    elif own_group and os.name == "nt":
        subprocess.Popen(["taskkill", "/T", "/F", "/PID", str(os.getpid())], stdin=subprocess.DEVNULL,
                         creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)).wait(5)
    os._exit(0)


def main() -> int:
    """Takes stdin and stdout for commands and events; what libraries print goes to stderr, what they read is empty.

    The standard input itself is replaced, too: on Windows a library that asks for its type while a thread reads from
    it waits until the next command comes.
    """
    own_group = "--own-group" in sys.argv[1:]
    try:
        descriptor, commands = os.dup(1), os.fdopen(os.dup(0), "rb")
        os.dup2(2, 1)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
    except OSError:  # started without a stream: there is nobody to serve
        return 2
    events = Events(descriptor, lambda: end_process_tree(own_group=own_group))
    Server(commands, events, own_group=own_group).serve()
    return 0
