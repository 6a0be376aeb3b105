"""The help of every command: quick, grouped, with examples that can be typed, plain where there is no terminal."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terminals import on_terminal

from DiffusionSiblingsLib.apps.cli import app, command
from DiffusionSiblingsLib.apps.cli.main import main

HEAVY = ("torch", "numpy", "scipy", "SimpleITK", "matplotlib", "cc3d", "pydantic")
UNENGLISH = re.compile(r"\bis none\b|\bof which\b|\bis meant\b|\bgone on\b|\bgoes on\b|\bsaid of\b|\bwhat it is told\b")


def shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["-h"], *([name, "--help"] for name in app.COMMANDS)],
                         ids=lambda words: " ".join(words))
def test_help_is_plain_text_where_there_is_no_terminal(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(words, capsys)
    assert text.isascii() and "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 125
    assert not UNENGLISH.search(text)
    assert "{" not in text and "list[" not in text and "<path>" not in text, "typer's and Python's own notation"


def test_the_help_names_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(["--help"], capsys).split())
    for name, entry in app.COMMANDS.items():
        assert f"{name} {entry.summary}" in text
        assert entry.summary.endswith(".") and entry.summary[0].isupper() and len(entry.summary) < 100


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_option_is_explained_in_a_known_panel(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = app.load(name)
    params: list[Any] = loaded.params
    for param in params:
        assert param.help.endswith(".") and param.help[0].isupper(), param.name
        assert "[" not in param.help, "which rich takes for markup"
        if param.param_type_name == "option":
            assert param.rich_help_panel in command.PANELS
    text = shown([name, "--help"], capsys)
    titles = [line[:-1] for line in text.splitlines() if line[:-1] in command.PANELS]
    assert titles == [title for title in command.PANELS if title in titles] and titles[-1] == command.HELP


@pytest.mark.parametrize("name", app.COMMANDS)
def test_examples_can_be_typed(name: str) -> None:
    examples = app._attribute(app.COMMANDS[name].options).examples
    assert 1 <= len(examples) <= 3
    for example in examples:
        program, named, *words = shlex.split(example)
        assert program == "siblings"
        app.load(named).make_context(named, words)  # raises where it cannot be read


def run(code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True,
                          env={**os.environ, **environment})


@pytest.mark.parametrize("words", [["--help"], ["perturb", "--help"], ["guide", "--help"], ["study", "--help"],
                                   ["train", "--help"], ["compare", "--help"], ["nonsense"]], ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = ("import sys\nfrom DiffusionSiblingsLib.apps.cli.main import main\n"
            "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
            f"print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)")
    assert run(code, *words).stderr.splitlines()[-1] == ""


def test_help_takes_less_than_three_tenths_of_a_second_of_a_core() -> None:
    code = ("import time\nfrom DiffusionSiblingsLib.apps.cli.main import main\n"
            "try:\n    main(['--help'])\nexcept SystemExit:\n    print(time.process_time())")
    assert min(float(run(code).stdout.splitlines()[-1]) for _ in range(5)) < 0.3


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
@pytest.mark.parametrize("words", [["--help"], ["guide", "--help"]], ids=" ".join)
def test_on_a_terminal_the_help_has_panels(words: list[str]) -> None:
    text = on_terminal("-m", "DiffusionSiblingsLib", *words)
    assert "\x1b[" in text
    assert "\u256d\u2500 Help" in re.sub(r"\x1b\[[0-9;]*m", "", text)  # the corner of a panel


ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_in_the_documents_can_be_typed(path: Path) -> None:
    for block in re.findall(r"(?ms)^```.*?$(.*?)^```", path.read_text(encoding="utf-8").replace("\\\n", " ")):
        for line in re.findall(r"(?m)^siblings ([a-z].*)$", block):
            name, *words = shlex.split(line, comments=True)
            app.load(name).make_context(name, [word for word in words if word != "..."])
