"""Label maps to files, which are complete or not written at all."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.files import atomic_path, ending
from ..core.labelmap import LabelMap
from .formats.mha import write_mha
from .formats.nifti import write_nifti
from .formats.nrrd import write_nrrd
from .geometry.squared import can_be_squared, degrees_off, off_square_mm
from .mask_folder import write_folder
from .read import FORMATS

_NIFTI = ("nii", "nii.gz")
_SHOWN_MM = 0.01  # less than this far from its place, a map is where it belongs
_FOLDER = "masks"  # the ending of a folder of masks among numbered files, such as sibling_0000.masks


def suffix_for(labelmap: LabelMap, format: str = "same") -> str:
    """The file ending, without its dot, of a label map in a format; "same" keeps its format. Raises InputError.

    A grid that NIfTI cannot hold in a form that every program opens gets the ending of an NRRD file instead.
    """
    chosen = _format(labelmap, format)
    return _FOLDER if chosen == "folder" else chosen


def format_notes(labelmap: LabelMap, format: str = "same") -> tuple[str, ...]:
    """What to know before label maps on this grid are written in a format; usually nothing. Raises InputError."""
    affine, shape = labelmap.affine, labelmap.labels.shape
    asked, chosen = _asked(labelmap, format), _format(labelmap, format)
    if asked != chosen:
        return (f"The axes of the grid are {degrees_off(affine):.1f} degrees off right angles, as after a tilted "
                f"gantry, and ITK and Slicer cannot open such a grid as NIfTI. Maps are written as .{chosen} in place "
                f"of .{asked}, at the same places",)
    if chosen in _NIFTI and (moved := off_square_mm(affine, shape)) > _SHOWN_MM:
        return (f"The axes of the grid are {degrees_off(affine):.2f} degrees off right angles. ITK and Slicer place "
                f"NIfTI files of it up to {moved:.2f} mm from where they belong; --format seg.nrrd keeps the place",)
    return ()


def _asked(labelmap: LabelMap, format: str) -> str:
    chosen = (labelmap.format or "nii.gz") if format == "same" else format.lstrip(".")
    if chosen not in FORMATS:
        raise InputError("This format is unknown", value=format, rule=f"known formats are same, {', '.join(FORMATS)}")
    return chosen


def _format(labelmap: LabelMap, format: str) -> str:
    """The format that is asked for, or one that holds the grid where that one does not."""
    asked = _asked(labelmap, format)
    if asked not in _NIFTI or can_be_squared(labelmap.affine, labelmap.labels.shape):
        return asked
    return "seg.nrrd" if any(segment.name for segment in labelmap.segments) else "nrrd"


def write_labelmap(labelmap: LabelMap, path: Path | str, format: str = "same") -> Path:
    """Writes a label map and returns the path.

    format: one of FORMATS, or "same" for the format of its original file. With "same", a known ending of `path`
    decides. A path without a known ending gets the ending of the format. Raises InputError if the two contradict each
    other or the format cannot hold the grid, and OutputError if the file cannot be written; an existing file is then
    unchanged.
    """
    path = Path(path)
    named = ending(path).lstrip(".")
    named = named if named in FORMATS else "folder" if named == _FOLDER else ""
    chosen = named if named and format == "same" else _format(labelmap, format)
    if named in _NIFTI and not can_be_squared(labelmap.affine, labelmap.labels.shape):
        raise InputError(
            f"The grid cannot be written as .{named}",
            value=f"axes {degrees_off(labelmap.affine):.1f} degrees off right angles",
            rule="ITK and Slicer open NIfTI files with axes at right angles only",
            hint="write it as .seg.nrrd, .nrrd or .mha",
        )
    if named and named != chosen:
        raise InputError(
            "The file name and the format contradict each other",
            value=f"{path.name} as {chosen}",
            rule=f"the name ends in .{chosen}",
            hint="give only one of the two",
        )
    if not named and chosen != "folder":
        path = path.with_name(f"{path.name}.{chosen}")
    with atomic_path(path) as temporary:
        _write(labelmap, temporary, chosen)
    return path


def _write(labelmap: LabelMap, path: Path, chosen: str) -> None:
    """Writes exactly to `path` in one format. Raises OSError if that fails."""
    named = any(segment.name for segment in labelmap.segments)
    if chosen == "folder":
        write_folder(labelmap, path)
    elif chosen in ("nrrd", "seg.nrrd"):
        write_nrrd(labelmap, path, named or chosen == "seg.nrrd")
    elif chosen == "mha":
        write_mha(labelmap, path, named)
    else:
        write_nifti(labelmap, path)
