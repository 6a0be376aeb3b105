"""From a label map to a mesh that is ready to be written, and a report of what was done on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelMap
from ..labelmaps.tissues import known_labels
from .cut_ends import cut_ends
from .formats.listing import FORMATS
from .grown import Grown, OpenEnd, grow, wanted_rules
from .mesh import OUTSIDE, Patch, SurfaceMesh, VolumeMesh
from .meshable import meshable_map
from .meshed import Meshed, Part
from .patch_geometry import patch_of, same_patches
from .patches import patches_of
from .settings import MeshSettings
from .surface import map_volumes, surface_of

DEFAULT_EDGE_MM = 2.0  # of tetrahedra
LIKE_KEYS = ("carried", "why", "mean_distance_mm", "distances")  # of what `carried` says, beside the quality
OTHER_VALUES = 300  # added to the labels of tissues that a numbering of another program has no value for


@dataclass(frozen=True)
class MeshResult:
    """A mesh and how it came about: from which map, by which anatomy and settings.

    labels: (D, H, W), what was to be meshed, before the repair: label values of the mesh, with what was grown. affine:
    its (4, 4), voxel IJK -> RAS mm. grown: rows of what was grown. repaired: what was repaired first.
    volume_notes: how the tetrahedra are. like: whether they are the twin's, and how near they lie; {} without a twin.
    """

    meshed: Meshed
    labelmap: LabelMap
    anatomy: Anatomy
    settings: MeshSettings
    labels: npt.NDArray[np.integer[Any]]
    affine: npt.NDArray[np.float64]
    grown: list[dict[str, Any]] = field(default_factory=list)
    repaired: dict[str, Any] = field(default_factory=dict)
    volume_notes: dict[str, Any] = field(default_factory=dict)
    like: dict[str, Any] = field(default_factory=dict)


def check_settings(settings: MeshSettings, anatomy: Anatomy) -> None:
    """Raises InputError where settings contradict each other or the anatomy, before anything is read."""
    if unknown := [name for name in settings.formats if name not in FORMATS]:
        raise InputError("The format is unknown", value=", ".join(unknown), rule=f"some of {', '.join(FORMATS)}",
                         hint="for example --for vtk,gmsh")
    if not settings.formats:
        raise InputError("There is no format to write", rule=f"some of {', '.join(FORMATS)}",
                         hint="for example --for vtk,gmsh")
    filled = [name for name in settings.formats if FORMATS[name].tetrahedra]
    if settings.fill == "surfaces" and filled:
        raise InputError("The format needs tetrahedra", value=", ".join(filled), rule="--surface makes none",
                         hint="leave out --surface, or the format")
    numberings = anatomy.mesh.numberings or {}
    if settings.numbering and settings.numbering not in numberings:
        raise InputError("The numbering is unknown", value=settings.numbering, rule=f"one of {', '.join(numberings)}",
                         hint="leave out --numbering for this project's own")
    if settings.like and not is_filled(settings):
        raise InputError("The twin's mesh has no elements to give to siblings", value=", ".join(settings.formats),
                         rule="--like needs tetrahedra", hint="add --tets, or a format that needs tetrahedra")
    wanted_rules(anatomy, settings.walls, settings.valves_mm)


def is_filled(settings: MeshSettings) -> bool:
    """Whether tissues are filled with tetrahedra: where that was asked for, or a format is not for surfaces alone."""
    return settings.fill == "tetrahedra" or (
        settings.fill != "surfaces" and any(not FORMATS[name].surfaces for name in settings.formats))


def mesh_map(labelmap: LabelMap, anatomy: Anatomy, settings: MeshSettings, name: str,
             twin: MeshResult | None = None) -> MeshResult:
    """Meshes the anatomy's tissues in a label map. name: of the map, in file names. Raises InputError.

    twin: a mesh of the twin with the same settings, whose nodes and elements the mesh gets where that is sound.
    """
    check_settings(settings, anatomy)
    labels: npt.NDArray[np.integer[Any]] = known_labels(labelmap, anatomy)
    if not labels.any():
        raise InputError("The label map has no tissue to mesh", value=name, rule=f"some of {', '.join(anatomy.ids)}",
                         hint="say which value is which tissue with --labels")
    affine = np.asarray(labelmap.affine, dtype=np.float64)
    grown = _grown(labels, affine, anatomy, settings)
    if grown is not None:
        labels, affine = grown.labels, grown.affine
    ready = meshable_map(labels, affine, anatomy=anatomy)
    surface = surface_of(ready.labels, affine, None if is_filled(settings) else settings.edge_mm)
    volume, like = _carried(twin, surface, map_volumes(ready.labels, affine), anatomy)
    patches: tuple[Patch, ...] = ()
    if volume is not None and twin is not None:
        patches, volume_notes = same_patches(twin.meshed.patches, twin.meshed.surface, volume.surface), like
    else:
        volume, volume_notes = _filled(ready.labels, affine, surface, settings, anatomy)
    shown = surface if volume is None else volume.surface
    _require_all(labels, shown, anatomy, settings)
    meshed = Meshed(name, shown, patches or patches_of(shown, anatomy, _ids(anatomy)),
                    _parts(shown, anatomy, settings.numbering), volume, settings.space)
    return MeshResult(meshed, labelmap, anatomy, settings, labels, affine,
                      grown.to_json() if grown is not None else [], ready.to_json(),
                      {key: value for key, value in volume_notes.items() if key not in LIKE_KEYS},
                      {key: like[key] for key in LIKE_KEYS if key in like})


def _carried(twin: MeshResult | None, surface: SurfaceMesh, volumes: dict[int, float],
             anatomy: Anatomy) -> tuple[VolumeMesh | None, dict[str, Any]]:
    """The twin's tetrahedra in another heart; None where there is no twin, or where they would not be sound."""
    if twin is None or twin.meshed.volume is None:
        return None, {}
    from .carried import carried_to

    return carried_to(twin.meshed.volume, surface, volumes, names=_ids(anatomy))


def _grown(labels: npt.NDArray[np.integer[Any]], affine: npt.NDArray[np.float64], anatomy: Anatomy,
           settings: MeshSettings) -> Grown | None:
    """What was asked to be grown; cut ends are looked for first, so that no wall closes them."""
    wanted = wanted_rules(anatomy, settings.walls, settings.valves_mm)
    if not wanted:
        return None
    ends = _open_ends(meshable_map(labels, affine, anatomy=anatomy).labels, affine, anatomy) if settings.walls else []
    return grow(labels, affine, anatomy, wanted, ends)


def _open_ends(labels: npt.NDArray[np.integer[Any]], affine: npt.NDArray[np.float64],
               anatomy: Anatomy) -> list[OpenEnd]:
    """The cut ends of vessels in a map."""
    surface = surface_of(labels, affine)
    centres = surface.points[surface.triangles].mean(axis=1)
    found = []
    for end in cut_ends(surface, anatomy.mesh.cut_ends, {tissue.id: tissue.label for tissue in anatomy.tissues}):
        others = np.setdiff1d(surface.between(end.label, OUTSIDE), end.triangles)
        patch = patch_of(surface, end.triangles, end.label, end.rule.name, end.rule.id, "cut")
        found.append(OpenEnd(end.rule.tissue, patch, centres[end.triangles], centres[others]))
    return found


def _filled(labels: npt.NDArray[np.integer[Any]], affine: npt.NDArray[np.float64], surface: SurfaceMesh,
            settings: MeshSettings, anatomy: Anatomy) -> tuple[VolumeMesh | None, dict[str, Any]]:
    if not is_filled(settings):
        return None, {}
    from .tetrahedra import tetrahedra_of

    return tetrahedra_of(labels, affine, surface, settings.edge_mm or DEFAULT_EDGE_MM, settings.grade,
                         names=_ids(anatomy))


def _require_all(labels: npt.NDArray[np.integer[Any]], surface: SurfaceMesh, anatomy: Anatomy,
                 settings: MeshSettings) -> None:
    """Raises InputError for a tissue that the map has and the mesh has lost."""
    names = _names(anatomy)
    lost = [names[int(label)][0] for label in np.unique(labels) if label and int(label) not in surface.tissues]
    if lost:
        edge = f" with edges of {settings.edge_mm:g} mm" if settings.edge_mm else ""
        raise InputError("A tissue vanishes in the mesh", value=f"{', '.join(lost)}{edge}",
                         rule="tissues are thicker than edges and voxels are long",
                         hint="give a smaller --edge, or remove the tissue from the label map")


def _names(anatomy: Anatomy) -> dict[int, tuple[str, str]]:
    """Label -> id and name for people, of tissues and of what can be grown."""
    return {**{tissue.label: (tissue.id, tissue.name) for tissue in anatomy.tissues},
            **{rule.label: (rule.id, rule.name) for rule in anatomy.mesh.grown}}


def _ids(anatomy: Anatomy) -> dict[int, str]:
    """Label -> id, of the same."""
    return {label: ident for label, (ident, _) in _names(anatomy).items()}


def _parts(surface: SurfaceMesh, anatomy: Anatomy, numbering: str) -> dict[int, Part]:
    """The tissues of a mesh with their numbers in files."""
    values = (anatomy.mesh.numberings or {}).get(numbering, {})
    names = _names(anatomy)
    return {label: Part(names[label][0].replace(" ", "_"), names[label][1],
                        values.get(names[label][0], label + OTHER_VALUES) if values else label)
            for label in surface.tissues}
