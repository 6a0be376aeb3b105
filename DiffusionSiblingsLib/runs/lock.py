"""One run at a time in a folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import InputError
from ..core.files import output_error
from .own_files import LOCK

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # of disks on which no file can be locked


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds `folder` (made if it is not there) for this process; the system lets go of it when the process ends.

    Raises InputError where another process holds it, OutputError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError("Another run uses this folder", value=folder.parent, rule="one run at a time in a folder",
                         hint="wait for it or stop it, or choose another --out") from None
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise output_error(folder, error) from error
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            folder.rmdir()  # Windows cannot remove it while the lock is held
