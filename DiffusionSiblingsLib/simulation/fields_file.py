"""The solved fields as a .vtu file, which ParaView and Slicer show."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..meshing.formats.vtk_xml import write_vtu
from ..meshing.settings import Space
from .ventricle import Solved


def write_fields(solved: Solved, path: Path, space: Space = "LPS") -> None:
    """Of points: "displacement" (mm, at the greatest pressure), "activation" (ms), "depth" and "height" in the wall
    (0 to 1), "held" (0 to 1). Of tetrahedra: "fibre", "peak_strain" (the largest principal strain), "fibre_strain",
    "volume_ratio" (mean J). space: the axes of points and of all vectors, in mm.
    """
    turn = np.array((-1.0, -1.0, 1.0) if space == "LPS" else (1.0, 1.0, 1.0))
    wall, count = solved.wall, len(solved.wall.points)
    write_vtu(path, wall.points * turn, wall.tetrahedra, {
        "fibre": solved.fibres.axes[:, :, 0] * turn,
        "peak_strain": np.linalg.eigvalsh(solved.strain)[:, 2],
        "fibre_strain": solved.strain[:, 0, 0],
        "volume_ratio": solved.inflated.dilatation,
    }, {
        "displacement": solved.inflated.moved[:count] * turn, "activation": solved.activation,
        "depth": solved.fibres.depth, "height": solved.fibres.height, "held": solved.held,
    })
