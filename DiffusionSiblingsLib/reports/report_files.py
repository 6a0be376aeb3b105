"""What reports share: who made them, which run a folder holds, and the files beside the page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import OutputError, SiblingsError
from ..core.files import atomic_path, make_folder, read_json_object
from ..core.record import Record, now
from ..core.version import __version__
from .chart_style import Picture

SCHEMA = "siblings-report/1"
PAGE_NAME, JSON_NAME = "report.html", "report.json"


def report_folder(out: Path) -> Path:
    """The folder of a report, made if need be. Raises OutputError where a page in it is not one of ours.

    The numbers are written before the page, so that a page without them, or with others, is somebody else's.
    """
    make_folder(out)
    ours = str((read_json_object(out / JSON_NAME) or {}).get("schema", "")).startswith(SCHEMA.partition("/")[0])
    if not ours and (there := [str(out / name) for name in (PAGE_NAME, JSON_NAME) if (out / name).exists()]):
        raise OutputError("The report would be written over a file that no report has written", value=", ".join(there),
                          rule=f"a report is written as {PAGE_NAME} and {JSON_NAME}",
                          hint="choose another folder with --out")
    return out


def write_pictures(out: Path, pictures: Sequence[Picture]) -> list[str]:
    """Writes figures beside the page -> their file names."""
    for picture in pictures:
        with atomic_path(out / picture.file_name) as temporary:
            temporary.write_bytes(picture.data)
    return [picture.file_name for picture in pictures]


def made_by() -> dict[str, Any]:
    """Program and time, for report.json."""
    return {"schema": SCHEMA, "program": {"name": "DiffusionSiblings", "version": __version__}, "created": now()}


def command_line() -> str:
    """The command that runs, as it could be typed again; "" where the library is used from Python or Slicer."""
    name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    if name not in ("siblings", "siblings.exe", "__main__.py"):
        return ""
    return shlex.join(["siblings", *sys.argv[1:]])


def run_words(record: Record) -> str:
    """How the members of a run were made: "generate (640, seed 0, 50 steps); model heart-compact 2026.11"."""
    from ..editing.request import Request

    words = []
    for run in record.runs:
        asked = run["request"]
        try:
            edit = Request.from_json(asked).describe()
        except SiblingsError:
            edit = str(asked.get("edit", "?"))
        made = len(run["siblings"])
        words.append(f"{edit} ({made}, seed {asked.get('seed', 0)}, {asked.get('steps', '?')} steps)")
    shown = words if len(words) <= 6 else [*words[:5], f"{len(words) - 5} more requests"]
    return f"{'; '.join(shown)}; model {record.model.get('id')} {record.model.get('version')}"
