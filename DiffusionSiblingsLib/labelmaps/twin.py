"""A twin that is ready for edits: its voxels in the anatomy's labels, and its position in the canonical frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap, LabelValues
from .geometry.canonical import Canonical, canonicalise, doubts
from .geometry.frame import CanonicalFrame, field_of_view_mask, index_map, inside
from .geometry.reference import Reference
from .geometry.room import NONE, Extension, extended, extension_of
from .read import read_labelmap
from .tissues import known_labels, unknown_mask

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Twin:
    """A patient's label map with everything that edits need.

    labelmap: as read, on the patient's grid. known: (D, H, W) uint8, the anatomy's labels on the same grid, 0 for
    background and for tissues unknown to the model. unknown: (D, H, W) bool, the voxels of those tissues.
    in_view: (D, H, W) bool, voxels inside the model's field of view. canonical: the twin in the canonical frame.
    extension: voxels by which its grid is larger than the one of its file.
    warnings: what a user should check before trusting the siblings; usually empty.
    """

    labelmap: LabelMap
    known: npt.NDArray[np.uint8]
    unknown: BoolArray
    in_view: BoolArray
    canonical: Canonical
    frame: CanonicalFrame
    warnings: tuple[str, ...] = ()
    extension: Extension = NONE

    @cached_property
    def beyond(self) -> BoolArray:
        """(128, 128, 128) bool: voxels of the canonical frame that the twin's grid does not reach."""
        shape = (self.known.shape[0], self.known.shape[1], self.known.shape[2])
        matrix = index_map(self.labelmap.affine, self.frame.affine, self.canonical.to_world)
        return ~inside(matrix, self.frame.shape, shape)


def open_twin(source: Path | LabelMap, anatomy: Anatomy, reference: Reference, *,
              labels: LabelValues | None = None, room: float | Extension | None = NONE) -> Twin:
    """Places a label map, or the one in a file, in the canonical frame. Raises InputError if it cannot be used.

    room: by how many voxels its grid is extended; or how many mm it shall reach beyond the heart; or None, to extend it
    as far as siblings need within the larger grid that its file notes.
    """
    labelmap = source if isinstance(source, LabelMap) else read_labelmap(source, anatomy, labels)
    frame = CanonicalFrame.of(anatomy)
    known = known_labels(labelmap, anatomy)
    extension = room if isinstance(room, tuple) else extension_of(labelmap, known > 0, room)
    if extension != NONE:
        labelmap = extended(labelmap, extension)
        known = known_labels(labelmap, anatomy)
    canonical = canonicalise(known, labelmap.affine, anatomy, reference)
    in_view = field_of_view_mask(labelmap.affine, known.shape, canonical.to_world, frame)
    doubt = doubts(known, labelmap.affine, anatomy, reference, canonical.agreement)
    warnings = [*labelmap.notes, *([f"The twin {doubt}; check its labels and its header"] if doubt else [])]
    return Twin(labelmap, known, unknown_mask(labelmap), in_view, canonical, frame, tuple(warnings), extension)
