"""The names of all files that a run writes into its folder. Only these are ever removed, and only in that folder.

A record says which siblings were made, but it is a file that anybody may write: what is removed is decided by the names
below and never by a record, and a link is removed itself, not what it points at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..core.errors import InputError, OutputError
from ..core.files import is_temporary, output_error
from ..core.record import RECORD_NAME
from ..labelmaps.read import FORMATS

METRICS_NAME, OVERVIEW_NAME = "metrics.csv", "overview.png"
DESIGN_NAME, EFFECTS_NAME, LEVELS_NAME, DESIGN_PLAN_NAME = "design.csv", "effects.csv", "levels.csv", "design.json"
NAMES = (METRICS_NAME, OVERVIEW_NAME, DESIGN_NAME, EFFECTS_NAME, LEVELS_NAME, DESIGN_PLAN_NAME, RECORD_NAME)
PARTS, LOCK, TOKEN = ".parts", "lock", "token"
MASKS = ".masks"

MAP_ENDINGS = "|".join(re.escape(format) for format in FORMATS if format != "folder") + "|masks"
SIBLING = re.compile(rf"sibling_\d{{4,}}\.({MAP_ENDINGS}|npy|json)")  # npy and json: handed from one process to another
PART = re.compile(r"(\d+)-(\d+)\.json")
_PART_MAP = re.compile(rf"\d+-\d+\.({MAP_ENDINGS})")
_MASK = re.compile(r"[\w.-]+\.nii\.gz")


def is_map_ending(ending: object) -> bool:
    """Whether this is the ending of a sibling's label map, without its dot."""
    return isinstance(ending, str) and re.fullmatch(MAP_ENDINGS, ending) is not None


def files_of_a_run(out: Path) -> list[Path]:
    """What lies in a folder under the names that a run writes, in the order in which it is to be removed."""
    if not out.is_dir():
        return []
    found = sorted(path for path in out.iterdir() if SIBLING.fullmatch(path.name))
    return found + [out / name for name in NAMES if os.path.lexists(out / name)]


def require_apart(out: Path, inputs: Iterable[tuple[str, str | Path]]) -> None:
    """Raises InputError where something that a run reads lies among the files that it writes over.

    inputs: what each is ("the twin"), and its path.
    """
    own = [(path, _identity(path)) for path in files_of_a_run(out)]
    for what, given in ((what, Path(path)) for what, path in inputs):
        if given.is_dir() and _identity(given.resolve()) == _identity(out.resolve()):
            raise InputError(f"The folder of the results is the folder of {what}", value=out,
                             rule="siblings among its masks would be read as part of it", hint="choose another --out")
        names = {str(path) for path in _way_to(given)}  # a link in the folder is written over as well
        places = {_identity(path) for path in _way_to(given) if path.exists()}
        for path, place in own:
            if str(path.absolute()) in names or place in places:
                raise InputError(f"A run in this folder would write over {what}", value=path,
                                 rule="siblings, tables, picture and record of an earlier run are removed or "
                                      "overwritten",
                                 hint=f"choose another --out, or move {what} to another folder first")


def require_removable(out: Path) -> None:
    """Raises OutputError where something that bears the name of a run's own holds other files."""
    try:
        if (out / PARTS).is_symlink():
            raise OutputError("The folder of a run's parts is a link", value=out / PARTS,
                              rule="a run writes and removes files in its own folder only", hint="remove the link")
        for path in files_of_a_run(out):
            if other := _others_in(path):
                raise OutputError("A file that no run wrote has the place of one that a run writes",
                                  value=", ".join(map(str, other[:3])),
                                  rule="--replace removes only files that a run has written",
                                  hint="move it to another folder, or choose another --out")
    except OSError as error:
        raise output_error(out, error) from error


def remove_run(out: Path) -> None:
    """Removes the files of a run, the record last: until then the run is known as one. Raises OSError."""
    for path in files_of_a_run(out):
        remove_map(path)


def remove_map(path: Path) -> None:
    """Removes a label map: a file, or the masks in a folder and then the folder. Raises OSError if others are in it."""
    if _is_folder(path):
        for mask in path.iterdir():
            if _MASK.fullmatch(mask.name):
                mask.unlink()
        path.rmdir()
    else:
        path.unlink()


def clear_parts(parts: Path) -> None:
    """Removes the parts of a run but for its lock. Raises OSError."""
    for path in parts.iterdir() if _is_folder(parts) else ():
        if path.name == TOKEN or PART.fullmatch(path.name) or _PART_MAP.fullmatch(path.name) or is_temporary(path):
            _remove_part(path)


def remove_parts(parts: Path) -> None:
    """Removes all parts, and their folder unless somebody else's files are in it; what cannot be removed stays."""
    with suppress(OSError):
        clear_parts(parts)
        (parts / LOCK).unlink(missing_ok=True)  # where it is held, the holder's file is open and stays valid
        parts.rmdir()


def remove_litter(out: Path) -> None:
    """Removes temporary files of a killed run's workers, on whatever machine. The folder's lock is held."""
    with suppress(OSError):
        for path in (out / PARTS).iterdir() if _is_folder(out / PARTS) else ():
            if is_temporary(path):
                _remove_part(path)


def _remove_part(path: Path) -> None:
    if _is_folder(path):
        for mask in path.iterdir():
            mask.unlink()
        path.rmdir()
    else:
        path.unlink()


def _others_in(path: Path) -> list[Path]:
    """What is not a run's own at a path that has the name of a run's own."""
    if not _is_folder(path):
        return []
    if path.suffix != MASKS:
        return [path]
    return sorted(one for one in path.iterdir() if not _MASK.fullmatch(one.name) or _is_folder(one))


def _is_folder(path: Path) -> bool:
    """Whether this is a folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def _way_to(path: Path) -> list[Path]:
    """A path and the folders that it lies in, as it was given and with its links followed."""
    return [one for start in (path.absolute(), path.resolve()) for one in (start, *start.parents)]


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others whatever its path; of a link, its own."""
    with suppress(OSError):
        status = path.lstat()
        return status.st_dev, status.st_ino
    return None
