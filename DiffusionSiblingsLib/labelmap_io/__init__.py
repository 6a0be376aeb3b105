"""Label maps in and out: NIfTI, NRRD, MetaImage, Slicer's .seg.nrrd and folders of masks."""

from __future__ import annotations

from .read import FORMATS, read_labelmap, read_mask
from .tissues import FEWEST_VOXELS, known_labels, parse_labels, unknown_mask
from .write import suffix_for, write_labelmap

__all__ = [
    "FEWEST_VOXELS",
    "FORMATS",
    "known_labels",
    "parse_labels",
    "read_labelmap",
    "read_mask",
    "suffix_for",
    "unknown_mask",
    "write_labelmap",
]
