"""A vessel followed from its opening: sections across it, one every two millimetres along its own centre line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import FloatArray, TissueFields
from .planes import Outline, Plane, section_at

STEP_MM = 2.0
SMOOTHING_STEPS = 1.5  # standard deviation of the Gaussian over the centre line
LOOK_BACK = 4  # steps over which the direction of the centre line is taken
REACH = 1.6  # times the opening's greatest diameter: how far a section may extend from the centre line
LEAST_SHARE = 0.25  # of the opening's area: below that the vessel has come to its end
MOST_MM = 400.0
TURN = 0.3  # share by which the direction follows the line of the last centres


@dataclass(frozen=True)
class Vessel:
    """Sections along a vessel. sections: one each STEP_MM. along: mm from the opening of each."""

    sections: tuple[Outline, ...]
    along: FloatArray

    @property
    def length(self) -> float:
        """mm along the centre line to the last section."""
        return float(self.along[-1]) if len(self.along) else 0.0

    @property
    def centers(self) -> FloatArray:
        """(n, 3) RAS mm: the centre line."""
        return np.array([outline.centroid for outline in self.sections])

    def diameters(self, start: float, end: float) -> FloatArray:
        """(n,) mm: diameters of circles of the sections' areas, between two distances from the opening."""
        areas = [section.area for section, at in zip(self.sections, self.along, strict=True) if start <= at <= end]
        return np.asarray(2 * np.sqrt(np.array(areas) / np.pi))


def follow(fields: TissueFields, tissue: str, opening: Outline) -> Vessel:
    """The sections of a vessel from its opening to its end, at right angles to its centre line.

    The way is found step by step first; the sections are then taken across the smoothed line of their centres.
    """
    way = _way(fields, tissue, opening)
    if len(way) < 3:
        return Vessel((), np.zeros(0))
    from scipy import ndimage

    line = ndimage.gaussian_filter1d(way, SMOOTHING_STEPS, axis=0, mode="nearest")
    directions = np.gradient(line, axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
    reach = REACH * opening.diameters[1]
    across = [section_at(fields, Plane(center, direction), reach, tissue)
              for center, direction in zip(way[1:], directions[1:], strict=True)]
    kept = [(outline, at) for outline, at in zip(across, along[1:], strict=True) if outline is not None]
    return Vessel(tuple(outline for outline, _ in kept), np.array([at for _, at in kept]))


def _way(fields: TissueFields, tissue: str, opening: Outline) -> FloatArray:
    """(n, 3) RAS mm: centres from the opening on, one each step, until the vessel ends."""
    direction, center = opening.plane.normal, opening.centroid
    reach, centers = REACH * opening.diameters[1], [opening.centroid]
    for _ in range(int(MOST_MM / STEP_MM)):
        found = section_at(fields, Plane(center + STEP_MM * direction, direction), reach, tissue)
        if found is None or found.area < LEAST_SHARE * opening.area:
            break
        center = found.centroid
        centers.append(center)
        line = centers[-1] - centers[max(0, len(centers) - 1 - LOOK_BACK)]
        direction = (1 - TURN) * direction + TURN * line / np.linalg.norm(line)
        direction = direction / np.linalg.norm(direction)
    return np.array(centers)
