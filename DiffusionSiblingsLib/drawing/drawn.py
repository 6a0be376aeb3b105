"""A drawn anatomy: its label map and the exact truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.labelmap import LabelMap, Segment
from ..metrics.betti import betti_numbers
from .tubes import Grid, Tube

Betti = dict[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Drawn:
    """labelmap: the voxels, with named segments. truth: plain values, lengths in mm, places in RAS mm."""

    labelmap: LabelMap
    truth: dict[str, Any]


def labelmap_of(labels: npt.NDArray[np.uint8], grid: Grid, tissues: dict[str, dict[str, Any]]) -> LabelMap:
    """A label map with the tissues that occur. tissues: id -> label and name."""
    segments = tuple(Segment(entry["label"], entry["name"], tissue) for tissue, entry in tissues.items()
                     if (labels == entry["label"]).any())
    return LabelMap(labels, grid.affine, segments, format="nii.gz")


def betti_of(labels: npt.NDArray[np.uint8], tissues: dict[str, int]) -> Betti:
    """Components, loops and voids of the union and of each tissue that occurs. tissues: id -> label."""
    found = {"union": betti_numbers(labels > 0)}
    for tissue, label in tissues.items():
        if (inside := labels == label).any():
            found[tissue] = betti_numbers(inside)
    return found


def volumes_of(labels: npt.NDArray[np.uint8], grid: Grid, tissues: dict[str, int]) -> dict[str, float]:
    """Tissue -> ml, of the tissues that occur."""
    counts = np.bincount(labels.ravel(), minlength=max(tissues.values()) + 1)
    return {tissue: float(counts[label] * grid.spacing**3 / 1000) for tissue, label in tissues.items() if counts[label]}


def line_of(tube: Tube) -> dict[str, Any]:
    """The centre line of a tube and the radii along it, to a thousandth of a mm."""
    return {"points": tube.curve.points.round(3).tolist(), "radii": tube.radii.round(3).tolist()}
