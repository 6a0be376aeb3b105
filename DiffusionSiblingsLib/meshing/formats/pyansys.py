"""Input of pyansys-heart: all surfaces in one .vtp with "surface-id", and the parts that they enclose in a JSON file.

pyansys-heart meshes the parts itself. Parts are walls, as its models are of muscle: the left ventricle is its
myocardium, and other parts are there where their walls were grown. Blood is no part.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ...core.files import write_json
from ..meshed import Meshed
from .vtk_xml import write_vtp


def write_pyansys(meshed: Meshed, folder: Path, parts: dict[str, str], names: dict[str, str]) -> None:
    """NAME.vtp and NAME.part_definitions.json. parts: tissue -> name of its part, for the tissues that are parts.

    names: patch -> name of its boundary; patches without one keep ours. Raises InputError where no tissue is a part.
    """
    if not any(part.id in parts for part in meshed.parts.values()):
        raise InputError("The map has no wall that pyansys-heart could mesh", value=meshed.name,
                         rule=f"one of {', '.join(parts) or 'the parts that the anatomy file names'}",
                         hint="grow a wall with --walls, or leave out --for pyansys")
    numbers = {patch.id: number for number, patch in enumerate(meshed.patches, 1)}
    own = np.unique(meshed.surface.triangles)
    row = np.zeros(len(meshed.points), dtype=np.int64)
    row[own] = np.arange(len(own))
    write_vtp(folder / f"{meshed.name}.vtp", meshed.points[own], row[meshed.surface.triangles],
              {"surface-id": meshed.patch_numbers}, notes={"SPACE": meshed.space})
    definitions = {
        parts[part.id]: {
            "id": part.value,
            "enclosed_by_boundaries": {names.get(side.patch.id, side.patch.id.replace("_", "-")): numbers[side.patch.id]
                                       for side in meshed.sides if side.label == label}}
        for label, part in meshed.parts.items() if part.id in parts}
    write_json(folder / f"{meshed.name}.part_definitions.json", definitions)
