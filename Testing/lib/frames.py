"""A heart of ellipsoids on any grid in any pose, exact: it is evaluated, never resampled. No torch, no files."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from DiffusionSiblingsLib.core.anatomy import Anatomy

# Centre and semi-axes in mm (x, y, z), earlier parts win; LV to LA lies along +z, the right heart at +x.
PARTS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "LV": ((-15, -1, -14), (21, 20, 33)),
    "LA": ((-16, -2, 40), (22, 18, 18)),
    "Myo": ((-15, -1, -17), (30, 29, 41)),
    "RV": ((25, 2, -12), (20, 24, 33)),
    "RA": ((27, -16, 38), (20, 19, 21)),
    "Ao": ((9, 20, 38), (11, 11, 24)),
}


def heart_on(
    affine: npt.NDArray[np.float64],
    shape: tuple[int, int, int],
    anatomy: Anatomy,
    pose: npt.NDArray[np.float64] | None = None,
    scale: dict[str, float] | None = None,
    leave_out: tuple[str, ...] = (),
) -> npt.NDArray[np.uint8]:
    """(D, H, W) uint8 anatomy labels. affine: (4, 4) voxel IJK -> mm. scale: of the semi-axes."""
    matrix = np.linalg.inv(np.eye(4) if pose is None else pose) @ affine
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    x, y, z = (matrix[a, 0] * i + matrix[a, 1] * j + matrix[a, 2] * k + matrix[a, 3] for a in range(3))
    labels = np.zeros(shape, np.uint8)
    for tissue, (centre, axes) in PARTS.items():
        if tissue in leave_out:
            continue
        a, b, c = (axis * (scale or {}).get(tissue, 1.0) for axis in axes)
        inside = ((x - centre[0]) / a) ** 2 + ((y - centre[1]) / b) ** 2 + ((z - centre[2]) / c) ** 2 <= 1
        labels[inside & (labels == 0)] = anatomy.label_of(tissue)
    return labels


def random_rotation(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(3, 3), uniform over all rotations."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def random_pose(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """(4, 4) rigid, somewhere within 200 mm."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = random_rotation(rng), rng.uniform(-200, 200, 3)
    return pose


def grid_around(
    rng: np.random.Generator, pose: npt.NDArray[np.float64], spacing: Any, half: float = 85.0, shear: float = 0.0
) -> tuple[npt.NDArray[np.float64], tuple[int, int, int]]:
    """A grid with axes of its own, any handedness, that holds a heart of that pose: affine and shape (D, H, W)."""
    axes = random_rotation(rng) @ np.diag(rng.choice([-1.0, 1.0], 3)) @ (np.eye(3) + shear * np.eye(3, k=1))
    size = np.ceil(2 * half / np.asarray(spacing)).astype(int) * np.ones(3, int)
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    middle = (size - 1) / 2 + rng.uniform(-3, 3, 3)
    affine[:3, 3] = pose[:3, 3] - affine[:3, :3] @ middle
    return affine, (int(size[2]), int(size[1]), int(size[0]))


def dice(one: npt.NDArray[Any], two: npt.NDArray[Any], anatomy: Anatomy) -> dict[str, float]:
    """Tissue id -> Dice."""
    found = {}
    for tissue in anatomy.ids:
        a, b = one == anatomy.label_of(tissue), two == anatomy.label_of(tissue)
        found[tissue] = 2 * float((a & b).sum()) / max(1, int(a.sum()) + int(b.sum()))
    return found


def lowest_pairwise_dice(maps: list[npt.NDArray[np.uint8]], anatomy: Anatomy) -> dict[str, float]:
    """Tissue id -> the lowest Dice of any two maps."""
    found = {}
    for tissue in anatomy.ids:
        masks = np.stack([m == anatomy.label_of(tissue) for m in maps])
        flat = masks[:, masks.any(axis=0)].astype(np.float32)
        sizes = flat.sum(axis=1)
        found[tissue] = float((2 * (flat @ flat.T) / (sizes[:, None] + sizes[None])).min())
    return found
