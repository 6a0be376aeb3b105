"""Cohorts of small ellipsoid hearts on a coarse canonical grid, measured without reading files: quick to compare."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from DiffusionSiblingsLib.cohorts.dataset_file import encode
from DiffusionSiblingsLib.cohorts.measured import MeasuredCohort, MeasuredMember, collect
from DiffusionSiblingsLib.core.anatomy import Anatomy, load_anatomy
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
from DiffusionSiblingsLib.metrics.morphology import features, tissue_volumes
from DiffusionSiblingsLib.metrics.topology import check_both

# Centre and semi-axes in mm (x, y, z), one drawn over the other; as in hearts.py, which needs torch.
PARTS = {"Myo": ((-12, 0, -15), (29, 29, 42)), "LV": ((-12, 0, -10), (20, 20, 34)), "RV": ((28, 0, -10), (18, 24, 32)),
         "LA": ((-14, -16, 42), (24, 20, 19)), "RA": ((34, 14, 40), (19, 20, 20)), "Ao": ((-2, 18, 45), (10, 10, 40))}
POINTS = 64


def coarse_anatomy(size: int = 40) -> Anatomy:
    """The heart's anatomy on a coarse grid with the same field of view."""
    whole = load_anatomy()
    return replace(whole, shape=(size, size, size), spacing_mm=whole.spacing_mm * whole.shape[0] / size)


def small_heart(anatomy: Anatomy, factors: np.ndarray) -> np.ndarray:
    """(D, H, W) uint8. factors: (parts,) by which each part's axes grow."""
    frame = CanonicalFrame.of(anatomy)
    k, j, i = np.indices(frame.shape, dtype=np.float32)
    place = [axis * frame.spacing + frame.affine[n, 3] for n, axis in enumerate((i, j, k))]
    labels = np.zeros(frame.shape, np.uint8)
    for (name, (centre, axes)), factor in zip(PARTS.items(), factors, strict=True):
        inside = sum(((place[n] - centre[n]) / (axes[n] * factor)) ** 2 for n in range(3)) <= 1
        labels[inside & (labels == 0) if name in ("RV", "RA", "Ao") else inside] = anatomy.label_of(name)
    return labels


def small_cohort(name: str, count: int, *, seed: int = 0, larger: float = 1.0, spread: float = 0.08,
                 folder: Path | None = None, anatomy: Anatomy | None = None) -> MeasuredCohort:
    """Hearts whose parts vary about `larger` times their size."""
    anatomy, rng = anatomy or coarse_anatomy(), np.random.default_rng(seed)
    affine = CanonicalFrame.of(anatomy).affine
    members = []
    for n in range(count):
        labels = small_heart(anatomy, larger * (1 + spread * rng.standard_normal(len(PARTS))))
        surface = (np.argwhere(labels > 0)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]).astype(np.float32)
        one, other = (rng.choice(surface, POINTS) for _ in range(2))
        checks = check_both(labels, anatomy)
        members.append(MeasuredMember(
            f"{name}_{n:03d}", features(labels, affine, anatomy), tissue_volumes(labels, affine, anatomy),
            checks["half"].failed, checks["full"].failed, one, other, encode(labels).tobytes(),
            (folder or Path("nowhere")) / f"{name}_{n:03d}.nii.gz"))
    return collect(members, anatomy, name=name)
