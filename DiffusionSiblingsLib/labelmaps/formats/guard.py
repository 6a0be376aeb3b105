"""The one guard between a file and the code that understands it: every byte is counted before anybody parses it.

nibabel and pynrrd are given header bytes that this module has bounded, and never a path or an open file. Voxels are
unpacked here. A file is refused if it is shorter than its header says, if a checksum does not agree, if it unpacks to
more than its header announces, if its header is endless, or if its voxels lie in another file.
"""

from __future__ import annotations

import bz2
import gzip
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

MOST_VOXEL_BYTES = 1 << 32
"""The voxels of one file, unpacked: 4 GiB, which a map of 1,600 x 1,600 x 1,600 voxels of one byte just fills."""
MOST_HEADER_BYTES = 1 << 24
"""A header with all its fields and extensions: 16 MiB, enough for 20,000 segments as Slicer describes them."""
MOST_LINES = 100_000
"""Lines of a text header."""
MOST_TAIL_BYTES = 1 << 20
"""What packed data may hold after the last voxel. It is unpacked only to reach the checksum."""
MOST_AXES = 16
"""Axes of an image, those of length 1 and those of layers included."""
_PIECE = 1 << 24  # bytes at a time, as gzip's reader makes a copy of what is asked for
_RATIO = 1100  # deflate cannot make data more than 1,032 times smaller


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
        yield Guarded(path, file)


class Guarded:
    """An open file that hands out its header and its voxels, in this order, and never more than the bounds allow."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._stored = path.stat().st_size
        self._file, self._stream = file, file
        self._ratio: float = 1.0
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
        if packing == "gzip":
            self._stream, self._ratio = cast(IO[bytes], gzip.GzipFile(fileobj=self._file)), _RATIO
        elif packing == "bzip2":
            self._stream, self._ratio = cast(IO[bytes], bz2.BZ2File(self._file)), math.inf
        elif packing == "zlib":
            left = self._stored - self._file.tell()
            length = left if length is None else length
            if not 0 <= length <= left:
                raise EOFError(f"the file ends after {left} of {length} bytes of packed voxels")
            self._stream, self._ratio = cast(IO[bytes], _ZlibReader(self._file, length)), _RATIO
        elif packing != "raw":
            raise InputError(f"{self.path} is packed in an unknown way", value=packing,
                             rule="the voxels are raw or packed with gzip or bzip2", hint="save it in Slicer again")

    def voxels(self, dtype: np.dtype[Any], sizes: tuple[int, ...]) -> npt.NDArray[Any]:
        """Exactly the voxels that the header announces, with the checksum of packed ones compared.

        sizes: fastest axis first. Returns an array of native byte order with the slowest axis first.
        Raises EOFError, ValueError or InputError.
        """
        if not 1 <= len(sizes) <= MOST_AXES or min(sizes) < 1:
            raise ValueError(f"a grid of {' x '.join(map(str, sizes[:MOST_AXES]))} voxels")
        total = math.prod(sizes) * dtype.itemsize
        if total > self._stored * self._ratio:
            raise EOFError(f"{self._stored} bytes cannot hold {' x '.join(map(str, sizes))} voxels")
        if total > MOST_VOXEL_BYTES:
            raise InputError(f"{self.path} is too large", value=f"{total / 2**30:.1f} GiB of voxels",
                             rule=f"at most {MOST_VOXEL_BYTES >> 30} GiB", hint="crop it around the heart")
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
        if self._stream is not self._file:
            self._finish()

    def _finish(self) -> None:
        """Reads packed data to their end, where the checksum is compared."""
        tail = 0
        while piece := self._stream.read(1 << 16):
            tail += len(piece)
            if tail > MOST_TAIL_BYTES:
                raise ValueError("it unpacks to more than its header announces")


class _ZlibReader:
    """A file of one zlib stream; EOFError where it breaks off, zlib.error where it is damaged."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left = file, length
        self._inflater = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the sound end of the stream."""
        while not self._inflater.eof:
            chunk = self._inflater.unconsumed_tail or self._file.read(min(self._left, 1 << 20))
            if not chunk:
                raise EOFError("the packed voxels break off")
            if not self._inflater.unconsumed_tail:
                self._left -= len(chunk)
            data = self._inflater.decompress(chunk, size)
            if data:
                return data
        return b""

    def readinto(self, view: memoryview) -> int:
        """Fills the start of `view` -> number of bytes, 0 at the end."""
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def refuse_detached(path: Path, ending: str) -> InputError:
    """The InputError for a header whose voxels lie in another file, which is never opened."""
    return InputError(f"{path} is only a header; its voxels lie in another file",
                      rule=f"header and voxels are in one {ending} file", hint=f"save it as one {ending} file")


def raw_bytes(array: npt.NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, not copied."""
    return memoryview(cast(Any, array.reshape(-1).view(np.uint8)))
