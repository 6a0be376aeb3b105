"""What goes over the line: commands in, events out. Nothing here loads torch, so that the worker answers at once.

Commands: {"id": 1, "command": "hello" | "run" | "replay" | "measure" | "draw" | "estimate" | "cohort" | "member" |
"compare" | "report", ...}, {"command": "cancel", "id": 1}, {"command": "quit"}, and {"command_file": PATH} for one that
is too long for a pipe to take at once.
Events: {"id": 1, "event": "started" | "progress" | "twin" | "guided" | "sibling" | "replayed" | "members" | "done" |
"failed" | "cancelled"}.
Every command is answered by exactly one of the last three.

"run" makes a run folder as the command line does: {"requests": [...], "out": DIR, "twin": STEM or FILE, "model": ...,
"device": ...}, and, where they are wanted, "gate" (acceptance checks), "limit" (siblings drawn at most for each one
asked for), "jobs" (processes), "resume" (true: continue the run in DIR; false: refuse a folder with another run; left
away: replace it), "format" (of the siblings' files) and "overview" (false: no picture).
"""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ...core.errors import InputError, SiblingsError
from ...core.files import json_values

LONGEST = 1 << 24  # bytes of a line; what is longer comes as a command file
LONGEST_FILE = 1 << 29  # bytes of a command file, which may hold the record of a large run
Id = int | str | None
LOG_LINES = 30  # of a traceback that travels with a failure; the whole of it is in the log


class Cancelled(BaseException):
    """The user wants this job no more. No Exception, so that nothing on its way takes it for an error."""


class Events:
    """Writes events to a file descriptor, each as one line and in one call, from any thread.

    gone: called where nobody reads them any more.
    """

    def __init__(self, descriptor: int, gone: Callable[[], None]) -> None:
        self._descriptor, self._gone = descriptor, gone
        self._lock = threading.Lock()

    def emit(self, job: Id, event: str, **values: Any) -> None:
        """One event of a job. Raises TypeError, ValueError or RecursionError for what JSON cannot hold."""
        line = json.dumps(json_values({"id": job, "event": event, **values}), default=_plain) + "\n"
        rest = memoryview(line.encode("utf-8"))
        try:
            with self._lock:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._gone()


def lines_of(commands: BinaryIO) -> Iterator[bytes]:
    """The lines of the commands, of which none takes more memory than LONGEST: of a longer one only the beginning."""
    while line := commands.readline(LONGEST + 1):
        yield line
        while len(line) > LONGEST and not line.endswith(b"\n"):
            line = commands.readline(LONGEST + 1)


def parse(line: bytes) -> dict[str, Any]:
    """The command of one line. Raises InputError."""
    shown = repr(line[:200])
    try:
        if len(line) > LONGEST:
            raise ValueError(f"the line has more than {LONGEST} bytes")
        command = json.loads(line)
        if isinstance(command, dict) and "command_file" in command:
            command = json.loads(_contents(command["command_file"]))
        if not isinstance(command, dict):
            raise TypeError("it is no object")
        if not isinstance(command.get("command"), str):
            raise TypeError("it has no text as its command")
        if isinstance(command.get("id"), bool) or not isinstance(command.get("id"), Id):
            raise TypeError("its id is neither a whole number nor a text")
        return command
    except (ValueError, TypeError, OSError, RecursionError, MemoryError) as error:
        raise InputError("The worker cannot read the command", value=f"{shown}: {error or type(error).__name__}",
                         rule='one JSON object a line, {"id": 1, "command": "hello"}') from error


def _contents(path: Any) -> bytes:
    """The bytes of a command file. Raises OSError or ValueError for anything but a file of some size."""
    file = Path(path)
    if not file.is_file():  # a pipe would be waited for
        raise ValueError("the command file is not there, or is no file")
    if file.stat().st_size > LONGEST_FILE:
        raise ValueError(f"the command file has more than {LONGEST_FILE} bytes")
    return file.read_bytes()


def failure(error: BaseException) -> dict[str, Any]:
    """The values of a "failed" event; what is no SiblingsError is told as one, with where it came from in `log`."""
    if isinstance(error, SiblingsError):
        return {"kind": type(error).__name__, "what": error.what, "value": error.value, "rule": error.rule,
                "hint": error.hint, "log": ""}
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    if isinstance(error, ImportError):
        return {"kind": "SiblingsError", "what": "A package that the worker needs is missing or does not load",
                "value": str(error), "rule": "torch and the packages of the requirements file",
                "hint": "install the packages again from the module's panel", "log": "\n".join(lines[-LOG_LINES:])}
    return {"kind": "SiblingsError", "what": "The worker met an error of the program",
            "value": f"{type(error).__name__}: {error}", "rule": "",
            "hint": "try again; if the error returns, report it with the log", "log": "\n".join(lines[-LOG_LINES:])}


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, and paths, as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot go over the line")
