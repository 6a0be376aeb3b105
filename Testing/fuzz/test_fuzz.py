"""A small part of the fuzzer: damaged inputs are read or refused in bounded time and memory, with nothing printed.

`python Testing/fuzz/run.py` draws 25,000 of them; SIBLINGS_MUTATIONS=5000 in the environment draws so many here.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from inputs import INPUTS
from session import BYTES, Session, schedule

COUNT = int(os.environ.get("SIBLINGS_MUTATIONS", "300"))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIBLINGS_MODELS", str(tmp_path / "models"))
    return tmp_path


@pytest.mark.filterwarnings("error")
def test_damaged_inputs_are_read_or_refused_in_bounded_time_and_memory(
    models: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    session = Session(models)
    outcomes = [session.run(number) for number in range(COUNT)]
    failed = [f"case {found.number}, {found.target}: {found.seconds:.1f} s, {found.grown >> 20} MiB\n{found.foreign}"
              for found in outcomes if found.failed]
    assert failed == [], "\n".join(failed)
    assert capfd.readouterr() == ("", ""), "readers say nothing on the terminal"
    assert {found.target for found in outcomes} == set(INPUTS)
    assert 0.2 < sum(found.refused for found in outcomes) / COUNT < 0.9, "some are harmless, some are not"


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_damaged_was_sound(name: str, models: Path) -> None:
    folder, wanted = models / name, INPUTS[name]
    folder.mkdir()
    for raw in wanted.sound(folder):
        path = folder / wanted.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        wanted.read(path, random.Random(1))


def test_a_case_is_the_same_in_every_session(tmp_path: Path) -> None:
    cases = {number: Session(tmp_path / "one", ["nrrd", "text"]).run(number) for number in (3, 7, 12)}
    session = Session(tmp_path / "two", ["nrrd", "text"])
    for number in range(13):
        found = session.run(number)
        if number in cases:
            assert (found.target, found.raw, found.refused) == (
                cases[number].target, cases[number].raw, cases[number].refused)
    assert set(schedule()) == set(INPUTS) and BYTES == 1 << 30
