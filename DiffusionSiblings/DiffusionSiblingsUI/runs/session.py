"""The one worker of this Slicer: shared by module and effects, polled while it works, ended with Slicer."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from DiffusionSiblingsUI.runs.worker_client import WorkerClient

if TYPE_CHECKING:
    from DiffusionSiblingsUI.cohorts.memory import CohortMemory

POLL_MS = 50
STALE_S = 2 * 24 * 3600.0  # folders of Slicers that crashed are removed after this time
PREFIX = "DiffusionSiblings-"

_shared: list[Session] = []


class Session:
    """client: of the worker. folder: for what module, effects and worker hand each other; removed at the end.

    memory: what is known of cohorts.
    """

    def __init__(self, client: WorkerClient, folder: Path) -> None:
        self.client, self.folder = client, folder
        self._numbers = itertools.count(1)
        self._timer: Any = None

    @cached_property
    def memory(self) -> CohortMemory:
        """Made when it is first asked for: sessions without cohorts need nothing of it."""
        from DiffusionSiblingsUI.cohorts.memory import CohortMemory

        return CohortMemory()

    def new_folder(self) -> Path:
        """A new empty folder for one job's files; remove it (`remove`) when they are read."""
        folder = self.folder / f"job-{next(self._numbers):04d}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove(self, folder: Path) -> None:
        """Removes a job's folder with all that is in it."""
        if self.folder in Path(folder).parents:
            shutil.rmtree(folder, ignore_errors=True)

    def ensure_pump(self) -> None:
        """Polls the client from the event loop for as long as it has jobs. Does nothing where there is no Qt."""
        if self._timer is None:
            try:
                import qt
            except ImportError:
                return
            self._timer = qt.QTimer()
            self._timer.setInterval(POLL_MS)
            self._timer.connect("timeout()", self._pump)
        self._timer.start()

    def _pump(self) -> None:
        try:
            self.client.poll()
        finally:  # also where a listener failed: the next events have to come
            if not self.client.busy and self._timer is not None:
                self._timer.stop()

    def close(self) -> None:
        """Ends the worker and removes the files; a later command starts it again."""
        if self._timer is not None:
            self._timer.stop()
        self.client.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def shared_session() -> Session:
    """The session of this process; made at the first call, which starts nothing yet."""
    if not _shared:
        import DiffusionSiblingsLib
        from DiffusionSiblingsUI.setup import environment

        folder = _temporary() / f"{PREFIX}{os.getpid()}"
        _remove_stale(folder.parent)
        library_parent = Path(DiffusionSiblingsLib.__file__).resolve().parent.parent
        use_session(Session(WorkerClient(Path(environment.worker_python()), library_parent, folder), folder))
    return _shared[0]


def use_session(session: Session | None) -> None:
    """Makes this the shared session (None: a new one at the next call); the one before is closed."""
    for before in _shared:
        if before is not session:
            before.close()
    _shared[:] = [session] if session is not None else []
    if session is not None:
        _close_with_slicer()


def _close_all() -> None:
    for session in _shared:
        session.close()


_hooked: list[bool] = []


def _close_with_slicer() -> None:
    """Once: the worker ends when Slicer is about to quit, and at the latest with this interpreter."""
    if _hooked:
        return
    _hooked.append(True)
    atexit.register(_close_all)
    try:
        import slicer

        slicer.app.connect("aboutToQuit()", _close_all)
    except (ImportError, AttributeError):
        pass  # without the application, atexit does it


def _temporary() -> Path:
    """Slicer's temporary folder, which users may have put on a large disk; else the system's."""
    try:
        import slicer

        return Path(slicer.app.temporaryPath)
    except (ImportError, AttributeError):
        return Path(tempfile.gettempdir())


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime > STALE_S:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
