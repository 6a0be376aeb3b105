"""Whatever comes over the line, the worker answers it or ends; it never stays, deaf, behind the program it served."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_worker_process import LONG, Child

from DiffusionSiblingsLib.apps.worker.commands import COMMANDS, check_command
from DiffusionSiblingsLib.apps.worker.protocol import LONGEST, Events, lines_of, parse
from DiffusionSiblingsLib.core.errors import InputError

LINES = [b'{"id": [1], "command": "hello"}', b'{"id": {"a": 1}, "command": "cancel"}', b"[" * 100_000,
         b'{"a":' * 50_000, b'{"id": true, "command": "hello"}', b'{"id": 1.5, "command": "hello"}', b"\0\0\0", b"null",
         b"[]", b"3", b'"hello"', b"\xff\xfe\xff", b'{"id": 1}', b'{"id": 1, "command": 3}', b"1" * 6000, b"NaN",
         b'{"command_file": 3}', b'{"command_file": "/nowhere"}', b'{"command_file": "' + b"a" * 5000 + b'"}',
         b'{"command_file": "/tmp\\u0000"}', b'{"command_file": ".", "id": 3}', b'{"id": 1, "command": "hel\xc3\x28"}']
WRONG = [3, 1.5, True, "text", "", None, [], {}, [3], {"a": 3}, "../..", [[]], {"folder": 3}, {"maps": [3]}]


@pytest.fixture
def child(models: Path) -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


def answered(child: Child, number: int) -> None:
    child.send(json.dumps({"id": number, "command": "hello"}))
    while child.until("done")[-1]["id"] != number:
        pass


def test_lines_that_cannot_be_understood_are_answered_and_followed_by_others(child: Child, tmp_path: Path) -> None:
    lines = [*LINES, b'{"id": 1, "command": "hello", "x": "' + b"a" * LONGEST + b'"}']
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        lines.append(json.dumps({"command_file": str(tmp_path / "pipe")}).encode())
    assert child.process.stdin is not None
    for line in lines:
        child.process.stdin.write(line + b"\n")
        child.process.stdin.flush()
        assert child.until("failed")[-1]["kind"] == "InputError", line[:80]
    answered(child, 5)
    child.process.stdin.close()
    assert child.process.wait(10) is not None


def test_values_of_wrong_types_are_told_by_their_field(child: Child) -> None:
    wrong = {"requests": 3, "out": ["a"], "record": "text", "maps": {"a": 1}, "folder": 7, "file": None, "real": [],
             "synthetic": 1, "source": "folder"}
    for number, name in enumerate(COMMANDS):
        if name != "hello" and name != "estimate":
            child.send(json.dumps({"id": number, "command": name, **wrong}))
            failed = child.until("failed")[-1]
            assert (failed["id"], failed["kind"], failed["log"]) == (number, "InputError", "")
    answered(child, 50)


def test_a_program_that_reads_no_answers_is_not_outlived(child: Child) -> None:
    assert child.process.stdin is not None
    child.process.stdin.write(b"nonsense\n" * 20_000)  # their answers fill the pipe, which nobody empties
    child.process.stdin.close()
    assert child.process.wait(20) is not None


def test_a_worker_whose_events_nobody_can_read_ends(child: Child, tmp_path: Path) -> None:
    child.send(json.dumps({"id": 1, **LONG, "out": str(tmp_path)}))
    child.until("sibling")
    assert child.process.stdout is not None
    child.process.stdout.close()
    assert child.process.wait(20) is not None  # though its input stays open


@pytest.mark.skipif(os.name == "nt", reason="shells")
@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_worker_without_a_stream_ends(closed: str) -> None:
    child = Child("-c", f"import os; os.execl('/bin/sh', 'sh', '-c', 'exec \"$0\" -m DiffusionSiblingsLib.apps.worker "
                        f"{closed}', {sys.executable!r})")
    assert child.process.wait(30) is not None
    child.end()


def test_whatever_a_command_raises_or_gives_it_is_answered() -> None:
    child = Child("-c", "from DiffusionSiblingsLib.apps.worker import server, service\n"
                        "errors = [SystemExit(3), BaseException('panic'), RecursionError(), KeyboardInterrupt(),\n"
                        "          Exception(chr(0xdc80))]\n"
                        "def hello(*_):\n"
                        "    if not errors: return {'a': object()}  # JSON cannot hold it\n"
                        "    raise errors.pop()\n"
                        "service.Service.hello = hello\nserver.main()")
    for number in range(7):
        child.send(json.dumps({"id": number, "command": "hello"}))
        assert child.until("failed")[-1]["id"] == number
    child.end()


@given(st.binary(max_size=200) | st.recursive(st.sampled_from(WRONG), lambda inner: st.dictionaries(
    st.sampled_from(["id", "command", "command_file", "a"]), inner, max_size=4), max_leaves=6)
    .map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_command_or_an_input_error(line: bytes) -> None:
    try:
        command = parse(line)
    except InputError:
        return
    assert isinstance(command["command"], str)
    assert isinstance(command.get("id"), (int, str, type(None)))


@settings(max_examples=300)
@given(st.sampled_from([*COMMANDS, "dance"]), st.dictionaries(st.sampled_from(
    ["requests", "out", "twin", "model", "maps", "names", "record", "real", "synthetic", "source", "folder", "shape",
     "jobs", "limit", "labels", "file", "control"]), st.sampled_from(WRONG)))
def test_any_values_of_a_command_are_taken_or_an_input_error(name: str, values: dict[str, Any]) -> None:
    try:
        check_command({"command": name, **values})
    except InputError:
        return
    assert name in COMMANDS


def test_a_line_without_end_takes_no_more_memory_than_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with path.open("wb") as file:
        file.truncate(5 * LONGEST)  # NULs without a line end
        file.seek(0, os.SEEK_END)
        file.write(b'\n{"command": "hello"}\n')
    with path.open("rb") as file:
        found = list(lines_of(file))
    assert len(found) == 2 and len(found[0]) == LONGEST + 1 and parse(found[1])["command"] == "hello"


def test_events_go_out_whole_and_their_numbers_are_json() -> None:
    read, write = os.pipe()
    Events(write, lambda: None).emit(None, "done", values=[float("nan"), float("inf"), 1.5], name="\udc80")
    os.close(write)
    with os.fdopen(read, "rb") as events:
        assert json.loads(events.read(), parse_constant=pytest.fail) == {
            "id": None, "event": "done", "values": [None, None, 1.5], "name": "\udc80"}
