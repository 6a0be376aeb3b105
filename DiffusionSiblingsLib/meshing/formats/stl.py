"""STL, binary: one closed surface for each tissue, and each patch by itself in patches/."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..mesh import Points, Triangles, triangle_normals
from ..meshed import Meshed

ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
HEADER_BYTES = 80


def write_stl(meshed: Meshed, folder: Path) -> None:
    """TISSUE.stl, normals outwards, and patches/PATCH.stl; the header says the axes as Slicer reads them."""
    for label, part in meshed.parts.items():
        _write(folder / f"{part.id}.stl", meshed.points, meshed.surface.around(label), meshed.space)
    (folder / "patches").mkdir()
    for patch in meshed.patches:
        _write(folder / "patches" / f"{patch.id}.stl", meshed.points, meshed.surface.triangles[patch.triangles],
               meshed.space)


def _write(path: Path, points: Points, triangles: Triangles, space: str) -> None:
    rows = np.zeros(len(triangles), dtype=ROW)
    normals = triangle_normals(points, triangles)
    length = np.linalg.norm(normals, axis=1)[:, None]
    rows["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    rows["corners"] = points[triangles]
    header = f"binary STL, mm, SPACE={space}".encode("ascii").ljust(HEADER_BYTES)
    path.write_bytes(header + len(rows).to_bytes(4, "little") + rows.tobytes())
