"""The report of a mesh, mesh.json: what is in it, how it compares with the map, how it was made and with what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap
from ..core.record import hash_labelmap, now, software
from ..core.version import __version__
from .formats.listing import FORMATS
from .mesh import OUTSIDE, Patch
from .mesh_map import MeshResult
from .meshed import Meshed

SCHEMA = 1
NAME = "mesh.json"
DECIMALS = 4
FINER = 0.7  # of the edge that was asked for: below, a person is told


def report_of(result: MeshResult, source: Mapping[str, Any]) -> dict[str, Any]:
    """The report, without its files. source: what was meshed, as `source_of` says it."""
    meshed, settings = result.meshed, result.settings
    return {
        "schema": SCHEMA, "program": {"name": "DiffusionSiblings", "version": __version__}, "created": now(),
        "map": dict(source), "settings": settings.to_json(),
        "space": meshed.space, "units": {name: FORMATS[name].unit for name in settings.formats},
        "counts": _counts(meshed), "tissues": _tissues(result),
        "patches": [_patch(meshed, number, patch) for number, patch in enumerate(meshed.patches, 1)],
        "patches_missing": _missing(meshed, result.anatomy),
        "surface": _surface(result), "grown, not imaged": result.grown, "repaired": result.repaired,
        "tetrahedra": result.volume_notes, "like": result.like,
        "software": software()}


def source_of(name: str, labelmap: LabelMap, sha256: str | None) -> dict[str, Any]:
    """What a report knows a map by. sha256: of its file, None for a map in memory."""
    return {"name": name, "file": None if labelmap.source is None else str(labelmap.source), "sha256": sha256,
            "labels_sha256": hash_labelmap(labelmap), "notes": list(labelmap.notes)}


def volume_of(meshed: Meshed, label: int) -> float:
    """ml that a tissue has in a mesh: of its tetrahedra, or of what its surface holds."""
    if meshed.volume is None:
        return meshed.surface.volume(label) / 1000
    return float(meshed.volume.volumes()[meshed.volume.tissue == label].sum()) / 1000


def _counts(meshed: Meshed) -> dict[str, int]:
    volume = meshed.volume
    return {"points": len(np.unique(meshed.surface.triangles)) if volume is None else len(volume.points),
            "triangles": len(meshed.surface.triangles), "tetrahedra": 0 if volume is None else len(volume.tetrahedra),
            "patches": len(meshed.patches)}


def _surface(result: MeshResult) -> dict[str, Any]:
    """How long the edges of the triangles are on average, and a note where they are much shorter than was asked for."""
    surface, asked = result.meshed.surface, result.settings.edge_mm
    ends = surface.points[surface.triangles]
    mean = float(np.linalg.norm(ends - np.roll(ends, 1, axis=1), axis=2).mean())
    found: dict[str, Any] = {"mean_edge_mm": round(mean, DECIMALS)}
    if result.meshed.volume is None and asked is not None and mean < FINER * asked:
        found["note"] = (f"The edges of the surfaces are {mean:.1f} mm long on average, and not {asked:g} mm: coarser "
                         "triangles would pass through each other")
    return found


def _tissues(result: MeshResult) -> list[dict[str, Any]]:
    """A row for each tissue: its number in files, and its volume against the map's."""
    meshed, rows = result.meshed, []
    voxel_ml = float(abs(np.linalg.det(result.affine[:3, :3]))) / 1000
    grown = {row["label"] for row in result.grown}
    for label, part in meshed.parts.items():
        mesh_ml, map_ml = volume_of(meshed, label), float((result.labels == label).sum()) * voxel_ml
        rows.append({"id": part.id, "name": part.name, "value": part.value, "volume_ml": round(mesh_ml, DECIMALS),
                     "map_volume_ml": round(map_ml, DECIMALS),
                     "difference_percent": round(100 * (mesh_ml - map_ml) / map_ml, DECIMALS) if map_ml else None,
                     "grown": label in grown,
                     **({} if meshed.volume is None else {"tetrahedra": int((meshed.volume.tissue == label).sum())})})
    return rows


def _patch(meshed: Meshed, number: int, patch: Patch) -> dict[str, Any]:
    """A row for a patch, in the axes of the files."""
    labels = [int(label) for label in np.unique(meshed.surface.sides[patch.triangles]) if label != OUTSIDE]
    return {"number": number, "id": patch.id, "name": patch.name, "kind": patch.kind,
            "tissues": [meshed.parts[label].id for label in labels], "triangles": len(patch.triangles),
            "area_mm2": round(patch.area_mm2, DECIMALS), "area_along_normal_mm2": _projected(patch),
            "perimeter_mm": round(patch.perimeter_mm, DECIMALS),
            "diameters_mm": {name: round(mm, DECIMALS) for name, mm in patch.diameters.items()},
            "centre_mm": _in_space(meshed, patch.centre), "normal": _in_space(meshed, patch.normal)}


def _projected(patch: Patch) -> float | None:
    """mm^2 of a patch seen along its normal, as annuli are measured in images; None for one without a plane."""
    diameter = patch.diameters.get("of equal area")
    return None if diameter is None else round(float(np.pi) * diameter**2 / 4, DECIMALS)


def _in_space(meshed: Meshed, vector: npt.NDArray[np.float64]) -> list[float]:
    x, y, z = (round(float(value), DECIMALS) for value in vector)
    return [-x, -y, z] if meshed.space == "LPS" else [x, y, z]


def _missing(meshed: Meshed, anatomy: Anatomy) -> list[str]:
    """The anatomy's valves and walls of tissues in the mesh that the map does not have: tissues that do not touch."""
    known = {part.id.replace("_", " ") for part in meshed.parts.values()}
    there = {patch.id for patch in meshed.patches}
    return [rule.id for rule in anatomy.mesh.patches
            if rule.id not in there and any(set(pair) - {"outside"} <= known for pair in rule.between)]
