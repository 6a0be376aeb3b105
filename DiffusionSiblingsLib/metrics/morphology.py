"""Volumes and axis lengths of tissues from the moments of their voxel sets in physical space (METHODS.md, Metrics)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Affine
from .measurement import MAJOR_AXIS, MINOR_AXIS, VOLUME, MeasurementKey, tissue_key
from .run_lengths import LabelArray, Runs, find_runs

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VoxelMoments:
    """Zeroth to second moments of a voxel set, each voxel taken as a solid body and not as a point.

    volume_ml: ml. centroid: (3,) float64, RAS mm. covariance: (3, 3) float64, mm^2. An empty set is all zeros.
    """

    volume_ml: float
    centroid: FloatArray
    covariance: FloatArray


def moments(labels: LabelArray, affine: Affine, values: Sequence[int]) -> dict[int, VoxelMoments]:
    """Moments of the voxel set of each label in `values`; one pass over the map for all of them.

    labels: (D, H, W) integer, KJI order. affine: (4, 4), voxel IJK -> RAS mm, any rotation, handedness, shear.
    The second moments contain the voxel's own, A A^T / 12 with A = affine[:3, :3] (spacing^2 / 12 along each axis of
    an orthogonal grid), so that a box gives edge^2 / 12 exactly and spheres do not shrink on coarse grids.
    scikit-image's regionprops takes voxels as points: its squared axes are 20 / 12 spacing^2 smaller.
    """
    matrix, origin = _split_affine(affine)
    runs = find_runs(labels)
    runs = runs.where(np.isin(runs.value, np.asarray(values, dtype=np.int64)))
    voxel_ml = abs(float(np.linalg.det(matrix))) / 1000.0
    result = {}
    for value in values:
        count, mean, covariance = _index_moments(runs.where(runs.value == value))
        if count == 0:
            result[value] = VoxelMoments(0.0, np.zeros(3), np.zeros((3, 3)))
            continue
        covariance += np.eye(3) / 12.0
        result[value] = VoxelMoments(count * voxel_ml, matrix @ mean + origin, matrix @ covariance @ matrix.T)
    return result


def features(labels: LabelArray, affine: Affine, anatomy: Anatomy) -> dict[MeasurementKey, float]:
    """Volume, major and minor axis of every chamber, in the anatomy's order: 12 numbers for the heart.

    The axes are the full ones of the solid ellipsoid with the chamber's second moments, the minor axis the smallest of
    three: a solid ellipsoid with semi-axis a has variance a^2 / 5 along it, hence 2 sqrt(5 lambda).
    labels: (D, H, W) integer, KJI order, the anatomy's label values. affine: (4, 4), voxel IJK -> RAS mm. A chamber
    that is absent gives 0 for all three.
    """
    of_value = moments(labels, affine, [anatomy.label_of(chamber) for chamber in anatomy.chambers])
    result: dict[MeasurementKey, float] = {}
    for chamber in anatomy.chambers:
        body = of_value[anatomy.label_of(chamber)]
        lengths = 2.0 * np.sqrt(5.0 * np.clip(np.linalg.eigvalsh(body.covariance)[::-1], 0.0, None))  # longest first
        result[tissue_key(chamber, VOLUME)] = body.volume_ml
        result[tissue_key(chamber, MAJOR_AXIS)] = float(lengths[0])
        result[tissue_key(chamber, MINOR_AXIS)] = float(lengths[2])
    return result


def tissue_volumes(labels: LabelArray, affine: Affine, anatomy: Anatomy) -> dict[str, float]:
    """Tissue id -> volume in ml, in the anatomy's order; 0 where absent.

    labels: (D, H, W) integer, KJI order. affine: (4, 4), voxel IJK -> RAS mm.
    """
    matrix, _ = _split_affine(affine)
    voxel_ml = abs(float(np.linalg.det(matrix))) / 1000.0
    runs = find_runs(labels)
    return {tissue.id: float(runs.length[runs.value == tissue.label].sum()) * voxel_ml for tissue in anatomy.tissues}


def all_measurements(measured: Mapping[MeasurementKey, float],
                     volumes: Mapping[str, float]) -> dict[MeasurementKey, float]:
    """All measurements in the order of their columns: the features, then the volumes of tissues that have none there.

    measured: as `features` gives it. volumes: ml by tissue id, as `tissue_volumes` gives it.
    """
    more = {tissue_key(tissue): ml for tissue, ml in volumes.items()}
    return {key: float(value) for key, value in {**measured, **more, **measured}.items()}


def _split_affine(affine: Affine) -> tuple[FloatArray, FloatArray]:
    """(3, 3) linear part and (3,) origin; InputError where the grid has no volume."""
    checked = np.asarray(affine, dtype=np.float64)
    if checked.shape != (4, 4) or not np.isfinite(checked).all() or np.linalg.det(checked[:3, :3]) == 0.0:
        raise InputError("The grid of the label map has no volume",
                         value=np.array2string(checked, precision=4).replace("\n", " "),
                         rule="a finite, invertible (4, 4) matrix from voxel IJK to RAS mm",
                         hint="check spacing and direction in the file's header")
    return checked[:3, :3], checked[:3, 3]


def _index_moments(runs: Runs) -> tuple[int, FloatArray, FloatArray]:
    """Voxel count, mean (3,) and covariance (3, 3) of voxel centres in IJK; closed forms over each run."""
    row, first = np.divmod(runs.start, runs.shape[2])
    k, j, i = (part.astype(np.float64) for part in (*np.divmod(row, runs.shape[1]), first))  # of each first voxel
    n = runs.length.astype(np.float64)
    count = int(runs.length.sum())
    if count == 0:
        return 0, np.zeros(3), np.zeros((3, 3))
    sum_i = n * i + n * (n - 1.0) / 2.0
    sum_ii = n * i * i + i * n * (n - 1.0) + (n - 1.0) * n * (2.0 * n - 1.0) / 6.0
    mean = np.array([sum_i.sum(), n @ j, n @ k]) / count
    second = np.empty((3, 3))
    second[0] = sum_ii.sum(), sum_i @ j, sum_i @ k
    second[1] = second[0, 1], (n * j) @ j, (n * j) @ k
    second[2] = second[0, 2], second[1, 2], (n * k) @ k
    return count, mean, second / count - np.outer(mean, mean)
