"""Label maps to files, which are complete or not written at all."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.files import atomic_path, ending
from ..core.labelmap import LabelMap
from .formats.mha import write_mha
from .formats.nifti import write_nifti
from .formats.nrrd import write_nrrd
from .mask_folder import write_folder
from .read import FORMATS

_FOLDER = "masks"  # the ending of a folder of masks among numbered files, such as sibling_0000.masks


def suffix_for(labelmap: LabelMap, format: str = "same") -> str:
    """The file ending, without its dot, of a label map in a format; "same" keeps its format. Raises InputError."""
    chosen = _format(labelmap, format)
    return _FOLDER if chosen == "folder" else chosen


def _format(labelmap: LabelMap, format: str) -> str:
    chosen = (labelmap.format or "nii.gz") if format == "same" else format.lstrip(".")
    if chosen not in FORMATS:
        raise InputError("This format is unknown", value=format, rule=f"known formats are same, {', '.join(FORMATS)}")
    return chosen


def write_labelmap(labelmap: LabelMap, path: Path | str, format: str = "same") -> Path:
    """Writes a label map and returns the path.

    format: one of FORMATS, or "same" for the format of its original file. With "same", a known ending of `path`
    decides. A path without a known ending gets the ending of the format. Raises InputError if the two contradict each
    other, and OutputError if the file cannot be written; an existing file is then unchanged.
    """
    path = Path(path)
    named = ending(path).lstrip(".")
    named = named if named in FORMATS else "folder" if named == _FOLDER else ""
    chosen = named if named and format == "same" else _format(labelmap, format)
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
