"""VTK's XML files, .vtp and .vtu, with binary arrays in base64: valid XML that every reader takes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from .text import write_text

Array = npt.NDArray[np.generic]
TYPES = {"f8": "Float64", "f4": "Float32", "i8": "Int64", "i4": "Int32", "u1": "UInt8"}
TETRAHEDRON = 10  # VTK's number of the type


def write_vtp(path: Path, points: Array, triangles: Array, cells: Mapping[str, Array],
              of_points: Mapping[str, Array] | None = None, notes: Mapping[str, str] | None = None) -> None:
    """Triangles. cells, of_points: arrays by name, one row for each triangle or point. notes: texts of the whole."""
    ends = np.arange(3, 3 * len(triangles) + 1, 3, dtype=np.int64)
    body = ("<Polys>\n", _array("connectivity", triangles.astype(np.int64).ravel()), _array("offsets", ends),
            "</Polys>\n")
    _write(path, "PolyData", f'NumberOfPolys="{len(triangles)}"', points, "".join(body), (cells, of_points, notes))


def write_vtu(path: Path, points: Array, tetrahedra: Array, cells: Mapping[str, Array],
              of_points: Mapping[str, Array] | None = None, notes: Mapping[str, str] | None = None) -> None:
    """Tetrahedra; see `write_vtp`."""
    ends = np.arange(4, 4 * len(tetrahedra) + 1, 4, dtype=np.int64)
    body = ("<Cells>\n", _array("connectivity", tetrahedra.astype(np.int64).ravel()), _array("offsets", ends),
            _array("types", np.full(len(tetrahedra), TETRAHEDRON, dtype=np.uint8)), "</Cells>\n")
    _write(path, "UnstructuredGrid", f'NumberOfCells="{len(tetrahedra)}"', points, "".join(body),
           (cells, of_points, notes))


def _write(path: Path, kind: str, count: str, points: Array, body: str,
           data: tuple[Mapping[str, Array], Mapping[str, Array] | None, Mapping[str, str] | None]) -> None:
    cells, of_points, notes = data
    texts = "".join(map(_text, (notes or {}).items()))
    write_text(
        path, '<?xml version="1.0"?>\n'
        f'<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n<{kind}>\n',
        f"<FieldData>\n{texts}</FieldData>\n" if texts else "",
        f'<Piece NumberOfPoints="{len(points)}" {count}>\n',
        *_group("PointData", of_points or {}), *_group("CellData", cells),
        "<Points>\n", _array("Points", points), "</Points>\n", body, f"</Piece>\n</{kind}>\n</VTKFile>\n")


def _group(name: str, arrays: Mapping[str, Array]) -> list[str]:
    return [f"<{name}>\n", *(_array(key, values) for key, values in arrays.items()), f"</{name}>\n"]


def _array(name: str, values: Array) -> str:
    """One array of one row for each point or cell."""
    kind = values.dtype.str.lstrip("<>|=")
    raw = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
    text = base64.b64encode(len(raw).to_bytes(8, "little") + raw).decode("ascii")
    several = f' NumberOfComponents="{values.shape[1]}"' if values.ndim == 2 else ""
    return f'<DataArray type="{TYPES[kind]}" Name={quoteattr(name)}{several} format="binary">{text}</DataArray>\n'


def _text(entry: tuple[str, str]) -> str:
    """A text as VTK writes it: the numbers of its letters, and 0 at its end."""
    name, text = entry
    letters = " ".join(map(str, [*text.encode("utf-8"), 0]))
    return f'<Array type="String" Name={quoteattr(name)} NumberOfTuples="1" format="ascii">{letters}</Array>\n'
