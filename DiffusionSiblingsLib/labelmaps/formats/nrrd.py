"""NRRD files with their voxels inside (.nrrd, .seg.nrrd): http://teem.sourceforge.net/nrrd/format.html.

The header is parsed here and not by pynrrd, which loses letters that are not ASCII, takes key/value pairs for fields
and refuses sound files: docs/decisions/0012-readers.md, and the files that show it in Testing/lib/labelmaps.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.labelmap import LabelMap
from .guard import Guarded, guarded, refuse_detached
from .nrrd_space import Space, space_of
from .slicer_segments import extras_of, layers_described, metadata_of, segments_of, without_segments
from .volume import LPS, Volume, as_labels, little_endian, not_3d, one_time_point, storable

_TYPES: dict[str, type[np.generic]] = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), np.int8),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), np.uint8),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), np.int16),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), np.uint16),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), np.int32),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), np.uint32),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), np.int64),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), np.uint64),
    "float": np.float32,
    "double": np.float64,
}
_NAMES = {
    np.int8: "signed char", np.uint8: "unsigned char", np.int16: "short", np.uint16: "unsigned short",
    np.int32: "int", np.uint32: "unsigned int", np.int64: "long long int", np.uint64: "unsigned long long int",
}  # fmt: skip
_ENDIAN: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_SKIPS = ("line skip", "lineskip", "byte skip", "byteskip")
_PACKINGS = {"gz": "gzip", "bz2": "bzip2"}


def read_nrrd(path: Path) -> Volume:
    """The volume of an NRRD file, with Slicer's segments where its header lists them. Raises InputError."""
    with guarded(path) as file:
        fields, metadata = _read_header(file)
        dtype, sizes = _voxels(fields, path)
        encoding = fields["encoding"].lower()
        file.unpack(_PACKINGS.get(encoding, encoding))
        space = space_of(fields, sizes, layers_described(metadata))
        if len(space.spatial) != 3 or len(sizes) > 4:
            raise not_3d(path, sizes)
        array, timed = _layers_last(file.voxels(dtype, sizes), space, path)
        segments, layer_of = segments_of(metadata, 1 if array.ndim == 3 else array.shape[3])
        labels, rounded = as_labels(array, path)
        kept = {"metadata": without_segments(metadata), "extras": extras_of(metadata), "dtype": dtype.newbyteorder("=")}
        return Volume(labels, space.affine, segments, layer_of, kept, (*file.notes, *space.notes, *timed, *rounded))


def _read_header(file: Guarded) -> tuple[dict[str, str], dict[str, str]]:
    """Fields ("sizes" -> "4 5 6", names in lower case) and key/value pairs; the file is left at the first voxel."""
    if not re.match(r"NRRD000[1-6]\s*$", file.line()):
        raise ValueError("it does not begin with an NRRD header")
    fields: dict[str, str] = {}
    metadata: dict[str, str] = {}
    while line := file.line():
        if line.startswith("#"):
            continue
        key, separator, value = _split(line)
        if separator == ":=":
            metadata[key] = re.sub(r"\\([n\\])", lambda found: "\n" if found[1] == "n" else "\\", value)
        else:
            fields[key.strip().lower()] = value.strip()
    return fields, metadata


def _split(line: str) -> tuple[str, str, str]:
    """A header line -> key, ":=" or ":", value."""
    key, colon, value = line.partition(":")
    if not colon or not key:
        raise ValueError(f"header line {line[:60]!r}")
    return (key, ":=", value[1:]) if value.startswith("=") else (key, ":", value)


def _voxels(fields: dict[str, str], path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Stored dtype and sizes, fastest axis first."""
    if "data file" in fields or "datafile" in fields:
        raise refuse_detached(path, ".nrrd")
    if skipped := {name: fields[name] for name in _SKIPS if int(fields.get(name, "0")) != 0}:
        raise InputError(f"The header of {path} is not supported", value=skipped, rule="no lines or bytes are skipped",
                         hint="save it in Slicer again")
    kind = fields["type"].lower()
    if kind not in _TYPES:
        raise InputError(f"{path} does not hold label values", value=f"NRRD type {kind}",
                         rule="each voxel is one integer or floating-point number")
    dtype = np.dtype(_TYPES[kind])
    if dtype.itemsize > 1:
        dtype = dtype.newbyteorder(_ENDIAN[fields["endian"].lower()])
    sizes = tuple(int(size) for size in fields["sizes"].split())
    if len(sizes) != int(fields["dimension"]):
        raise ValueError("dimension and sizes contradict each other")
    return dtype, sizes


def _layers_last(array: npt.NDArray[Any], space: Space, path: Path) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """(K, J, I), or (K, J, I, layers) with an axis of layers, and notes. Raises InputError for a series in time."""
    if array.ndim == 3:
        return array, ()
    other = next(axis for axis in range(4) if axis not in space.spatial)
    if space.temporal:
        return one_time_point(np.moveaxis(array, 3 - other, 0), path)
    return np.moveaxis(array, 3 - other, 3), ()


def write_nrrd(labelmap: LabelMap, path: Path, named: bool = True) -> None:
    """Writes a label map, with Slicer's segment fields if `named`, and then with segments beside it in layers of their
    own. Other pairs of its original file are kept.
    """
    data = storable(labelmap.labels, labelmap.header.get("dtype"))
    beside = labelmap.header.get("beside", ()) if named else ()
    if beside:
        stacked: npt.NDArray[Any] = np.stack([labelmap.labels, *(mask * np.int64(s.value) for s, mask in beside)], -1)
        data = storable(stacked, labelmap.header.get("dtype"))
    affine = LPS @ labelmap.affine
    vectors = " ".join(f"({_numbers(affine[:3, axis])})" for axis in range(3))
    lines = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        f"type: {_NAMES[data.dtype.type]}",
        f"dimension: {data.ndim}",
        "space: left-posterior-superior",
        "sizes: " + " ".join(map(str, data.shape[::-1])),
        f"space directions: {'none ' * bool(beside)}{vectors}",
        f"kinds: {'list ' * bool(beside)}domain domain domain",
        *(["endian: little"] if data.dtype.itemsize > 1 else []),
        "encoding: gzip",
        f"space origin: ({_numbers(affine[:3, 3])})",
    ]
    for key, value in {**labelmap.header.get("metadata", {}), **(metadata_of(labelmap) if named else {})}.items():
        lines.append(f"{key}:={_escape(value)}")
    head = "\n".join(lines) + "\n\n"
    with path.open("wb") as file:
        file.write(head.encode("utf-8", errors="surrogateescape"))
        with gzip.GzipFile("", "wb", compresslevel=5, fileobj=file, mtime=0) as packed:
            packed.write(little_endian(data))


def _numbers(vector: npt.NDArray[np.float64]) -> str:
    return ",".join(repr(float(value) + 0.0) for value in vector)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\r", "").replace("\n", "\\n")
