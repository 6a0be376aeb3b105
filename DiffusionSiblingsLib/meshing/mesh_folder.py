"""The folder of a mesh: a folder for each format and mesh.json, there whole or not at all.

Only what bears a name that a mesh has is ever replaced, and only where nothing else lies beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import InputError, OutputError
from ..core.files import atomic_path, output_error, read_json_object, write_json
from ..core.record import hash_file
from .formats.listing import FORMATS
from .mesh_map import MeshResult
from .report import NAME

_OWN = re.compile(r".+\.(msh|inp|feb|pts|elem|surf|vtx|vtu|vtp|xdmf|stl|json)")


def write_folder(result: MeshResult, folder: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a mesh in the formats of its settings, in place of an earlier mesh -> the report with its files.

    Raises OutputError; then nothing is changed. Where other files lie in the folder, see `require_own`.
    """
    require_own(folder)
    with atomic_path(folder) as temporary:
        for name in result.settings.formats:
            (temporary / name).mkdir(parents=True)
            FORMATS[name].write(result.meshed, temporary / name, result.anatomy)
        files = {str(path.relative_to(temporary).as_posix()): hash_file(path)
                 for path in sorted(temporary.rglob("*")) if path.is_file()}
        whole = {**report, "files": files}
        write_json(temporary / NAME, whole)
    return whole


def holds_mesh(folder: Path) -> bool:
    """Whether a folder has a mesh's report."""
    return (folder / NAME).is_file()


def mesh_report(folder: Path) -> dict[str, Any] | None:
    """The report of the mesh in a folder whose files are all there; None for anything else."""
    report = read_json_object(folder / NAME)
    if report is None or not isinstance(report.get("files"), dict):
        return None
    return report if all((folder / name).is_file() for name in report["files"]) else None


def require_own(folder: Path) -> None:
    """Raises OutputError where a folder that a mesh would replace is a link or holds what no mesh writes."""
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise OutputError("The folder of a mesh is a link or a file", value=folder,
                              rule="a mesh writes and removes files in its own folder only", hint="remove it")
        if others := _others_in(folder):
            raise OutputError("A file that no mesh wrote lies in the folder of a mesh",
                              value=", ".join(map(str, others[:3])),
                              rule="only files that a mesh has written are replaced",
                              hint="move it to another folder, or choose another --out")
    except OSError as error:
        raise output_error(folder, error) from error


def require_new(folder: Path, *, replace: bool) -> None:
    """Raises InputError where a folder holds a mesh that must stay."""
    if holds_mesh(folder) and not replace:
        raise InputError("The folder holds a mesh", value=folder, rule="it is kept unless you say so",
                         hint="continue with --resume, replace it with --replace, or choose another --out")
    require_own(folder)


def _others_in(folder: Path) -> list[Path]:
    """What is not a mesh's own in its folder."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.rglob("*")):
        top = path.relative_to(folder).parts[0]
        own = path.name == NAME if path.parent == folder else top in FORMATS and bool(_OWN.fullmatch(path.name))
        if path.is_symlink() or (path.is_dir() and top not in FORMATS) or (path.is_file() and not own):
            found.append(path)
    return found
