"""MetaImage files with their voxels inside (.mha): https://itk.org/Wiki/ITK/MetaIO/Documentation.

The header is parsed here: SimpleITK ignores a wrong checksum and prints to the terminal, and no other well-kept library
reads the format (docs/decisions/0012-readers.md).
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.labelmap import Affine, LabelMap
from .guard import Guarded, guarded, refuse_detached
from .slicer_segments import extras_of, metadata_of, segments_of, without_segments
from .volume import LPS, NO_SPACING, Volume, as_labels, little_endian, not_3d, one_time_point, storable

_TYPES: dict[str, type[np.generic]] = {
    "MET_CHAR": np.int8, "MET_UCHAR": np.uint8, "MET_SHORT": np.int16, "MET_USHORT": np.uint16, "MET_INT": np.int32,
    "MET_UINT": np.uint32, "MET_LONG": np.int32, "MET_ULONG": np.uint32, "MET_LONG_LONG": np.int64,
    "MET_ULONG_LONG": np.uint64, "MET_FLOAT": np.float32, "MET_DOUBLE": np.float64,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _TYPES.items() if name not in ("MET_LONG", "MET_ULONG")}
_OWN = {
    "ObjectType", "NDims", "BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData",
    "CompressedDataSize", "CompressionLevel", "TransformMatrix", "Rotation", "Orientation", "Offset", "Position",
    "Origin", "CenterOfRotation", "AnatomicalOrientation", "ElementSpacing", "ElementSize", "DimSize", "HeaderSize",
    "ElementType", "ElementDataFile", "ElementNumberOfChannels", "ElementMin", "ElementMax",
}  # fmt: skip


def read_mha(path: Path) -> Volume:
    """The volume of an .mha file. Raises InputError."""
    with guarded(path) as file:
        fields = _read_header(file)
        dtype, sizes = _voxels(fields, path)
        if _is(fields, "CompressedData"):
            length = fields.get("CompressedDataSize")
            file.unpack("zlib", int(length) if length is not None else None)
        affine, notes = _affine(fields, len(sizes))
        array, timed = one_time_point(file.voxels(dtype, sizes), path)
        metadata = {key: value for key, value in fields.items() if key not in _OWN}
        segments, layer_of = segments_of(metadata, 1)
        labels, rounded = as_labels(array, path)
        kept = {"metadata": without_segments(metadata), "extras": extras_of(metadata), "dtype": dtype.newbyteorder("=")}
        return Volume(labels, affine, segments, layer_of, kept, (*file.notes, *notes, *timed, *rounded))


def _read_header(file: Guarded) -> dict[str, str]:
    """Field -> value; the file is left at the first byte of voxels."""
    fields: dict[str, str] = {}
    while "ElementDataFile" not in fields:
        key, separator, value = file.line().partition("=")
        if not separator:
            raise ValueError(f"header line {key[:60]!r}")
        fields[key.strip()] = value.strip()
    return fields


def _is(fields: dict[str, str], *names: str) -> bool:
    return any(fields.get(name, "False").lower() in ("true", "t", "1") for name in names)


def _voxels(fields: dict[str, str], path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Stored dtype and sizes, fastest axis first."""
    if fields["ElementDataFile"].upper() != "LOCAL":
        raise refuse_detached(path, ".mha")
    if "BinaryData" in fields and not _is(fields, "BinaryData"):
        raise InputError(f"{path} holds its voxels as text", rule="voxels are stored in binary form",
                         hint="save it as a binary .mha file")
    kind = fields["ElementType"].upper()
    if kind not in _TYPES or int(fields.get("ElementNumberOfChannels", "1")) != 1:
        value = f"{kind}, {fields.get('ElementNumberOfChannels', '1')} channels"
        raise InputError(f"{path} does not hold label values", value=value,
                         rule="each voxel is one integer or floating-point number")
    sizes = tuple(int(size) for size in fields["DimSize"].split())
    if len(sizes) != int(fields["NDims"]):
        raise ValueError("NDims and DimSize contradict each other")
    if not 3 <= len(sizes) <= 4:
        raise not_3d(path, sizes)
    swapped = _is(fields, "BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    return np.dtype(_TYPES[kind]).newbyteorder(">" if swapped else "<"), sizes


def _affine(fields: dict[str, str], rank: int) -> tuple[Affine, tuple[str, ...]]:
    """(4, 4) voxel IJK -> RAS mm, and notes; each row of TransformMatrix is the LPS direction of one voxel axis."""
    first = {"matrix": ("TransformMatrix", "Rotation", "Orientation"), "offset": ("Offset", "Position", "Origin"),
             "spacing": ("ElementSpacing", "ElementSize")}
    said = {key: next((fields[name] for name in names if name in fields), None) for key, names in first.items()}
    matrix = np.eye(rank) if said["matrix"] is None else _numbers_of(said["matrix"], rank * rank).reshape(rank, rank)
    if np.any(matrix[:3, 3:]) or np.any(matrix[3:, :3]):
        raise ValueError("an axis in space that also moves in time")
    affine = np.eye(4)
    affine[:3, :3] = matrix[:3, :3].T
    if said["spacing"] is not None:
        affine[:3, :3] *= _numbers_of(said["spacing"], rank)[:3]
    affine[:3, 3] = 0.0 if said["offset"] is None else _numbers_of(said["offset"], rank)[:3]
    return LPS @ affine, () if said["spacing"] is not None else (NO_SPACING,)


def _numbers_of(text: str, count: int) -> npt.NDArray[np.float64]:
    """(count,) float64. Raises ValueError for another count."""
    return np.array([float(value) for value in text.split(None, count)]).reshape(count)


def write_mha(labelmap: LabelMap, path: Path, named: bool = True) -> None:
    """Writes a label map, with the segment fields of .seg.nrrd as further fields if `named`."""
    data = storable(labelmap.labels, labelmap.header.get("dtype"))
    affine = LPS @ labelmap.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    packed = zlib.compress(little_endian(data), 5)
    extra = {**labelmap.header.get("metadata", {}), **(metadata_of(labelmap) if named else {})}
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True",
        "CompressedDataSize": str(len(packed)),
        "TransformMatrix": _numbers((affine[:3, :3] / spacing).T),
        "Offset": _numbers(affine[:3, 3]),
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": _numbers(spacing),
        **{key: " ".join(value.split("\n")) for key, value in extra.items() if "=" not in key},
        "DimSize": " ".join(map(str, data.shape[::-1])),
        "ElementType": _NAMES[data.dtype.type],
        "ElementDataFile": "LOCAL",
    }
    head = "".join(f"{key} = {value}\n" for key, value in fields.items())
    with path.open("wb") as file:
        file.write(head.encode("utf-8", errors="surrogateescape"))
        file.write(packed)


def _numbers(values: Any) -> str:
    return " ".join(repr(float(value) + 0.0) for value in np.ravel(values))
