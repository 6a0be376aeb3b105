"""A twin in the canonical frame: checked, aligned, resampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from .frame import CanonicalFrame, Matrix, checked_affine
from .reference import Reference
from .registration import align
from .resample import maps_to_canonical
from .tissue_fractions import TissueMaps, tissue_maps

if TYPE_CHECKING:
    from ...core.anatomy import Anatomy

# Share of a chamber that may lie outside the field of view. What lies outside is copied from the twin, so a little
# is harmless: the large atria and the veins of real patients do reach beyond.
CUT_LIMIT = 0.1
AGREEMENT = 0.8  # with the reference after alignment; hearts have 0.86 to 0.99, exchanged tissues less than 0.8
MIRROR_GAIN = 0.01  # a mirror image that agrees so much better is the heart; the wrong one agrees 0.05 less or more


@dataclass(frozen=True)
class Canonical:
    """labels: (D, H, W) uint8 in the canonical grid, KJI order. to_world: (4, 4) rigid, canonical mm -> RAS mm.

    outside_ml: tissue id -> volume in ml outside the field of view, only tissues that have some.
    agreement: with the reference after alignment, 1 = identical; see `register.Alignment`.
    """

    labels: npt.NDArray[np.uint8]
    to_world: Matrix
    outside_ml: dict[str, float] = field(default_factory=dict)
    agreement: float = float("nan")


def canonicalise(
    labels: npt.NDArray[Any],
    affine: npt.NDArray[Any],
    anatomy: Anatomy,
    reference: Reference,
    *,
    cut_limit: float = CUT_LIMIT,
) -> Canonical:
    """A label map in the canonical frame of its anatomy: rigid, never scaled.

    labels: (D, H, W) uint8 anatomy labels, 0 = background or unknown. affine: (4, 4) voxel IJK -> RAS mm, any
    orientation and handedness. Raises InputError for a geometry that cannot be used, a missing end of the long axis,
    and a chamber that the field of view cuts by more than `cut_limit` (a share of its volume).
    """
    frame, maps = CanonicalFrame.of(anatomy), _maps(labels, affine, anatomy)
    to_world, agreement = align(maps, anatomy, reference)
    outside = _outside(maps, to_world, anatomy, frame, cut_limit)
    return Canonical(maps_to_canonical(maps, to_world, frame), to_world, outside, agreement)


def _maps(labels: npt.NDArray[Any], affine: npt.NDArray[Any], anatomy: Anatomy) -> TissueMaps:
    """The tissues of a map for the model's grid. Raises InputError for a geometry that cannot be used."""
    world = checked_affine(affine)
    if labels.ndim != 3:
        raise InputError("The label map is not a volume", value=f"shape {labels.shape}",
                         rule="a label map has three dimensions")
    return tissue_maps(labels, world, max(anatomy.label_of(t) for t in anatomy.ids), CanonicalFrame.of(anatomy).spacing)


def _outside(
    maps: TissueMaps, to_world: Matrix, anatomy: Anatomy, frame: CanonicalFrame, cut_limit: float
) -> dict[str, float]:
    """Tissue id -> ml outside the field of view. Raises InputError where a chamber loses too much."""
    values = {tissue: anatomy.label_of(tissue) for tissue in anatomy.ids}
    found = {t: maps.outside_ml(value, to_world, frame.affine, frame.shape) for t, value in values.items()}
    cut = {t: found[t] for t in anatomy.chambers if found[t] > cut_limit * maps.volume_ml(values[t])}
    if cut:
        size = " x ".join(f"{n * frame.spacing:.0f}" for n in reversed(frame.shape))
        raise InputError(
            f"The {anatomy.id} is larger than the field of view",
            value=", ".join(f"{t}: {ml:.1f} of {maps.volume_ml(values[t]):.0f} ml outside" for t, ml in cut.items()),
            rule=f"at most {cut_limit:.0%} of a chamber may lie outside {size} mm about the aligned {anatomy.id}",
            hint="check the spacing in the header and the label names; this model cannot process a larger one",
        )
    return {tissue: ml for tissue, ml in found.items() if ml > 0}


def doubts(
    labels: npt.NDArray[Any], affine: npt.NDArray[Any], anatomy: Anatomy, reference: Reference, agreement: float
) -> str:
    """Why a map does not look like the cohort, or looks like it in a mirror; "" where it does.

    labels, affine: as for `canonicalise`. agreement: what it found.
    """
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0]) @ np.asarray(affine, dtype=np.float64)
    turned = align(_maps(labels, mirror, anatomy), anatomy, reference).agreement
    if turned > agreement + MIRROR_GAIN:
        found = f"agreement with the cohort {agreement:.2f}, of the mirror image {turned:.2f}"
        return f"mirrored: left and right are exchanged in the header or the labels ({found})"
    if agreement < AGREEMENT:
        return f"does not look like the cohort: agreement {agreement:.2f}, usual is {AGREEMENT} or more"
    return ""
