"""A folder with one mask per tissue, as TotalSegmentator writes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy, load_anatomy
from ..core.errors import InputError
from ..core.files import ending, looking_into
from ..core.labelmap import LabelMap, Labels, Segment
from .formats.nifti import write_nifti
from .formats.nrrd import write_nrrd
from .formats.slicer_segments import complete
from .formats.volume import Volume, label_counts
from .geometry.squared import can_be_squared
from .layers import refuse_overlap

Reader = Callable[[Path], Volume]

MASKS = (".nii.gz", ".nii", ".nrrd", ".mha")
"""The file endings of masks."""


def stem_of(path: Path) -> str:
    """File name without its ending."""
    return path.name[: len(path.name) - len(ending(path))]


def mask_files(folder: Path) -> list[Path]:
    """The files in a folder that may be masks, by name. Raises InputError if the folder cannot be listed."""
    with looking_into(folder):
        return sorted(p for p in folder.iterdir() if ending(p) in MASKS and not p.name.startswith(".") and p.is_file())


def read_folder(folder: Path, anatomy: Anatomy, read: Reader, unknown: bool = True) -> Volume:
    """The masks of a folder as one label map.

    Tissues get the anatomy's values; other masks get the values after them. Other masks are left out, and named in
    header["ignored"], if they lie on another grid, overlap or hold more than one value. unknown=False leaves all other
    masks unread. Raises InputError.
    """
    files = mask_files(folder)
    tissue_of = {path: anatomy.identify(stem_of(path)) for path in files}
    if not any(tissue_of.values()):
        raise InputError(
            f"{folder} holds no masks of the {anatomy.id}",
            value=f"{len(files)} image files" if files else "no image files",
            rule="the folder holds one mask per tissue: "
            + ", ".join(t.mask_names[0] + ".nii.gz" for t in anatomy.tissues),
            hint=_nearby(folder),
        )
    files.sort(key=lambda path: (tissue_of[path] is None, path.name))
    first: Volume | None = None
    labels: Labels = np.zeros(0, dtype=np.int16)
    segments: list[Segment] = []
    ignored: dict[str, str] = {}
    for path in files if unknown else [path for path in files if tissue_of[path]]:
        tissue = tissue_of[path]
        try:
            volume = read(path)
            mask = _mask(volume, path)
            if first is None:
                first, labels = volume, np.zeros(mask.shape, dtype=np.uint8 if len(files) < 200 else np.int16)
            _same_grid(first, volume, folder, files[0], path)
            refuse_overlap(labels, mask, [(s.value, s.name) for s in segments], stem_of(path), folder)
        except InputError as error:
            if tissue is None:
                ignored[path.name] = error.message()
                continue
            raise
        value = _next_value(segments, tissue, anatomy)
        labels[mask] = value
        segments.append(Segment(value, stem_of(path), color=volume.segments[0].color if volume.segments else None))
    if first is None:
        raise InputError(f"{folder} holds no masks of the {anatomy.id}", rule="at least one mask of a known tissue",
                         hint="name the masks as TotalSegmentator does")
    kept: dict[str, Any] = {key: first.header[key] for key in ("nifti", "extensions") if key in first.header}
    return Volume(labels, first.affine, tuple(segments), header={**kept, "ignored": ignored})


def _mask(volume: Volume, path: Path) -> npt.NDArray[np.bool_]:
    """(D, H, W) bool; refuses an image with more than one value."""
    values = label_counts(volume.array)
    if len(values) > 1:
        raise InputError(
            f"{path} is not a mask",
            value=f"{len(values)} values from {min(values)} to {max(values)}",
            rule="a mask has 0 outside and one other value inside",
            hint="to read a label map, choose the file and not its folder",
        )
    mask: npt.NDArray[np.bool_] = volume.array > 0
    return mask


def _same_grid(first: Volume, other: Volume, folder: Path, one: Path, two: Path) -> None:
    """Raises InputError if two masks differ in size or position."""
    if first.array.shape == other.array.shape and np.allclose(first.affine, other.affine, rtol=1e-4, atol=1e-3):
        return
    sizes = [" x ".join(map(str, v.array.shape[::-1])) for v in (first, other)]
    raise InputError(
        f"{folder} holds masks on different grids",
        value=f"{one.name} {sizes[0]}, {two.name} {sizes[1]}"
        + ("" if sizes[0] != sizes[1] else ", elsewhere in space"),
        rule="all masks have the same size, spacing and position",
        hint="export all masks on the same grid",
    )


def _next_value(segments: list[Segment], tissue: str | None, anatomy: Anatomy) -> int:
    """The anatomy's value for a tissue; for anything else, the first free value after the anatomy's."""
    taken = {segment.value for segment in segments}
    if tissue is not None and anatomy.label_of(tissue) not in taken:
        return anatomy.label_of(tissue)
    return max(taken | {t.label for t in anatomy.tissues}) + 1


def _nearby(folder: Path) -> str:
    """A hint that names the folder inside which the masks may be."""
    inside = folder / "segmentations"
    if inside.is_dir():
        return f"choose {inside}"
    return "choose the folder that holds the masks, named as TotalSegmentator names them"


def write_folder(labelmap: LabelMap, folder: Path) -> None:
    """Writes one uint8 mask per segment, named after its original file, its tissue or the segment.

    As .nii.gz, or as .nrrd where the axes of the grid are not at right angles, which ITK cannot open as NIfTI.
    """
    folder.mkdir()
    square = can_be_squared(labelmap.affine, labelmap.labels.shape)
    anatomy = labelmap.header.get("anatomy") or load_anatomy()
    header: dict[str, Any] = {key: labelmap.header[key] for key in ("nifti", "extensions") if key in labelmap.header}
    taken: set[str] = set()
    named = labelmap.format == "folder"
    for segment, full in zip(labelmap.segments, complete(labelmap.segments, anatomy), strict=True):
        known = segment.tissue in anatomy.ids and not named
        name = anatomy.tissue(segment.tissue).mask_names[0] if known and segment.tissue else full.name
        name = re.sub(r"[^\w.-]+", "_", name).strip("._") or f"label_{segment.value}"
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        mask = (labelmap.labels == segment.value).view(np.uint8)
        if square:
            write_nifti(LabelMap(mask, labelmap.affine, header=header), folder / f"{name}.nii.gz")
        else:
            write_nrrd(LabelMap(mask, labelmap.affine), folder / f"{name}.nrrd", named=False)
