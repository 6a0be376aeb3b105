"""The worker as a process with pipes: commands in, events out, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from DiffusionSiblingsLib.editing.request import Request

ROOT = Path(__file__).resolve().parents[3]
MODULE = ("-m", "DiffusionSiblingsLib.apps.worker")


class Child:
    """A worker with pipes, as a program in any language would use it. start: what to run in place of the module."""

    def __init__(self, *start: str) -> None:
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen([sys.executable, *(start or MODULE), "--own-group"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                                        start_new_session=os.name != "nt")

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def end(self) -> bytes:
        """Ends it -> what it wrote to stderr."""
        self.process.kill()
        streams = (self.process.stdin, self.process.stdout, self.process.stderr)
        told = streams[2].read() if streams[2] is not None else b""
        self.process.wait(10)
        for stream in streams:
            if stream is not None:
                stream.close()
        return told

    def until(self, *ends: str) -> list[dict[str, Any]]:
        """Events up to one of these."""
        heard: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        while not heard or heard[-1]["event"] not in ends:
            line = self.process.stdout.readline()
            assert line, (self.process.stderr.read() if self.process.stderr else b"").decode()
            heard.append(json.loads(line))
        return heard


@pytest.fixture
def child(models: Path) -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


LONG = {"command": "run", "model": "small", "device": "cpu", "twin": None,
        "requests": [Request("generate", count=500, steps=2, repair=False).to_json()]}


def test_commands_are_answered_in_order_and_what_cannot_be_read_is_said(child: Child, tmp_path: Path) -> None:
    child.send("this is no JSON")
    child.send('{"id": 1, "command": "hello"}')
    (tmp_path / "command.json").write_text('{"id": 2, "command": "dance"}')
    child.send(json.dumps({"command_file": str(tmp_path / "command.json")}))
    heard = child.until("failed")
    assert (heard[-1]["id"], heard[-1]["kind"]) == (None, "InputError")
    answered = [(e["id"], e["event"]) for e in child.until("done") if e["event"] != "progress"]  # said if it takes long
    assert answered == [(1, "started"), (1, "done")]
    assert (heard := child.until("failed"))[-1]["id"] == 2
    assert "dance" in heard[-1]["value"]
    child.send('{"command": "quit"}')
    child.process.wait(5)


def test_cancel_ends_a_job_at_once_drops_a_waiting_one_and_keeps_the_worker(child: Child, tmp_path: Path) -> None:
    child.send(json.dumps({"id": 1, **LONG, "out": str(tmp_path / "one")}))
    child.send(json.dumps({"id": 2, **LONG, "out": str(tmp_path / "two")}))
    child.until("sibling")
    child.send('{"command": "cancel", "id": 2}')
    assert child.until("cancelled")[-1]["id"] == 2
    child.send('{"command": "cancel", "id": 77}')
    began = time.monotonic()
    child.send('{"command": "cancel", "id": 1}')
    assert child.until("cancelled")[-1]["id"] == 1
    assert time.monotonic() - began < 1
    child.send('{"id": 3, "command": "hello"}')
    assert {e["id"] for e in child.until("done")} == {3}
    assert not (tmp_path / "two").exists()


def test_the_end_of_the_input_ends_the_worker_in_the_middle_of_its_work(child: Child, tmp_path: Path) -> None:
    child.send(json.dumps({"id": 1, **LONG, "out": str(tmp_path)}))
    child.until("sibling")
    assert child.process.stdin is not None
    child.process.stdin.close()
    child.process.wait(2)


def test_what_libraries_print_is_no_event_and_what_they_read_is_empty() -> None:
    child = Child("-c", "import os, sys; from DiffusionSiblingsLib.apps.worker import server, service\n"
                  "def hello(*_):\n    print('stray'); os.write(1, b'strayer\\n'); return {'read': sys.stdin.read()}\n"
                  "service.Service.hello = hello\nserver.main()")
    child.send('{"id": 1, "command": "hello"}')
    assert [event["event"] for event in child.until("done")] == ["started", "done"]
    child.send('{"id": 2, "command": "hello"}')
    assert child.until("done")[-1]["read"] == ""
    assert b"strayer" in child.end()
