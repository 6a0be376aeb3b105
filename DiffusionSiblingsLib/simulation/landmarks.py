"""The places of a left ventricle that a simulation needs, found anew in each label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Affine
from ..metrics.measures.measure import measure
from ..metrics.run_lengths import LabelArray
from .elements import Floats
from .wall import Wall

RINGS = ("mitral annulus", "aortic annulus")
_AXIS = "LV"


@dataclass(frozen=True)
class Landmarks:
    """rings: the outlines of the mitral and the aortic annulus by name, each (k, 3) RAS mm. base, apex: (3,) RAS mm,
    the ends of the cavity's long axis. septal: (3,) unit vector at right angles to the axis, towards the right
    ventricle. diameters: mm, of circles with the rings' areas, by name.
    """

    rings: Mapping[str, Floats]
    base: Floats
    apex: Floats
    septal: Floats
    diameters: Mapping[str, float]

    @property
    def length(self) -> float:
        """mm from apex to base."""
        return float(np.linalg.norm(self.base - self.apex))

    @property
    def up(self) -> Floats:
        """(3,) unit vector from apex to base."""
        return np.asarray((self.base - self.apex) / self.length)

    def height(self, points: Floats) -> Floats:
        """(n,) share of the axis: 0 at the apex of the cavity, 1 at its base."""
        return np.asarray((points - self.apex) @ self.up / self.length)

    def site(self, wall: Wall) -> Floats:
        """(3,) RAS mm: the middle of the septum on the inner side, half way up the axis.

        Where the ray from the axis to the right ventricle leaves the cavity; of several places the first.
        """
        start = self.apex + 0.5 * self.length * self.up
        corners = wall.points[wall.inner]
        edges = corners[:, 1:] - corners[:, :1]
        system = np.stack([np.broadcast_to(self.septal, edges[:, 0].shape), -edges[:, 0], -edges[:, 1]], axis=2)
        sound = np.abs(np.linalg.det(system)) > 1e-9
        way, one, other = np.linalg.solve(system[sound], (corners[sound, 0] - start)[..., None])[..., 0].T
        hit = (way > 0) & (one >= -1e-9) & (other >= -1e-9) & (one + other <= 1 + 1e-9)
        if not hit.any():
            raise InputError("The middle of the septum was not found", value="no wall between the two ventricles",
                             rule="the wall lies between left and right ventricle at half its height")
        return np.asarray(start + way[hit].min() * self.septal)


def landmarks_of(labels: LabelArray, affine: Affine, anatomy: Anatomy) -> Landmarks:
    """labels: (D, H, W), KJI order, the anatomy's values. affine: voxel IJK -> RAS mm. Raises InputError for a heart
    that lacks one of these places.
    """
    measured = measure(labels, affine, anatomy, only=[*RINGS, _AXIS])
    found = measured.found
    if found is None or measured.missing:
        why = "; ".join(f"{id} ({reason})" for id, reason in measured.missing.items())
        raise InputError("The left ventricle cannot be simulated", value=why,
                         rule="the mitral and the aortic annulus and the long axis are found (docs/measures.md)")
    axis = found.axes[_AXIS]
    other = np.argwhere(labels == anatomy.label_of("RV"))
    if not len(other):
        raise InputError("The left ventricle cannot be simulated", value="no right ventricle",
                         rule="the map has an RV, which says where the septum is")
    centre = affine[:3, :3] @ other.mean(axis=0)[::-1] + affine[:3, 3]
    aside = (centre - axis.apex) - ((centre - axis.apex) @ axis.direction) * axis.direction
    rings = {name: found.outlines[name].points for name in RINGS}
    diameters = {name: 2 * float(np.sqrt(found.outlines[name].area / np.pi)) for name in RINGS}
    return Landmarks(rings, axis.base, axis.apex, np.asarray(aside / np.linalg.norm(aside)), diameters)
