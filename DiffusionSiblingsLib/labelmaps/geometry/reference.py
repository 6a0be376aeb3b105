"""The pose that every heart is laid over: centroids and smoothed maps of a cohort. Reading one needs numpy alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.json_files import MALFORMED
from .frame import CanonicalFrame, Matrix, box_under, index_map, inverse
from .itk import resampled
from .tissue_fractions import TissueMaps, tissue_maps

if TYPE_CHECKING:
    from ...core.anatomy import Anatomy

COARSE_MM = 4.0
SIGMA_MM = 4.0
WALL_GREY = 0.6
LOOSE_WEIGHT = 0.3  # of tissues whose extent depends on where the scan or the segmentation was cut
MOST_MM = 1000.0  # of the spacing and the smoothing of a reference


@dataclass(frozen=True)
class Reference:
    """A cohort's mean, in canonical mm. T tissues in the anatomy's order, tissue t has label value `values[t]`.

    values: (T,) int64. centroids: (T, 3) float64, canonical mm. weights: (T,) float64 of the centroids.
    contrasts: (T,) float64: grey value of each tissue in the one image that registration compares.
    maps: (T, d, h, w) float32 smoothed tissue fractions at `spacing` mm, KJI order, centre of the grid at 0.
    sigma: mm, of the Gaussian smoothing. cases: how many maps are averaged.
    """

    values: npt.NDArray[np.int64]
    centroids: Matrix
    weights: Matrix
    contrasts: Matrix
    maps: npt.NDArray[np.float32]
    spacing: float = COARSE_MM
    sigma: float = SIGMA_MM
    cases: int = 0

    def __post_init__(self) -> None:
        count = len(self.values)
        fits = self.centroids.shape == (count, 3) and self.maps.ndim == 4 and len(self.maps) == count
        if not fits or self.weights.shape != (count,) or self.contrasts.shape != (count,):
            raise InputError(
                "The reference of the canonical frame is damaged",
                value=f"{count} tissues, centroids {self.centroids.shape}, maps {self.maps.shape}",
                rule="one centroid, weight, contrast and map per tissue",
            )

    @property
    def frame(self) -> CanonicalFrame:
        """The coarse grid of `maps`."""
        depth, height, width = self.maps.shape[1:]
        return CanonicalFrame((depth, height, width), self.spacing)

    @property
    def image(self) -> npt.NDArray[np.float32]:
        """(d, h, w) float32: the sum of contrast x map, which registration compares."""
        return np.tensordot(self.contrasts.astype(np.float32), self.maps, axes=1)

    def on(self, frame: CanonicalFrame, coarse: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """One of `maps`, or a sum of them, on another canonical grid: trilinear, 0 outside."""
        depth, height, width = frame.shape
        return resampled(coarse, index_map(self.frame.affine, frame.affine, np.eye(4)),
                         (slice(0, depth), slice(0, height), slice(0, width)))

    def tensors(self, prefix: str = "reference.") -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for a safetensors file; `from_tensors` is the inverse."""
        return {
            prefix + "values": self.values.astype(np.int64),
            prefix + "centroids": self.centroids.astype(np.float64),
            prefix + "weights": self.weights.astype(np.float64),
            prefix + "contrasts": self.contrasts.astype(np.float64),
            prefix + "maps": self.maps.astype(np.float16),
            prefix + "grid": np.array([self.spacing, self.sigma, self.cases], dtype=np.float64),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]], prefix: str = "reference.") -> Reference:
        """Reads what `tensors` wrote. Raises InputError naming what is missing."""
        names = ("values", "centroids", "weights", "contrasts", "maps", "grid")
        missing = [prefix + name for name in names if prefix + name not in tensors]
        if missing:
            raise InputError("The file does not hold a reference of the canonical frame",
                             value="missing: " + ", ".join(missing), rule="the tensors that `siblings train` writes",
                             hint="install the model again")
        try:
            values, centroids, weights, contrasts, maps, grid = (np.asarray(tensors[prefix + name]) for name in names)
            return cls(values.astype(np.int64), centroids.astype(np.float64), weights.astype(np.float64),
                       contrasts.astype(np.float64), maps.astype(np.float32), *_grid_of(grid))
        except MALFORMED as error:
            raise InputError("The reference of the canonical frame is damaged", value=error,
                             rule="the tensors that `siblings train` writes",
                             hint="install the model again") from error


def _grid_of(numbers: npt.NDArray[Any]) -> tuple[float, float, int]:
    """Spacing and sigma in mm, and the number of cases. Raises one of MALFORMED."""
    spacing, sigma, cases = (float(number) for number in numbers)
    if not (0 < spacing < MOST_MM and 0 <= sigma < MOST_MM and np.isfinite(cases)):
        raise ValueError(f"a grid of {spacing} mm, smoothed by {sigma} mm")
    return spacing, sigma, int(cases)


def contrasts_of(anatomy: Anatomy) -> dict[str, float]:
    """Tissue id -> grey value so that chambers in contact differ in sign; 0 for tissues of unreliable extent.

    Signs run along the anatomy's required contacts, the first chamber being +1. A wall (firm, but no chamber) joins
    the chamber it is reached from, a little darker, so that trabeculae and a thin wall weigh little.
    """
    firm = [tissue for tissue in anatomy.ids if tissue in anatomy.one_component]
    grey: dict[str, float] = {}
    for root in [*(c for c in anatomy.chambers if c in firm), *firm]:
        if root in grey:
            continue
        grey[root] = 1.0
        queue = [root]
        while queue:
            here = queue.pop(0)
            for pair in (p for p in anatomy.required_contacts if here in p):
                other = pair[1] if pair[0] == here else pair[0]
                if other in firm and other not in grey:
                    sign = 1.0 if grey[here] > 0 else -1.0
                    grey[other] = -sign if other in anatomy.chambers else WALL_GREY * sign
                    queue.append(other)
    return {tissue: grey.get(tissue, 0.0) for tissue in anatomy.ids}


def starting_reference(labels: npt.NDArray[Any], affine: npt.NDArray[Any], anatomy: Anatomy) -> Reference:
    """A reference from one complete map: axis_from -> axis_to along +z, the next chamber towards +x, box centred.

    labels: (D, H, W) uint8 anatomy labels. affine: (4, 4) voxel IJK -> RAS mm. Raises InputError for a missing tissue.
    """
    frame = CanonicalFrame.of(anatomy)
    values = {tissue: anatomy.label_of(tissue) for tissue in anatomy.ids}
    maps = tissue_maps(labels, np.asarray(affine, dtype=np.float64), max(values.values()), frame.spacing)
    missing = [tissue for tissue, value in values.items() if value not in maps.fractions]
    if missing:
        raise InputError("The canonical pose cannot be found", value="missing: " + ", ".join(missing),
                         rule="the first heart has every tissue of the anatomy", hint="put a complete heart first")
    centroids = np.array([maps.centroid(value) for value in values.values()])
    rotation = _axes(centroids, anatomy)
    low, high = _extent(maps, rotation)
    return posed_reference(centroids @ rotation.T - (low + high) / 2, anatomy)


def upright(reference: Reference, anatomy: Anatomy) -> Matrix:
    """(T, 3) centroids of a mean, turned and centred as `starting_reference` does with one map; canonical mm."""
    rotation = _axes(reference.centroids, anatomy)
    index = np.argwhere(reference.maps.sum(axis=0) > 0.5)[:, ::-1]
    affine = reference.frame.affine
    points = (index @ affine[:3, :3].T + affine[:3, 3]) @ rotation.T
    return np.asarray(
        reference.centroids @ rotation.T - (points.min(axis=0) + points.max(axis=0)) / 2, dtype=np.float64
    )


def _axes(centroids: Matrix, anatomy: Anatomy) -> Matrix:
    """(3, 3) rotation, rows x, y, z: axis_from -> axis_to is +z, the next chamber lies towards +x."""
    centre = dict(zip(anatomy.ids, centroids, strict=True))
    origin = centre[anatomy.axis_from]
    side = next(c for c in anatomy.chambers if c not in (anatomy.axis_from, anatomy.axis_to))
    z = centre[anatomy.axis_to] - origin
    z = z / np.linalg.norm(z)
    x = centre[side] - origin
    x = x - z * (x @ z)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def posed_reference(centroids: Matrix, anatomy: Anatomy) -> Reference:
    """A reference of centroids alone: (T, 3) canonical mm, the anatomy's order of tissues. Its maps are empty."""
    coarse = CanonicalFrame.of(anatomy).coarse(COARSE_MM)
    contrasts = contrasts_of(anatomy)
    return Reference(
        np.array([anatomy.label_of(tissue) for tissue in anatomy.ids], dtype=np.int64),
        np.asarray(centroids, dtype=np.float64),
        np.array([1.0 if tissue in anatomy.one_component else LOOSE_WEIGHT for tissue in anatomy.ids]),
        np.array([contrasts[tissue] for tissue in anatomy.ids]),
        np.zeros((len(anatomy.ids), *coarse.shape), dtype=np.float32),
    )


def _extent(maps: TissueMaps, rotation: Matrix) -> tuple[Matrix, Matrix]:
    """Corners of the box around all tissue after `rotation`: two (3,) arrays in mm."""
    points = []
    for value, part in maps.fractions.items():
        affine = maps.affine_of(value)
        points.append(np.argwhere(part > 0)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3])
    moved = np.concatenate(points) @ rotation.T
    return moved.min(axis=0), moved.max(axis=0)


def build_reference(
    cases: Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]], anatomy: Anatomy, start: Reference
) -> Reference:
    """The mean of a cohort in the pose of `start`: one round of alignment and averaging. Call it again to refine.

    cases: pairs of (D, H, W) uint8 anatomy labels and (4, 4) voxel IJK -> RAS mm. A tissue that a case lacks leaves
    that tissue's mean alone; cases that cannot be aligned are refused with InputError.
    """
    from .registration import align

    frame = CanonicalFrame.of(anatomy)
    total = np.zeros(start.maps.shape, dtype=np.float64)
    centroids = np.zeros_like(start.centroids)
    seen = np.zeros(len(start.values))
    count = 0
    for labels, affine in cases:
        maps = tissue_maps(labels, np.asarray(affine, dtype=np.float64), int(start.values.max()), frame.spacing)
        to_world = align(maps, anatomy, start).to_world
        from_world = inverse(to_world)
        for t, value in enumerate(start.values):
            if int(value) not in maps.fractions:
                continue
            total[t] += coarse_image(*maps.blend({int(value): 1.0}, start.sigma), to_world, start.frame)
            centroids[t] += from_world[:3, :3] @ maps.centroid(int(value)) + from_world[:3, 3]
            seen[t] += 1
        count += 1
    if not count or not seen.all():
        raise InputError("The canonical pose cannot be found", value=f"{count} cases, counts {seen.tolist()}",
                         rule="every tissue occurs in at least one case", hint="add complete hearts")
    mean = (total / seen[:, None, None, None]).astype(np.float32)
    return replace(start, centroids=centroids / seen[:, None], maps=mean, cases=count)


def coarse_image(
    image: npt.NDArray[np.float32], affine: Matrix, to_world: Matrix, frame: CanonicalFrame
) -> npt.NDArray[np.float32]:
    """A smoothed image (`TissueMaps.blend`) on a coarse canonical grid: (d, h, w) float32, 0 outside the image."""
    matrix = index_map(affine, frame.affine, to_world)
    result = np.zeros(frame.shape, dtype=np.float32)
    box = box_under(inverse(matrix), -np.ones(3), np.array(image.shape[::-1], dtype=np.float64), frame.shape)
    if box is not None:
        result[box] = resampled(image, matrix, box)
    return result
