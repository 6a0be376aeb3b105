"""NIfTI-1 and NIfTI-2 files, one file each (.nii, .nii.gz): https://nifti.nimh.nih.gov/nifti-1/documentation."""

from __future__ import annotations

import gzip
import html
import re
import struct
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np

from ...core.errors import InputError
from ...core.labelmap import Affine, LabelMap, Segment
from .nifti_header import CODES, DTYPES, V1, V2, Header, affine_of, new_header, set_affine
from .volume import Volume, as_labels, little_endian, read_array, reading, storable


def read_nifti(path: Path) -> Volume:
    """The volume of a NIfTI file; labels are integers already. Raises InputError."""
    with reading(path):
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
            header = _read_header(stream, path)
            dtype, sizes = _voxels(header, path)
            gap = int(header["vox_offset"]) - header.dtype.itemsize
            if not 0 <= gap <= 1 << 28:
                raise ValueError(f"voxels start at byte {header['vox_offset']}")
            extensions = stream.read(gap)
            if len(extensions) < gap:
                raise EOFError("ends before the voxels")
            array = read_array(stream, dtype, sizes, path.stat().st_size)
        slope, offset = float(header["scl_slope"]), float(header["scl_inter"])
        if slope == 0 or not np.isfinite(slope) or not np.isfinite(offset):
            slope, offset = 1.0, 0.0
        affine = affine_of(header)
        segments = label_table(extensions)
    labels = as_labels(array, path, slope, offset)
    kept = {"nifti": header, "extensions": extensions, "dtype": dtype.newbyteorder("="), "affine": affine}
    return Volume(labels, affine, segments, header=kept)


def _read_header(stream: IO[bytes], path: Path) -> Header:
    """The header as a record of either version, in its own byte order."""
    raw = stream.read(V1.itemsize)
    if len(raw) < V1.itemsize:
        raise EOFError("ends inside the header")
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        size = struct.unpack(order + "i", raw[:4])[0]
        version = {V1.itemsize: V1, V2.itemsize: V2}.get(size)
        if version is not None:
            raw += stream.read(version.itemsize - len(raw))
            header = np.frombuffer(raw, dtype=version.newbyteorder(order))[0].copy()
            magic = bytes(header["magic"])[:3]
            if magic in (b"ni1", b"ni2"):
                raise InputError(
                    f"{path} is the header of a pair of files",
                    rule="header and voxels in one .nii or .nii.gz file",
                    hint="convert it to .nii.gz",
                )
            if magic not in (b"n+1", b"n+2"):
                break
            return cast(Header, header)
    raise ValueError("no NIfTI header")


def _voxels(header: Header, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Stored dtype and the sizes of the three axes, fastest first."""
    code = int(header["datatype"])
    if code not in DTYPES:
        raise InputError(
            f"{path} holds no label values", value=f"NIfTI data type {code}", rule="integers or floats, one a voxel"
        )
    rank = int(header["dim"][0])
    if not 1 <= rank <= 7:
        raise ValueError(f"{rank} axes")
    sizes = tuple(int(size) for size in header["dim"][1 : rank + 1])
    if rank < 3 or any(size != 1 for size in sizes[3:]):
        raise InputError(
            f"{path} is not a 3D image",
            value=" x ".join(map(str, sizes)),
            rule="three axes; further axes of length 1 only",
            hint="give one label map, not a series of images",
        )
    return np.dtype(DTYPES[code]).newbyteorder(cast(Any, header.dtype["datatype"].byteorder)), sizes[:3]


def label_table(extensions: bytes) -> tuple[Segment, ...]:
    """Label names that TotalSegmentator and Connectome Workbench leave in a header extension (a Caret label table)."""
    text = extensions[4:].decode("utf-8", errors="replace") if extensions[:1] not in (b"", b"\0") else ""
    segments: dict[int, Segment] = {}
    for attributes, name in re.findall(r"<Label\b([^>]*)>(.*?)</Label>", text, flags=re.DOTALL):
        values = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', attributes))
        plain = re.sub(r"^\s*<!\[CDATA\[(.*)\]\]>\s*$", r"\1", name, flags=re.DOTALL)
        plain = plain if plain != name else html.unescape(name)
        try:
            value = int(values["Key"])
            color = tuple(float(values[channel]) for channel in ("Red", "Green", "Blue"))
        except (KeyError, ValueError):
            continue
        if value > 0:
            segments[value] = Segment(value, plain.strip(), color=(color[0], color[1], color[2]))
    return tuple(segments.values())


def _label_extension(segments: tuple[Segment, ...]) -> bytes:
    """The extension bytes (with the leading extender) of such a table."""
    rows = []
    for segment in segments:
        red, green, blue = segment.color or (0.5, 0.5, 0.5)
        name = html.escape(segment.name, quote=False)
        rows.append(f'<Label Key="{segment.value}" Red="{red}" Green="{green}" Blue="{blue}" Alpha="1">{name}</Label>')
    table = "\n".join(rows)
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<CaretExtension><VolumeInformation Index="0"><LabelTable>\n{table}\n'
    )
    content = (text + "</LabelTable></VolumeInformation></CaretExtension>").encode()
    size = -(-(len(content) + 8) // 16) * 16
    return b"\1\0\0\0" + struct.pack("<ii", size, 0) + content.ljust(size - 8, b"\0")


def write_nifti(labelmap: LabelMap, path: Path) -> None:
    """Writes a label map at `path`, packed if it ends in .gz; the header it came with is kept where it still fits."""
    data = storable(labelmap.labels, labelmap.header.get("dtype"))
    old = labelmap.header.get("nifti")
    extensions = b"\0\0\0\0"
    if old is not None:
        extensions = _native(labelmap.header["extensions"], old) or extensions
    elif any(segment.name for segment in labelmap.segments):
        extensions = _label_extension(labelmap.segments)
    header = new_header(old)
    header["dim"] = [3, *data.shape[::-1], 1, 1, 1, 1]
    header["datatype"], header["bitpix"] = CODES[data.dtype.type], data.dtype.itemsize * 8
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = V1.itemsize + len(extensions)
    if old is None or not _same(affine_of(header), labelmap.affine):
        set_affine(header, labelmap.affine)
    write_bytes(path, header.tobytes() + extensions, little_endian(data))


def _native(extensions: bytes, old: Header) -> bytes:
    """Extensions of a file as they are, if they can stand in a little-endian file: 16-byte pieces, else none."""
    little = old.dtype["datatype"].str[0] in "<|"
    return extensions if little and len(extensions) % 16 == 4 else b""


def _same(first: Affine, second: Affine) -> bool:
    return bool(np.allclose(first, second, rtol=1e-6, atol=1e-4))


def write_bytes(path: Path, head: bytes, voxels: memoryview) -> None:
    """Header and voxels into a file, through gzip where its name ends in .gz (same bytes for the same content)."""
    with path.open("wb") as file:
        if path.suffix != ".gz":
            file.write(head)
            file.write(voxels)
            return
        with gzip.GzipFile("", "wb", compresslevel=5, fileobj=file, mtime=0) as packed:
            packed.write(head)
            packed.write(voxels)
