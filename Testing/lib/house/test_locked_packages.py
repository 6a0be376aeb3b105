"""The locked packages: each has one version and sums, and torch comes from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = ("locked.txt", "locked-develop.txt")


def entries(name: str) -> list[str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return re.split(r"\n(?=\S)", "\n".join(line for line in text.strip().splitlines() if not line.startswith("#")))


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_one_version_and_sums(name: str) -> None:
    for entry in entries(name):
        first, *sums = entry.splitlines()
        assert re.match(r"[\w.-]+==[\w.]+( ; [^\\]+)? \\$", first), first
        assert sums and all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in sums), first


def test_what_the_program_needs_is_locked_but_for_torch() -> None:
    locked = {re.split(r"==", entry)[0].lower() for entry in entries("locked.txt")}
    files = ("Resources/requirements.txt", "requirements/cli.txt")
    needed = [(ROOT / name).read_text(encoding="utf-8") for name in files]
    names = {match.lower() for text in needed for match in re.findall(r"^([\w-]+)>=", text, flags=re.M)}
    assert names - locked == {"torch"} and "setuptools" in locked


def test_no_package_is_locked_twice() -> None:
    lines = [entry.splitlines()[0] for name in FILES for entry in entries(name)]
    assert len(lines) == len(set(lines))
