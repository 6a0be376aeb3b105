"""The formats by name: what each needs, and what writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...core.anatomy import Anatomy
from ..meshed import Meshed
from .abaqus import write_abaqus
from .febio import write_febio
from .gmsh import write_gmsh, write_gmsh22
from .opencarp import write_opencarp
from .pyansys import write_pyansys
from .simvascular import write_simvascular
from .stl import write_stl
from .vtk import write_vtk
from .xdmf import write_fenicsx


@dataclass(frozen=True)
class Format:
    """write: writes into an empty folder. tetrahedra: whether it needs them. surfaces: whether surfaces alone are
    most often wanted in it, so that nobody need wait for tetrahedra. unit: of lengths in its files.
    """

    write: Callable[[Meshed, Path, Anatomy], None]
    tetrahedra: bool = False
    surfaces: bool = False
    unit: str = "mm"


def _plain(write: Callable[[Meshed, Path], None]) -> Callable[[Meshed, Path, Anatomy], None]:
    return lambda meshed, folder, anatomy: write(meshed, folder)


def _pyansys(meshed: Meshed, folder: Path, anatomy: Anatomy) -> None:
    names = {rule.id: rule.ansys for rule in anatomy.mesh.patches if rule.ansys}
    write_pyansys(meshed, folder, dict(anatomy.mesh.ansys_parts or {}), names)


FORMATS = {
    "gmsh": Format(_plain(write_gmsh)),
    "gmsh22": Format(_plain(write_gmsh22)),
    "abaqus": Format(_plain(write_abaqus)),
    "febio": Format(_plain(write_febio), tetrahedra=True),
    "opencarp": Format(_plain(write_opencarp), tetrahedra=True, unit="micrometre"),
    "simvascular": Format(_plain(write_simvascular), tetrahedra=True),
    "pyansys": Format(_pyansys, surfaces=True),
    "fenicsx": Format(_plain(write_fenicsx)),
    "vtk": Format(_plain(write_vtk), surfaces=True),
    "stl": Format(_plain(write_stl), surfaces=True),
}
