"""Meshes of many label maps, in several processes; what is there already can be kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace as replace_in
from pathlib import Path
from typing import Any

from ..cohorts.members import Member, read_member
from ..cohorts.pool import in_order, or_reason
from ..core.anatomy import Anatomy, load_anatomy
from ..core.errors import InputError
from ..core.files import digest_of
from ..core.labelmap import LabelValues
from ..core.record import hash_file
from ..labelmaps.mask_names import mask_files
from ..runs.lock import locked
from ..runs.own_files import LOCK, PARTS
from .mesh_folder import mesh_report, require_new, require_own, write_folder
from .mesh_map import MeshResult, check_settings, mesh_map
from .report import report_of, source_of
from .settings import MeshSettings

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class MeshOutcome:
    """A mesh: of which map, in which folder, its report, and whether it was there already."""

    member: Member
    folder: Path
    report: dict[str, Any]
    kept: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading the map assumed, and what of the surfaces is not as it was asked for."""
        own = self.report.get("surface", {}).get("note")
        return (*self.report["map"].get("notes", ()), *([own] if own else []))


@dataclass(frozen=True)
class _Setup:
    """What all meshes of one call share; handed to every process once."""

    out: Path
    anatomy: str
    settings: MeshSettings
    labels: LabelValues | None
    resume: bool
    twin: Member | None


def mesh_members(members: Sequence[Member], out: Path, anatomy: Anatomy, settings: MeshSettings, *,
                 labels: LabelValues | None = None, jobs: int = 1, resume: bool = False, replace: bool = False,
                 twin: Member | None = None,
                 progress: Progress | None = None) -> Iterator[tuple[Member, MeshOutcome | str]]:
    """Meshes every member into OUT/NAME, in order -> the outcome of each, or why there is no mesh of it.

    twin: whose elements the meshes get where that is sound; it is meshed as well, and comes first.
    resume: keep meshes of the same map and settings. replace: replace others. Raises InputError where settings or
    folders cannot be used, before anything is written, and OutputError where a mesh cannot be written.
    """
    if twin is not None:
        settings = replace_in(settings, like=hash_of(twin.path) or "")
        members = [twin, *(member for member in members if member.path.resolve() != twin.path.resolve())]
    check_settings(settings, anatomy)
    folders = _folders(members, out)
    _require_apart(members, out)
    for folder in folders:
        require_own(folder) if resume else require_new(folder, replace=replace)
    setup = _Setup(out, anatomy.id, settings, labels, resume, twin)
    with locked(out / PARTS):
        try:
            for index, found in in_order(_work, list(zip(members, folders, strict=True)), jobs, start=_begin,
                                         given=(setup,)):
                if progress is not None:
                    progress(index + 1, len(members), members[index].name)
                yield members[index], found
        finally:
            with suppress(OSError):  # it stays where something else is in it
                (out / PARTS / LOCK).unlink()
                (out / PARTS).rmdir()


def _folders(members: Sequence[Member], out: Path) -> list[Path]:
    """The folder of each member's mesh. Raises InputError where two have the same."""
    names = [re.sub(r"[^A-Za-z0-9._+-]+", "-", member.name).strip("-.") or "map" for member in members]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise InputError("Two maps would share the folder of their mesh", value=", ".join(double),
                         rule="each map has a name of its own", hint="rename one, or mesh the folders one by one")
    return [out / name for name in names]


def _require_apart(members: Sequence[Member], out: Path) -> None:
    """Raises InputError where meshes would lie among the maps that they are made of."""
    places = {(member.path if member.path.is_dir() else member.path.parent).resolve() for member in members}
    if out.resolve() in places:
        raise InputError("The meshes would lie among the label maps", value=out, rule="a folder of their own",
                         hint="choose another --out")


_setup: list[_Setup] = []  # of this process
_twin: list[MeshResult] = []  # its mesh, once it is needed


def _begin(setup: _Setup) -> None:
    _setup[:] = [setup]
    _twin.clear()


def _work(item: tuple[Member, Path]) -> MeshOutcome | str:
    return or_reason(_mesh_one, item)


def _mesh_one(item: tuple[Member, Path]) -> MeshOutcome:
    """The mesh of one member, made or kept."""
    member, folder = item
    setup = _setup[0]
    sha256 = hash_of(member.path)
    if setup.resume and (report := mesh_report(folder)) is not None and _same(report, setup, sha256):
        return MeshOutcome(member, folder, report, kept=True)
    if setup.twin is not None and not _twin:
        _twin.append(_mesh(setup.twin, setup, "twin", None))
    if member is setup.twin or (setup.twin is not None and member.path == setup.twin.path):
        result = replace_in(_twin[0], meshed=replace_in(_twin[0].meshed, name=folder.name))
    else:
        result = _mesh(member, setup, folder.name, _twin[0] if _twin else None)
    source = {**source_of(member.name, result.labelmap, sha256), "labels": _plain(setup.labels)}
    return MeshOutcome(member, folder, write_folder(result, folder, report_of(result, source)))


def _mesh(member: Member, setup: _Setup, name: str, twin: MeshResult | None) -> MeshResult:
    anatomy = load_anatomy(setup.anatomy)
    return mesh_map(read_member(member, anatomy, setup.labels, whole=False), anatomy, setup.settings, name, twin)


def _same(report: dict[str, Any], setup: _Setup, sha256: str | None) -> bool:
    """Whether a report is of the same file, read and meshed in the same way."""
    source = report.get("map", {})
    return bool(sha256 and source.get("sha256") == sha256 and source.get("labels") == _plain(setup.labels)
                and report.get("settings") == setup.settings.to_json())


def _plain(labels: LabelValues | None) -> dict[str, Any] | None:
    """--labels as JSON holds it."""
    if labels is None:
        return None
    return {tissue: list(value) if isinstance(value, tuple) else value for tissue, value in labels.items()}


def hash_of(path: Path) -> str | None:
    """SHA-256 of a file, or over those of a folder's masks."""
    if not path.is_dir():
        return hash_file(path)
    return digest_of({mask.name: hash_file(mask) for mask in mask_files(path)})
