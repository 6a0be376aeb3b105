"""How far a tissue reaches: its tip away from a point, the way to its wall along a line, chords across it."""

from __future__ import annotations

import numpy as np

from .fields import FloatArray, TissueFields
from .planes import Plane, grid_of

STEP_MM = 0.25  # along a line
MOST_MM = 250.0


def tip(fields: TissueFields, tissue: str, start: FloatArray) -> FloatArray | None:
    """(3,) RAS mm: the point of a tissue that is farthest from another point; None where the tissue is missing.

    The farthest voxels show the direction; the tissue's surface on the line through their centre is the tip.
    """
    points = fields.to_mm(np.argwhere(fields.mask([tissue])).astype(np.float64))
    if not len(points):
        return None
    distance = np.linalg.norm(points - start, axis=1)
    far = points[distance > distance.max() - 2 * fields.spacing.max() - 1]
    direction = far.mean(axis=0) - start
    direction /= np.linalg.norm(direction)
    along = np.arange(0, distance.max() + 5, STEP_MM)
    inside = fields.sample(start + along[:, None] * direction, tissue)
    reach = _last_crossing(along, inside)
    return None if reach is None else np.asarray(start + reach * direction)


def way_out(fields: TissueFields, tissue: str, start: FloatArray, direction: FloatArray) -> float | None:
    """mm from a point to where a line along `direction`, a unit vector, first leaves the tissue; None if it never is in
    it.
    """
    along = np.arange(0, MOST_MM, STEP_MM)
    inside = fields.sample(start + along[:, None] * direction, tissue)
    entered = int(np.argmax(inside > 0.5))
    if not inside[entered] > 0.5:
        return None
    left = entered + int(np.argmin(inside[entered:] > 0.5))
    return None if left == entered else _between(along, inside, left - 1)


def widths(fields: TissueFields, tissue: str, plane: Plane, axis: FloatArray, reach_mm: float) -> FloatArray:
    """(n, 2): distance in mm from the plane's center along `axis`, and length of the tissue across it in the plane.

    axis: (3,) unit vector in the plane. Only lines that meet the tissue are kept, in the order of their distance.
    """
    across = np.cross(plane.normal, axis)
    grid = grid_of(reach_mm)
    inside = fields.sample(plane.center + grid[..., :1] * axis + grid[..., 1:] * across, tissue)
    step = float(grid[1, 0, 0] - grid[0, 0, 0])
    length = np.clip((inside - 0.25) * 2, 0, 1).sum(axis=1) * step
    met = length > step
    return np.stack([grid[met, 0, 0], length[met]], axis=1)


def ends_across(fields: TissueFields, tissue: str, point: FloatArray, direction: FloatArray
                ) -> tuple[FloatArray, FloatArray]:
    """(3,), (3,) RAS mm: where a line through a point enters a tissue first and leaves it last; the point itself,
    twice, if the line does not meet it. direction: unit vector.
    """
    along = np.arange(-MOST_MM / 2, MOST_MM / 2, STEP_MM)
    inside = np.flatnonzero(fields.sample(point + along[:, None] * direction, tissue) > 0.5)
    first, last = (along[inside[0]], along[inside[-1]]) if len(inside) else (0.0, 0.0)
    return np.asarray(point + first * direction), np.asarray(point + last * direction)


def _last_crossing(along: FloatArray, inside: FloatArray) -> float | None:
    above = np.flatnonzero(inside > 0.5)
    if not len(above) or above[-1] + 1 == len(along):
        return None
    return _between(along, inside, int(above[-1]))


def _between(along: FloatArray, inside: FloatArray, index: int) -> float:
    """Where the field passes one half between two samples, of which the first is inside."""
    share = (inside[index] - 0.5) / (inside[index] - inside[index + 1])
    return float(along[index] + share * (along[index + 1] - along[index]))
