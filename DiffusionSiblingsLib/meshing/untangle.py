"""Points of a smoothed net moved back until no triangle passes through another one."""

from __future__ import annotations

import numpy as np

from .intersections import crossing_triangles
from .mesh import Points, Triangles

BACK = 0.6  # of its way from the middle of its cell a point keeps with each try
TRIES = 12  # after which it is back in the middle, where nothing crosses


def untangled(points: Points, centres: Points, triangles: Triangles) -> Points:
    """(n, 3) mm: the points, of which those of crossing triangles are moved towards the middles of their cells.

    points, centres: (n, 3) mm, each point near its centre. What still crosses after TRIES was so in the staircase
    itself, which is the case only for maps that are not well-composed.
    """
    points = points.copy()
    pairs = crossing_triangles(points, triangles)
    for left in range(TRIES, 0, -1):
        if not len(pairs):
            break
        moved = np.unique(triangles[pairs])
        points[moved] = centres[moved] + (BACK if left > 1 else 0.0) * (points[moved] - centres[moved])
        touched = np.flatnonzero(np.isin(triangles, moved).any(axis=1))
        pairs = crossing_triangles(points, triangles, touched)
    return points
