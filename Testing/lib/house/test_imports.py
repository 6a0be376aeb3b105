"""The layers hold: by import-linter's contracts on the source, and by what importing the plain layer really loads."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "DiffusionSiblingsLib"
TORCH_ROOMS = ("models.networks", "engine", "runs", "training", "studies", "apps", "__main__")
KEPT_OUT = ("torch", "slicer", "qt", "ctk", "vtk", "vtkmodules")
LINES_PER_FILE = 400
LINES_PER_FUNCTION = 60


def plain_modules() -> list[str]:
    """Dotted names of all modules outside the rooms that may import torch, packages included."""
    names = []
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        name = ".".join(parts).removesuffix("__init__").rstrip(".")
        if not any(name == room or name.startswith(f"{room}.") for room in TORCH_ROOMS):
            names.append(".".join(filter(None, (LIBRARY.name, name))))
    return names


def source_files() -> Iterator[Path]:
    """Every Python file of the library and of its tests."""
    for folder in (LIBRARY, ROOT / "Testing"):
        yield from sorted(folder.rglob("*.py"))


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
def test_import_contracts_are_kept() -> None:
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    before = Path.cwd()
    try:
        os.chdir(ROOT)
        assert lint_imports(config_filename="pyproject.toml", no_cache=True) == EXIT_STATUS_SUCCESS
    finally:
        os.chdir(before)


def test_the_plain_layer_loads_quietly_and_without_torch_or_slicer() -> None:
    code = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    names = plain_modules()
    assert len(names) > 3
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(names)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1), done.stderr
    loaded = set(json.loads(done.stdout))
    assert "numpy" in loaded
    assert sorted(loaded & set(KEPT_OUT)) == []


def test_files_and_functions_are_short_enough_to_read() -> None:
    too_long = []
    for path in source_files():
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > LINES_PER_FILE:
            too_long.append(str(path.relative_to(ROOT)))
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        long = [node.name for node in functions if node.end_lineno - node.lineno >= LINES_PER_FUNCTION]
        too_long += [f"{path.relative_to(ROOT)}: {name}" for name in long]
    assert too_long == []
