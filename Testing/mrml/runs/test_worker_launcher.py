"""The worker behind a launcher, as PythonSlicer is one: deaths are explained as if there were none."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from DiffusionSiblingsUI.runs.worker_client import WorkerClient
from DiffusionSiblingsUI.runs.worker_job import died
from processes import gone, soon

ROOT = Path(__file__).resolve().parents[3]
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and shell scripts")
LAUNCHER = """
# As Slicer's launcher of Python: the same streams and group; one line and EXIT_FAILURE where Python crashed.
import os, subprocess, sys
child = subprocess.Popen([sys.executable, *sys.argv[1:]])
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "part"), "w") as file:
    file.write(str(child.pid))
os.replace(file.name, os.path.join(os.path.dirname(file.name), "child"))
code = child.wait()
if code < 0:
    print("error: [/opt/Slicer/bin/./python-real] exit abnormally - Report the problem.", file=sys.stderr, flush=True)
sys.exit(1 if code < 0 else code)
"""


@pytest.mark.parametrize(("code", "log", "memory"), [
    (-9, "", True), (137, "", True), (0xC0000017, "", True),
    (1, "error: [/opt/Slicer/bin/./python-real] exit abnormally - Report the problem.", True),
    (-11, "", False), (1, "ImportError: no module named x", False), (0, "", False)])
def test_a_child_that_was_killed_is_said_to_have_lacked_memory_also_behind_a_launcher(code: int, log: str,
                                                                                      memory: bool) -> None:
    error = died(code, log, Path("worker.log"))
    assert ("memory may be short" in error.hint) is memory
    assert "Report the problem" not in error.value and "worker.log" in error.hint


@POSIX
def test_a_python_behind_a_launcher_ends_with_it_and_its_death_is_explained(tmp_path: Path) -> None:
    launcher = tmp_path / "PythonSlicer"
    launcher.write_text(f"#!{sys.executable}\n" + LAUNCHER, encoding="utf-8")
    launcher.chmod(0o755)
    client = WorkerClient(launcher, ROOT, tmp_path / "work")
    job = client.submit({"command": "hello"})
    assert soon(lambda: (tmp_path / "child").exists(), 30.0)
    child = int((tmp_path / "child").read_text(encoding="ascii"))
    os.kill(child, signal.SIGKILL)
    client.wait(job)
    assert job.error is not None and "memory may be short" in job.error.hint
    assert "killed" in job.error.value
    (tmp_path / "child").unlink()
    job = client.submit({"command": "hello"})
    assert soon(lambda: (tmp_path / "child").exists(), 30.0)
    child = int((tmp_path / "child").read_text(encoding="ascii"))
    os.kill(client.pid or 0, signal.SIGKILL)
    client.wait(job)
    assert job.state == "failed" and soon(lambda: gone(child), 10.0)
