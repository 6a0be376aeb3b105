"""openCARP: .pts in micrometres, .elem with the tissue's number as region tag, .surf and .vtx of each patch.

There is no .lon file, as a label map has no fibres: openCARP needs one, made by a rule such as GlRuleFibers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..meshed import Meshed
from .text import DIGITS, lines, write_text

MICROMETRES = 1000.0


def write_opencarp(meshed: Meshed, folder: Path) -> None:
    """NAME.pts, NAME.elem, and NAME.PATCH.surf and NAME.PATCH.vtx of each patch."""
    volume = meshed.volume
    assert volume is not None  # `listing` asks for tetrahedra
    stem = folder / meshed.name
    write_text(stem.with_name(f"{meshed.name}.pts"), f"{len(meshed.points)}\n",
               lines(meshed.points * MICROMETRES, number=DIGITS))
    tags = meshed.values[volume.tissue]
    write_text(stem.with_name(f"{meshed.name}.elem"), f"{len(volume.tetrahedra)}\n",
               lines(np.column_stack([volume.tetrahedra, tags]), before="Tt "))
    for patch in meshed.patches:
        corners = meshed.surface.triangles[patch.triangles]
        nodes = np.unique(corners)
        write_text(stem.with_name(f"{meshed.name}.{patch.id}.surf"), f"{len(corners)}\n", lines(corners, before="Tr "))
        write_text(stem.with_name(f"{meshed.name}.{patch.id}.vtx"), f"{len(nodes)}\nextra\n", lines(nodes[:, None]))
