"""Gmsh .msh, as text: version 4.1, which FEniCSx and Gmsh take, and 2.2, which older programs take.

Physical groups: each tissue is one of dimension 3, each patch one of dimension 2, by name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..meshed import Meshed
from .text import DIGITS, lines, write_text

TRIANGLE, TETRAHEDRON = 2, 4  # Gmsh's numbers of their types
Rows = npt.NDArray[np.int64]


def write_gmsh(meshed: Meshed, folder: Path) -> None:
    """NAME.msh of version 4.1."""
    write_text(folder / f"{meshed.name}.msh", "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n", _names(meshed),
               _entities(meshed), _nodes(meshed), _elements(meshed))


def write_gmsh22(meshed: Meshed, folder: Path) -> None:
    """NAME.msh of version 2.2."""
    points = np.empty((len(meshed.points), 4), dtype=object)
    points[:, 0], points[:, 1:] = range(1, len(points) + 1), meshed.points
    node = f"%d {DIGITS} {DIGITS} {DIGITS}\n" * len(points) % tuple(points.ravel().tolist())
    first = 1
    blocks = []
    for dimension, number, cells in _cells(meshed):
        kind = TRIANGLE if dimension == 2 else TETRAHEDRON
        head = np.broadcast_to([kind, 2, number, number], (len(cells), 4))
        blocks.append(lines(np.column_stack([np.arange(first, first + len(cells)), head, cells + 1])))
        first += len(cells)
    write_text(folder / f"{meshed.name}.msh", "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n", _names(meshed),
               f"$Nodes\n{len(points)}\n", node, f"$EndNodes\n$Elements\n{first - 1}\n", *blocks, "$EndElements\n")


def _cells(meshed: Meshed) -> list[tuple[int, int, npt.NDArray[np.int32]]]:
    """Dimension, number of the physical group, and corners of each block: patches, then tissues."""
    found = [(2, number, meshed.surface.triangles[patch.triangles]) for number, patch in enumerate(meshed.patches, 1)]
    if meshed.volume is not None:
        found += [(3, part.value, meshed.volume.tetrahedra[meshed.volume.tissue == label])
                  for label, part in meshed.parts.items()]
    return found


def _names(meshed: Meshed) -> str:
    names = [f'2 {number} "{patch.id}"' for number, patch in enumerate(meshed.patches, 1)]
    if meshed.volume is not None:
        names += [f'3 {part.value} "{part.id}"' for part in meshed.parts.values()]
    return "\n".join(["$PhysicalNames", str(len(names)), *names, "$EndPhysicalNames", ""])


def _entities(meshed: Meshed) -> str:
    """A surface for each patch, a volume for each tissue with the patches around it."""
    blocks = _cells(meshed)
    surfaces = sum(dimension == 2 for dimension, _, _ in blocks)
    text = [f"$Entities\n0 0 {surfaces} {len(blocks) - surfaces}\n"]
    around: dict[int, list[int]] = {part.value: [] for part in meshed.parts.values()}
    numbers = {patch.id: number for number, patch in enumerate(meshed.patches, 1)}
    for side in meshed.sides if meshed.volume is not None else ():
        around[meshed.parts[side.label].value].append(numbers[side.patch.id])
    for dimension, number, cells in blocks:
        used = meshed.points[np.unique(cells)] if len(cells) else np.zeros((1, 3))
        box = " ".join(DIGITS % value for value in (*used.min(axis=0), *used.max(axis=0)))
        bounds = around.get(number, []) if dimension == 3 else []
        text.append(" ".join([f"{number} {box} 1 {number} {len(bounds)}", *map(str, bounds)]) + "\n")
    return "".join([*text, "$EndEntities\n"])


def _nodes(meshed: Meshed) -> str:
    """Each point in the block of the first patch that has it; those inside a tissue in the block of the tissue."""
    count = len(meshed.points)
    free = np.ones(count, dtype=np.bool_)
    blocks = []
    for dimension, number, cells in _cells(meshed):
        own = np.unique(cells)
        own = own[free[own]]
        free[own] = False
        if len(own):
            blocks.append(f"{dimension} {number} 0 {len(own)}\n" + lines(own[:, None] + 1)
                          + lines(meshed.points[own], number=DIGITS))
    used = count - int(free.sum())
    return "".join([f"$Nodes\n{len(blocks)} {used} 1 {count}\n", *blocks, "$EndNodes\n"])


def _elements(meshed: Meshed) -> str:
    first, blocks = 1, []
    for dimension, number, cells in _cells(meshed):
        if not len(cells):
            continue
        kind = TRIANGLE if dimension == 2 else TETRAHEDRON
        blocks.append(f"{dimension} {number} {kind} {len(cells)}\n"
                      + lines(np.column_stack([np.arange(first, first + len(cells)), cells + 1])))
        first += len(cells)
    return "".join([f"$Elements\n{len(blocks)} {first - 1} 1 {first - 1}\n", *blocks, "$EndElements\n"])
