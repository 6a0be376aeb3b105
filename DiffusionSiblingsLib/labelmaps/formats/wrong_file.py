"""Other files under the name of a label map, told by how they begin: what it is, and how to get the label map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

from ...core.errors import InputError
from ...core.files import ending

_LOOKED_AT = 1024  # bytes at the beginning of a file
_RENAME = "rename it with the ending {}, or save the label map under the name it should have"


def _text(*starts: str) -> Callable[[bytes], bool]:
    """Whether a text begins so, after blanks and a byte order mark, in letters of any case."""
    wanted = tuple(start.encode() for start in starts)
    return lambda head: head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(wanted)


def _bytes(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(starts)


def _annex(head: bytes) -> bool:
    return len(head) < _LOOKED_AT and b"annex/objects/" in head and b"\n" not in head.strip()


def _nifti(head: bytes) -> bool:
    return head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2")


_KINDS: tuple[tuple[str, Callable[[bytes], bool], tuple[str, ...], str], ...] = (
    # what it is, whether a file begins so, endings under which it is right, what to do
    ("a Git LFS pointer, which stands for a file that was not downloaded", _text("version https://git-lfs"), (),
     "run `git lfs pull` in its folder, or download the file itself"),
    ("a git-annex pointer, which stands for a file that was not downloaded", _annex, (),
     "run `git annex get` (or `datalad get`) on it, or download the file itself"),
    ("a web page, such as a page to sign in", _text("<!doctype html", "<html", "<head", "<body"), (),
     "download it again while you are signed in, or with the link of the file itself"),
    ("an XML document", _text("<?xml", "<error", "<vtkfile"), (), "choose the label map, and not its description"),
    ("a JSON document", _text("{", "[{"), (), "choose the label map, and not its description"),
    ("a zip file", _bytes(b"PK\x03\x04", b"PK\x05\x06"), (), "unpack it, and choose the label map inside"),
    ("a tar archive", lambda head: head[257:262] == b"ustar", (), "unpack it, and choose the label map inside"),
    ("an HDF5 or MATLAB file", _bytes(b"\x89HDF\r\n\x1a\n", b"MATLAB 5.0"), (), "convert it to .nii.gz or .seg.nrrd"),
    ("a picture", _bytes(b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"), (),
     "choose a label map with three axes"),
    ("a DICOM file", lambda head: head[128:132] == b"DICM", (),
     "open the series in Slicer, and save the segmentation as .seg.nrrd"),
    ("an NRRD file", _bytes(b"NRRD000"), (".nrrd", ".seg.nrrd"), _RENAME.format(".nrrd")),
    ("a MetaImage file", _text("objecttype", "ndims"), (".mha",), _RENAME.format(".mha")),
    ("a NIfTI file", _nifti, (".nii", ".nii.gz"), _RENAME.format(".nii")),
    ("a gzip file", _bytes(b"\x1f\x8b\x08"), (".nii", ".nii.gz"), "unpack it, or rename it if it is a .nii.gz file"),
    ("a bzip2, xz, 7z or zstd archive", _bytes(b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd"), (),
     "unpack it, and choose the label map inside"),
)  # fmt: skip


def refuse_wrong_file(path: Path, file: IO[bytes]) -> None:
    """Raises InputError if an open file is something else than its ending says; otherwise it is at its first byte."""
    head = file.read(_LOOKED_AT)
    file.seek(0)
    name = ending(path)
    for what, begins, endings, hint in _KINDS:
        if begins(head) and name not in endings:
            raise InputError(f"{path} is {what}" + (f", under the name of a {name} file" if endings else ""),
                             value=f"it begins with {_shown(head)}", rule="the file holds the label map itself",
                             hint=hint)


def _shown(head: bytes) -> str:
    """The first letters of a file, as far as they can be shown in one line."""
    text = head[:40].decode("ascii", errors="replace")
    return repr("".join(letter if letter.isprintable() and letter != "\ufffd" else "." for letter in text))
