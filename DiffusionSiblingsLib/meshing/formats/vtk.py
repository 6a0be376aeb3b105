"""VTK files: NAME.vtp with all surfaces, and NAME.vtu with the tetrahedra."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..meshed import Meshed
from .vtk_xml import write_vtp, write_vtu


def write_vtk(meshed: Meshed, folder: Path) -> None:
    """NAME.vtp: cell arrays "patch", "inside" and "outside". NAME.vtu: cell array "tissue".

    What the numbers mean stands in mesh.json, and in the .vtp as texts, "patches" and "tissues". meshio refuses a .vtu
    with texts, so that one in LPS, which is what programs take a file without them for, has none.
    """
    surface, table = meshed.surface, meshed.values
    notes = {"SPACE": meshed.space, "unit": "mm",
             "patches": "; ".join(f"{number}={patch.id}" for number, patch in enumerate(meshed.patches, 1)),
             "tissues": "; ".join(f"{part.value}={part.id}" for part in meshed.parts.values())}
    own = np.unique(surface.triangles)
    row = np.zeros(len(surface.points), dtype=np.int64)
    row[own] = np.arange(len(own))
    write_vtp(folder / f"{meshed.name}.vtp", meshed.points[own], row[surface.triangles],
              {"patch": meshed.patch_numbers, "inside": table[surface.sides[:, 0]],
               "outside": table[surface.sides[:, 1]]}, notes=notes)
    if meshed.volume is not None:
        write_vtu(folder / f"{meshed.name}.vtu", meshed.points, meshed.volume.tetrahedra,
                  {"tissue": table[meshed.volume.tissue]}, notes=None if meshed.space == "LPS" else notes)
