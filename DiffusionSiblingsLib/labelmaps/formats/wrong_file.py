"""Other files under the name of a label map, told by how they begin: what it is, and how to get the label map."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

from ...core.errors import InputError
from ...core.files import ending

_LOOKED_AT = 1024  # bytes at the beginning of a file
_RENAME = "rename it with the ending {}, or save the label map under the name it should have"


_TEXT = rb"(?i:(\xef\xbb\xbf)?\s*(%s))"  # after a byte order mark and blanks, in letters of any case
_KINDS: tuple[tuple[str, bytes, tuple[str, ...], str], ...] = (
    # what it is, the pattern of its beginning, endings under which it is right, what to do
    ("a Git LFS pointer, which stands for a file that was not downloaded", _TEXT % rb"version https://git-lfs", (),
     "run `git lfs pull` in its folder, or download the file itself"),
    ("a git-annex pointer, which stands for a file that was not downloaded",
     rb"(?=.{0,%d}\Z)\s*[^\n]*annex/objects/[^\n]*\s*\Z" % (_LOOKED_AT - 1), (),  # one line, and no more
     "run `git annex get` (or `datalad get`) on it, or download the file itself"),
    ("a web page, such as a page to sign in", _TEXT % rb"<(!doctype html|html|head|body)", (),
     "download it again while you are signed in, or with the link of the file itself"),
    ("an XML document", _TEXT % rb"<(\?xml|error|vtkfile)", (), "choose the label map, and not its description"),
    ("a JSON document", _TEXT % rb"\{|\[\{", (), "choose the label map, and not its description"),
    ("a zip file", rb"PK(\x03\x04|\x05\x06)", (), "unpack it, and choose the label map inside"),
    ("a tar archive", rb".{257}ustar", (), "unpack it, and choose the label map inside"),
    ("an HDF5 or MATLAB file", rb"\x89HDF\r\n\x1a\n|MATLAB 5\.0", (), "convert it to .nii.gz or .seg.nrrd"),
    ("a picture", rb"\x89PNG\r\n|\xff\xd8\xff|GIF8|II\*\x00|MM\x00\*", (),
     "choose a label map with three axes"),
    ("a DICOM file", rb".{128}DICM", (),
     "open the series in Slicer, and save the segmentation as .seg.nrrd"),
    ("an NRRD file", rb"NRRD000", (".nrrd", ".seg.nrrd"), _RENAME.format(".nrrd")),
    ("a MetaImage file", _TEXT % rb"objecttype|ndims", (".mha",), _RENAME.format(".mha")),
    ("a NIfTI file", rb".{344}(n\+1|ni1)|.{4}(n\+2|ni2)", (".nii", ".nii.gz"), _RENAME.format(".nii")),
    ("a gzip file", rb"\x1f\x8b\x08", (".nii", ".nii.gz"), "unpack it, or rename it if it is a .nii.gz file"),
    ("a bzip2, xz, 7z or zstd archive", rb"BZh|\xfd7zXZ\x00|7z\xbc\xaf|\x28\xb5\x2f\xfd", (),
     "unpack it, and choose the label map inside"),
)  # fmt: skip


def refuse_wrong_file(path: Path, file: IO[bytes]) -> None:
    """Raises InputError if an open file is something else than its ending says; otherwise it is at its first byte."""
    head = file.read(_LOOKED_AT)
    file.seek(0)
    name = ending(path)
    for what, pattern, endings, hint in _KINDS:
        if name not in endings and re.match(pattern, head, re.DOTALL):
            raise InputError(f"{path} is {what}" + (f", under the name of a {name} file" if endings else ""),
                             value=f"it begins with {_shown(head)}", rule="the file holds the label map itself",
                             hint=hint)


def _shown(head: bytes) -> str:
    """The first letters of a file, as far as they can be shown in one line."""
    text = head[:40].decode("ascii", errors="replace")
    return repr("".join(letter if letter.isprintable() and letter != "\ufffd" else "." for letter in text))
