"""SimVascular's mesh-complete folders, one for each tissue, as svSolver and svMultiPhysics read them.

Numbers of nodes and elements begin with 1. Nodes on the interface of two tissues lie at the same places in both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..meshed import Meshed, Side
from .faces import faces_of
from .vtk_xml import write_vtp, write_vtu


def write_simvascular(meshed: Meshed, folder: Path) -> None:
    """TISSUE/mesh-complete/ for each tissue."""
    for label, part in meshed.parts.items():
        place = folder / part.id / "mesh-complete"
        (place / "mesh-surfaces").mkdir(parents=True)
        _Domain(meshed, label).write(place)


class _Domain:
    """One tissue with nodes and elements of its own."""

    def __init__(self, meshed: Meshed, label: int) -> None:
        assert meshed.volume is not None  # `listing` asks for tetrahedra
        self.meshed, self.volume, self.label = meshed, meshed.volume, label
        self.rows = np.flatnonzero(self.volume.tissue == label)
        cells = self.volume.tetrahedra[self.rows]
        self.nodes = np.unique(cells)
        self.node = np.full(len(meshed.points), -1, dtype=np.int64)
        self.node[self.nodes] = np.arange(len(self.nodes))
        self.cells = self.node[cells]
        self.element = np.zeros(len(self.volume.tetrahedra), dtype=np.int64)
        self.element[self.rows] = np.arange(1, len(self.rows) + 1)
        self.sides = [side for side in meshed.sides if side.label == label]

    def write(self, place: Path) -> None:
        """The folder's files. ModelFaceID is the number of the patch."""
        numbers = np.arange(1, len(self.nodes) + 1, dtype=np.int32)
        write_vtu(place / "mesh-complete.mesh.vtu", self.meshed.points[self.nodes], self.cells,
                  {"GlobalElementID": np.arange(1, len(self.rows) + 1, dtype=np.int32),
                   "ModelRegionID": np.ones(len(self.rows), dtype=np.int32)}, {"GlobalNodeID": numbers})
        self._faces(place / "mesh-complete.exterior.vtp", self.sides)
        self._faces(place / "walls_combined.vtp", [side for side in self.sides if side.patch.kind == "wall"])
        for side in self.sides:
            self._faces(place / "mesh-surfaces" / f"{side.patch.id}.vtp", [side])

    def _faces(self, path: Path, sides: list[Side]) -> None:
        """The faces of patches, with normals that look out of the tissue."""
        none = np.zeros((0, 3), dtype=np.int32)
        corners = np.concatenate([none, *(self.meshed.outward(side) for side in sides)])
        numbers = {patch.id: number for number, patch in enumerate(self.meshed.patches, 1)}
        ids = np.repeat([numbers[side.patch.id] for side in sides], [len(side.triangles) for side in sides])
        rows, _ = faces_of(self.volume, corners, self.label)
        used = np.unique(corners)
        local = np.zeros(len(self.meshed.points), dtype=np.int64)
        local[used] = np.arange(len(used))
        write_vtp(path, self.meshed.points[used], local[corners],
                  {"ModelFaceID": ids.astype(np.int32), "GlobalElementID": self.element[rows].astype(np.int32)},
                  {"GlobalNodeID": (self.node[used] + 1).astype(np.int32)})
