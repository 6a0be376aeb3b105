"""What users read in Slicer goes through `_()` as literals, which translators can find; read from the source alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "DiffusionSiblings"
FILES = sorted(MODULE.rglob("*.py"))
# Calls whose text users see, whatever it is: how Qt, Slicer and this module show words.
SHOWN_BY = {
    "setText", "setToolTip", "setWindowTitle", "setTitle", "setPlaceholderText", "setStatusTip", "setPlainText",
    "setHtml", "addItem", "addAction", "addTab", "setTabText", "errorDisplay", "warningDisplay", "infoDisplay",
    "messageBox", "confirmOkCancelDisplay", "confirmYesNoDisplay", "confirmRetryCloseDisplay", "QPushButton", "QLabel",
    "QCheckBox", "QTableWidgetItem", "Cell", "say", "_say", "tell", "InputError", "OutputError", "SiblingsError",
    "ModelError", "InstallError", "SetUpError", "WorkerDied",
}  # fmt: skip
SHOWN_AS = {"text", "toolTip", "title", "placeholderText", "what", "rule", "hint", "windowTitle"}
WORD = re.compile(r"[A-Za-z]{2,}")
SENTENCE = re.compile(r"[A-Za-z]{2,}[,.:;]? [A-Za-z]{1,}")
# Several words that are no text for users: names that Slicer gives, keys of records, signatures of slots, file headers.
KEYS = {
    "Binary labelmap", "Closed surface", "Fractional labelmap", "Planar contour", "Ribbon model",
    "Reference image geometry", "failed checks", "outside the training range", "percentile of ", "mean Dice to twin",
    "major axis", "minor axis", "LV volume [ml]", "RV volume [ml]", "within tolerance", "Metrics and record",
    "DiffusionSiblings contributors", "of equal area", "grown, not imaged",
}  # fmt: skip
# How texts begin that are no text for users either: the header of a mask, commands for a terminal, rich text.
CODE = ("NRRD0004", "\nspace directions", "\nkinds:", "    python -m pip", '" -m pip', "<tr>")


def is_translated(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "translate")


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def literals(node: ast.AST) -> Iterator[str]:
    """The texts in an expression that no `_()` and no further call that shows something takes."""
    if is_translated(node) or isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "{}".join(part.value for part in node.values if isinstance(part, ast.Constant))
        for part in node.values:
            yield from literals(part) if isinstance(part, ast.FormattedValue) else ()
    elif isinstance(node, ast.Call):
        yield from literals(node.func)
        if called(node) in ("join", "format", "replace", "rstrip", "strip"):
            for argument in node.args:
                yield from literals(argument)
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.IfExp, ast.FormattedValue, ast.Tuple, ast.List)):
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.IfExp) and child is node.test):
                yield from literals(child)
    elif isinstance(node, (ast.Attribute, ast.Starred)):
        yield from literals(node.value)


def shown(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of what is shown to users without `_()`."""
    for node in ast.walk(tree):
        found: list[ast.AST] = []
        if isinstance(node, ast.Call) and not is_translated(node):
            keywords = [k.value for k in node.keywords if k.arg in SHOWN_AS | {"value", "tip", "detailedText"}]
            found = [*node.args, *keywords] if called(node) in SHOWN_BY else [
                k.value for k in node.keywords if k.arg in {"rule", "hint", "windowTitle", "what", "title"}]
        elif isinstance(node, ast.Assign):
            targets = [part for target in node.targets for part in getattr(target, "elts", [target])]
            if any(isinstance(part, ast.Attribute) and part.attr in SHOWN_AS - {"what", "rule", "hint"}
                   for part in targets):
                found = [node.value]
        for expression in found:
            yield from ((node.lineno, text) for text in literals(expression))


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every literal of several words outside of `_()`, docstrings, logs and regular expressions."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            skipped.add(node.body[0])
        elif is_translated(node) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                                     and getattr(node.func.value, "id", "") in ("logging", "re")):
            skipped.add(node)
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if node in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SENTENCE.search(node.value):
            yield node.lineno, node.value
        waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(MODULE).as_posix())
def test_all_words_that_users_see_can_be_translated(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {*((line, text) for line, text in shown(tree) if WORD.search(text)), *sentences(tree)}
    wrong = [f"{path.name}:{line}: {text!r}" for line, text in sorted(found)
             if text not in KEYS and not text.startswith(CODE)]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(MODULE).as_posix())
def test_translators_find_literals_and_nothing_hides_the_function(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = [node.lineno for node in ast.walk(tree) if is_translated(node)
             and not all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in node.args)]
    assert not wrong, f"{path.name}: `_` has something else than a literal in lines {wrong}"
    imports = any(isinstance(node, ast.ImportFrom) and any(alias.asname == "_" for alias in node.names)
                  for node in ast.walk(tree))
    hidden = [node.lineno for node in ast.walk(tree)
              if (isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store))
              or (isinstance(node, ast.arg) and node.arg == "_")]
    assert not (imports and hidden), f"{path.name}: another `_` hides the translating one in lines {hidden}"
    used = any(is_translated(node) for node in ast.walk(tree))
    assert imports or not used, f"{path.name} does not import `tr as _` from slicer.i18n"
