"""Where the wall is held: at the rings of the mitral and the aortic valve.

The faces in which a label map's wall ends are no sound place to hold it: their area changes from map to map with single
voxels. The rings are measured to fractions of a voxel, and the hold fades out with the distance from them, so that
it changes as smoothly as the anatomy does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .elements import Floats

LEAST_HELD_ML = 1.0  # of wall; hearts have 8 ml and more


@dataclass(frozen=True)
class Attachment:
    """Springs of `stiffness` kPa/mm^2 by volume within `whole_mm` of a ring, fading to nothing at `none_mm`."""

    stiffness: float = 10.0
    whole_mm: float = 4.0
    none_mm: float = 10.0

    def share(self, points: Floats, rings: Sequence[Floats]) -> Floats:
        """(n,) 0 to 1: how far points (n, 3) are held. rings: closed lines (k, 3), densely drawn, RAS mm."""
        from scipy.spatial import cKDTree

        distance = cKDTree(np.concatenate(list(rings))).query(points)[0]
        along = np.clip((self.none_mm - distance) / (self.none_mm - self.whole_mm), 0.0, 1.0)
        return np.asarray(along * along * (3.0 - 2.0 * along))


def require_held(held_ml: float) -> None:
    """Raises InputError where hardly any wall lies at the rings."""
    if held_ml < LEAST_HELD_ML:
        raise InputError("The wall is not held", value=f"{held_ml:.2f} ml of wall at the rings of the valves",
                         rule=f"{LEAST_HELD_ML:g} ml or more",
                         hint="the wall should reach the mitral and aortic annulus")
