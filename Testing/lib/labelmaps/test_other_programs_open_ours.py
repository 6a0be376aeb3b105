"""A matrix of everything that we write: SimpleITK and nibabel open it, at the same places, with the same labels."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from labelmap_cases import FILES, HEART, blocks, heart

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.labelmaps.geometry.squared import apart_mm, can_be_squared, off_square_mm
from DiffusionSiblingsLib.labelmaps.read import FORMATS, read_labelmap
from DiffusionSiblingsLib.labelmaps.write import format_notes, suffix_for, write_labelmap

NEAR_MM = 0.01
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def turn(axis: int, degrees: float) -> np.ndarray:
    """(3, 3) rotation about an axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = [(1, 2), (0, 2), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


OBLIQUE = turn(0, 17.3) @ turn(1, -11.2) @ turn(2, 33.9)
DIRECTIONS = {
    "straight": np.eye(3), "LPS": np.diag([-1.0, -1, 1]), "mirrored": np.diag([1.0, 1, -1]),
    "permuted": np.eye(3)[[2, 0, 1]], "half turn": turn(2, 180.0), "oblique": OBLIQUE,
    "oblique, left-handed": OBLIQUE @ np.diag([1.0, -1, 1]), "almost straight": turn(1, 1e-4),
    "rounded to 4 decimals": np.round(OBLIQUE, 4), "rounded to 5": np.round(OBLIQUE, 5),
}  # fmt: skip
NOT_SQUARE = {"rounded to 3 decimals": np.round(OBLIQUE, 3), "rounded to 2": np.round(OBLIQUE, 2)}
TILTED = {"gantry 12 degrees": np.array([[1, 0, 0], [0, 1, np.tan(np.deg2rad(12))], [0, 0, 1.0]]),
          "gantry 3 degrees, oblique": OBLIQUE @ [[1, 0, 0], [0, 1, np.tan(np.deg2rad(3))], [0, 0, 1.0]]}
GRIDS = {"even": ((8, 10, 12), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
         "thin slices, far away": ((9, 10, 12), (0.4, 0.7, 3.3), (-1234.5, 987.6, 4321.0))}
DTYPES = (np.uint8, np.int16, np.uint16, np.int32)


def grid(directions: np.ndarray, of: str, dtype: type) -> LabelMap:
    """Blocks on a grid of these directions."""
    shape, spacing, origin = GRIDS[of]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions * spacing, origin
    return heart(blocks(shape).astype(dtype), affine)


def by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels (D, H, W) and affine (4, 4) IJK -> RAS mm by SimpleITK."""
    image, affine = sitk.ReadImage(str(path)), np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), LPS @ affine


def by_nibabel(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same by nibabel."""
    image = nibabel.load(path)
    return np.asanyarray(image.dataobj).transpose(), image.affine


def check(path: Path, written: LabelMap, near: float = NEAR_MM) -> None:
    """Every program that reads the format finds the labels where they are."""
    readers = [by_itk, by_nibabel] if ".nii" in path.name else [by_itk]
    for reader in readers:
        labels, affine = reader(path)
        assert np.array_equal(labels, written.labels), (path.name, reader)
        assert apart_mm(affine, written.affine, written.labels.shape) < near, (path.name, reader)
    back = read_labelmap(path, HEART)
    assert apart_mm(back.affine, written.affine, written.labels.shape) < NEAR_MM and back.notes == ()


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("directions", DIRECTIONS)
def test_other_programs_find_our_labels_where_they_are(format: str, directions: str, tmp_path: Path) -> None:
    for n, (of, dtype) in enumerate(product(GRIDS, DTYPES)):
        written = grid(DIRECTIONS[directions], of, dtype)
        assert format_notes(written, format) == () and suffix_for(written, format) == format
        path = write_labelmap(written, tmp_path / str(n), format)
        check(path, written)
        check(write_labelmap(read_labelmap(path, HEART), tmp_path / f"again{n}"), written)


@pytest.mark.parametrize("directions", NOT_SQUARE)
def test_axes_nearly_at_right_angles_open_within_half_a_voxel_and_say_so(directions: str, tmp_path: Path) -> None:
    written = grid(NOT_SQUARE[directions], "even", np.uint8)
    moved = off_square_mm(written.affine, written.labels.shape)
    for format in FORMATS:
        if format == "folder":
            for mask in write_labelmap(written, tmp_path / "folder", "folder").iterdir():
                assert apart_mm(by_itk(mask)[1], written.affine, written.labels.shape) <= moved + 1e-4
            continue
        path = write_labelmap(written, tmp_path / "twin", format)
        check(path, written, max(NEAR_MM, moved + 1e-4) if "nii" in format else NEAR_MM)
        assert bool(format_notes(written, format)) == ("nii" in format and moved > NEAR_MM)


def test_a_nifti_by_its_sform_alone_is_written_so_that_itk_opens_it(tmp_path: Path) -> None:
    written = grid(np.round(OBLIQUE, 3), "even", np.uint8)
    path = write_labelmap(written, tmp_path / "twin.nii")
    raw = bytearray(path.read_bytes())
    raw[252:254] = b"\0\0"  # qform_code
    path.write_bytes(raw)
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk.ReadImage(str(path))
    twin = read_labelmap(path, HEART)
    sibling = write_labelmap(twin, tmp_path / "sibling.nii.gz")
    check(sibling, written, 0.1)
    assert np.array_equal(by_nibabel(sibling)[1], by_nibabel(path)[1]), "the sform is as it was"


@pytest.mark.parametrize("directions", TILTED)
def test_a_tilted_gantry_is_written_in_a_form_that_opens(directions: str, tmp_path: Path) -> None:
    written = grid(TILTED[directions], "thin slices, far away", np.uint8)
    assert not can_be_squared(written.affine, written.labels.shape)
    for format in FILES:
        notes, suffix = format_notes(written, format), suffix_for(written, format)
        assert suffix == ("seg.nrrd" if "nii" in format else format)
        assert bool(notes) == ("nii" in format) and all("right angles" in words and suffix in words for words in notes)
        check(write_labelmap(written, tmp_path / "twin", format), written)
    for mask in write_labelmap(written, tmp_path / "folder", "folder").iterdir():
        assert apart_mm(by_itk(mask)[1], written.affine, written.labels.shape) < NEAR_MM
    with pytest.raises(InputError, match=r"cannot be written as \.nii\.gz"):
        write_labelmap(written, tmp_path / "twin.nii.gz")


def test_a_small_shear_is_half_a_voxel_at_most_and_a_large_grid_shows_it() -> None:
    slight = np.array([[1, 0.02, 0], [0, 1, 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = slight
    assert can_be_squared(affine, (20, 20, 20)) and not can_be_squared(affine, (400, 400, 400))
