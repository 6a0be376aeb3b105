"""The worker's process: how it is started, in which environment, and how it is ended with all that it started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

# Passive: threads that wait must not spin, or one busy neighbour (Slicer's window) slows every step many times.
QUIET_THREADS = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
OWN_SETTINGS = ("SIBLINGS_RESOURCES", "SIBLINGS_MODELS")  # of this process, where the environment given lacks them

Process = subprocess.Popen[bytes]


def start(python: Path, library_parent: Path, work: Path, environment: Mapping[str, str] | None, events: BinaryIO,
          log: BinaryIO) -> Process:
    """The worker as a child of this process. Raises OSError. events, log: open files for its two outputs."""
    command = [str(python), "-u", "-m", "DiffusionSiblingsLib.apps.worker", "--own-group"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=events, stderr=log, bufsize=0, cwd=work,
                            env=child_environment(environment, library_parent), **own_group())


def child_environment(given: Mapping[str, str] | None, library_parent: Path) -> dict[str, str]:
    """The environment given (None: this process's own) with what the worker needs on top."""
    child = dict(os.environ if given is None else given)
    for name in OWN_SETTINGS:
        if name in os.environ:
            child.setdefault(name, os.environ[name])
    paths = [str(library_parent), child.get("PYTHONPATH", "")]
    return {**child, **QUIET_THREADS, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "PYTHONUTF8": "1"}


def own_group() -> dict[str, Any]:
    """The child leads a group of its own, so that it ends with its children, and Ctrl-C in a shell is not for it."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}  # type: ignore[attr-defined,unused-ignore]
    return {"start_new_session": True}


def kill_tree(process: Process) -> None:
    """Ends the child and all that it started, without waiting for it."""
    try:
        if os.name == "nt":
            if process.poll() is None:
                taskkill = shutil.which("taskkill") or "taskkill"
                subprocess.Popen([taskkill, "/T", "/F", "/PID", str(process.pid)], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 creationflags=subprocess.CREATE_NO_WINDOW)  # type: ignore[attr-defined,unused-ignore]
            return
        os.killpg(process.pid, signal.SIGKILL)  # also when the leader is gone and its children are not
    except OSError:
        pass


def close(stream: Any) -> None:
    try:
        if stream is not None:
            stream.close()
    except OSError:
        pass
