"""Abaqus .inp: C3D4 with an element set for each tissue, node sets and surfaces for each patch; else S3 by patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..meshed import Meshed
from .faces import faces_of
from .text import DIGITS, numbered, write_text

IN_A_LINE = 16  # numbers that a line of a set may have


def write_abaqus(meshed: Meshed, folder: Path) -> None:
    """NAME.inp."""
    parts = [f"*HEADING\n{meshed.name}, mm, SPACE={meshed.space}\n*NODE, NSET=all_nodes\n",
             numbered(meshed.points, ", ", DIGITS)]
    parts += _solid(meshed) if meshed.volume is not None else _shells(meshed)
    for patch in meshed.patches:
        nodes = np.unique(meshed.surface.triangles[patch.triangles]) + 1
        parts.append(f"*NSET, NSET={patch.id}_nodes\n{_set(nodes)}")
    write_text(folder / f"{meshed.name}.inp", *parts)


def _solid(meshed: Meshed) -> list[str]:
    """Tetrahedra by tissue, numbered in the order of the mesh's blocks, and the surfaces of patches."""
    volume = meshed.volume
    assert volume is not None
    number = np.zeros(len(volume.tetrahedra), dtype=np.int64)
    parts, first = [], 1
    for label, part in meshed.parts.items():
        rows = np.flatnonzero(volume.tissue == label)
        number[rows] = np.arange(first, first + len(rows))
        parts += [f"*ELEMENT, TYPE=C3D4, ELSET={part.id}\n",
                  numbered(volume.tetrahedra[rows] + 1, ", ", first=first)]
        first += len(rows)
    for side in meshed.sides:
        rows, faces = faces_of(volume, meshed.surface.triangles[side.triangles], side.label)
        parts.append(f"*SURFACE, TYPE=ELEMENT, NAME={side.name}\n")
        parts += [f"{element}, S{face + 1}\n" for element, face in zip(number[rows].tolist(), faces.tolist(),
                                                                      strict=True)]
    return parts


def _shells(meshed: Meshed) -> list[str]:
    """Triangles by patch."""
    parts, first = [], 1
    for patch in meshed.patches:
        corners = meshed.surface.triangles[patch.triangles] + 1
        parts += [f"*ELEMENT, TYPE=S3, ELSET={patch.id}\n", numbered(corners, ", ", first=first)]
        first += len(corners)
    return parts


def _set(numbers: npt.NDArray[np.integer]) -> str:
    listed = [str(number) for number in numbers.tolist()]
    return "".join(", ".join(listed[at:at + IN_A_LINE]) + "\n" for at in range(0, len(listed), IN_A_LINE))
