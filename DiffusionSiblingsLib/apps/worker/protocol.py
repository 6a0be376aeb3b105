"""What goes over the line: commands in, events out. Nothing here loads torch, so that the worker answers at once.

Commands: {"id": 1, "command": "hello" | "run" | "replay" | "measure" | "estimate" | "cohort" | "member" | "compare" |
"report", ...}, {"command": "cancel", "id": 1}, {"command": "quit"}, and {"command_file": PATH} for one that is too long
for a pipe to take at once.
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
from pathlib import Path
from typing import Any

from ...core.errors import InputError, SiblingsError

LOG_LINES = 30  # of a traceback that travels with a failure; the whole of it is in the log


class Cancelled(BaseException):
    """The user wants this job no more. No Exception, so that nothing on its way takes it for an error."""


class Events:
    """Writes events to a file descriptor, each as one line and in one call, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def emit(self, job: int | None, event: str, **values: Any) -> None:
        """One event of a job."""
        line = json.dumps({"id": job, "event": event, **values}, default=_plain) + "\n"
        rest = memoryview(line.encode("utf-8"))
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


def parse(line: bytes) -> dict[str, Any]:
    """The command of one line. Raises InputError."""
    try:
        command = json.loads(line)
        if "command_file" in command:
            command = json.loads(Path(command["command_file"]).read_text(encoding="utf-8"))
        if not isinstance(command["command"], str):
            raise TypeError("the command is not text")
        return dict(command)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError("The worker cannot read the command", value=f"{line[:200]!r}: {error}",
                         rule='one JSON object a line, {"id": 1, "command": "hello"}') from error


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
