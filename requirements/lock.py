"""Writes the files of locked versions: every package, for all Pythons and systems at once, with the sums of its wheels.

    python requirements/lock.py [--upgrade]

locked.txt has what the program needs but for torch, locked-develop.txt what tests, training and benchmarks need
besides. Without --upgrade all versions stay as they are, and only what is missing is added. It needs uv and the
installed metadata of this project, as uv would have to build the project to read its requirements.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKED, DEVELOP = HERE / "locked.txt", HERE / "locked-develop.txt"
TORCH = "torch==2.13.0"  # as in the Makefile
LEFT_OUT = re.compile(r"(torch|nvidia-.*|cuda-.*|triton)==")  # a build of torch for a graphics card names its own
ABOUT = """\
# {what}, for CPython 3.10 to 3.13 on Linux, macOS and Windows,
# with the sums of all wheels: pip install --no-deps --require-hashes -r {name}
# Made by `make lock`; see docs/decisions/0016-locked-packages.md.
"""


def compiled(requirements: list[str], kept: list[str]) -> list[str]:
    """One entry for each package, with its sums. kept: versions that stay."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, versions = Path(folder) / "wanted.in", Path(folder) / "versions.txt"
        wanted.write_text("\n".join(requirements), encoding="utf-8")
        versions.write_text("\n".join(kept), encoding="utf-8")
        text = subprocess.run(
            ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.10", "--only-binary", ":all:",
             "--no-annotate", "--no-header", "--generate-hashes", "-c", str(versions), str(wanted)],
            check=True, capture_output=True, text=True).stdout
    return [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not LEFT_OUT.match(entry)]


def versions_of(entries: list[str]) -> list[str]:
    """The first lines of entries, without their sums."""
    return [entry.splitlines()[0].rstrip(" \\") for entry in entries]


def main() -> None:
    """Writes both files."""
    here = [path.read_text(encoding="utf-8") for path in (LOCKED, DEVELOP) if path.exists()]
    kept = [] if "--upgrade" in sys.argv[1:] else re.findall(r"^(\w[^\s\\]*==[^\\\n]+)", "\n".join(here), flags=re.M)
    own = importlib.metadata.requires("diffusion-siblings") or []
    needed = [line for line in own if "extra ==" not in line]
    extras = [re.sub(r"(;| and) *extra == .[a-z]+.", "", line) for line in own
              if re.search(r"extra == .(train|test|bench).", line)]
    program = compiled([TORCH, *needed], kept)
    develop = compiled([TORCH, *needed, *extras], [*kept, *versions_of(program)])
    for path, what, entries in (
            (LOCKED, "What the program needs besides torch", program),
            (DEVELOP, "What tests, training and benchmarks need besides", [e for e in develop if e not in program])):
        path.write_text("\n".join([ABOUT.format(what=what, name=f"requirements/{path.name}").rstrip(), *entries, ""]),
                        encoding="utf-8")


if __name__ == "__main__":
    main()
