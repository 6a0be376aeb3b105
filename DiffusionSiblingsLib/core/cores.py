"""How many cores this process may use, and how many threads the user has asked for."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The cores that the system lets this process use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def asked_threads() -> int | None:
    """The threads that the environment variable OMP_NUM_THREADS asks for; None where it does not name a number."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else None


def threads_for(jobs: int) -> int:
    """Threads for each of so many workers on this machine; 0 (as torch chooses) for one in this process."""
    return 0 if jobs == 1 else asked_threads() or max(1, usable_cores() // jobs)
