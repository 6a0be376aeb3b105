"""Packed bytes of a file, unpacked piece by piece: gzip (RFC 1952), zlib (RFC 1950) and bzip2.

The streams of the standard library either refuse what follows the last member of a file, or leave it out in silence.
Here it is counted, and no more is unpacked than is asked for.
"""

from __future__ import annotations

import bz2
import zlib
from typing import IO, Any

_CHUNK = 1 << 18  # packed bytes at a time
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh"}  # how a further member begins; zlib has one stream
_GZIP = 16 + zlib.MAX_WBITS


class UnpackedFile:
    """What the next `length` bytes of a file unpack to. packing: "gzip", "bzip2" or "zlib".

    foreign: bytes after the last member that belong to no member; known once the end was read.
    """

    def __init__(self, file: IO[bytes], length: int, packing: str) -> None:
        self.foreign = 0
        self._file, self._left, self._packing = file, length, packing
        self._waiting = b""  # read from the file, not unpacked yet
        self._member: Any = self._unpacker()

    def _unpacker(self) -> Any:
        if self._packing == "bzip2":
            return bz2.BZ2Decompressor()
        return zlib.decompressobj(_GZIP if self._packing == "gzip" else zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the sound end. Raises EOFError, zlib.error, OSError or ValueError."""
        pieces, missing = [], size
        while missing and (piece := self._some(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, view: memoryview) -> int:
        """Fills the start of `view` -> number of bytes, 0 at the end."""
        data = self._some(len(view))
        view[: len(data)] = data
        return len(data)

    def _some(self, most: int) -> bytes:
        """The next bytes, at least one unless this is the end."""
        while not self._member.eof or self._next_member():
            self._refill()
            data: bytes = self._member.decompress(self._waiting, most)
            bzip2 = self._packing == "bzip2"  # whose object keeps what it was given until it is used up
            self._waiting = b"" if bzip2 else self._member.unconsumed_tail
            if data:
                return data
        return b""

    def _refill(self) -> None:
        """Takes the next packed bytes from the file where the member has none left. Raises EOFError at its end."""
        if self._waiting or not getattr(self._member, "needs_input", True):
            return
        self._waiting = self._file.read(min(self._left, _CHUNK))
        self._left -= len(self._waiting)
        if not self._waiting:
            raise EOFError("the packed voxels break off")

    def _next_member(self) -> bool:
        """Begins the member after one that has ended well; False where there is none, and then `foreign` is known."""
        if self._left < 0:
            return False
        rest, padding = self._member.unused_data, 0
        magic = _MAGIC.get(self._packing)
        while magic is not None:  # members may have zeros between them
            padding, rest = padding + len(rest) - len(rest.lstrip(b"\0")), rest.lstrip(b"\0")
            if len(rest) >= len(magic) or not self._left:
                break
            rest += self._take()
        if magic is not None and rest.startswith(magic):
            self._waiting, self._member = rest, self._unpacker()
            return True
        self.foreign, self._left = padding + len(rest) + self._left, -1
        return False

    def _take(self) -> bytes:
        chunk = self._file.read(min(self._left, _CHUNK))
        self._left = self._left - len(chunk) if chunk else 0
        return chunk
