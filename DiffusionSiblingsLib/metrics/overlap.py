"""Overlap of two label maps on the same grid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.errors import InputError
from .run_lengths import LabelArray


def dice(a: LabelArray, b: LabelArray, labels: Mapping[str, int]) -> dict[str, float]:
    """Dice coefficient 2 |A and B| / (|A| + |B|) of each tissue, 0 to 1.

    a, b: (D, H, W) integer on the same grid. labels: tissue id -> label value; the result has the same keys.
    A tissue that is absent from both maps agrees: 1.0. InputError where the shapes differ.
    """
    if a.shape != b.shape:
        raise InputError("Two label maps do not lie on the same grid", value=f"{a.shape} and {b.shape} voxels",
                         rule="the same shape", hint="resample one of them to the other's grid")
    found = {}
    for tissue, value in labels.items():
        one, other = a == value, b == value
        total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
        found[tissue] = 1.0 if total == 0 else 2.0 * int(np.count_nonzero(one & other)) / total
    return found
