"""The NIfTI header record and its geometry: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.labelmap import Affine

Header = Any  # a numpy record of V1 or V2, which the stubs cannot type

DTYPES: dict[int, type[np.generic]] = {
    2: np.uint8, 4: np.int16, 8: np.int32, 16: np.float32, 64: np.float64,
    256: np.int8, 512: np.uint16, 768: np.uint32, 1024: np.int64, 1280: np.uint64,
}  # fmt: skip
CODES = {dtype: code for code, dtype in DTYPES.items()}
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # NIfTI unit code -> mm

V1 = np.dtype([
    ("sizeof_hdr", "<i4"), ("data_type", "S10"), ("db_name", "S18"), ("extents", "<i4"), ("session_error", "<i2"),
    ("regular", "u1"), ("dim_info", "u1"), ("dim", "<i2", 8), ("intent_p", "<f4", 3), ("intent_code", "<i2"),
    ("datatype", "<i2"), ("bitpix", "<i2"), ("slice_start", "<i2"), ("pixdim", "<f4", 8), ("vox_offset", "<f4"),
    ("scl_slope", "<f4"), ("scl_inter", "<f4"), ("slice_end", "<i2"), ("slice_code", "u1"), ("xyzt_units", "u1"),
    ("cal_max", "<f4"), ("cal_min", "<f4"), ("slice_duration", "<f4"), ("toffset", "<f4"), ("glmax", "<i4"),
    ("glmin", "<i4"), ("descrip", "S80"), ("aux_file", "S24"), ("qform_code", "<i2"), ("sform_code", "<i2"),
    ("quatern", "<f4", 3), ("qoffset", "<f4", 3), ("srow", "<f4", (3, 4)), ("intent_name", "S16"), ("magic", "S4"),
])  # fmt: skip
V2 = np.dtype([
    ("sizeof_hdr", "<i4"), ("magic", "S8"), ("datatype", "<i2"), ("bitpix", "<i2"), ("dim", "<i8", 8),
    ("intent_p", "<f8", 3), ("pixdim", "<f8", 8), ("vox_offset", "<i8"), ("scl_slope", "<f8"), ("scl_inter", "<f8"),
    ("cal_max", "<f8"), ("cal_min", "<f8"), ("slice_duration", "<f8"), ("toffset", "<f8"), ("slice_start", "<i8"),
    ("slice_end", "<i8"), ("descrip", "S80"), ("aux_file", "S24"), ("qform_code", "<i4"), ("sform_code", "<i4"),
    ("quatern", "<f8", 3), ("qoffset", "<f8", 3), ("srow", "<f8", (3, 4)), ("slice_code", "<i4"),
    ("xyzt_units", "<i4"), ("intent_code", "<i4"), ("intent_name", "S16"), ("dim_info", "u1"), ("unused", "S15"),
])  # fmt: skip


def affine_of(header: Header) -> Affine:
    """(4, 4) voxel IJK -> RAS mm: sform, else qform, else spacing (methods 3, 2, 1 of the standard)."""
    affine = np.eye(4)
    if int(header["sform_code"]) > 0:
        affine[:3] = header["srow"]
    elif int(header["qform_code"]) > 0:
        spacing = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
        spacing[2] *= -1.0 if header["pixdim"][0] < 0 else 1.0
        affine[:3, :3] = rotation(np.asarray(header["quatern"], dtype=np.float64)) * spacing
        affine[:3, 3] = header["qoffset"]
    else:
        affine[:3, :3] = np.diag(np.abs(header["pixdim"][1:4]))
    affine[:3] *= _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    return affine


def rotation(quaternion: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3,) b, c, d of a unit quaternion -> (3, 3) rotation."""
    b, c, d = quaternion
    square = 1.0 - b * b - c * c - d * d
    if square < 1e-7:  # a half turn; rounding may leave it a little below 0
        b, c, d = quaternion / np.linalg.norm(quaternion)
        square = 0.0
    a = np.sqrt(square)
    return np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip


def quaternion_of(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, 3) rotation -> (3,) b, c, d with a >= 0: the eigenvector of Bar-Itzhack's symmetric matrix."""
    m = matrix
    k = np.array([
        [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
        [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
        [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1]],
    ])  # fmt: skip
    best: npt.NDArray[np.float64] = np.linalg.eigh(k)[1][:, -1]
    return best[1:] * (1.0 if best[0] >= 0 else -1.0)


def set_affine(header: Header, affine: Affine) -> None:
    """Puts the affine into sform, spacing and, where the axes are at right angles, qform; units mm."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    sign = -1.0 if np.linalg.det(directions) < 0 else 1.0
    square = np.allclose(directions.T @ directions, np.eye(3), atol=1e-5)
    header["pixdim"] = [sign, *spacing, 1, 0, 0, 0]
    header["srow"], header["sform_code"] = affine[:3], int(header["sform_code"]) or 1
    header["qform_code"] = (int(header["qform_code"]) or 1) if square else 0
    if square:
        header["quatern"] = quaternion_of(directions * [1.0, 1.0, sign])
        header["qoffset"] = affine[:3, 3]
    header["xyzt_units"] = (int(header["xyzt_units"]) & ~7) | 2


def new_header(old: Header | None) -> Header:
    """A little-endian NIfTI-1 header, with everything of `old` (either version) that it has a place for."""
    header = np.zeros((), dtype=V1)
    if old is not None:
        for name in V1.names or ():
            if name in (old.dtype.names or ()):
                header[name] = old[name]
    header["sizeof_hdr"], header["magic"] = V1.itemsize, b"n+1"
    return header
