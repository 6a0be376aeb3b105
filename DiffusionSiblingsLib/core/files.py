"""Files that are there whole or not at all, and values as JSON files hold them."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

import psutil

from .errors import InputError, OutputError, reason_of
from .json_files import read_json
from .limits import MOST_RECORD_BYTES

_SHOWN = 80  # letters of a path that is too long
Item = TypeVar("Item")
_ENDINGS = (".seg.nrrd", ".nii.gz", ".tar.gz", ".tar.xz")
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:4]
# Nobody else names a file so: what it stands for, then the machine, the process and a random number in hexadecimal.
_TEMPORARY = re.compile(r"\.(.+)\.siblings-([0-9a-f]{4})-([0-9a-f]+)-[0-9a-f]{8}(\..+)?")
LONGEST_STEM = 120  # bytes of a name that its temporary begins with, so that it is not too long for a file
_ASIDE = ".old"  # ending of a folder that makes room for its successor


def ending(path: Path | str) -> str:
    """File name ending with its dot, double ones whole: "a.nii.gz" -> ".nii.gz", "a.csv" -> ".csv", "a" -> ""."""
    name = Path(path).name.lower()
    for known in _ENDINGS:
        if name.endswith(known):
            return known
    return Path(name).suffix


class Streamed(list[Item]):
    """A list whose items are read anew each time it is walked, so that they never lie in memory as a whole.

    It can be walked and written, but not indexed. read: begins a walk. It is a `list` so that the json module takes it
    for one.
    """

    def __init__(self, read: Callable[[], Iterator[Item]]) -> None:
        super().__init__()
        self._read = read

    def __iter__(self) -> Iterator[Item]:
        return self._read()

    def __bool__(self) -> bool:
        return next(self._read(), None) is not None


def json_values(value: Any) -> Any:
    """Plain values as JSON has them: keys are text, sequences are lists, a number that is not finite is None.

    Streamed lists stay streamed.
    """
    if isinstance(value, Streamed):
        return Streamed(lambda: map(json_values, iter(value)))
    if isinstance(value, dict):
        return {str(key): json_values(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(part) for part in value]
    if isinstance(value, Real) and not isinstance(value, Integral) and not math.isfinite(value):  # numpy's, too
        return None
    return value


def write_json(path: Path, values: Any) -> Path:
    """Writes plain values as UTF-8 JSON, whole or not at all, streamed lists item by item -> the path.

    Numbers that are not finite become null. Raises OutputError.
    """
    encoder = json.JSONEncoder(indent=1, allow_nan=False)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(encoder.iterencode(json_values(values)))
        file.write("\n")
    return path


def read_json_object(path: Path) -> dict[str, Any] | None:
    """A JSON object of a file; None where the file is missing or holds anything else."""
    try:
        values = read_json(path, MOST_RECORD_BYTES)
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def digest_of(value: object) -> str:
    """SHA-256 of a value's JSON with sorted keys: equal values give equal digests. Other objects count by `str`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@contextmanager
def looking_into(folder: Path) -> Iterator[None]:
    """Turns an OSError of a look into a folder into an InputError."""
    try:
        yield
    except OSError as problem:
        raise InputError(f"The folder {folder} cannot be read", value=problem,
                         hint="check its permissions") from problem


def reachable(path: Path | str) -> None:
    """Raises InputError for a path that the system refuses to look for, as its name is too long or has a NUL in it.

    A path that is not there, or may not be read, is no concern of this function.
    """
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as problem:
        shown = str(path) if len(str(path)) <= _SHOWN else f"{str(path)[:_SHOWN]}..."
        reason = reason_of(problem)
        raise InputError(f"The path {shown} cannot be used", value=reason,
                         rule="a path that this system can look for; most systems allow 255 letters for a name",
                         hint="check the name") from problem


def signature(path: Path) -> list[list[Any]]:
    """Name, size and time of a file, or of each in a folder: equal while nothing changes. [] if it is gone."""
    found: list[list[Any]] = []
    with suppress(OSError):
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            status = file.stat()
            found.append([file.name, status.st_size, status.st_mtime_ns])
    return found


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, with the same ending, that replaces `path` when the block ends well.

    The block may write a file or a folder there. On any exception the temporary is removed and `path` is as it
    was; an OSError becomes an OutputError. Missing parent folders are made. The target keeps the permissions that
    an ordinary new file gets, as the temporary is opened by the block itself.
    """
    target = Path(path)
    suffix = ending(target)
    temporary = _beside(target, target.name[: len(target.name) - len(suffix)] or "file", suffix)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent.absolute())
        yield temporary
        move_over(temporary, target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        remove(temporary)


def _beside(target: Path, stem: str, suffix: str) -> Path:
    """A new path beside `target` that tells whose it is, so that it can be removed if this process is killed."""
    stem = os.fsencode(stem)[:LONGEST_STEM].decode(errors="ignore")
    return target.with_name(f".{stem}.siblings-{_HOST}-{os.getpid():x}-{secrets.token_hex(4)}{suffix}")


def is_temporary(path: Path) -> bool:
    """Whether a name is that of a temporary file or folder of this program."""
    return _TEMPORARY.fullmatch(path.name) is not None


@cache
def _sweep(folder: Path) -> None:
    """Removes what killed processes of this machine left in a folder; a folder that they had set aside comes back.

    Once for each folder: it happens before a process first writes there. What a process that lives is writing stays,
    and so does everything that has no name of ours. Never raises.
    """
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            match = _TEMPORARY.fullmatch(path.name)
            if match is None or match[2] != _HOST or psutil.pid_exists(int(match[3], 16)):
                continue
            target = path.with_name(match[1])
            if match[4] == _ASIDE and not target.exists():
                path.replace(target)
            else:
                remove(path)


def make_folder(path: Path) -> Path:
    """A folder for results, made if it is not there -> the folder. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    return path


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError that tells a user why nothing could be written at `path`."""
    hints = {
        errno.ENOSPC: "free some space, or write to another disk with --out",
        errno.EACCES: "write to a folder that you may change with --out",
        errno.EPERM: "write to a folder that you may change with --out",
        errno.EROFS: "write to a folder that you may change with --out",
        errno.ENOTDIR: "name a folder, not a file, with --out",
        errno.EEXIST: "name a folder, not a file, with --out",
    }
    reason = reason_of(error)
    return OutputError(
        f"{path} could not be written",
        value=reason,
        rule="no half-written file is left, and earlier files are unchanged",
        hint=hints.get(error.errno or 0, "check the folder and the space on its disk, or choose another with --out"),
    )


def move_over(temporary: Path, target: Path) -> None:
    """Put `temporary` in the place of `target`; a folder that is in the way is kept until the new one is there.

    Both lie on one disk. Raises OSError.
    """
    if not (temporary.is_dir() and target.is_dir()):
        temporary.replace(target)
        return
    aside = _beside(target, target.name, _ASIDE)
    target.replace(aside)
    try:
        temporary.replace(target)
    except OSError:
        aside.replace(target)
        raise
    remove(aside)


def copy_whole(source: Path, place: Path) -> None:
    """Copies a file or a folder with its times, so that cached measurements stay valid. Raises OutputError."""
    with atomic_path(place) as temporary:
        if source.is_dir():
            shutil.copytree(source, temporary)
        else:
            shutil.copy2(source, temporary)


def remove(path: Path) -> None:
    """Removes a file, a link (not what it points at) or a folder; for paths that this program made up itself.

    Never raises, as it runs while another error may be on its way.
    """
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
