"""What the pages say of the code is so: the modules they name exist, their Python imports, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from DiffusionSiblingsLib.core.record import RECORD_NAME
from DiffusionSiblingsLib.runs.own_files import METRICS_NAME, OVERVIEW_NAME

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
LIBRARY, SLICER_SIDE = ROOT / "DiffusionSiblingsLib", ROOT / "DiffusionSiblings" / "DiffusionSiblingsUI"
CODE = re.compile(r"```py(?:thon)?\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"\b(?:Testing|DiffusionSiblingsLib|Resources|docs)/[\w/-]+\.(?:py|json|md|txt|nrrd)")
PLACE = re.compile(r"`((?:\w+/)+\w+(?:\.\w+)?)`")  # a file or a folder, with at least one folder above it
FILE = re.compile(r"/|\.(?:nii|nii\.gz|nrrd|mha|json|csv)$")
CLASS = re.compile(r"`((?!DiffusionSiblings)(?:[A-Z][a-z]+)+)`")


def test_python_in_the_pages_imports_what_is_there() -> None:
    lines = {line for page in PAGES for block in CODE.findall(page.read_text(encoding="utf-8"))
             for line in re.findall(r"^from DiffusionSiblingsLib.*$", block, re.MULTILINE)}
    assert len(lines) > 3
    done = subprocess.run([sys.executable, "-c", "\n".join(sorted(lines))], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS], ids=lambda page: page.name)
def test_files_that_a_page_names_from_the_top_are_there(page: Path) -> None:
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_the_readme_names_is_there_after_the_demo_and_the_lines_before() -> None:
    """Its commands are typed one after the other in a clone in which `make demo` has run."""
    text, makefile = (ROOT / "README.md").read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    demo = re.findall(r"^OUT \?= (\S+)$", makefile, re.MULTILINE)
    assert len(demo) == 1 and f"{demo[0]}; open" in text
    there, values, typed = _written_to(demo[0]), dict[str, str](), 0
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            values |= dict(re.findall(r"^(\w+)=(\S+)", line))
            words = [values.get(word.removeprefix("$"), word) if word.startswith("$") else word
                     for word in shlex.split(line, comments=True)]
            if words[:1] != ["siblings"]:
                continue
            typed += 1
            outs = [words[at + 1] for at, word in enumerate(words) if word == "--out"]
            named = [word for word in words if FILE.search(word) and word not in outs]
            assert [name for name in named if name not in there and not (ROOT / name).exists()] == [], line
            there |= {name for out in outs for name in _written_to(out)}
    assert typed >= 4
    assert [name for name in re.findall(r'engine\.twin\("([^"]+)"\)', text) if not (ROOT / name).exists()] == []


def _written_to(out: str) -> set[str]:
    """What a run leaves in a folder, as far as its names are known before."""
    return {out, *(f"{out}/{name}" for name in (RECORD_NAME, METRICS_NAME, OVERVIEW_NAME))}


def test_files_and_folders_that_the_architecture_names_are_there() -> None:
    named = PLACE.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert len(named) > 60
    bases = (ROOT, LIBRARY, SLICER_SIDE.parent)
    assert [name for name in named if not any((base / name).exists() for base in bases)] == []


def test_classes_and_rooms_that_the_architecture_names_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in LIBRARY.rglob("*.py"))
    assert [name for name in CLASS.findall(text) if f"class {name}" not in code] == []
    picture = text.split("```")[1]
    assert [room for room in _rooms(LIBRARY) if not re.search(rf"(?m)^[a-z ·]*\b{room}\b", picture)] == []
    assert [room for room in _rooms(SLICER_SIDE) if f"\n| `{room}` |" not in text] == []


def _rooms(package: Path) -> list[str]:
    return [path.name for path in package.iterdir() if (path / "__init__.py").is_file()]
