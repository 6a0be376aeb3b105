"""What the worker does for meshes: the same as `siblings mesh`, of label maps that were handed over."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from ...cohorts.members import find_members
from ...core.anatomy import load_anatomy
from ...core.codec import from_plain
from ...core.errors import InputError
from ...meshing.settings import MeshSettings
from .commands import Mesh
from .payloads import cohort_source
from .progress import JobProgress

Row = dict[str, Any]
SURFACES, TETRAHEDRA = "surfaces", "tetrahedra"  # kinds of work, and of `MeshSettings.fill`


def mesh(command: Row, task: Any, progress: JobProgress) -> Row:
    """Meshes the maps of a `source`, as `payloads.cohort_source` takes it, into the folder `out`, one folder each.

    An event "meshed" tells of each mesh as soon as it is there: its name and its folder. The maps that cannot be meshed
    are listed in `failed`, with why. Raises InputError where no map can be meshed.
    """
    from ...meshing.mesh_many import mesh_members

    anatomy, settings = load_anatomy(command.get("anatomy", "heart")), settings_of(command)
    kind = SURFACES if settings.fill == SURFACES else TETRAHEDRA
    progress.plan(kind, len(command["source"].get("maps", ())) or 1)
    members = find_members(cohort_source(command["source"], anatomy, Path(command["maps"])), anatomy=anatomy)
    meshed, failed = [], []
    work = mesh_members(members, Path(command["out"]), anatomy, settings, jobs=command.get("jobs", 1),
                        resume=bool(command.get("resume")), replace=bool(command.get("replace")))
    for member in members:
        task.check()
        progress.start(kind, f"Meshing {member.name}", 1)
        _member, found = next(work)
        if isinstance(found, str):
            failed.append(f"{member.name}: {found}")
            continue
        meshed.append({"name": member.name, "folder": str(found.folder.resolve())})
        task.emit("meshed", **meshed[-1])
    next(work, None)  # what it does at its end
    progress.finish()
    if not meshed:
        raise InputError("No map can be meshed", value=failed[0], rule="label maps of a heart",
                         hint="change the map or the settings")
    return {"meshes": meshed, "failed": failed}


def settings_of(command: Row) -> MeshSettings:
    """The settings of a command. Raises InputError."""
    asked = from_plain(Mesh, {one.name: command[one.name] for one in fields(Mesh) if one.name in command})
    try:
        known = [one.name for one in fields(MeshSettings) if hasattr(asked, one.name)]
        return from_plain(MeshSettings, {name: getattr(asked, name) for name in known})
    except ValueError as error:
        raise InputError("The settings of the mesh cannot be used", value=error,
                         rule="those of siblings mesh") from error
