"""Meshes in memory: surfaces between tissues that share their points, patches of them, and tetrahedra.

Points are RAS mm, whatever a file may want; who writes a file converts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError

Points = npt.NDArray[np.float64]
Triangles = npt.NDArray[np.int32]
Sides = npt.NDArray[np.int16]
OUTSIDE = 0  # the label of what belongs to no tissue
CODE = 1 << 15  # above every label


@dataclass(frozen=True)
class SurfaceMesh:
    """All surfaces between tissues and around them, without gaps: neighbours share points.

    points: (n, 3) float64, RAS mm. triangles: (m, 3) int32, rows of `points`. sides: (m, 2) int16 label values: the
    normal of a triangle, by the right hand, looks from sides[:, 0] into sides[:, 1]. Of two tissues the smaller label
    stands first; the outside, 0, always stands second. Raises InputError where the arrays are anything else.
    """

    points: Points
    triangles: Triangles
    sides: Sides

    def __post_init__(self) -> None:
        _require(self.points, "points", np.float64, 3)
        _require(self.triangles, "triangles", np.int32, 3)
        _require(self.sides, "sides", np.int16, 2)
        if len(self.sides) != len(self.triangles):
            raise InputError("The surface mesh cannot be used",
                             value=f"{len(self.triangles)} triangles, {len(self.sides)} pairs of sides",
                             rule="one pair of sides for each triangle")
        _require_rows(self.triangles, len(self.points), "triangles")
        first, second = self.sides[:, 0], self.sides[:, 1]
        wrong = (first <= OUTSIDE) | (second < OUTSIDE) | ((second != OUTSIDE) & (first >= second))
        if wrong.any():
            raise InputError("The surface mesh cannot be used",
                             value=f"sides {tuple(self.sides[np.argmax(wrong)].tolist())}",
                             rule="the smaller label first, the outside (0) second")

    @property
    def tissues(self) -> tuple[int, ...]:
        """The label values that have a surface, in ascending order."""
        return tuple(sorted({label for pair in self.pairs for label in pair} - {OUTSIDE}))

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of labels that have a surface between them, in ascending order."""
        codes = np.unique(self.side_codes).tolist()
        return tuple(divmod(code, CODE) for code in codes)

    @property
    def side_codes(self) -> npt.NDArray[np.int64]:
        """(m,) one number for each pair of labels: the first times CODE, and the second."""
        return np.asarray(self.sides[:, 0].astype(np.int64) * CODE + self.sides[:, 1])

    def between(self, first: int, second: int) -> npt.NDArray[np.int32]:
        """(k,) int32: the triangles between two labels, in whichever order these are given."""
        near, far = self.sides[:, 0], self.sides[:, 1]
        found = ((near == first) & (far == second)) | ((near == second) & (far == first))
        return np.flatnonzero(found).astype(np.int32)

    def around(self, tissue: int) -> Triangles:
        """(k, 3) int32: the closed surface of one tissue, every triangle turned so that its normal looks outwards."""
        outward = self.triangles[self.sides[:, 0] == tissue]
        inward = self.triangles[self.sides[:, 1] == tissue]
        return np.concatenate([outward, inward[:, ::-1]])

    def volume(self, tissue: int) -> float:
        """Volume in mm^3 that the closed surface of a tissue holds."""
        return enclosed_volume(self.points, self.around(tissue))

    def area(self, triangles: npt.NDArray[np.integer] | None = None) -> float:
        """Area in mm^2 of these triangles (k,), of all if none are given."""
        chosen = self.triangles if triangles is None else self.triangles[triangles]
        return float(triangle_areas(self.points, chosen).sum())


@dataclass(frozen=True)
class Patch:
    """A named part of a surface: a valve, the cut end of a vessel, a wall, the interface of two tissues.

    name: for people ("mitral valve"). id: for files ("mitral_valve"). kind: "valve", "cut", "wall", "interface" or
    another word of that sort. triangles: (k,) int32, rows of the surface's triangles. centre: (3,) RAS mm. normal:
    (3,) unit vector, RAS. diameters: mm, by what they are ("least", "greatest", "of equal area").
    """

    name: str
    id: str
    kind: str
    triangles: npt.NDArray[np.int32]
    centre: npt.NDArray[np.float64]
    normal: npt.NDArray[np.float64]
    area_mm2: float
    perimeter_mm: float
    diameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class VolumeMesh:
    """Tetrahedra of every tissue, with the surfaces that bound them.

    points: (n, 3) float64, RAS mm. tetrahedra: (t, 4) int32, each of positive volume: the normal of its first three
    points, by the right hand, looks to the fourth. tissue: (t,) int16 label of each. surface: its triangles are rows of
    the same points, which it holds as the same array. Raises InputError where the arrays are anything else.
    """

    points: Points
    tetrahedra: npt.NDArray[np.int32]
    tissue: npt.NDArray[np.int16]
    surface: SurfaceMesh

    def __post_init__(self) -> None:
        _require(self.points, "points", np.float64, 3)
        _require(self.tetrahedra, "tetrahedra", np.int32, 4)
        if self.tissue.shape != (len(self.tetrahedra),) or self.tissue.dtype != np.int16:
            raise InputError("The volume mesh cannot be used", value=f"tissue {self.tissue.shape} {self.tissue.dtype}",
                             rule=f"({len(self.tetrahedra)},) int16, a label for each tetrahedron")
        _require_rows(self.tetrahedra, len(self.points), "tetrahedra")
        if self.surface.points is not self.points:
            raise InputError("The volume mesh cannot be used", value="a surface with points of its own",
                             rule="tetrahedra and surface share their points")
        wrong = self.volumes() <= 0
        if wrong.any():
            raise InputError("The volume mesh cannot be used",
                             value=f"{int(wrong.sum())} of {len(wrong)} tetrahedra are flat or turned inside out",
                             rule="every tetrahedron has a positive volume")

    def volumes(self) -> npt.NDArray[np.float64]:
        """(t,) float64: volume of each tetrahedron in mm^3."""
        first, second, third, fourth = (self.points[self.tetrahedra[:, corner]] for corner in range(4))
        return np.asarray(np.einsum("ij,ij->i", np.cross(second - first, third - first), fourth - first) / 6.0)


def triangle_normals(points: Points, triangles: Triangles) -> npt.NDArray[np.float64]:
    """(m, 3) float64: normals by the right hand, each as long as twice its triangle's area in mm^2."""
    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    return np.asarray(np.cross(second - first, third - first), dtype=np.float64)


def triangle_areas(points: Points, triangles: Triangles) -> npt.NDArray[np.float64]:
    """(m,) float64: areas in mm^2."""
    return np.asarray(np.linalg.norm(triangle_normals(points, triangles), axis=1) / 2.0, dtype=np.float64)


def enclosed_volume(points: Points, triangles: Triangles) -> float:
    """Volume in mm^3 inside a closed surface whose normals look outwards; negative where they look inwards."""
    if not len(triangles):
        return 0.0
    near = points - points[triangles[0, 0]]  # far from the origin the sum would lose digits
    first, second, third = (near[triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", first, np.cross(second, third)) / 6.0)


def _require(array: npt.NDArray[np.generic], name: str, dtype: type[np.generic], columns: int) -> None:
    if array.ndim != 2 or array.shape[1] != columns or array.dtype != dtype:
        raise InputError("The mesh cannot be used", value=f"{name} {array.shape} {array.dtype}",
                         rule=f"{name} are (n, {columns}) {np.dtype(dtype).name}")


def _require_rows(corners: npt.NDArray[np.int32], count: int, name: str) -> None:
    if len(corners) and (corners.min() < 0 or corners.max() >= count):
        raise InputError("The mesh cannot be used", value=f"{name} from {corners.min()} to {corners.max()}",
                         rule=f"rows of the {count} points")
