"""Which label maps a training set accepts, and the reason for each that it rejects."""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ...labelmaps.geometry.itk import boxes_of_labels

LOOSE_SHARE = 0.05  # of a tissue's voxels outside its largest component
# Area on the image border over volume^(2/3): 7.7 cm2 for a ventricle of 130 ml. A cut vein or vena cava, which
# belongs to its atrium, stays below; a cut chamber is far above.
BORDER_SHARE = 0.3

Labels = npt.NDArray[np.uint8]


def volumes_ml(labels: Labels, affine: npt.NDArray[Any], anatomy: Anatomy) -> dict[str, float]:
    """Tissue id -> volume in ml. labels: (D, H, W) uint8 anatomy labels. affine: (4, 4) voxel IJK -> RAS mm."""
    counts = np.bincount(labels.ravel(), minlength=256)
    voxel = abs(np.linalg.det(affine[:3, :3])) / 1000.0
    return {tissue: float(counts[anatomy.label_of(tissue)] * voxel) for tissue in anatomy.ids}


def reasons_against(labels: Labels, affine: npt.NDArray[Any], anatomy: Anatomy) -> list[str]:
    """Why a map cannot be used for training; empty if it can. Same arguments as `volumes_ml`.

    Every tissue must exist. Firm tissues must have a plausible volume, be in one piece except for crumbs, and not be
    cut by the border of the image. Tissues that scans always cut (the aorta) only have to exist.
    """
    volumes = volumes_ml(labels, affine, anatomy)
    missing = [tissue for tissue, ml in volumes.items() if ml == 0]
    reasons = [f"no {', '.join(missing)}"] if missing else []
    boxes = boxes_of_labels(labels, max(anatomy.label_of(t) for t in anatomy.ids))
    for tissue in anatomy.one_component:
        if tissue in missing:
            continue
        low, high = anatomy.plausible_ml.get(tissue, (0.0, float("inf")))
        if not low <= volumes[tissue] <= high:
            reasons.append(f"{tissue} has {volumes[tissue]:.1f} ml; plausible are {low:g} to {high:g} ml")
        box = boxes[anatomy.label_of(tissue)]
        mask = labels[box] == anatomy.label_of(tissue)
        loose = _loose_share(mask)
        if loose > LOOSE_SHARE:
            allowed = f"at most {LOOSE_SHARE:.0%} is allowed"
            reasons.append(f"{loose:.0%} of {tissue} is apart from its largest piece; {allowed}")
        area = _border_area(mask, box, labels.shape, affine)
        limit = BORDER_SHARE * (volumes[tissue] * 1000) ** (2 / 3)
        if area > limit:
            found = f"{area / 100:.1f} cm2 lie on it; at most {limit / 100:.1f} are allowed"
            reasons.append(f"{tissue} is cut by the border of the image: {found}")
    return reasons


def _loose_share(mask: npt.NDArray[np.bool_]) -> float:
    """Share of the voxels outside the largest 26-connected component."""
    # One voxel of rim: cc3d 3.x fails on some masks that are one voxel thin.
    components = cc3d.connected_components(np.pad(mask, 1), connectivity=26)
    counts = np.bincount(components.ravel())[1:]
    return 1.0 - float(counts.max()) / float(counts.sum())


def _border_area(
    mask: npt.NDArray[np.bool_], box: tuple[slice, ...], shape: tuple[int, ...], affine: npt.NDArray[Any]
) -> float:
    """mm^2 of a tissue's voxel faces on the border of the image. mask: the tissue in its KJI box."""
    edges = affine[:3, :3].T[::-1]  # rows: K, J, I edge vectors in mm
    total = 0.0
    for axis in range(3):
        others = [edges[b] for b in range(3) if b != axis]
        face = float(np.linalg.norm(np.cross(others[0], others[1])))
        if box[axis].start == 0:
            total += face * int(np.take(mask, 0, axis=axis).sum())
        if box[axis].stop == shape[axis]:
            total += face * int(np.take(mask, -1, axis=axis).sum())
    return total
