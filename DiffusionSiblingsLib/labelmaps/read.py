"""Label maps from files: one entry for all formats, and the rules that every label map has to keep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.files import ending
from ..core.labelmap import Affine, LabelMap
from .formats.guard import reading
from .formats.mha import read_mha
from .formats.nifti import read_nifti
from .formats.nrrd import read_nrrd
from .formats.volume import Volume, check_grid
from .layers import flatten
from .mask_folder import read_folder
from .tissues import check_tissues, find_tissues

FORMATS = ("nii.gz", "nii", "nrrd", "seg.nrrd", "mha", "folder")
"""What label maps are read and written in; "folder" is a folder of masks."""


def read_labelmap(
    path: Path | str, anatomy: Anatomy, labels: dict[str, int] | None = None, *, unknown: bool = True,
    whole: bool = True, recorded: Mapping[int, str] | None = None,
) -> LabelMap:
    """The label map of a file or of a folder of masks, with its tissues found.

    Tissues are found by terminology code, then by name; `labels` (tissue id -> value) wins over both. A file without
    names whose values are the anatomy's own is taken in the anatomy's numbering: header["assumed_numbering"] is True.
    Labels of no tissue stay as segments with tissue None. unknown=False leaves other masks of a folder unread.
    whole=False takes a map that lacks tissues, or has too little of them: a sibling that came out without its aorta is
    a finding about its cohort, not an error of the file. recorded: value -> tissue id, as the record of a run says it
    of its siblings; wins over names, not over `labels`, and a value without a voxel is no error in it.
    Raises one InputError for anything that cannot be used.
    """
    path = Path(path)
    volume = _read(path, anatomy, unknown)
    check_grid(volume.array.shape[:3], volume.affine, path)
    values, segments = flatten(volume, path)
    segments, assumed = find_tissues(segments, values, anatomy, labels, path, whole=whole, recorded=recorded)
    header = {**volume.header, "anatomy": anatomy, "assumed_numbering": assumed}
    labelmap = LabelMap(values, volume.affine, segments, path, format_of(path), header)
    if whole:
        check_tissues(labelmap, anatomy, path)
    return labelmap


def read_mask(path: Path | str) -> tuple[npt.NDArray[np.bool_], Affine]:
    """(D, H, W) bool, non-zero voxels of any label map or mask, and its (4, 4) affine voxel IJK -> RAS mm."""
    path = Path(path)
    volume = _read_file(path)
    check_grid(volume.array.shape[:3], volume.affine, path)
    mask: npt.NDArray[np.bool_] = volume.array > 0
    if mask.ndim == 4:
        mask = np.asarray(mask.any(axis=3))
    return mask, volume.affine


def format_of(path: Path) -> str:
    """The format of a path by its name: "nii.gz", "folder", ...; "" if it is none of FORMATS."""
    if path.is_dir():
        return "folder"
    suffix = ending(path).lstrip(".")
    return suffix if suffix in FORMATS else ""


def _read(path: Path, anatomy: Anatomy, unknown: bool) -> Volume:
    with reading(path):
        if path.is_dir():
            return read_folder(path, anatomy, _checked, unknown)
        return _read_file(path)


def _checked(path: Path) -> Volume:
    """One mask of a folder, its grid checked."""
    volume = _read_file(path)
    check_grid(volume.array.shape, volume.affine, path)
    return volume


def _read_file(path: Path) -> Volume:
    """The volume of one file; InputError if it is missing or of no known format."""
    readers = {"nii.gz": read_nifti, "nii": read_nifti, "nrrd": read_nrrd, "seg.nrrd": read_nrrd, "mha": read_mha}
    if not path.exists():
        raise InputError(f"{path} does not exist", rule="a label map file or a folder of masks", hint="check the path")
    suffix = format_of(path)
    if suffix not in readers or not path.is_file():
        raise InputError(
            f"{path} is of no known format",
            value=ending(path) or "no ending",
            rule=f"known are {', '.join('.' + name for name in readers)} and a folder of masks",
            hint="convert it, or save it in Slicer as .seg.nrrd",
        )
    return readers[suffix](path)
