"""A folder with one mask per tissue, as TotalSegmentator writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy, load_anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelMap, LabelValues, Segment
from .formats.nifti import write_nifti
from .formats.nrrd import write_nrrd
from .formats.slicer_segments import complete
from .formats.volume import Volume, label_counts
from .geometry.squared import can_be_squared
from .layers import Overlay
from .mask_names import masks_of
from .overlaps import by_rank

Reader = Callable[[Path], Volume]

def read_folder(folder: Path, anatomy: Anatomy, read: Reader, unknown: bool = True,
                labels: LabelValues | None = None) -> Volume:
    """The masks of a folder as one label map, its segments with their tissues.

    Tissues get the anatomy's values; other masks get the values after them. Other masks are left out, and named in
    header["ignored"], if they lie on another grid, overlap a tissue or hold more than one value. unknown=False leaves
    all other masks unread. labels: tissue -> name of a file, from the user. Raises InputError.
    """
    masks = masks_of(folder, anatomy, labels)
    files, segments = list(masks), list(masks.values())
    if not unknown and not any(segment.tissue for segment in segments):
        unknown = True  # none of the names is known: the message shall show them
    order = [n for n in by_rank(segments, anatomy) if unknown or segments[n].tissue]
    first: Volume | None = None
    overlay: Overlay | None = None
    for path, segment in ((files[n], segments[n]) for n in order):
        try:
            volume = read(path)
            mask = _mask(volume, path)
            if first is None or overlay is None:
                labels_of = np.zeros(mask.shape, dtype=np.uint8 if len(files) < 200 else np.int16)
                first, overlay = volume, Overlay(labels_of, folder, _voxel_ml(volume))
            _same_grid(first, volume, folder, files[order[0]], path)
        except InputError as error:
            if segment.tissue is not None:
                raise
            if overlay is not None:
                overlay.left_out[path.name] = error.message()
            continue
        color = volume.segments[0].color if volume.segments else None
        if not overlay.add(replace(segment, value=_next_value(overlay.segments, segment.tissue, anatomy), color=color),
                           mask):
            overlay.left_out[path.name] = overlay.left_out.pop(segment.name)
    if first is None or overlay is None:
        raise _no_masks(folder, anatomy, files)
    kept: dict[str, Any] = {key: first.header[key] for key in ("nifti", "extensions") if key in first.header}
    short = {name: why.split(". Rule:")[0].removeprefix(f"{folder} ") for name, why in overlay.left_out.items()}
    notes = replace(overlay, left_out=short).notes()
    return Volume(overlay.labels, first.affine, tuple(overlay.segments),
                  header={**kept, "ignored": overlay.left_out}, notes=(*first.notes, *notes))


def _no_masks(folder: Path, anatomy: Anatomy, files: Sequence[Path]) -> InputError:
    shown = ", ".join(path.name for path in files[:12]) + (", ..." if len(files) > 12 else "")
    return InputError(
        f"{folder} holds no masks of the {anatomy.id}",
        value=f"{len(files)} image files: {shown}" if files else "no image files",
        rule="the folder holds one mask per tissue: "
        + ", ".join(t.mask_names[0] + ".nii.gz" for t in anatomy.tissues),
        hint=_nearby(folder),
    )


def _voxel_ml(volume: Volume) -> float:
    return abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000.0


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


def _next_value(segments: Sequence[Segment], tissue: str | None, anatomy: Anatomy) -> int:
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
