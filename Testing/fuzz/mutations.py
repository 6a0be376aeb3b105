"""Damage that knows the structure of what it damages: bytes, packed bytes, headers of fields, headers of lines."""

from __future__ import annotations

import bz2
import gzip
import random
import zlib

from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

NUMBERS = (-1, 0, 1, 2, 7, 127, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**32, 2**62, 10**12)
WORDS = (
    "", "0", "-1", "1", "1.5", "nan", "inf", "1e999", "-1e308", "99999999999999999999", "9" * 5000, "none", "LOCAL",
    "LIST", "../../../etc/passwd", "/dev/zero", "file%03d.raw 1 100 1", "\0", "ü", "0x10", "1_0", "True", "False",
    "gzip", "raw", "ascii", "bzip2", "hex", "double", "block", "big", "3D-left-handed", "right-anterior-superior",
    "(1,0,0)", "(1, 0, 0) (0,1,0) none", "(((", ")", "1 " * 3000, "2 3 4", "12 10 8", "12 10 8 1", "1000 1000 1000",
    "100000 100000 100000", "|:|:|", "a:b|" * 1000, '"quoted', "\\n\\\\", "%s%n", "vector", "list domain domain domain",
)  # fmt: skip
LINES = (
    "data file: ../secret.raw", "data file:=../secret.raw", "datafile: LIST", "byte skip: -1",
    "byte skip: 100000000000", "line skip: 1000000000", "ElementDataFile = ../secret.raw", "CompressedDataSize = -1",
    "CompressedDataSize = 9999999999999", "encoding: bzip2", "Segment0_Layer:=9", "Segment99999999999_Name:=x",
    "Segment0_LabelValue:=999999999999999999999", "Segment0_Color:=1 2", "Segment0_LabelValue = -1", "x" * 70_000,
    ":" * 70_000, "spacings: 1 1", "type: unsigned char", "NDims = 16", "no separator", "#" * 1000, "HeaderSize = -1",
    "kinds: a b c d e f", "ElementNumberOfChannels = 3", "BinaryDataByteOrderMSB = True", "HeaderSize = 12",
    "NDims = 4", "old min: x",
)  # fmt: skip


def flipped(rng: random.Random, raw: bytes) -> bytes:
    """One to eight bytes changed."""
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
    return bytes(changed)


def torn(rng: random.Random, raw: bytes) -> bytes:
    """Cut off, cut out, doubled, shifted or with more behind it."""
    a, b = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
    return rng.choice((
        raw[:a], raw[: len(raw) - rng.randrange(1, 20)], raw[:a] + raw[b:], raw + raw[a:b], raw + raw, raw[a:],
        raw[:a] + rng.randbytes(rng.randrange(1, 64)) + raw[a:], raw + bytes(rng.randrange(1, 100)),
        raw[:a] + bytes(b - a) + raw[b:],
    ))  # fmt: skip


def nifti_fields(rng: random.Random, raw: bytes) -> bytes:
    """One to four fields of a plain NIfTI file of either version with other numbers in them."""
    kind = Nifti2Header if raw[:4] == b"\x1c\x02\0\0" else Nifti1Header
    if len(raw) < kind.template_dtype.itemsize:
        return flipped(rng, raw)
    block = bytearray(raw[: kind.template_dtype.itemsize])
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind_of, offset = rng.choice(list((kind.template_dtype.fields or {}).values()))[:2]
        base = kind_of.base
        place = offset + base.itemsize * rng.randrange(kind_of.itemsize // base.itemsize)
        if base.kind in "iu":
            value = (rng.choice(NUMBERS) % 256**base.itemsize).to_bytes(base.itemsize, "little")
        elif base.kind == "f":
            value = rng.choice((rng.randbytes(base.itemsize), b"\xff" * base.itemsize, bytes(base.itemsize),
                                b"\0" * (base.itemsize - 2) + b"\x80\x7f", b"\0" * (base.itemsize - 2) + b"\x80\x5f"))
        else:
            value = rng.randbytes(base.itemsize)
        block[place : place + base.itemsize] = value
    return bytes(block) + raw[len(block) :]


def text_fields(rng: random.Random, raw: bytes) -> bytes:
    """A file that starts with lines, with some of them changed, moved, lost, doubled or made up."""
    mark = raw.find(b"\n\n") + 2 if raw.startswith(b"NRRD") else raw.find(b"LOCAL\n") + 6
    lines = raw[:mark].decode("utf-8", "surrogateescape").split("\n")
    separator = ":" if raw.startswith(b"NRRD") else "="
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        key, found, _ = lines[at].partition(separator)
        move = rng.randrange(7)
        if move <= 2 and found:
            lines[at] = f"{key}{separator} {rng.choice(WORDS)}"
        elif move == 3:
            lines.pop(at)
        elif move == 4:
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(LINES))
        elif move == 5:
            lines.insert(rng.randrange(len(lines) + 1), lines[at])
        else:
            lines[at] = flipped(rng, lines[at].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        lines = lines or [""]
    return "\n".join(lines).encode("utf-8", "surrogateescape") + raw[mark:]


def packed_again(rng: random.Random, raw: bytes) -> bytes:
    """The same bytes in gzip members that are strange, damaged or far too long."""
    packed = gzip.compress(raw, 1)
    half = len(raw) // 2
    return rng.choice((
        packed + packed, packed + rng.randbytes(9), packed + bytes(600), packed[:-8] + rng.randbytes(8),
        gzip.compress(raw[:half]) + gzip.compress(raw[half:]), packed + gzip.compress(bytes(1 << 23)),
        gzip.compress(packed), zlib.compress(raw), bz2.compress(raw), packed[: -rng.randrange(1, 9)],
    ))  # fmt: skip


def packed_nifti(rng: random.Random, raw: bytes) -> bytes:
    """A .nii.gz file, damaged inside or outside of its packing."""
    change = rng.choice((nifti_fields, flipped, torn, packed_again))
    if change is packed_again:
        return packed_again(rng, gzip.decompress(raw))
    if rng.random() < 0.7:
        return gzip.compress(change(rng, gzip.decompress(raw)), 1)
    return rng.choice((flipped, torn))(rng, raw)


def plain_nifti(rng: random.Random, raw: bytes) -> bytes:
    """A .nii file."""
    return rng.choice((nifti_fields, nifti_fields, nifti_fields, flipped, torn))(rng, raw)


def lined(rng: random.Random, raw: bytes) -> bytes:
    """An NRRD or MetaImage file."""
    return rng.choice((text_fields, text_fields, text_fields, flipped, torn))(rng, raw)
