"""What the benchmarks share: the machine in words, a whole process measured, a child's report, bars met or missed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GIB = 2**30


@dataclass(frozen=True)
class Measured:
    """A finished process. wall: seconds from start to exit. peak: largest resident set in bytes, of the process or of
    any child that it waited for, whichever is larger. output: its standard output."""

    wall: float
    peak: int
    output: str


def measure(command: list[str], **environment: str) -> Measured:
    """Runs a command to its end and measures it (Linux and macOS). RuntimeError with its errors where it fails."""
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE)
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB here
    return Measured(time.perf_counter() - began, usage.ru_maxrss * unit, output)


def report_of(command: list[str], **environment: str) -> tuple[dict[str, Any], Measured]:
    """The JSON object that a command prints as its last line, and how the command measured."""
    done = measure(command, **environment)
    return json.loads(done.output.strip().splitlines()[-1]), done


def machine(threads: int) -> str:
    """One line: processor, cores of this process, threads used, Python."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {cores()} cores, {threads} threads, {platform.system()}, Python {platform.python_version()}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> str:
    """How busy the machine was in the last minute: a figure taken on a busy machine is no figure."""
    if not hasattr(os, "getloadavg"):
        return ""
    average = os.getloadavg()[0]
    return f"load average before the run {average:.1f}" + (" (BUSY: times are too long)" if average > 0.7 else "")


def verdict(value: float, bar: float, *, at_least: bool = False) -> str:
    """'bar 4.0: met' or 'bar 4.0: MISSED'."""
    met = value >= bar if at_least else value <= bar
    return f"bar {'at least' if at_least else 'at most'} {bar:g}: {'met' if met else 'MISSED'}"


def embedded_twin() -> Path:
    """The twin that the project ships."""
    return ROOT / "Resources" / "SampleData" / "synthetic_twin.seg.nrrd"
