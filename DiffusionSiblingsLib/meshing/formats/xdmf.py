"""XDMF for FEniCSx: the tetrahedra with their tissues, and the triangles of patches on the same points.

The numbers stand in the XML itself, as text, so that no library for HDF5 is needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..meshed import Meshed
from .text import DIGITS, lines, write_text


def write_fenicsx(meshed: Meshed, folder: Path) -> None:
    """NAME.xdmf: grid "mesh" with attribute "tissue". NAME.patches.xdmf: grid "patches" with attribute "patch"."""
    if meshed.volume is not None:
        _write(folder / f"{meshed.name}.xdmf", "mesh", meshed, meshed.volume.tetrahedra,
               ("tissue", meshed.values[meshed.volume.tissue]))
    _write(folder / f"{meshed.name}.patches.xdmf", "patches", meshed, meshed.surface.triangles,
           ("patch", meshed.patch_numbers))


def _write(path: Path, grid: str, meshed: Meshed, cells: npt.NDArray[np.int32],
           attribute: tuple[str, npt.NDArray[np.int32]]) -> None:
    kind = "Tetrahedron" if cells.shape[1] == 4 else "Triangle"
    name, values = attribute
    write_text(
        path, f'<?xml version="1.0"?>\n<!-- mm, SPACE={meshed.space} -->\n<Xdmf Version="3.0"><Domain>\n',
        f'<Grid Name="{grid}" GridType="Uniform">\n',
        f'<Topology TopologyType="{kind}" NumberOfElements="{len(cells)}" NodesPerElement="{cells.shape[1]}">\n',
        _item(cells, "Int"), lines(cells), "</DataItem></Topology>\n<Geometry GeometryType=\"XYZ\">\n",
        _item(meshed.points, "Float"), lines(meshed.points, number=DIGITS), "</DataItem></Geometry>\n",
        f'<Attribute Name="{name}" AttributeType="Scalar" Center="Cell">\n', _item(values[:, None], "Int"),
        lines(values[:, None]), "</DataItem></Attribute>\n</Grid>\n</Domain></Xdmf>\n")


def _item(values: npt.NDArray[np.generic], kind: str) -> str:
    size = " ".join(map(str, values.shape))
    precision = 8 if kind == "Float" else 4
    return f'<DataItem Dimensions="{size}" NumberType="{kind}" Precision="{precision}" Format="XML">\n'
