"""A mesh that is ready to be written: surface, patches and tetrahedra, with the names and numbers of its tissues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .mesh import OUTSIDE, Patch, Points, SurfaceMesh, Triangles, VolumeMesh
from .patch_geometry import turned
from .settings import Space


@dataclass(frozen=True)
class Part:
    """A tissue of a mesh. id: "LV", in files. name: for people. value: the number that stands for it in files."""

    id: str
    name: str
    value: int


@dataclass(frozen=True)
class Side:
    """A patch as one tissue has it: the triangles (k,), rows of the surface's, that touch the tissue.

    name: the patch's id; with "_on_" and the tissue where a second tissue lies behind the patch.
    """

    name: str
    patch: Patch
    label: int
    triangles: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Meshed:
    """name: of the map, in file names. parts: label -> tissue, of every label in the mesh. volume: its surface is
    `surface`; None for a mesh of surfaces alone. space: the axes of files, in mm.
    """

    name: str
    surface: SurfaceMesh
    patches: tuple[Patch, ...]
    parts: Mapping[int, Part]
    volume: VolumeMesh | None = None
    space: Space = "LPS"

    @cached_property
    def points(self) -> Points:
        """(n, 3) float64, mm, in the axes of files."""
        return self.surface.points * ((-1, -1, 1) if self.space == "LPS" else (1, 1, 1))

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """The labels of the mesh, in ascending order."""
        return self.surface.tissues

    @cached_property
    def patch_numbers(self) -> npt.NDArray[np.int32]:
        """(m,) int32: for each triangle the number of its patch, from 1."""
        numbers = np.zeros(len(self.surface.triangles), dtype=np.int32)
        for number, patch in enumerate(self.patches, 1):
            numbers[patch.triangles] = number
        return numbers

    @cached_property
    def values(self) -> npt.NDArray[np.int32]:
        """Label -> the number that stands for it in files, as a table; 0 for the outside."""
        table = np.zeros(max(self.parts, default=0) + 1, dtype=np.int32)
        for label, part in self.parts.items():
            table[label] = part.value
        return table

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """Every patch as each tissue that it touches has it."""
        found = []
        for patch in self.patches:
            both = self.surface.sides[patch.triangles]
            labels = [int(label) for label in np.unique(both) if label != OUTSIDE]
            inner = bool((both != OUTSIDE).all(axis=1).any())
            for label in labels:
                name = f"{patch.id}_on_{self.parts[label].id}" if inner or len(labels) > 1 else patch.id
                found.append(Side(name, patch, label, patch.triangles[(both == label).any(axis=1)]))
        return tuple(found)

    def outward(self, side: Side) -> Triangles:
        """(k, 3) int32: the triangles of a side with normals that look out of its tissue."""
        return turned(self.surface, side.triangles, side.label)
