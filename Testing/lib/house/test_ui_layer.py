"""The Slicer side imports plain rooms of the library only: it reaches torch through the worker process."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "DiffusionSiblings"
LIBRARY = "DiffusionSiblingsLib."
KEPT_OUT = ("engine", "runs", "training", "studies", "apps", "models.networks", "__main__")
ROOMS = ("scene", "effects", "guide", "cohorts", "runs", "setup", "panels")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, in functions too, with the names that it takes from it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} has a relative import, which Slicer's effects cannot have"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.py")), ids=lambda path: path.relative_to(MODULE).as_posix())
def test_slicer_imports_plain_rooms_of_the_library_only(path: Path) -> None:
    names = {name.removeprefix(LIBRARY) for name in imports(path) if name.startswith(LIBRARY)}
    wrong = [name for name in names for room in KEPT_OUT if name == room or name.startswith(f"{room}.")]
    assert not wrong, f"{path.name} imports {wrong}"
    assert not {name for name in imports(path) if name.split(".")[0] in ("torch", "safetensors")}


def test_the_rooms_of_the_slicer_side_are_those_that_are_documented() -> None:
    there = {path.parent.name for path in (MODULE / "DiffusionSiblingsUI").glob("*/__init__.py")}
    assert there == set(ROOMS)


def test_scene_stands_below_the_other_rooms() -> None:
    """Nodes and label maps know nothing of panels, effects, guide or cohorts."""
    above = tuple(f"DiffusionSiblingsUI.{room}." for room in ROOMS if room not in ("scene", "runs"))
    for path in (MODULE / "DiffusionSiblingsUI" / "scene").glob("*.py"):
        wrong = [name for name in imports(path) if name.startswith(above)]
        assert not wrong, f"{path.name} imports {wrong}"


def test_no_name_in_a_room_repeats_the_name_of_the_room() -> None:
    repeats = [path.name for room in ROOMS for path in (MODULE / "DiffusionSiblingsUI" / room).glob("*.py")
               if path.stem.startswith((f"{room.rstrip('s')}_", f"{room}_"))]
    assert repeats == ["scene_edits.py"] or repeats == []
