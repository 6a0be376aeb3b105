"""NIfTI-1 and NIfTI-2 files, one file each (.nii, .nii.gz): https://nifti.nimh.nih.gov/nifti-1/documentation.

nibabel parses and holds the header. The bytes come from the guard, and the geometry from `nifti_header`.
"""

from __future__ import annotations

import gzip
import html
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import InputError
from ...core.labelmap import Affine, LabelMap, Segment
from .guard import Guarded, guarded, refuse_detached
from .nifti_header import (
    affine_of,
    has_broken_sform,
    is_square,
    new_header,
    place_notes,
    set_affine,
    set_qform,
    set_voxels,
)
from .volume import Volume, as_labels, little_endian, not_3d, one_time_point, storable

if TYPE_CHECKING:  # see nifti_header
    from nibabel.nifti1 import Nifti1Header


def read_nifti(path: Path) -> Volume:
    """The volume of a NIfTI file; labels are integers already. Raises InputError."""
    with guarded(path) as file:
        file.unpack("gzip" if file.starts_with(b"\x1f\x8b") else "raw")
        header = _read_header(file)
        dtype, sizes = _voxels(header, path)
        extensions = file.header(int(header["vox_offset"]) - header.template_dtype.itemsize)
        array = file.voxels(dtype, sizes)
        slope, offset = float(header["scl_slope"]), float(header["scl_inter"])
        if slope == 0 or not np.isfinite(slope) or not np.isfinite(offset):
            slope, offset = 1.0, 0.0
        affine = affine_of(header)
        segments = label_table(extensions)
        all_labels, rounded = as_labels(array, path, slope, offset)
        labels, timed = one_time_point(all_labels, path)
        notes = (*file.notes, *place_notes(header, labels.shape), *timed, *rounded)
    kept = {"nifti": header, "extensions": extensions, "dtype": dtype.newbyteorder("="), "affine": affine}
    return Volume(labels, affine, segments, header=kept, notes=notes)


def _read_header(file: Guarded) -> Nifti1Header:
    """The header of either version, in its own byte order."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    kinds: dict[int, Any] = {kind.template_dtype.itemsize: kind for kind in (Nifti1Header, Nifti2Header)}
    raw = file.header(2)
    if raw == b"\x1f\x8b":
        raise InputError(f"{file.path} is packed twice", rule="the file is packed with gzip once, or not at all",
                         hint="unpack it with gzip -d, and try again")
    raw += file.header(min(kinds) - len(raw))
    for order in ("<", ">"):
        size = struct.unpack(order + "i", raw[:4])[0]
        if size not in kinds:
            continue
        header: Nifti1Header = kinds[size](raw + file.header(size - len(raw)), order, check=False)
        magic = bytes(header["magic"].item())[:3]
        if magic in (b"ni1", b"ni2"):
            raise refuse_detached(file.path, ".nii or .nii.gz")
        if magic in (b"n+1", b"n+2"):
            return header
        break
    raise ValueError("it does not begin with a NIfTI header")


def _voxels(header: Nifti1Header, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Stored dtype and the sizes of all axes, fastest first; three of them at least."""
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype = header.get_data_dtype()
    except HeaderDataError:
        dtype = np.dtype(np.void)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(
            f"{path} does not hold label values",
            value=f"NIfTI data type {int(header['datatype'])}",
            rule="each voxel is one integer or floating-point number",
        )
    rank = int(header["dim"][0])
    if not 1 <= rank <= 7:
        raise ValueError(f"{rank} axes")
    sizes = tuple(int(size) for size in header["dim"][1 : rank + 1])
    if rank < 3:
        raise not_3d(path, sizes)
    return dtype, sizes


def label_table(extensions: bytes) -> tuple[Segment, ...]:
    """The labels that TotalSegmentator and Connectome Workbench describe in a header extension (Caret label table)."""
    text = extensions[4:].decode("utf-8", errors="replace") if extensions[:1] not in (b"", b"\0") else ""
    segments: dict[int, Segment] = {}
    for attributes, name in _entries(text):
        values = _attributes(attributes)
        plain = name.strip()
        if plain.startswith("<![CDATA[") and plain.endswith("]]>"):
            plain = plain[len("<![CDATA[") : -len("]]>")]
        else:
            plain = html.unescape(plain)
        try:
            value = int(values["Key"])
            color = tuple(float(values[channel]) for channel in ("Red", "Green", "Blue"))
        except (KeyError, ValueError):
            continue
        if value > 0:
            segments[value] = Segment(value, plain.strip(), color=(color[0], color[1], color[2]))
    return tuple(segments.values())


def _attributes(text: str) -> dict[str, str]:
    """name="value" pairs, in one pass."""
    parts = text.split('"')
    return {name.strip(" \t\r\n="): value for name, value in zip(parts[::2], parts[1::2], strict=False)}


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Attributes and content of each <Label>, in one pass: a search for both ends at once is quadratic."""
    for piece in text.split("</Label>")[:-1]:
        found = re.search(r"<Label\b([^<>]{0,500})>", piece)
        if found:
            yield found[1], piece[found.end() :]


def _label_extension(segments: tuple[Segment, ...]) -> bytes:
    """The bytes of a header extension with such a table, including the leading extender."""
    rows = []
    for segment in segments:
        red, green, blue = segment.color or (0.5, 0.5, 0.5)
        name = html.escape(segment.name, quote=False)
        rows.append(f'<Label Key="{segment.value}" Red="{red}" Green="{green}" Blue="{blue}" Alpha="1">{name}</Label>')
    table = "\n".join(rows)
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<CaretExtension><VolumeInformation Index="0"><LabelTable>\n{table}\n'
    )
    content = (text + "</LabelTable></VolumeInformation></CaretExtension>").encode(errors="replace")
    size = -(-(len(content) + 8) // 16) * 16
    return b"\1\0\0\0" + struct.pack("<ii", size, 0) + content.ljust(size - 8, b"\0")


def write_nifti(labelmap: LabelMap, path: Path) -> None:
    """Writes a label map to `path`, packed if the name ends in .gz. What still fits of its old header is kept."""
    data = storable(labelmap.labels, labelmap.header.get("dtype"))
    old = labelmap.header.get("nifti")
    extensions = b"\0\0\0\0"
    if old is not None:
        extensions = _native(labelmap.header["extensions"], old) or extensions
    elif any(segment.name for segment in labelmap.segments):
        extensions = _label_extension(labelmap.segments)
    header = new_header(old)
    set_voxels(header, data, extensions)
    if old is None or has_broken_sform(header) or not _same(affine_of(header), labelmap.affine):
        set_affine(header, labelmap.affine)
    elif int(header["qform_code"]) <= 0 and not is_square(labelmap.affine):
        set_qform(header, labelmap.affine)
    write_bytes(path, header.binaryblock + extensions, little_endian(data))


def _native(extensions: bytes, old: Nifti1Header) -> bytes:
    """The extensions as they are if a little-endian file can hold them, in pieces of 16 bytes; otherwise nothing."""
    return extensions if old.endianness == "<" and len(extensions) % 16 == 4 else b""


def _same(first: Affine, second: Affine) -> bool:
    return bool(np.allclose(first, second, rtol=1e-6, atol=1e-4))


def write_bytes(path: Path, head: bytes, voxels: memoryview) -> None:
    """Writes header and voxels, through gzip if the name ends in .gz. The same content gives the same bytes."""
    with path.open("wb") as file:
        if path.suffix != ".gz":
            file.write(head)
            file.write(voxels)
            return
        with gzip.GzipFile("", "wb", compresslevel=5, fileobj=file, mtime=0) as packed:
            packed.write(head)
            packed.write(voxels)
