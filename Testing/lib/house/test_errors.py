"""An error says what failed, the value, the rule and what to do: none leaves a user without a rule or advice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from DiffusionSiblingsLib.core import errors

LIBRARY = Path(errors.__file__).resolve().parents[1]
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Every error of the one family that the library makes: "file:line", and the call."""
    for path in sorted(LIBRARY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                yield f"{path.relative_to(LIBRARY)}:{node.lineno}", node


def test_every_error_has_a_rule_or_says_what_to_do() -> None:
    calls = list(raised())
    assert len(calls) > 300
    assert [place for place, call in calls if not {"rule", "hint"} & {word.arg for word in call.keywords}] == []


def test_what_failed_begins_like_a_sentence_and_hints_do_not() -> None:
    starts = [(place, word.arg, word.value.value) for place, call in raised() for word in call.keywords
              if word.arg == "hint" and isinstance(word.value, ast.Constant) and isinstance(word.value.value, str)]
    starts += [(place, "what", call.args[0].value) for place, call in raised()
               if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)]
    assert len(starts) > 300
    wrong = [(place, text) for place, kind, text in starts
             if text[:1].isupper() != (kind == "what") or text.endswith(".") or not text.strip()]
    assert wrong == []
