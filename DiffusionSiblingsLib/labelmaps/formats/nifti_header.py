"""The geometry in a NIfTI header: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h.

nibabel knows the fields, both versions and both byte orders. The geometry is read and written here, because nibabel
ignores the unit of length, refuses quaternions that rounding made too long, mirrors the first axis of a header without
a transform, and writes quaternions whose last bit differs (docs/decisions/0012-readers.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...core.labelmap import Affine
from ..geometry.squared import MOST_OF_A_VOXEL, apart_mm, can_be_squared, squared
from .volume import LPS

if TYPE_CHECKING:  # nibabel takes 0.1 s to import, and only those who read or write NIfTI have to wait for it
    from nibabel.nifti1 import Nifti1Header

LEAST_VOXEL_MM3 = 1e-6
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # NIfTI unit code -> mm


def affine_of(header: Nifti1Header) -> Affine:
    """(4, 4) voxel IJK -> RAS mm: sform, else qform, else spacing (methods 3, 2, 1 of the standard)."""
    if int(header["sform_code"]) > 0 and not has_broken_sform(header):
        return sform_of(header)
    return qform_of(header) if int(header["qform_code"]) > 0 else _scaled(header, _spacing(header))


def has_broken_sform(header: Nifti1Header) -> bool:
    """Whether the sform cannot place a map, while the qform can: some programs set its code and leave its rows 0."""
    def sound(affine: Affine) -> bool:
        return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > LEAST_VOXEL_MM3)

    coded = int(header["sform_code"]) > 0 and int(header["qform_code"]) > 0
    return coded and not sound(sform_of(header)) and sound(qform_of(header))


def sform_of(header: Nifti1Header) -> Affine:
    """(4, 4) voxel IJK -> RAS mm: the rows of the header, whatever its codes."""
    return _scaled(header, np.array([header["srow_x"], header["srow_y"], header["srow_z"]], dtype=np.float64))


@np.errstate(all="ignore")  # what is not finite is refused later, with a message in place of numpy's warning
def qform_of(header: Nifti1Header) -> Affine:
    """(4, 4) voxel IJK -> RAS mm: the quaternion and the offset of the header, whatever its codes."""
    spacing = np.diag(_spacing(header)).copy()
    spacing[2] *= -1.0 if header["pixdim"][0] < 0 else 1.0
    quaternion = np.array([header[f"quatern_{part}"] for part in "bcd"], dtype=np.float64)
    offset = np.array([header[f"qoffset_{axis}"] for axis in "xyz"], dtype=np.float64)
    return _scaled(header, np.column_stack([rotation(quaternion) * spacing, offset]))


def _spacing(header: Nifti1Header) -> npt.NDArray[np.float64]:
    """(3, 3) the voxel edges on the diagonal, in the unit of the header."""
    return np.diag(np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64)))


@np.errstate(all="ignore")
def _scaled(header: Nifti1Header, rows: npt.NDArray[np.float64]) -> Affine:
    """(4, 4) in mm, from three rows of three or four numbers in the unit of the header."""
    affine = np.eye(4)
    affine[:3, : rows.shape[1]] = rows
    affine[:3] *= _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    return affine


def place_notes(header: Nifti1Header, shape: tuple[int, ...]) -> tuple[str, ...]:
    """What to know where a header places its map in two ways, or in none. shape: (D, H, W)."""
    by_sform, by_qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    affine = affine_of(header)
    if not by_sform and not by_qform:
        turned = apart_mm(affine, LPS @ affine, shape)
        return ("The header does not say how the map lies in the patient (sform and qform have the code 0). Its axes "
                f"were taken as right, anterior and superior; ITK and Slicer turn it by 180 degrees, up to {turned:.0f}"
                " mm away, and nibabel mirrors it. Regions and boxes drawn there do not fit",)
    if not (by_sform and by_qform):
        return ()
    if has_broken_sform(header):
        return ("The sform of the header cannot place a map, although it has a code; the qform was taken",)
    apart = apart_mm(affine, qform_of(header), shape)
    if not apart > MOST_OF_A_VOXEL * float(np.linalg.norm(affine[:3, :3], axis=0).min()):
        return ()  # also where a number is not finite
    others = "sform too" if int(header["sform_code"]) == 1 else "qform"
    return (f"The sform and the qform of the header place the map up to {apart:.0f} mm apart. The sform was taken, as "
            f"nibabel takes it; ITK and Slicer take the {others}. Regions, boxes and other maps fit only if they "
            "follow the sform",)


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


@np.errstate(all="ignore")  # NIfTI-1 stores 32 bits
def set_affine(header: Nifti1Header, affine: Affine) -> None:
    """Puts the affine into sform, spacing and, where the axes are at right angles or nearly so, qform; units mm.

    The header knows its voxels already, see `set_voxels`.
    """
    header["sform_code"] = int(header["sform_code"]) or 1
    for axis, row in zip("xyz", affine, strict=False):
        header[f"srow_{axis}"] = row
    header["xyzt_units"] = (int(header["xyzt_units"]) & ~7) | 2
    header["pixdim"] = [1, *np.linalg.norm(affine[:3, :3], axis=0), 1, 0, 0, 0]
    set_qform(header, affine)


@np.errstate(all="ignore")
def set_qform(header: Nifti1Header, affine: Affine) -> None:
    """Puts the affine into the qform, made square where it is nearly so; else the qform gets the code 0.

    ITK opens a file by its qform where the sform is not square.
    """
    shape = tuple(int(size) for size in header["dim"][3:0:-1])
    if not is_square(affine):
        if not can_be_squared(affine, shape):
            header["qform_code"] = 0
            return
        affine = squared(affine, shape)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    sign = -1.0 if np.linalg.det(directions) < 0 else 1.0
    header["pixdim"][:4] = [sign, *spacing]
    header["qform_code"] = int(header["qform_code"]) or 1
    for part, value in zip("bcd", quaternion_of(directions * [1.0, 1.0, sign]), strict=True):
        header[f"quatern_{part}"] = value
    for axis, value in zip("xyz", affine[:3, 3], strict=True):
        header[f"qoffset_{axis}"] = value


def is_square(affine: Affine) -> bool:
    """Whether the axes are at right angles, to rounding."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.allclose(directions.T @ directions, np.eye(3), atol=1e-5))


def new_header(old: Nifti1Header | None = None) -> Nifti1Header:
    """A little-endian NIfTI-1 header, with everything of `old` (either version) that it has a place for."""
    from nibabel.nifti1 import Nifti1Header

    size = Nifti1Header.template_dtype.itemsize
    header = Nifti1Header(bytes(size), "<", check=False)
    if old is not None:
        with np.errstate(all="ignore"):  # a number that NIfTI-1 has no room for
            for name in set(header.keys()).intersection(old.keys()):
                header[name] = old[name]
    header["sizeof_hdr"], header["magic"] = size, b"n+1"
    return header


def set_voxels(header: Nifti1Header, array: npt.NDArray[np.generic], extensions: bytes) -> None:
    """Describes (D, H, W) voxels that follow the header and its extensions in one file."""
    header["dim"] = [3, *array.shape[::-1], 1, 1, 1, 1]
    header.set_data_dtype(array.dtype)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = header.template_dtype.itemsize + len(extensions)
