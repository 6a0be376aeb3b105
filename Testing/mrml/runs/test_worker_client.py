"""The client of the worker: with real weights, and with stand-ins for a child that misbehaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from DiffusionSiblingsUI.runs import worker_process
from DiffusionSiblingsUI.runs.worker_client import Job, WorkerClient, WorkerDied
from DiffusionSiblingsUI.runs.worker_job import died
from hearts import ellipsoid_heart
from processes import gone, soon

from DiffusionSiblingsLib.core.defaults import RATIO_WORDS
from DiffusionSiblingsLib.core.errors import DeviceError, InputError, SiblingsError
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import read_exchange, write_exchange

ROOT = Path(__file__).resolve().parents[3]
HEART = ellipsoid_heart((40, 36, 44), 3.4)
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and shell scripts")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a space and an accent, as the names of users have them."""
    return tmp_path / "Jürgen Müller"


@pytest.fixture
def make_client(work: Path) -> Iterator[Callable[..., WorkerClient]]:
    made: list[WorkerClient] = []

    def make(python: Path = Path(sys.executable), library: Path = ROOT, **environment: str) -> WorkerClient:
        made.append(WorkerClient(python, library, work, {**os.environ, **environment} if environment else None))
        return made[-1]

    yield make
    for client in made:
        client.stop()


@pytest.fixture
def twin(work: Path) -> str:
    return str(write_exchange(HEART, work / "twin"))


def perturb(twin: str, work: Path, **values: Any) -> dict[str, Any]:
    request = {"edit": "perturb", "steps": 4, "seed": 1, **values}
    return {"command": "run", "device": "cpu", "twin": twin, "out": str(work / "out"), "requests": [request]}


def until(client: WorkerClient, job: Job, reached: Callable[[], bool]) -> None:
    """Polls until something is so while the job runs."""
    limit = time.monotonic() + 60
    while not reached():
        assert job.running, (job.state, job.error)
        assert time.monotonic() < limit, "it never came to that"
        client.poll()
        time.sleep(0.01)


# With real weights


def test_a_run_with_real_weights_and_what_is_kept_for_the_next(make_client: Callable[..., WorkerClient], twin: str,
                                                               work: Path) -> None:
    client, heard, waits = make_client(), [], []

    def listen(job: Job, values: dict[str, Any]) -> None:
        heard.append((values["event"], job.progress, job.what))

    began = time.perf_counter()
    job = client.submit(perturb(twin, work, count=2), listen)
    waits.append(time.perf_counter() - began)
    while job.running:
        began = time.perf_counter()
        client.poll()
        waits.append(time.perf_counter() - began)
        time.sleep(0.02)
    assert (job.state, job.error, job.progress) == ("done", None, 1.0)
    assert max(waits) < 0.1, "Slicer's event loop would have stood still"
    result = job.result or {}
    assert [row["map"] for row in result["rows"]] == ["twin", "sibling_0000", "sibling_0001"]
    assert result["record"]["model"]["id"] == "heart-compact"
    labels = [read_exchange(event["stem"]).labels for event in job.of("sibling")]
    assert all(map_.shape == HEART.labels.shape and map_.dtype == HEART.labels.dtype for map_ in labels)
    assert not np.array_equal(*labels)
    assert [progress for _, progress, _ in heard] == sorted(progress for _, progress, _ in heard)
    assert any(what.startswith("Opening") for _, _, what in heard)
    heard.clear()
    assert client.wait(client.submit(perturb(twin, work), listen)).state == "done"
    assert not any(what.startswith(("Opening", "Placing")) for _, _, what in heard)
    assert np.array_equal(read_exchange(work / "out" / "sibling_0000").labels, labels[0])  # seed and k alone decide
    replay = {"command": "replay", "record": result["record"], "twin": twin, "device": "cpu"}
    verdicts = client.wait(client.submit(replay)).result or {}  # longer than what goes into a pipe at once
    assert [row["verdict"] for row in verdicts["rows"]] == ["identical"] * 2


@POSIX
def test_a_killed_child_is_told_and_the_next_command_starts_another(make_client: Callable[..., WorkerClient],
                                                                    twin: str, work: Path) -> None:
    client = make_client()
    job = client.submit(perturb(twin, work, count=500, steps=50))
    until(client, job, lambda: "Sampling" in job.what)
    os.kill(client.pid or 0, signal.SIGKILL)
    client.wait(job)
    assert job.state == "failed"
    assert isinstance(job.error, WorkerDied)
    assert "SIGKILL" in job.error.value
    assert "starts anew" in job.error.hint
    assert "memory" in job.error.hint
    assert str(client.log_path) in job.error.hint
    assert not client.running
    assert client.wait(client.submit(perturb(twin, work))).state == "done"


def test_cancel_in_the_middle_takes_less_than_a_second_and_keeps_the_model_warm(
        make_client: Callable[..., WorkerClient], twin: str, work: Path) -> None:
    client = make_client()
    for stage in ("Starting", "Placing", "Sampling", "Checking"):
        job = client.submit(perturb(twin, work, count=500, steps=20))
        until(client, job, lambda: stage in job.what)  # noqa: B023
        pid, began = client.pid, time.monotonic()
        client.cancel(job)
        client.wait(job)
        assert (job.state, job.result) == ("cancelled", None)
        assert time.monotonic() - began < 1.0
        if stage == "Starting":
            client.wait(client.submit({"command": "hello"}))  # killed or not, whatever was quicker
        elif stage != "Placing":
            assert client.pid == pid
    assert client.wait(client.submit(perturb(twin, work))).state == "done"


@POSIX
def test_without_memory_a_run_ends_in_a_message_and_the_worker_goes_on(make_client: Callable[..., WorkerClient],
                                                                       work: Path) -> None:
    client = make_client(limited(work, 3_500_000))
    large = HEART.with_labels(np.pad(HEART.labels, ((0, 460), (0, 464), (0, 456))))
    job = client.wait(client.submit(perturb(str(write_exchange(large, work / "large")), work)))
    assert isinstance(job.error, DeviceError), (job.error, client.last_words())
    assert "GB needed" in job.error.value
    assert "crop the segmentation" in job.error.hint
    pid = client.pid
    assert client.wait(client.submit({"command": "hello"})).state == "done"
    assert client.pid == pid


def limited(work: Path, kilobytes: int) -> Path:
    """A Python that may not take more address space than this."""
    work.mkdir(parents=True, exist_ok=True)
    script = work / "limited python"
    script.write_text(f'#!/bin/sh\nulimit -v {kilobytes}\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return script


def test_an_error_of_the_user_comes_back_as_what_it_was(make_client: Callable[..., WorkerClient], twin: str,
                                                        work: Path) -> None:
    client = make_client()
    job = client.wait(client.submit(perturb(twin, work, ratio=7)))
    assert type(job.error) is InputError
    assert job.error.value == "7"
    assert RATIO_WORDS in job.error.hint


def test_a_python_without_torch_says_what_to_install(make_client: Callable[..., WorkerClient], tmp_path: Path,
                                                     twin: str, work: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('DLL load failed while importing _C')")
    client = make_client(PYTHONPATH=str(tmp_path))
    job = client.wait(client.submit(perturb(twin, work)))
    assert type(job.error) is SiblingsError
    assert "DLL load failed" in job.error.value
    assert "install" in job.error.hint
    assert "Traceback" in client.last_words()
    assert client.running


@POSIX
@pytest.mark.parametrize("end", ["kill", "exit"])
def test_the_worker_ends_with_the_program_that_started_it(twin: str, work: Path, end: str) -> None:
    program = textwrap.dedent(f"""
        import os, sys, time
        from pathlib import Path
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "DiffusionSiblings")!r}]
        from DiffusionSiblingsUI.runs.session import Session, use_session
        from DiffusionSiblingsUI.runs.worker_client import WorkerClient
        client = WorkerClient(Path(sys.executable), Path({str(ROOT)!r}), Path({str(work)!r}))
        use_session(Session(client, Path({str(work / "session")!r})))
        job = client.submit({perturb(twin, work, count=500, steps=50)!r})
        while "Sampling" not in job.what:
            client.poll()
            time.sleep(0.02)
        print(client.pid, flush=True)
        if {end!r} == "kill":
            time.sleep(600)
    """)
    slicer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert slicer.stdout is not None
    pid = int(slicer.stdout.readline())
    if end == "kill":
        assert not gone(pid)
        slicer.kill()
    slicer.wait(10)
    slicer.stdout.close()
    assert soon(lambda: gone(pid), 2.0)


# With stand-ins


@pytest.fixture
def stand_in(make_client: Callable[..., WorkerClient], tmp_path: Path) -> Callable[[str], WorkerClient]:
    """A client whose child runs this code in place of the worker; `say` writes an event, `commands` are the lines."""

    def make(code: str) -> WorkerClient:
        package = tmp_path / "library" / "DiffusionSiblingsLib" / "apps" / "worker"
        package.mkdir(parents=True)
        for folder in (package, package.parent, package.parent.parent):
            (folder / "__init__.py").write_text("")
        head = ("import json, os, subprocess, sys, time\ncommands = map(json.loads, sys.stdin)\n"
                "def say(job, event, **values):\n"
                "    os.write(1, (json.dumps({'id': job, 'event': event, **values}) + '\\n').encode())\n")
        (package / "__main__.py").write_text(head + textwrap.dedent(code))
        return make_client(library=tmp_path / "library")

    return make


@POSIX
def test_a_child_that_ignores_cancel_is_killed_with_its_children_and_waiting_jobs_go_on(
        stand_in: Callable[[str], WorkerClient], tmp_path: Path) -> None:
    client = stand_in(f"""
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(tmp_path / "grandchild")!r}, "w").write(str(grandchild.pid))
        for command in commands:
            if command["command"] == "hang":
                say(command["id"], "started")
                time.sleep(600)
            say(command["id"], "done", answer=42)
    """)
    hanging = client.submit({"command": "hang"})
    until(client, hanging, lambda: hanging.started)
    waiting, pid = client.submit({"command": "hello"}), client.pid or 0
    assert waiting.what == "Waiting"
    began = time.monotonic()
    client.cancel(hanging)
    assert hanging.cancelling
    client.wait(hanging)
    assert hanging.state == "cancelled"
    assert time.monotonic() - began < 1.1
    grandchild = int((tmp_path / "grandchild").read_text())
    assert soon(lambda: gone(pid) and gone(grandchild))
    assert client.wait(waiting).result == {"answer": 42}


def test_stray_output_and_lines_in_pieces_do_no_harm(stand_in: Callable[[str], WorkerClient]) -> None:
    client = stand_in("""
        command = next(commands)
        os.write(1, b'a library that prints\\n[1, 2]\\n\\xff\\xfe\\n{"id": 99, "event": "done"}\\n\\r\\n')
        say(command["id"], "progress", done=0.5, what="Half", seconds_left=1.0)
        say(command["id"], "progress", done=0.4, what="Less", seconds_left=2.0)
        line = json.dumps({"id": command["id"], "event": "done", "text": "\\u00fc" * 9}, ensure_ascii=False).encode()
        for byte in line + b"\\r\\n":
            os.write(1, bytes([byte]))
            time.sleep(0.005)
        next(commands, None)
    """)
    job = client.wait(client.submit({"command": "hello"}))
    assert job.result == {"text": "ü" * 9}
    seen = [values["event"] for values in job.events]
    assert seen == ["done"]


def test_a_child_that_crashes_leaves_its_last_words(stand_in: Callable[[str], WorkerClient]) -> None:
    client = stand_in("""
        next(commands)
        print("corrupted double-linked list", file=sys.stderr, flush=True)
        os._exit(3)
    """)
    job = client.wait(client.submit({"command": "hello"}))
    assert isinstance(job.error, WorkerDied)
    assert "exit code 3; corrupted double-linked list" in job.error.value
    assert "corrupted" in job.log
    second = client.wait(client.submit({"command": "hello"}))
    assert (second.state, second.id) == ("failed", 2)


def test_a_listener_that_fails_loses_no_event(stand_in: Callable[[str], WorkerClient]) -> None:
    client = stand_in("""
        command = next(commands)
        for event in ("started", "twin", "done"):
            say(command["id"], event)
        next(commands, None)
    """)

    def fail(job: Job, values: dict[str, Any]) -> None:
        raise ZeroDivisionError

    job = client.submit({"command": "hello"}, fail)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            client.wait(job)
    client.wait(job)
    assert (job.state, [values["event"] for values in job.events]) == ("done", ["started", "twin", "done"])


def test_a_listener_may_run_the_event_loop(stand_in: Callable[[str], WorkerClient]) -> None:
    client = stand_in("""
        command = next(commands)
        for event in ("started", "twin", "sibling", "done"):
            say(command["id"], event)
        next(commands, None)
    """)
    seen: list[str] = []

    def listen(job: Job, values: dict[str, Any]) -> None:
        seen.append(values["event"])
        client.poll()  # as slicer.app.processEvents() does by way of the timer

    job = client.wait(client.submit({"command": "hello"}, listen))
    assert seen == ["started", "twin", "sibling", "done"]
    assert job.state == "done"


def test_a_python_that_is_not_there_is_said(make_client: Callable[..., WorkerClient], tmp_path: Path) -> None:
    client = make_client(tmp_path / "no python")
    with pytest.raises(WorkerDied, match="could not be started"):
        client.submit({"command": "hello"})
    assert not client.running
    assert not client.busy


def test_on_windows_the_whole_tree_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    flags = {"CREATE_NEW_PROCESS_GROUP": 0x200, "CREATE_NO_WINDOW": 0x8000000, "DEVNULL": subprocess.DEVNULL}
    popen = SimpleNamespace(**flags, Popen=lambda command, **_: started.append(command))
    monkeypatch.setattr(worker_process, "os", SimpleNamespace(name="nt"))
    monkeypatch.setattr(worker_process, "subprocess", popen)
    assert worker_process.own_group() == {"creationflags": 0x8000200}
    worker_process.kill_tree(SimpleNamespace(pid=77, poll=lambda: None))  # type: ignore[arg-type]
    worker_process.kill_tree(SimpleNamespace(pid=78, poll=lambda: 0))  # type: ignore[arg-type]
    assert [command[1:] for command in started] == [["/T", "/F", "/PID", "77"]]
    assert died(0xC0000005, "", None).value == "exit code 0xC0000005"


def test_stopping_cancels_what_is_on_its_way_and_is_no_end(stand_in: Callable[[str], WorkerClient]) -> None:
    client = stand_in("""
        for command in commands:
            if command["command"] == "quit":
                break
            say(command["id"], "started" if command["command"] == "hang" else "done")
    """)
    job = client.submit({"command": "hang"})
    until(client, job, lambda: job.started)
    pid = client.pid or 0
    client.stop()
    client.stop()
    assert (job.state, client.running) == ("cancelled", False)
    assert soon(lambda: gone(pid))
    assert client.wait(client.submit({"command": "hello"})).state == "done"
