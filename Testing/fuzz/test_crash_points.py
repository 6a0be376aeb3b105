"""A part of the crash points for every run of the tests; `crash_points.py` tries all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("crash_points.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize(("command", "every"), [("generate", 13), ("replace", 17), ("grow", 19), ("prepare", 29)])
def test_a_command_that_is_killed_loses_nothing_and_leaves_no_litter(command: str, every: int) -> None:
    words = [sys.executable, str(PROGRAM), command, "--every", str(every)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and " 0 faults" in done.stdout, done.stdout + done.stderr
