"""Differences of occupancy as volumes that Slicer shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..labelmaps.formats.scalars import write_scalars
from ..labelmaps.geometry.frame import CanonicalFrame
from ..metrics.occupancy import Probabilities, difference

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy

STEM = "occupancy-difference"
SHOWN = (-0.5, 0.5)  # what a viewer should map to its colours at first


def write_differences(out: Path, reference: Probabilities, cohort: Probabilities, anatomy: Anatomy) -> dict[str, str]:
    """Writes P of the cohort minus P of the reference, for any tissue and for each -> file name: what it holds.

    float32 .nii.gz on the canonical grid, in canonical mm; about 1 MB each. Raises OutputError.
    """
    affine, files = CanonicalFrame.of(anatomy).affine, dict[str, str]()
    for tissue in (None, *anatomy.ids):
        name = f"{STEM}.nii.gz" if tissue is None else f"{STEM}-{tissue}.nii.gz"
        words = "any tissue" if tissue is None else anatomy.tissue(tissue).name
        write_scalars(difference(reference, cohort, tissue), affine, out / name,
                      description=f"occupancy difference, {words}", shown=SHOWN)
        files[name] = f"difference of occupancy as a volume: {words}"
    return files
