"""Meshes of hearts of the scene: made by the worker as `siblings mesh` makes them, then put into the scene (no Qt)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import slicer
from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.codec import to_plain
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import plain_name
from DiffusionSiblingsLib.labelmaps.ipc_labelmap import write_exchange
from DiffusionSiblingsLib.meshing.settings import MeshSettings
from DiffusionSiblingsUI.runs.edits import job_steps
from DiffusionSiblingsUI.runs.operation import Status, Steps, part
from DiffusionSiblingsUI.runs.scene_edits import recorded_tissues
from DiffusionSiblingsUI.scene import bridge, meshes, runs

if TYPE_CHECKING:
    from DiffusionSiblingsUI.runs.session import Session

READ, MADE = 0.05, 0.9  # shares of the whole at which the hearts are sent, and at which they are meshed
SCENE_FORMAT = "vtk"  # what models are read from
Tissues = Mapping[str, str | None]


class MeshOptions(TypedDict, total=False):
    """The settings of a mesh for the Python console, named as the options of `siblings mesh`; `formats` is its --for.

    walls: {"RV": 3} in mm.
    """

    formats: Sequence[str]
    edge: float | None
    walls: Mapping[str, float]
    valves: float | None
    numbering: str
    space: str
    grade: int


@dataclass(frozen=True)
class Heart:
    """A heart to be meshed. name: in file names. tissue_of: segment ID -> tissue ID; None: by terminology and name."""

    node: slicer.vtkMRMLSegmentationNode
    name: str
    tissue_of: Tissues | None = None


@dataclass(frozen=True)
class MeshTask:
    """hearts: with names of their own. folder: that keeps the files, "" for none. shown: the hearts whose meshes come
    into the scene; the others are files alone. replace: earlier meshes in the folder.
    """

    hearts: tuple[Heart, ...]
    settings: MeshSettings
    folder: str = ""
    shown: tuple[Any, ...] = ()
    replace: bool = False
    jobs: int = 1

    def __post_init__(self) -> None:
        if not self.hearts:
            raise InputError(_("There is nothing to mesh"), rule=_("at least one segmentation"),
                             hint=_("choose a twin, or make siblings first"))
        names = [heart.name for heart in self.hearts]
        if double := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(_("Two hearts would share the folder of their mesh"), value=", ".join(double),
                             rule=_("each heart has a name of its own"), hint=_("rename one, or mesh them one by one"))


@dataclass(frozen=True)
class Meshes:
    """What a task came to. shown: the meshes that are in the scene. folders: of the files that stay, by the names of
    hearts. failed: hearts that could not be meshed, with why.
    """

    shown: tuple[meshes.Mesh, ...]
    folders: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()


def meshing(session: Session, task: MeshTask) -> Steps[Meshes]:
    """Meshes the hearts of a task. Raises InputError where no heart can be meshed; then the scene is as it was."""
    folder = session.new_folder()
    try:
        places: dict[str, meshes.Place] = {}
        stems = yield from part(_handed_over(task, folder, places), 0.0, READ, _("Sending the hearts to the worker"))
        out = Path(task.folder).absolute() if task.folder else folder / "meshes"
        command = {"command": "mesh", "source": {"maps": stems}, "maps": str(folder / "maps"), "out": str(out),
                   "resume": task.replace, "jobs": task.jobs, **to_plain(task.settings)}
        result = yield from part(job_steps(session, command), READ, MADE)
        folders = {each["name"]: each["folder"] for each in result["meshes"]}
        adding, shown = _("Adding the mesh to the scene"), []
        yield Status(MADE, adding)
        for name, place in places.items():
            if name in folders and slicer.mrmlScene.IsNodePresent(place.heart):
                shown.append((yield from part(meshes.building(Path(folders[name]), place), MADE, 1.0, adding)))
        return Meshes(tuple(shown), folders if task.folder else {}, tuple(result["failed"]))
    finally:
        session.remove(folder)


def _handed_over(task: MeshTask, folder: Path, places: dict[str, meshes.Place]) -> Steps[list[str]]:
    """Writes the hearts for the worker -> stems. places: takes those of the hearts that are to be shown, by name."""
    stems = []
    (folder / "hearts").mkdir()
    for number, heart in enumerate(task.hearts):
        yield Status(number / len(task.hearts))
        bridged = yield from bridge.reading(heart.node, heart.tissue_of, complete=False)
        stems.append(str(write_exchange(bridged.labelmap, folder / "hearts" / heart.name)))
        if heart.node in task.shown:
            places[heart.name] = meshes.Place.of(heart.node, bridged)
        yield None
    return stems


def heart_of(node: slicer.vtkMRMLSegmentationNode, tissue_of: Tissues | None = None) -> Heart:
    """A segmentation of the scene as a heart to be meshed; of a sibling with the tissues of its run's record."""
    for run in runs.find_runs():
        if any(sibling is node for sibling in run.siblings):
            twin = run.record.get("twin")
            known = recorded_tissues(node, twin) if twin and tissue_of is None else tissue_of
            return Heart(node, plain_name(str(node.GetAttribute(runs.MAP))), known)
    return Heart(node, plain_name(node.GetName()) or "heart", tissue_of)


def settings_of(tets: bool, options: MeshOptions) -> MeshSettings:
    """The settings of a mesh, with the format that models are read from. Raises InputError for what cannot be."""
    values: dict[str, Any] = dict(options)
    if unknown := sorted(set(values) - set(MeshOptions.__annotations__)):
        raise InputError(_("The option of meshes is unknown"), value=", ".join(unknown),
                         rule=_("some of {names}").format(names=", ".join(MeshOptions.__annotations__)))
    formats = values.get("formats", ())
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    return MeshSettings(tuple(dict.fromkeys((SCENE_FORMAT, *formats))), "tetrahedra" if tets else "surfaces",
                        values.get("edge"), dict(values.get("walls") or {}), values.get("valves"),
                        values.get("numbering", ""), values.get("space", "LPS"), values.get("grade", 1))
