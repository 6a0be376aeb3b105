"""Tissue fractions of a label map on a working grid: anti-aliased, cut to the box of each tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .frame import Matrix, index_map, inverse, spacing_of
from .itk import Array, Slices, boxes_of_labels, smooth

STAIR_SIGMA = 0.6  # voxels


@dataclass(frozen=True)
class TissueMaps:
    """What a label map holds, tissue by tissue.

    fractions: label value -> (d, h, w) float32 in 0..1, cut to `boxes[value]`, KJI order.
    boxes: label value -> its KJI box in the working grid. shape: (D, H, W) of the working grid.
    affine: (4, 4) float64, working voxel IJK -> RAS mm.
    """

    fractions: dict[int, npt.NDArray[np.float32]]
    boxes: dict[int, Slices]
    shape: tuple[int, int, int]
    affine: Matrix

    @property
    def voxel_ml(self) -> float:
        """Volume of a working voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def volume_ml(self, value: int) -> float:
        """Volume of one tissue in ml, 0 where it is missing."""
        return float(self.fractions[value].sum(dtype=np.float64)) * self.voxel_ml if value in self.fractions else 0.0

    def affine_of(self, value: int) -> Matrix:
        """(4, 4): voxel IJK of one tissue's cut -> RAS mm."""
        shift = np.eye(4)
        shift[:3, 3] = [s.start for s in reversed(self.boxes[value])]
        return np.asarray(self.affine @ shift, dtype=np.float64)

    def centroid(self, value: int) -> Matrix:
        """(3,) float64: centroid of one tissue in RAS mm."""
        part = self.fractions[value].astype(np.float64)
        total = part.sum()
        index = np.array([
            part.sum(axis=tuple(b for b in range(3) if b != 2 - axis)) @ np.arange(part.shape[2 - axis]) / total
            for axis in range(3)
        ])
        affine = self.affine_of(value)
        return np.asarray(affine[:3, :3] @ index + affine[:3, 3], dtype=np.float64)

    def outside_ml(self, value: int, to_world: Matrix, grid_affine: Matrix, grid_shape: tuple[int, int, int]) -> float:
        """Volume in ml of one tissue whose voxel centres lie outside another grid (canonical mm -> RAS: `to_world`)."""
        if value not in self.fractions:
            return 0.0
        matrix = index_map(grid_affine, self.affine_of(value), inverse(to_world))
        part = self.fractions[value]
        index = np.argwhere(part > 0)  # (n, 3) KJI
        point = index[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
        out = ((point < -0.5) | (point > np.array(grid_shape[::-1]) - 0.5)).any(axis=1)
        return float(part[tuple(index[out].T)].sum(dtype=np.float64)) * self.voxel_ml

    def blend(self, contrasts: dict[int, float], sigma_mm: float) -> tuple[npt.NDArray[np.float32], Matrix]:
        """One smoothed image: the sum of contrast x fraction over tissues, and its voxel IJK -> RAS mm.

        The smoothing that the voxels themselves have done already is taken off `sigma_mm`, so that coarse and fine
        grids come out alike.
        """
        spacing = spacing_of(self.affine)
        sigma = np.sqrt(np.maximum(sigma_mm**2 - spacing**2 / 6, 0.01)) / spacing  # (3,) voxels, IJK
        used = [value for value in self.boxes if contrasts.get(value)]
        margin = np.ceil(3 * sigma).astype(int)[::-1]  # KJI
        low = np.min([[s.start for s in self.boxes[v]] for v in used], axis=0) - margin
        high = np.max([[s.stop for s in self.boxes[v]] for v in used], axis=0) + margin
        image = np.zeros(tuple(high - low), dtype=np.float32)
        for value in used:
            place = tuple(slice(s.start - a, s.stop - a) for s, a in zip(self.boxes[value], low, strict=True))
            image[place] += np.float32(contrasts[value]) * self.fractions[value]
        shift = np.eye(4)
        shift[:3, 3] = low[::-1]
        return smooth(image, sigma), np.asarray(self.affine @ shift, dtype=np.float64)


def softened(maps: TissueMaps, spacing_mm: float) -> TissueMaps:
    """The same maps, smoothed a little along axes coarser than `spacing_mm`, so that voxel stairs do not come through.

    Without it two pictures of one heart at 2 mm agree less: Dice of the myocardium 0.94 instead of 0.95 to 0.96.
    """
    sigma = STAIR_SIGMA * np.clip((spacing_of(maps.affine) / spacing_mm - 1) / 0.15, 0, 1)  # (3,) voxels, IJK
    sigma[sigma < 0.05] = 0  # rounding of the header
    if not sigma.any():
        return maps
    margin = [2 if s else 0 for s in reversed(sigma)]
    fractions, boxes = {}, {}
    for value, part in maps.fractions.items():
        fractions[value] = smooth(np.pad(part, [(m, m) for m in margin]), sigma)
        k, j, i = (slice(s.start - m, s.stop + m) for s, m in zip(maps.boxes[value], margin, strict=True))
        boxes[value] = (k, j, i)
    return TissueMaps(fractions, boxes, maps.shape, maps.affine)


def tissue_maps(labels: Array, affine: Matrix, highest: int, spacing_mm: float) -> TissueMaps:
    """Tissue fractions of a label map on a grid no finer than it must be.

    labels: (D, H, W) uint8 anatomy labels, 1..highest. affine: (4, 4) voxel IJK -> RAS mm. spacing_mm: that of the
    canonical grid: finer voxels are averaged in blocks up to this size. Very fine grids are read at every n-th voxel
    first, which leaves at least 8 samples in a block.
    """
    spacing = spacing_of(affine)
    stride = np.maximum(np.floor(spacing_mm / 2 / spacing + 1e-6), 1).astype(int)  # (3,) IJK
    block = np.maximum(np.floor(spacing_mm / (spacing * stride) + 1e-6), 1).astype(int)
    read = labels[:: stride[2], :: stride[1], :: stride[0]]
    boxes = boxes_of_labels(np.ascontiguousarray(read), highest)
    steps = [int(n) for n in reversed(block)]  # KJI
    fractions, blocks = {}, {}
    for value, box in boxes.items():
        outer = tuple(
            slice(s.start // n - 1 if s.start >= n else 0, -(-s.stop // n) + 1) for s, n in zip(box, steps, strict=True)
        )
        fractions[value] = _averaged(read, value, outer, steps)
        blocks[value] = (outer[0], outer[1], outer[2])
    scale = np.diag([*(stride * block), 1.0]).astype(np.float64)
    scale[:3, 3] = stride * (block - 1) / 2
    shape = tuple(-(-n // s) for n, s in zip(read.shape, steps, strict=True))
    return TissueMaps(fractions, blocks, (shape[0], shape[1], shape[2]), np.asarray(affine @ scale, dtype=np.float64))


def _averaged(labels: Array, value: int, outer: tuple[slice, ...], steps: list[int]) -> npt.NDArray[np.float32]:
    """Share of `value` in each block of `outer` (block units); beyond the image is empty."""
    inner = tuple(slice(s.start * n, s.stop * n) for s, n in zip(outer, steps, strict=True))
    part = labels[inner] == value
    missing = [(0, s.stop - s.start - n) for s, n in zip(inner, part.shape, strict=True)]
    part = np.pad(part, missing) if any(m for _, m in missing) else part
    if max(steps) == 1:
        return part.astype(np.float32)
    total = part.astype(np.uint8)  # blocks are 3 x 3 x 3 voxels at the most: counts fit
    for axis, n in enumerate(steps):
        pick = [slice(None)] * 3
        partial = None
        for start in range(n):
            pick[axis] = slice(start, None, n)
            partial = total[tuple(pick)] if partial is None else partial + total[tuple(pick)]
        total = partial if partial is not None else total
    return total.astype(np.float32) / np.float32(np.prod(steps))
