"""The one session of a process: folders, an end with all that it started, and an import that costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from DiffusionSiblingsUI.runs import session as sessions
from DiffusionSiblingsUI.runs.worker_client import WorkerClient

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def session(tmp_path: Path) -> sessions.Session:
    return sessions.Session(WorkerClient(Path(sys.executable), ROOT, tmp_path / "work"), tmp_path / "session")


def test_the_session_has_folders_and_ends_with_all(session: sessions.Session, tmp_path: Path) -> None:
    sessions.use_session(session)
    assert sessions.shared_session() is session
    one, two = session.new_folder(), session.new_folder()
    assert one != two
    assert one.is_dir()
    session.remove(one)
    session.remove(tmp_path)  # not its own
    assert not one.exists()
    assert two.is_dir()
    session.ensure_pump()  # slicer-core has no Qt
    job = session.client.submit({"command": "hello"})
    sessions.use_session(None)
    assert job.state == "cancelled"
    assert not session.client.running
    assert not session.folder.exists()


def test_another_session_closes_the_one_before(session: sessions.Session, tmp_path: Path) -> None:
    sessions.use_session(session)
    job = session.client.submit({"command": "hello"})
    sessions.use_session(session)
    assert job.running
    sessions.use_session(sessions.Session(session.client, tmp_path / "other"))
    assert job.state == "cancelled"
    sessions.use_session(None)


def test_folders_of_sessions_that_crashed_are_removed_when_they_are_old(tmp_path: Path) -> None:
    old, young, foreign = (tmp_path / name for name in ("DiffusionSiblings-1", "DiffusionSiblings-2", "Other-1"))
    for folder in (old, young, foreign):
        (folder / "job-0001").mkdir(parents=True)
    for folder in (old, foreign):
        os.utime(folder, times=(time.time() - 3 * 24 * 3600,) * 2)
    sessions._remove_stale(tmp_path)
    assert [folder.exists() for folder in (old, young, foreign)] == [False, True, True]


def test_client_and_session_load_neither_qt_nor_slicer_nor_numpy() -> None:
    code = ("import sys; import DiffusionSiblingsUI.runs.worker_client, DiffusionSiblingsUI.runs.session\n"
            "print([m for m in ('qt', 'slicer', 'torch', 'numpy', 'vtk', 'asyncio') if m in sys.modules])")
    path = os.pathsep.join([str(ROOT), str(ROOT / "DiffusionSiblings")])
    told = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True,
                          text=True, check=True).stdout
    assert told.strip() == "[]"
