"""Every command has the options and defaults that are written down in command_lines.json, and reads lines as before."""

from __future__ import annotations

import json
import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest

from DiffusionSiblingsLib.apps.cli import app
from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.editing.request import Request

KNOWN = json.loads((Path(__file__).with_name("command_lines.json")).read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def described(param: Any, several: bool) -> dict[str, Any]:
    """A parameter in the words of the file."""
    descriptor = param.type_descriptor
    kind = descriptor.annotation
    (kind,) = get_args(kind) if descriptor.is_list else (kind,)
    repeated = getattr(param, "multiple", False) and not several
    action = "flag" if getattr(param, "is_flag", False) else "append" if repeated else "store"
    choices = [plain(choice) for choice in descriptor.choices] if descriptor.choices else None
    return {"action": action, "type": "str" if choices else kind.__name__, "choices": choices,
            "default": False if action == "flag" else plain(param.default), "required": param.required}


@pytest.mark.parametrize("name", sorted(KNOWN["commands"]))
def test_a_command_has_its_arguments_options_and_defaults(name: str) -> None:
    command = app.load(name)
    known = KNOWN["commands"][name]
    params: list[Any] = command.params
    options = {param.opts[0]: param for param in params if param.param_type_name == "option"}
    arguments = {param.name: param for param in params if param.param_type_name == "argument"}
    assert set(options) == set(known["options"]) and set(arguments) == set(known["arguments"])
    for option, param in options.items():
        wanted = dict(known["options"][option])
        assert param.opts == [option] and param.name == wanted.pop("name")
        takes = {None: "one", "+": "several", "*": "any"}[wanted.pop("nargs")]
        assert command.takes[option] == ("nothing" if wanted["action"] == "flag" else takes)
        assert described(param, takes != "one") == wanted, option
    for argument, param in arguments.items():
        wanted = dict(known["arguments"][argument])
        nargs = wanted.pop("nargs")
        assert param.nargs == (-1 if nargs in ("+", "*") else 1)
        assert param.required is (nargs in (None, "+"))
        found = described(param, True)
        assert found["default"] == (wanted["default"] or found["default"])
        assert [found[key] for key in ("type", "choices")] == [wanted[key] for key in ("type", "choices")]


def test_there_are_the_same_commands() -> None:
    assert set(app.COMMANDS) == set(KNOWN["commands"])


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options with which a command would run; nothing is run."""
    found: list[Any] = []
    real = app._attribute

    def attribute(place: str) -> Any:
        if place in {entry.run for entry in app.COMMANDS.values()}:
            return lambda options: found.append(options) or 0
        return real(place)

    monkeypatch.setattr(app, "_attribute", attribute)
    return found


@pytest.mark.parametrize("known", KNOWN["lines"], ids=lambda known: known["line"])
def test_a_line_is_read_as_before(known: dict[str, Any], seen: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(shlex.split(known["line"]))
    if "exit" in known:
        shown = capsys.readouterr()
        assert (code, seen, shown.out) == (known["exit"], [], "")
        assert shown.err.startswith("siblings: ") and len(shown.err.splitlines()) == 1
        return
    assert code == 0
    (options,) = seen
    assert {name: plain(getattr(options, name)) for name in known["values"]} == known["values"]


@pytest.mark.parametrize(("line", "words"), [
    ("perturb", "Missing argument 'TWIN'"),
    ("perturb x --count y", "'--count': it must be a whole number"),
    ("perturb x --ratio y", "'--ratio': it must be a number"),
    ("perturb x --device gpu", "'gpu' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
    ("perturb x --re", "--re can mean --re"),
    ("perturb x --out", "--out needs a value"),
    ("perturb x --out --json", "--out needs a value"),
    ("perturb x --outt y", "--out"),
    ("perturb x y", "one argument too many"),
    ("compare --real a --synthetic b", "Missing option '--out'"),
    ("pertur x", "Did you mean 'perturb'?"),
    ("", "Missing command"),
    ("--nonsense", "No such option: --nonsense"),
])
def test_what_cannot_be_read_is_said_in_one_line_with_where_help_is(line: str, words: str,
                                                                    capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line)) == 2
    shown = capsys.readouterr()
    assert words in shown.err and "--help`." in shown.err and "Value error" not in shown.err
    assert shown.out == "" and len(shown.err.splitlines()) == 1


def test_a_box_that_begins_with_a_minus_is_taken_in_both_forms(seen: list[Any]) -> None:
    for words in (["--box", "-15,20,-30,10,-5,40"], ["--box=-15,20,-30,10,-5,40"]):
        assert main(["inpaint", "heart.nii.gz", *words]) == 0
    assert [options.box for options in seen] == ["-15,20,-30,10,-5,40"] * 2


def test_defaults_of_the_command_line_are_those_of_a_request(seen: list[Any]) -> None:
    main(["inpaint", "heart.nii.gz"])
    (options,), request = seen, Request("inpaint", tissues=("LV",))
    for name in ("count", "seed", "first", "solver", "method", "resample", "overwrite"):
        assert getattr(options, name) == getattr(request, name)
    assert options.steps is request.steps is None


@pytest.mark.parametrize("words", [["--version"], ["--vers"]])
def test_the_version_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0 and capsys.readouterr().out.startswith("siblings ")


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe ends otherwise there")
def test_a_reader_that_leaves_is_no_error() -> None:
    import subprocess

    done = subprocess.run(f"{shlex.quote(sys.executable)} -m DiffusionSiblingsLib guide --help | head -n 1; "
                          'echo "${PIPESTATUS[0]}"', shell=True, executable="/bin/bash", capture_output=True, text=True,
                          check=True)
    assert done.stdout.splitlines()[-1] in ("0", "1") and "Traceback" not in done.stderr
