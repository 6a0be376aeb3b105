"""From the panel's parameters to meshes, and the sentences that describe them (no Qt)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.meshing.settings import MeshSettings
from DiffusionSiblingsUI.rich_text import sentence
from DiffusionSiblingsUI.runs.edit_request import twin_problem
from DiffusionSiblingsUI.runs.meshing import SCENE_FORMAT, Heart, MeshTask, heart_of
from DiffusionSiblingsUI.scene import terminology

OF = ("twin", "sibling", "run")
FILLS = ("surfaces", "tetrahedra")
GRADES = (1, 2, 4)
VALVES = "valves"  # stands among the tissues around which walls are grown
FORMATS = {
    "gmsh": _("Gmsh 4.1, FEniCSx"), "gmsh22": _("Gmsh 2.2"), "abaqus": _("Abaqus"), "febio": _("FEBio 4"),
    "opencarp": _("openCARP"), "simvascular": _("SimVascular"), "pyansys": _("pyansys-heart"),
    "fenicsx": _("XDMF, FEniCSx"), "stl": _("STL"),
}


def needs_tetrahedra(name: str) -> bool:
    """Whether a format holds tetrahedra only."""
    from DiffusionSiblingsLib.meshing.formats.listing import FORMATS as WRITERS

    return WRITERS[name].tetrahedra


def mesh_task_of(context: Any, run: Any, number: int) -> MeshTask:
    """The task that the panel describes. run, number: the sibling that is shown. Raises InputError for what lacks."""
    parameters = context.parameters
    if reason := mesh_missing(context, run, number):
        raise InputError(_("The mesh cannot be made"), value=reason)
    shown = shown_heart(context, run, number)
    hearts = ([heart_of(node) for node in run.siblings] if parameters.mesh_of == "run"
              else [_heart(context, shown)])
    kept = parameters.mesh_folder
    return MeshTask(tuple(hearts), mesh_settings(parameters), kept, (shown,), bool(kept) and parameters.mesh_replace)


def _heart(context: Any, node: Any) -> Heart:
    return heart_of(node, context.tissue_of if node is context.twin else None)


def mesh_settings(parameters: Any) -> MeshSettings:
    """What the panel wants a mesh to be. Raises InputError."""
    grown = names_of(parameters.mesh_walls)
    mm, fill = parameters.mesh_thickness, parameters.mesh_fill
    ticked = [name for name in names_of(parameters.mesh_formats) if name != SCENE_FORMAT]
    formats = [name for name in ticked if fill == "tetrahedra" or not needs_tetrahedra(name)]
    return MeshSettings((SCENE_FORMAT, *(formats if parameters.mesh_folder else ())), fill,
                        round(parameters.mesh_edge, 2) or None, {name: mm for name in grown if name != VALVES},
                        mm if VALVES in grown else None, "", parameters.mesh_space,
                        parameters.mesh_grade if fill == "tetrahedra" else 1)


def shown_heart(context: Any, run: Any, number: int) -> Any:
    """The heart whose mesh the panel shows, None where it is not there."""
    if context.parameters.mesh_of == "twin":
        return context.twin
    return run.siblings[number] if run is not None and number < len(run.siblings) else None


def mesh_missing(context: Any, run: Any, number: int) -> str:
    """What has to be chosen before a mesh can be made, "" if nothing."""
    parameters = context.parameters
    if parameters.mesh_of == "twin":
        if parameters.twin is None:
            return _("Choose a twin in the section Twin")
        if not any(context.tissue_of.values()):
            return terminology.twin_warning(parameters.twin, context.tissue_of, context.anatomy)
        return twin_problem(context)
    if shown_heart(context, run, number) is None:
        return _("Make siblings first, in the section Edit")
    if parameters.mesh_of == "run" and not parameters.mesh_folder:
        return _("Choose the folder that keeps the files of all siblings, below Files")
    return ""


def mesh_words(report: Mapping[str, Any]) -> str:
    """What a mesh is, and what was repaired or grown for it, in sentences."""
    counts, repaired = report["counts"], report["repaired"]["changed_voxels"]
    what = (_("{tetrahedra} tetrahedra, and {triangles} triangles in {patches} patches.") if counts["tetrahedra"]
            else _("{triangles} triangles in {patches} patches."))
    said = [what.format(**{name: f"{count:,}".replace(",", " ") for name, count in counts.items()})]
    if repaired:
        text = _("Repaired: {count} voxels of the copy that was meshed were changed, where a tissue touched itself "
                 "along an edge or a corner only, or enclosed a gap. The segmentation is as it was.")
        said.append(text.format(count=repaired))
    if grown := report.get("grown, not imaged"):
        each = [_("{name}, {mm:g} mm, {ml:.1f} ml").format(name=row["id"], mm=row["thickness_mm"], ml=row["volume_ml"])
                for row in grown]
        said.append(_("Grown, not imaged: {what}.").format(what="; ".join(each)))
    if missing := report.get("patches_missing"):
        names = ", ".join(name.replace("_", " ") for name in missing)
        said.append(_("Not there, as the tissues beside them do not touch: {names}.").format(names=names))
    said += [sentence(str(note)) for note in report["map"].get("notes", ())]
    return " ".join(said)
