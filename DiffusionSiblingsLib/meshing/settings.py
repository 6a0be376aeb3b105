"""What a mesh is asked to be. Light: the command line builds it before numpy is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..core.errors import InputError
from ..core.limits import LEAST_MESH_EDGE_MM

Space = Literal["LPS", "RAS"]
Fill = Literal["as the formats need", "surfaces", "tetrahedra"]
MOST_EDGE_MM = 20.0
MOST_THICKNESS_MM = 20.0
GRADES = (1, 2, 4)
"""How many times longer than asked edges may become inside tissues; above 1, those at thin walls are half as long."""


@dataclass(frozen=True)
class MeshSettings:
    """formats: names, of `formats.listing`. fill: whether tissues are filled with tetrahedra. edge_mm: length of edges,
    None for that of the voxels. walls: tissue -> thickness of a wall to grow, mm. valves_mm: thickness of valves to
    grow, None for no valves. numbering: of the anatomy's mesh numberings, "" for our own. grade: of tetrahedra, 1 for
    one size, 2 or 4 for edges up to so many times longer inside tissues. like: SHA-256 of the twin's map whose elements
    meshes get, "" for elements of their own. Raises InputError.
    """

    formats: tuple[str, ...] = ("vtk", "stl")
    fill: Fill = "as the formats need"
    edge_mm: float | None = None
    walls: Mapping[str, float] = field(default_factory=dict)
    valves_mm: float | None = None
    numbering: str = ""
    space: Space = "LPS"
    grade: int = 1
    like: str = ""

    def __post_init__(self) -> None:
        if self.edge_mm is not None and not LEAST_MESH_EDGE_MM <= self.edge_mm <= MOST_EDGE_MM:
            raise InputError("The edge length cannot be used", value=f"{self.edge_mm:g} mm",
                             rule=f"from {LEAST_MESH_EDGE_MM:g} to {MOST_EDGE_MM:g} mm", hint="for example --edge 2")
        if self.grade not in GRADES:
            raise InputError("The grade cannot be used", value=self.grade, rule=f"one of {', '.join(map(str, GRADES))}",
                             hint="for example --grade 2")
        for name, mm in {**self.walls, **({} if self.valves_mm is None else {"valves": self.valves_mm})}.items():
            if not 0 < mm <= MOST_THICKNESS_MM:
                raise InputError("The thickness cannot be used", value=f"{name}={mm:g}",
                                 rule=f"above 0 mm, up to {MOST_THICKNESS_MM:g} mm", hint="for example RV=3")

    def to_json(self) -> dict[str, Any]:
        """Plain values; equal settings give equal ones."""
        return {"formats": list(self.formats), "fill": self.fill, "edge_mm": self.edge_mm, "walls_mm": dict(self.walls),
                "valves_mm": self.valves_mm, "numbering": self.numbering, "space": self.space,
                "grade": self.grade, "like": self.like}


def parse_walls(text: str) -> dict[str, float]:
    """"RV=3,LA=2" -> tissue -> mm. Raises InputError."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        try:
            mm = float(number)
        except ValueError:
            mm = float("nan")
        if not equals or not name or mm != mm or name in found:
            raise InputError("The walls cannot be read", value=text, rule="tissue=thickness in mm, each tissue once",
                             hint='for example --walls "RV=3,LA=2"')
        found[name] = mm
    return found
