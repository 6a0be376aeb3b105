"""Batches of several processes, some of which are killed: real processes and signals, a small untrained model."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from DiffusionSiblingsLib.core.cores import threads_for
from DiffusionSiblingsLib.core.errors import DeviceError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.runs import run_folder
from DiffusionSiblingsLib.runs.pipeline import run
from DiffusionSiblingsLib.runs.scheduler import Hooks
from DiffusionSiblingsLib.runs.settings import RunSettings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no signals to kill with")
ASKED = [Request("generate", count=5, steps=2, repair=False)]


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "overview", lambda path, *_, **__: path.write_bytes(b"a picture"))


@pytest.fixture(scope="module")
def serial(models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What one process makes of the same."""
    out = tmp_path_factory.mktemp("serial")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "overview", lambda path, *_, **__: path.write_bytes(b"a picture"))
        run(ASKED, None, out, RunSettings("small", "cpu", replace=True))
    return entries(out)


def entries(out: Path) -> list[tuple[Any, ...]]:
    """What identifies the siblings of a folder's record."""
    found = json.loads((out / "record.json").read_text())["runs"][0]["siblings"]
    return [(entry["file"], entry["k"], entry["labels_sha256"], entry["features"]) for entry in found]


def test_a_killed_worker_loses_no_finished_sibling_and_none_is_made_twice(serial: list[Any], tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(done: float, asked: int, words: str) -> None:
        if done >= 1 and not killed:
            killed.append(multiprocessing.active_children()[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)

    made = run(ASKED, None, tmp_path, RunSettings("small", "cpu", jobs=2), Hooks(kill))
    assert killed and (made.lost, made.complete, made.made, made.accepted) == (1, True, 5, 5)
    assert entries(tmp_path) == serial
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "metrics.csv", "overview.png", "record.json", *(f"sibling_{n:04d}.nii.gz" for n in range(5))]
    assert not multiprocessing.active_children()


def test_a_killed_master_takes_its_workers_along_and_is_resumed(serial: list[Any], tmp_path: Path) -> None:
    arguments = ["generate", "--count", "5", "--steps", "2", "--no-repair", "--model", "small", "--device", "cpu",
                 "--jobs", "2", "--out", str(tmp_path)]
    master = subprocess.Popen([sys.executable, "-m", "DiffusionSiblingsLib", *arguments], start_new_session=True)
    for _ in range(1200):
        if len(before := stamps(tmp_path)) >= 2:
            break
        time.sleep(0.05)
    master.kill()
    master.wait()
    for _ in range(200):
        if not alive(master.pid):
            break
        time.sleep(0.1)
    assert not alive(master.pid)
    before = stamps(tmp_path)
    assert 2 <= len(before) < 5
    made = run(ASKED, None, tmp_path, RunSettings("small", "cpu", resume=True))
    assert made.complete and made.made <= 5 - len(before)
    assert stamps(tmp_path).items() >= before.items()
    assert entries(tmp_path) == serial


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("sibling_*")}


def alive(group: int) -> bool:
    """Whether a process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_worker_complains_of_is_heard(models: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="mps"):
        run(ASKED, None, tmp_path / "out", RunSettings("small", "mps", jobs=2))
    assert not (tmp_path / "out").exists()


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert [threads_for(jobs) for jobs in (1, 2, 3, 8, 20)] == [0, 4, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_for(8) == 2
