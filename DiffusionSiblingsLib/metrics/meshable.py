"""What stands between a label map and a mesh: surfaces that touch themselves, gaps in tissue, contacts without area.

`siblings mesh` repairs a copy of the map, so that few ill-composed cubes and small gaps do no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.labelmap import Affine
from .composed import ill_composed
from .run_lengths import LabelArray

LEAST_CONTACT_MM2 = 20.0  # of a required contact: less is a leak of the segmentation and no valve, as for an opening


@dataclass(frozen=True)
class Meshability:
    """cubes: of 2 x 2 x 2 voxels in which a label touches itself along an edge or a corner only (`metrics.composed`).

    gaps: pieces of background that are enclosed by tissue; gap_ml: volume of the largest; gap: one of its voxels (KJI),
    None without one.
    contacts: required contact -> mm^2 of voxels' faces, of the contacts whose tissues are both there.
    """

    cubes: int
    gaps: int
    gap_ml: float
    gap: npt.NDArray[np.int64] | None
    contacts: Mapping[tuple[str, str], float]

    @property
    def points(self) -> tuple[str, ...]:
        """The required contacts that are smaller than an opening can be, "LV-LA"."""
        return tuple("-".join(pair) for pair, area in self.contacts.items() if area < LEAST_CONTACT_MM2)


def meshability(labels: LabelArray, affine: Affine, anatomy: Anatomy) -> Meshability:
    """What stands between a map and a mesh. labels: (D, H, W), the anatomy's values. affine: voxel IJK -> RAS mm."""
    gaps, voxels, gap = _gaps(labels == 0)
    gap_ml = voxels * abs(float(np.linalg.det(np.asarray(affine)[:3, :3]))) / 1000
    present = {tissue.id for tissue in anatomy.tissues if (labels == tissue.label).any()}
    contacts = {pair: _face_area(labels == anatomy.label_of(pair[0]), labels == anatomy.label_of(pair[1]), affine)
                for pair in anatomy.required_contacts if set(pair) <= present}
    return Meshability(ill_composed(labels).cubes, gaps, gap_ml, gap, contacts)


def _gaps(background: npt.NDArray[np.bool_]) -> tuple[int, int, npt.NDArray[np.int64] | None]:
    """How many pieces of background do not reach the border of the map, the voxels of the largest, and one of them."""
    from scipy import ndimage

    pieces, count = ndimage.label(np.pad(background, 1, constant_values=True))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[[0, pieces[0, 0, 0]]] = 0
    if not sizes.any():
        return 0, 0, None
    return int(np.count_nonzero(sizes)), int(sizes.max()), np.argwhere(pieces == int(sizes.argmax()))[0] - 1


def _face_area(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], affine: Affine) -> float:
    """mm^2 of the faces between voxels of two masks."""
    edges = np.asarray(affine, dtype=np.float64)[:3, :3].T[::-1]  # along K, J, I
    total = 0.0
    for axis in range(3):
        a, b = np.moveaxis(one, axis, 0), np.moveaxis(other, axis, 0)
        faces = np.count_nonzero(a[:-1] & b[1:]) + np.count_nonzero(b[:-1] & a[1:])
        first, second = (edges[n] for n in range(3) if n != axis)
        total += faces * float(np.linalg.norm(np.cross(first, second)))
    return total
