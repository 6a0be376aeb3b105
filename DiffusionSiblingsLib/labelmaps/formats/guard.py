"""The one guard between a file and the code that understands it: every byte is counted before anybody parses it.

nibabel and pynrrd are given header bytes that this module has bounded, and never a path or an open file. Voxels are
unpacked here. A file is refused if it is shorter than its header says, if a checksum does not agree, if it unpacks to
more than its header announces, if its header is endless, if its voxels lie in another file, or if it is another file
under the name of a label map. The bounds are those of `core.limits`.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.limits import (
    MOST_AIR_BYTES,
    MOST_AXES,
    MOST_HEADER_BYTES,
    MOST_LINES,
    MOST_RATIO,
    MOST_TAIL_BYTES,
    MOST_VOXEL_BYTES,
)
from .unpacking import UnpackedFile
from .wrong_file import refuse_wrong_file

_PIECE = 1 << 24  # bytes at a time, as unpacking makes a copy of what is asked for


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns everything that a damaged or forbidden file can raise into one InputError."""
    try:
        yield
    except PermissionError as error:
        raise InputError(
            f"{path} cannot be opened", value=error.strerror, hint="ask for permission to read this file"
        ) from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory", hint="crop it around the heart") from error
    except (OSError, EOFError, ValueError, KeyError, IndexError, OverflowError, zlib.error, struct.error) as error:
        raise InputError(
            f"{path} is truncated or corrupt",
            value=str(error) or type(error).__name__,
            rule="the file is complete and follows its format",
            hint="copy or export it again",
        ) from error


@contextmanager
def guarded(path: Path) -> Iterator[Guarded]:
    """Opens a file for a reader. Raises InputError for a file that cannot be trusted, inside the block too."""
    with reading(path), path.open("rb") as file:
        refuse_wrong_file(path, file)
        yield Guarded(path, file)


class Guarded:
    """An open file that hands out its header and its voxels, in this order, and never more than the bounds allow.

    notes: what was left out of the file, a sentence each; complete once the voxels are read.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        self._stored = path.stat().st_size
        self._file, self._stream = file, file
        self._header_bytes = self._lines = 0

    def starts_with(self, magic: bytes) -> bool:
        """Whether these are the first bytes of the file; nothing is consumed."""
        found = self._file.read(len(magic)) == magic
        self._file.seek(0)
        return found

    def line(self) -> str:
        """The next line of a text header, without its end. Raises EOFError or ValueError."""
        raw = self._file.readline(MOST_HEADER_BYTES + 1 - self._header_bytes)
        self._header_bytes, self._lines = self._header_bytes + len(raw), self._lines + 1
        if self._header_bytes > MOST_HEADER_BYTES or self._lines > MOST_LINES:
            raise ValueError(f"the header does not end within {MOST_LINES} lines and {MOST_HEADER_BYTES >> 20} MiB")
        if not raw.endswith(b"\n"):
            raise EOFError("the file ends inside its header")
        return raw.decode("utf-8", errors="surrogateescape").rstrip("\r\n")

    def header(self, count: int) -> bytes:
        """The next bytes of a binary header, exactly so many. Raises EOFError or ValueError."""
        if not 0 <= count <= MOST_HEADER_BYTES - self._header_bytes:
            raise ValueError(f"a header of {self._header_bytes + count} bytes, at most {MOST_HEADER_BYTES} are read")
        raw = self._stream.read(count)
        self._header_bytes += len(raw)
        if len(raw) < count:
            raise EOFError("the file ends inside its header")
        return raw

    def unpack(self, packing: str, length: int | None = None) -> None:
        """From here on the bytes are packed: "raw", "gzip", "bzip2", or one "zlib" stream of `length` bytes."""
        if packing == "raw":
            return
        if packing not in ("gzip", "bzip2", "zlib"):
            raise InputError(f"{self.path} is packed in an unknown way", value=packing,
                             rule="the voxels are raw or packed with gzip or bzip2", hint="save it in Slicer again")
        left = self._stored - self._file.tell()
        length = left if length is None else length
        if not 0 <= length <= left:
            raise EOFError(f"the file ends after {left} of {length} bytes of packed voxels")
        self._stream = cast(IO[bytes], UnpackedFile(self._file, length, packing))

    def voxels(self, dtype: np.dtype[Any], sizes: tuple[int, ...]) -> npt.NDArray[Any]:
        """Exactly the voxels that the header announces, with the checksum of packed ones compared.

        sizes: fastest axis first. Returns an array of native byte order with the slowest axis first.
        Raises EOFError, ValueError or InputError.
        """
        if not 1 <= len(sizes) <= MOST_AXES or min(sizes) < 1:
            raise ValueError(f"a grid of {' x '.join(map(str, sizes[:MOST_AXES]))} voxels")
        total = math.prod(sizes) * dtype.itemsize
        if total > MOST_VOXEL_BYTES:
            raise InputError(f"{self.path} is too large", value=f"{total / 2**30:.1f} GiB of voxels",
                             rule=f"at most {MOST_VOXEL_BYTES >> 30} GiB", hint="crop it around the heart")
        most = self._stored if self._stream is self._file else max(self._stored * MOST_RATIO, MOST_AIR_BYTES)
        if total > most:
            raise EOFError(f"{self._stored} bytes cannot hold {' x '.join(map(str, sizes))} voxels")
        array = np.empty(sizes[::-1], dtype=dtype)
        self._fill(raw_bytes(array))
        return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))

    def _fill(self, view: memoryview) -> None:
        filled = 0
        while filled < len(view):
            got = self._stream.readinto(view[filled : filled + _PIECE])  # type: ignore[attr-defined]
            if not got:
                raise EOFError(f"the file ends after {filled} of {len(view)} bytes of voxels")
            filled += got
        if isinstance(self._stream, UnpackedFile):
            self._finish(self._stream)

    def _finish(self, stream: UnpackedFile) -> None:
        """Reads packed data to their end, where the checksum is compared."""
        tail = 0
        while piece := stream.read(1 << 16):
            tail += len(piece)
            if tail > MOST_TAIL_BYTES:
                raise ValueError("it unpacks to more than its header announces")
        if stream.foreign:
            bytes_ = "1 byte" if stream.foreign == 1 else f"{stream.foreign} bytes"
            self.notes += (f"The file goes on for {bytes_} after the end of its packed voxels, which are complete; "
                           "what follows was left out",)


def refuse_detached(path: Path, ending: str) -> InputError:
    """The InputError for a header whose voxels lie in another file, which is never opened."""
    return InputError(f"{path} is only a header; its voxels lie in another file",
                      rule=f"header and voxels are in one {ending} file", hint=f"save it as one {ending} file")


def raw_bytes(array: npt.NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, not copied."""
    return memoryview(cast(Any, array.reshape(-1).view(np.uint8)))
