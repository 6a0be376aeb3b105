"""One run at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import InputError
from ..core.files import output_error
from .partial_results import LOCK


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds `folder` (made if it is not there) for this process. The system lets go of it when the process ends.

    Raises InputError where another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise output_error(folder, error) from error
    with file:
        if not _taken(file.fileno()):
            raise InputError("Another run is at work in this folder", value=folder.parent, rule="one at a time",
                             hint="wait for it or stop it, or choose another --out")
        yield


def _taken(file: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        return os.name != "nt" and error.errno not in (11, 13)  # a disk without locks: nothing can be said
    return True
