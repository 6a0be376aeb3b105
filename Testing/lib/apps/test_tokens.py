"""Option names that are cut short and options with several values, in the form that typer takes."""

from __future__ import annotations

import argparse
import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.apps.cli.tokens import Takes, TokenError, spelled_out

OPTIONS: dict[str, Takes] = {"--ratio": "several", "--exclude": "any", "--out": "one", "--overwrite": "nothing",
                             "--gate": "one", "--gate-limit": "one", "--json": "nothing", "--hold": "one"}


@pytest.mark.parametrize(("typed", "plain"), [
    ("a --ratio 0.2 0.5 --json", "a --ratio=0.2 --ratio=0.5 --json"),
    ("--ratio 0.2 0.5 -- a --json", "--ratio=0.2 --ratio=0.5 -- a --json"),
    ("--ratio=0.2 a", "--ratio=0.2 a"),
    ("--ratio 0.2 --ratio 0.5 0.8 --json a", "--ratio=0.5 --ratio=0.8 --json a"),
    ("--ratio -0.1 .5 1e-3 --out o", "--ratio=-0.1 --ratio=.5 --ratio=1e-3 --out=o"),
    ("--rat 1 --ov --js", "--ratio=1 --overwrite --json"),
    ("--exclude --out o", "--out=o"),
    ("--exclude a b", "--exclude=a --exclude=b"),
    ("--gate a --gate-l 3", "--gate=a --gate-limit=3"),
    ("--gate=a=b --out=", "--gate=a=b --out="),
    ("--out -15,3", "--out=-15,3"),
    ("--json=1 --nonsense -x", "--json=1 --nonsense -x"),
    ("--he -h", "--help -h"),
    ("--out o --out p", "--out=o --out=p"),
])
def test_typed_words_become_plain_ones(typed: str, plain: str) -> None:
    assert spelled_out(typed.split(), OPTIONS) == plain.split()


def test_sentences_may_begin_with_dashes() -> None:
    assert spelled_out(["--out", "-- really?"], OPTIONS) == ["--out=-- really?"]


@pytest.mark.parametrize(("typed", "words"), [
    ("--o x", "can mean --out or --overwrite"), ("--h x", "can mean --hold or --help"), ("--out", "needs a value"),
    ("--out --json", "needs a value"), ("--out --jso", "needs a value"), ("--ratio --out o", "needs a value"),
    ("--out --nonsense", "needs a value"), ("--out -h", "needs a value"),
])
def test_what_can_mean_nothing_is_refused(typed: str, words: str) -> None:
    with pytest.raises(TokenError, match=words):
        spelled_out(typed.split(), OPTIONS)


def test_options_end_at_the_first_word_where_they_may_not_be_mixed() -> None:
    assert spelled_out(["--js", "perturb", "--rat", "1"], OPTIONS, mixed=False) == ["--json", "perturb", "--rat", "1"]


WORDS = ("--ratio", "--rat", "--ratio=1", "--out", "--out=x", "--json", "--gate", "--gate-l", "--ov", "--hold=", "a",
         "0.5", "-1", "--exclude", "--excl=y", "--o", "--nonsense")


@given(st.lists(st.sampled_from(WORDS)))
def test_words_are_read_as_the_parser_of_the_standard_library_reads_them(words: list[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    nargs = {"one": None, "several": "+", "any": "*"}
    for name, takes in OPTIONS.items():
        if takes == "nothing":
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, nargs=nargs[takes])
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            found, left = parser.parse_known_args(words)
    except SystemExit:
        with pytest.raises(TokenError):
            spelled_out(words, OPTIONS)
        return
    plain = spelled_out(words, OPTIONS)
    assert [word for word in plain if word.partition("=")[0] not in OPTIONS] == left
    for name, takes in OPTIONS.items():
        value = getattr(found, name[2:].replace("-", "_"))
        mentioned = [word.partition("=")[2] for word in plain if word.partition("=")[0] == name]
        assert {"nothing": bool(mentioned), "one": (mentioned or [None])[-1]}.get(takes, mentioned or None) == (
            value or None if takes in ("several", "any") else value)
