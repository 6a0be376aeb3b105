"""Paths and consoles of any kind: every letter can be printed, and a name that no system can hold is one error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from labelmap_cases import heart

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.labelmaps.write import write_labelmap

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("codepage", ["cp1252", "ascii", "cp437", "utf-8"])
@pytest.mark.parametrize("words", [["models"], ["measure", "{}"], ["measure", "--json", "{}"], ["measure", "{}.none"]])
def test_any_letter_of_a_path_can_be_printed_on_any_console(codepage: str, words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "Patient Ω é \udcff"
    try:
        folder.mkdir()
    except (OSError, UnicodeError):  # a file system of letters alone
        folder = tmp_path / "Patient Ω é"
        folder.mkdir(exist_ok=True)
    file = write_labelmap(heart(), folder / "heart.seg.nrrd")
    environment = os.environ | {"PYTHONIOENCODING": codepage, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "DiffusionSiblingsLib", *(word.format(file) for word in words)],
                          env=environment, capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == (2 if "{}.none" in words else 0) and b"Traceback" not in done.stderr, done.stderr
    assert b"heart" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [
    ["measure", "{}.nii.gz"], ["measure", "{}"], ["measure", "TWIN", "--out", "{}"], ["perturb", "{}.nii.gz"],
    ["measure", "--control", "{}.json", "TWIN"], ["inpaint", "TWIN", "--region", "{}.nrrd"],
    ["perturb", "TWIN", "--model", "{}"], ["perturb", "TWIN", "--out", "{}"], ["generate", "--out", "{}"],
    ["compare", "--real", "{}", "--synthetic", "{}", "--out", "o"], ["report", "{}", "--out", "o"], ["replay", "{}"],
    ["spread", "{}"], ["guide", "TWIN", "--control", "{}.json"], ["prepare", "{}", "--out", "o"],
])  # fmt: skip
def test_a_name_that_is_too_long_is_one_error(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_labelmap(heart(), tmp_path / "twin.seg.nrrd")
    assert main([word.format("a" * 300).replace("TWIN", "twin.seg.nrrd") for word in words]) == 2
    said = capsys.readouterr().err
    assert "too long" in said and "letters" in said and len(said) < 1000
    assert [path.name for path in tmp_path.iterdir()] == ["twin.seg.nrrd"]
