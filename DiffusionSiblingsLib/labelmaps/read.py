"""Label maps from files: one function for all formats, and the rules that every label map must follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy, load_anatomy
from ..core.errors import InputError
from ..core.files import ending, reachable
from ..core.labelmap import Affine, LabelMap, LabelValues
from .formats.guard import reading
from .formats.mha import read_mha
from .formats.nifti import read_nifti
from .formats.nrrd import read_nrrd
from .formats.volume import Volume, check_grid, label_counts
from .layers import flatten
from .mask_folder import read_folder
from .mask_names import mask_files, named_tissues
from .names_beside import named_beside
from .tissues import check_measurable, check_tissues, find_tissues

FORMATS = ("nii.gz", "nii", "nrrd", "seg.nrrd", "mha", "folder")
"""The formats in which label maps are read and written; "folder" is a folder of masks."""


def read_labelmap(
    path: Path | str, anatomy: Anatomy, labels: LabelValues | None = None, *, unknown: bool = True,
    whole: bool = True, recorded: Mapping[int, str] | None = None,
) -> LabelMap:
    """The label map in a file or in a folder of masks, with its tissues identified.

    Tissues are identified by terminology code, then by name; names may stand in a table beside the file. labels: tissue
    -> values or names in the file, which override both. A file without any names is read in the numbering that clearly
    fits its shapes, if one does; header["assumed_numbering"] names it, and is "" otherwise. Labels of unknown tissues
    remain as segments with tissue None. unknown=False leaves other masks of a folder unread. whole=False accepts a map
    that lacks tissues or has too little of one, with a note: a sibling without an aorta is a finding about its cohort,
    not an error in the file; but without any chamber there is nothing to measure, unless it is recorded. recorded:
    value -> tissue id from the record of a run, which overrides names but not `labels`, and may list values without a
    voxel. `notes` of the map tell what had to be assumed.
    Raises one InputError for anything that cannot be used.
    """
    path = Path(path)
    reachable(path)
    with reading(path):
        volume = read_folder(path, anatomy, _checked, unknown, labels) if path.is_dir() else _read_file(path)
    check_grid(volume.array.shape[:3], volume.affine, path)
    flat = flatten(volume, path, anatomy, labels)
    header = {**volume.header, "anatomy": anatomy, "beside": tuple(flat.beside)}
    kept = "and kept as it is in the .seg.nrrd files of siblings, but in no other format"
    labelmap = LabelMap(flat.labels, volume.affine, tuple(flat.segments), path, format_of(path), header,
                        (*volume.notes, *flat.notes(kept)))
    labelmap = labelmap if recorded else named_beside(labelmap, path, anatomy)
    found = find_tissues(labelmap, anatomy, None if path.is_dir() else labels, path, recorded)
    header["assumed_numbering"] = found.assumed
    labelmap = replace(labelmap, segments=found.segments, notes=(*labelmap.notes, *found.notes))
    if whole:
        check_tissues(labelmap, anatomy, path)
    elif recorded is None:
        labelmap = replace(labelmap, notes=(*labelmap.notes, *check_measurable(labelmap, anatomy, path)))
    return labelmap


def read(path: Path | str, *, anatomy: str = "heart", labels: LabelValues | None = None) -> LabelMap:
    """The label map of a file or of a folder of masks, for scripts: `read_labelmap` with an anatomy's id.

    labels: tissue -> value or name in the file, where its names and codes do not tell. Raises InputError.
    """
    return read_labelmap(path, load_anatomy(anatomy), labels)


def read_mask(path: Path | str) -> tuple[npt.NDArray[np.bool_], Affine]:
    """(D, H, W) bool, KJI order: the non-zero voxels of a label map or mask; and its (4, 4) affine, IJK -> RAS mm."""
    return read_noted_mask(path)[:2]


def read_noted_mask(path: Path | str) -> tuple[npt.NDArray[np.bool_], Affine, tuple[str, ...]]:
    """The same, and what had to be assumed. Raises InputError."""
    path = Path(path)
    reachable(path)
    with reading(path):
        volume = _read_file(path)
    check_grid(volume.array.shape[:3], volume.affine, path)
    mask: npt.NDArray[np.bool_] = volume.array > 0
    if mask.ndim == 4:
        mask = np.asarray(mask.any(axis=3))
    return mask, volume.affine, volume.notes


def is_folder_of_masks(folder: Path, anatomy: Anatomy) -> bool:
    """Whether a folder holds one mask for each tissue, and not whole label maps: by names, else by its first files.

    Raises InputError if the folder cannot be listed.
    """
    if len(named_tissues(folder, anatomy)) > 1:
        return True
    files = mask_files(folder)
    return len(files) > 1 and all(_is_mask(path) for path in files[:2])


def _is_mask(path: Path) -> bool:
    """Whether a file has one value at most beside 0, which no map of several tissues has."""
    try:
        with reading(path):
            array = _read_file(path).array
    except InputError:
        return False
    return array.ndim == 3 and len(label_counts(array)) < 2


def format_of(path: Path) -> str:
    """The format that a path has by its name: "nii.gz", "folder", ...; "" if it is not one of FORMATS."""
    if path.is_dir():
        return "folder"
    suffix = ending(path).lstrip(".")
    return suffix if suffix in FORMATS else ""


def _checked(path: Path) -> Volume:
    """One mask of a folder, its grid checked."""
    volume = _read_file(path)
    check_grid(volume.array.shape, volume.affine, path)
    return volume


def _read_file(path: Path) -> Volume:
    """The volume of one file. Raises InputError if the file is missing or its format is unknown."""
    readers = {"nii.gz": read_nifti, "nii": read_nifti, "nrrd": read_nrrd, "seg.nrrd": read_nrrd, "mha": read_mha}
    if not path.exists():
        raise InputError(f"{path} does not exist", rule="the path names a label map file or a folder of masks",
                         hint="check the path")
    suffix = format_of(path)
    if suffix not in readers or not path.is_file():
        raise InputError(
            f"{path} does not have a known format",
            value=ending(path) or "no file ending",
            rule=f"known formats are {', '.join('.' + name for name in readers)} and a folder of masks",
            hint="convert it, or save it as .seg.nrrd in Slicer",
        )
    return readers[suffix](path)
