"""Measurements of a label map in a control domain: moments and Betti numbers (METHODS.md, Guidance)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.boxes import foreground_box
from ..core.errors import InputError
from ..metrics.betti import betti_numbers
from .checks import FloatArray, Rows, Vector, as_rows, as_vector, rigid
from .domain import ControlDomain
from .terms import Quantity, Value, moved_value, plain

SMALL_CELLS = 0.5  # less tissue than half a point of the template has neither place nor shape
SMALL_SIZE_MM2 = 1e-9
INSIDE = 0.5  # from here on a point belongs to the tissue


@dataclass(frozen=True)
class Measurement:
    """What a domain holds. mass: the amount of tissue, in `unit`. The rest is as `Term` describes it, and None where
    there is too little to measure.

    centroid: mm, coordinates of the domain's frame. size: mm^2. shape: one share per dimension. orientation: rows are
    the eigenvectors, widest first. covariance: of trace 1. betti: (components, loops, voids), None where not counted.
    """

    domain: str
    mass: float
    centroid: Vector | None
    size: float | None
    shape: tuple[float, ...] | None
    orientation: Rows | None
    covariance: Rows | None
    betti: tuple[int, int, int] | None
    unit: str

    def get(self, quantity: Quantity) -> Value | None:
        """The measured value of a quantity, None where there was too little to measure."""
        found: Value | None = self.centroid if quantity == "position" else getattr(self, quantity)
        return found

    def moved(self, matrix: object) -> Measurement:
        """The measurement in another frame. matrix: (4, 4) rigid, mm of this frame -> mm of the other."""
        motion = rigid(matrix)
        turning: dict[str, Quantity] = {"centroid": "position", "orientation": "orientation",
                                        "covariance": "covariance"}
        values: dict[str, Any] = {
            name: None if getattr(self, name) is None else moved_value(quantity, getattr(self, name), motion)
            for name, quantity in turning.items()
        }
        return replace(self, **values)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "domain": self.domain, "mass": self.mass, "unit": self.unit, "position": plain(self.centroid),
            "size": self.size, "shape": plain(self.shape), "orientation": plain(self.orientation),
            "covariance": plain(self.covariance), "betti": plain(self.betti),
        }


class Moments(NamedTuple):
    """mass: sum of weights times the cell. centroid: (3,). covariance: (3, 3), about the centroid; both 0 if empty."""

    mass: float
    centroid: FloatArray
    covariance: FloatArray


def moments_of(weights: npt.NDArray[Any], points: npt.NDArray[Any], cell: float) -> Moments:
    """m = sum w, p = sum r w / m, C = sum (r - p)(r - p)^T w / m.

    weights: (...). points: (..., 3), mm. cell: measure of a point. The numpy twin of what the guidance differentiates.
    Points, not bodies: a full box of n cells has edge^2 / 12 (1 - 1 / n^2) along an axis.
    """
    w = np.asarray(weights, dtype=np.float64).reshape(-1)
    r = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    total = float(w.sum())
    if total <= 0.0:
        return Moments(0.0, np.zeros(3), np.zeros((3, 3)))
    p = w @ r / total
    d = r - p
    return Moments(total * cell, p, (d * w[:, None]).T @ d / total)


def measure(
    labels: npt.NDArray[np.integer[Any]],
    affine: npt.NDArray[np.float64],
    domain: ControlDomain,
    anatomy: Anatomy,
    *,
    betti: bool = True,
) -> Measurement:
    """What `domain` holds of its tissues in a label map.

    labels: (D, H, W) integer, KJI order, the anatomy's labels. affine: (4, 4) voxel IJK -> mm of the domain's frame.
    betti: False leaves the Betti numbers out. Raises InputError for a tissue that the anatomy does not have, a grid
    without volume, and a domain with no point inside the image.
    """
    return measured_weights(sample(labels, affine, domain, anatomy), domain, betti=betti)


def measured_weights(weights: npt.NDArray[Any], domain: ControlDomain, *, betti: bool = True) -> Measurement:
    """What a domain holds, from the tissue's share at each of its points. weights: (alpha, beta, gamma) in 0..1."""
    numbers = betti_numbers(weights >= INSIDE) if betti else None
    some = np.nonzero(weights)  # most of a box is empty
    axes = np.array(domain.axes)
    local = np.stack([offset[index] for offset, index in zip(domain.offsets(), some, strict=True)], axis=-1)
    mass, p, c = moments_of(weights[some], local, domain.cell)  # in the domain's own axes
    found = Measurement(domain.name, mass, None, None, None, None, None, numbers, domain.unit)
    if mass < SMALL_CELLS * domain.cell:
        return found
    size = float(np.trace(c))
    found = replace(found, centroid=as_vector(np.array(domain.centre) + p @ axes), size=size)
    if size < SMALL_SIZE_MM2:
        return found
    n = domain.dimension
    values, vectors = np.linalg.eigh(c[:n, :n] / size)  # ascending, columns
    turned = np.eye(3)
    turned[:n, :n] = vectors[:, ::-1].T
    shape = tuple(np.clip(values[::-1], 0.0, None).tolist())
    return replace(found, shape=shape, orientation=as_rows(turned @ axes), covariance=as_rows(axes.T @ c @ axes / size))


def sample(
    labels: npt.NDArray[np.integer[Any]], affine: npt.NDArray[np.float64], domain: ControlDomain, anatomy: Anatomy
) -> npt.NDArray[np.float32]:
    """(alpha, beta, gamma) float32 in 0..1: the share of the domain's tissues at its points, trilinear, 0 outside.

    Arguments and errors as for `measure`. Only the tissue's own box of the map is touched.
    """
    from scipy import ndimage

    index = template_to_voxels(domain, affine)
    _require_overlap(index, domain, labels.shape)
    values = [anatomy.label_of(tissue) for tissue in domain.tissues]
    weights = np.zeros(domain.template, dtype=np.float32)
    found = _indicator(labels, values, _reach(index, domain.template, labels.shape))
    if found is None:
        return weights
    inside, start = found
    padded = np.pad(inside, 1)  # so that the outermost voxels fade out as those within the map do
    offset = index[:, 3] - start + 1
    ndimage.affine_transform(padded, index[:, :3], offset, output=weights, output_shape=domain.template, order=1)
    return weights


def template_to_voxels(domain: ControlDomain, affine: npt.NDArray[np.float64]) -> FloatArray:
    """(3, 4): indices (a, b, c) of the domain's points -> voxel KJI. affine: (4, 4) voxel IJK -> mm of its frame."""
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
        raise InputError("The grid of the label map has no volume",
                         value=np.array2string(matrix, precision=4).replace("\n", ""),
                         rule="a finite, invertible (4, 4) matrix from voxel IJK to mm",
                         hint="check spacing and direction in the file's header")
    to_mm = np.eye(4)
    to_mm[:3, :3] = np.array(domain.axes).T * np.array(domain.spacing)  # columns: a step to the next point
    first = np.array([offset[0] for offset in domain.offsets()])
    to_mm[:3, 3] = np.array(domain.centre) + first @ np.array(domain.axes)
    return np.asarray((np.linalg.inv(matrix) @ to_mm)[2::-1])  # IJK -> KJI


def _reach(index: FloatArray, template: tuple[int, int, int], shape: tuple[int, ...]) -> list[slice]:
    """KJI slices of the voxels that can matter to any point of the template."""
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in template], indexing="ij")).reshape(3, 8)
    corners = index[:, :3] @ ends + index[:, 3:]
    low = np.clip(np.floor(corners.min(axis=1)).astype(int), 0, shape)
    high = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 1, 0, shape)
    return [slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def _require_overlap(index: FloatArray, domain: ControlDomain, shape: tuple[int, ...]) -> None:
    """InputError unless the domain's extent meets the image's."""
    if len(shape) != 3:
        raise InputError("This is not a 3D label map", value=f"shape {shape}", rule="three axes")
    reach = _reach(index, domain.template, shape)
    if any(part.stop <= part.start for part in reach):
        raise outside_image(domain)


def outside_image(domain: ControlDomain) -> InputError:
    """The error for a domain that has nothing of the image in it."""
    centre = ", ".join(f"{value:.1f}" for value in domain.centre)
    return InputError(f"The control domain {domain.name} lies outside the image", value=f"centre ({centre}) mm",
                      rule="at least a part of it lies in the label map",
                      hint="give the coordinates in RAS mm (those in LPS have the opposite sign for the first two)")


def _indicator(
    labels: npt.NDArray[np.integer[Any]], values: list[int], box: list[slice]
) -> tuple[npt.NDArray[np.uint8], FloatArray] | None:
    """1 where a voxel has one of the values, cropped to them within `box`, and the crop's first KJI; None if none."""
    part = labels[tuple(box)]
    inside = part == values[0]
    for value in values[1:]:
        inside |= part == value
    crop = foreground_box(inside)
    if crop is None:
        return None
    start = np.array([a.start + b.start for a, b in zip(box, crop, strict=True)], dtype=np.float64)
    return inside[crop].view(np.uint8), start
