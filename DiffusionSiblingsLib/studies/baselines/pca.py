"""Principal components of signed distances: the usual method for virtual cohorts (npj 2024, Introduction).

Every tissue of a canonical map becomes its signed distance on a coarse grid (negative inside, mm, cut at `REACH_MM`);
the maps' mean and leading components are kept; a new heart is the mean plus components times Gaussian coefficients of
the training deviations. A voxel belongs to the tissue with the lowest distance; it is background if all are above 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ...core.errors import InputError, reason_of
from ...core.files import atomic_path

COARSE = 4  # voxels of the canonical grid per coarse cell and axis: 5.6 mm, enough because distances are smooth
HALF = 2  # voxels per cell of the grid on which distances are computed
REACH_MM = 30.0  # longer distances do not depend on the shape of the surface
VARIANCE = 0.98  # share of the training variance that the components keep
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ShapePCA:
    """mean: (T, d, h, w) float32, mm; components: (K, T, d, h, w) float32, unit vectors; deviations: (K,) float64, of
    the training maps along each; kept: share of the variance in the components; maps: number of training maps.
    """

    mean: Floats
    components: Floats
    deviations: npt.NDArray[np.float64]
    kept: float
    maps: int
    anatomy: Anatomy

    @classmethod
    def fit(cls, maps: Iterable[npt.NDArray[np.uint8]], anatomy: Anatomy, *,
            variance: float = VARIANCE) -> ShapePCA:
        """Fits the components to canonical maps (D, H, W) uint8. variance: share to keep, 0..1.

        With fewer maps than grid points the components come from the (maps, maps) matrix of inner products.
        Raises InputError for fewer than three maps.
        """
        rows = [signed_distances(labels, anatomy).astype(np.float16).ravel() for labels in maps]
        if len(rows) < 3:
            raise InputError("There are too few maps for principal components", value=len(rows), rule="at least 3 maps")
        shape = signed_shape(anatomy)
        table = np.stack(rows).astype(np.float32)
        mean = table.mean(axis=0)
        table -= mean
        values, vectors = np.linalg.eigh((table @ table.T).astype(np.float64) / (len(table) - 1))
        values, vectors = values[::-1].clip(min=0.0), vectors[:, ::-1]
        share = np.cumsum(values) / values.sum()
        count = min(int(np.searchsorted(share, variance)) + 1, len(table) - 1)
        components = (vectors[:, :count].T.astype(np.float32) @ table)
        components /= np.linalg.norm(components, axis=1, keepdims=True)
        return cls(mean.reshape(shape), components.reshape(count, *shape), np.sqrt(values[:count]),
                   float(share[count - 1]), len(table), anatomy)

    def sample(self, k: int, seed: int = 0) -> npt.NDArray[np.uint8]:
        """(D, H, W) uint8: heart k of a seed; it depends only on (seed, k)."""
        rng = np.random.default_rng([seed, k])
        weights = (rng.standard_normal(len(self.deviations)) * self.deviations).astype(np.float32)
        return self.decode(self.mean + np.tensordot(weights, self.components, axes=1))

    def decode(self, distances: Floats) -> npt.NDArray[np.uint8]:
        """(T, d, h, w) signed distances, mm -> (D, H, W) uint8 labels on the canonical grid, interpolated linearly."""
        labels = np.zeros(self.anatomy.shape, dtype=np.uint8)
        best = np.zeros(self.anatomy.shape, dtype=np.float32)  # background where no distance is below 0
        for tissue, coarse in zip(self.anatomy.tissues, distances, strict=True):
            fine = enlarged(coarse, self.anatomy.shape)
            inside = fine < best
            labels[inside] = tissue.label
            best[inside] = fine[inside]
        return labels

    def save(self, path: Path) -> None:
        """Writes the components as .npz, whole or not at all. Raises OutputError."""
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, mean=self.mean.astype(np.float16), kept=self.kept, maps=self.maps,
                                components=self.components.astype(np.float16), deviations=self.deviations)

    @classmethod
    def load(cls, path: Path, anatomy: Anatomy) -> ShapePCA:
        """Reads what `save` wrote. Raises InputError."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["mean"].astype(np.float32), file["components"].astype(np.float32), file["deviations"],
                           float(file["kept"]), int(file["maps"]), anatomy)
        except (OSError, KeyError, ValueError) as error:
            raise InputError("The principal components cannot be read", value=f"{path}: {reason_of(error)}",
                             hint="delete the file; the study makes it again") from error


def signed_shape(anatomy: Anatomy) -> tuple[int, int, int, int]:
    """(T, d, h, w) of the distances of an anatomy."""
    depth, height, width = (size // COARSE for size in anatomy.shape)
    return len(anatomy.tissues), depth, height, width


def signed_distances(labels: npt.NDArray[np.uint8], anatomy: Anatomy) -> Floats:
    """(T, d, h, w) float32, mm: the distance of every coarse cell's middle to each tissue's surface, negative inside.

    labels: (D, H, W) uint8 canonical. A tissue that is absent is `REACH_MM` away everywhere.
    """
    from scipy.ndimage import distance_transform_edt

    half = labels[::HALF, ::HALF, ::HALF]
    step = HALF * anatomy.spacing_mm
    found = np.full((len(anatomy.tissues), *half.shape), REACH_MM, dtype=np.float32)
    for index, tissue in enumerate(anatomy.tissues):
        inside = half == tissue.label
        if inside.any():
            outer, inner = distance_transform_edt(~inside), distance_transform_edt(inside)
            found[index] = (outer - inner - np.where(inside, -0.5, 0.5)) * step
    return _averaged(found.clip(-REACH_MM, REACH_MM), COARSE // HALF)


def enlarged(coarse: Floats, shape: Sequence[int]) -> Floats:
    """(d, h, w) -> (D, H, W) float32: linear between the middles of the cells, constant beyond the outermost."""
    fine = coarse
    for axis, size in enumerate(shape):
        count = fine.shape[axis]
        place = ((np.arange(size) + 0.5) * count / size - 0.5).clip(0, count - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, count - 1)
        part = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        fine = np.take(fine, low, axis) * (1 - part) + np.take(fine, high, axis) * part
    return np.asarray(fine, dtype=np.float32)


def _averaged(values: Floats, factor: int) -> Floats:
    """(T, D, H, W) -> means of blocks of factor^3. Half-resolution samples are 0.7 mm off, equally for every map."""
    tissues, depth, height, width = values.shape
    blocks = values.reshape(tissues, depth // factor, factor, height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(2, 4, 6)), dtype=np.float32)
