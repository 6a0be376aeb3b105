"""Frames: from a twin's own voxel grid into the canonical frame of the model, and back.

Nothing heavy is imported here: SimpleITK and scipy load when a function of `itk` first needs them, so that a bare
training machine can read a `Reference` with numpy alone.
"""

from __future__ import annotations

from .canonical import Canonical, canonicalise, doubts
from .frame import CanonicalFrame, field_of_view_mask
from .reference import Reference, build_reference, starting_reference
from .resample import InTwin, resample_to_canonical, sample_probabilities, to_twin

__all__ = [
    "Canonical",
    "CanonicalFrame",
    "InTwin",
    "Reference",
    "build_reference",
    "canonicalise",
    "doubts",
    "field_of_view_mask",
    "resample_to_canonical",
    "sample_probabilities",
    "starting_reference",
    "to_twin",
]
