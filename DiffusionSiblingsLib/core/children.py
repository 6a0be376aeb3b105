"""What a process owes the one that started it: it leaves Ctrl-C to its parent, and does not outlive it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing import connection

GONE = 3  # exit code of a process whose parent is gone


def obey_parent() -> None:
    """To be called first in a process that multiprocessing has started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends at once when the parent is killed, not after the work at hand: another run may already continue it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(GONE)
