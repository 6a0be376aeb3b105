"""Meshes for scripts: `mesh` makes one in memory, `write_mesh` writes it as the command line does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.anatomy import load_anatomy
from ..core.labelmap import LabelMap, LabelValues
from ..core.record import hash_file
from ..labelmaps.mask_names import stem_of
from ..labelmaps.read import read_labelmap
from .mesh_folder import require_own, write_folder
from .mesh_map import MeshResult, mesh_map
from .report import report_of, source_of
from .settings import MeshSettings


def mesh(source: Path | str | LabelMap, settings: MeshSettings | None = None, *, anatomy: str = "heart",
         labels: LabelValues | None = None) -> MeshResult:
    """The mesh of a label map, or of the one in a file or a folder of masks.

        result = mesh("heart.nii.gz", MeshSettings(formats=("gmsh",), edge_mm=2))
        areas = {patch.id: patch.area_mm2 for patch in result.meshed.patches}

    labels: tissue id -> value or name in the file, where its names do not tell. Raises InputError.
    """
    known = load_anatomy(anatomy)
    labelmap = source if isinstance(source, LabelMap) else read_labelmap(source, known, labels, whole=False)
    name = stem_of(labelmap.source) if labelmap.source is not None else "map"
    return mesh_map(labelmap, known, settings or MeshSettings(), name)


def write_mesh(result: MeshResult, folder: Path | str) -> dict[str, Any]:
    """Writes a mesh into a folder, in place of an earlier mesh there -> its report, which is also in mesh.json.

    Raises OutputError; then nothing is changed.
    """
    require_own(Path(folder))
    source = result.labelmap.source
    sha256 = None if source is None else hash_file(source)
    return write_folder(result, Path(folder), report_of(result, source_of(result.meshed.name, result.labelmap, sha256)))
