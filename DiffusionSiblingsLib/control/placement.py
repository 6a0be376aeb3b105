"""What controls are placed and measured on: the twin on its own grid, or without a twin the model's mean heart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Affine
from ..labelmaps.geometry.frame import CanonicalFrame, inverse
from ..labelmaps.geometry.reference import Reference
from ..labelmaps.twin import Twin
from ..metrics.morphology import tissue_volumes
from .control import Control, Frame
from .domain import ControlDomain
from .measure import Measurement, measure

UInt8Array = npt.NDArray[np.uint8]
Rows = tuple[tuple[float, float, float], ...]
TISSUE_SHARE = 0.5  # from here on a point of the mean heart is tissue: its volumes are then within 8 % of the cohort's


@dataclass(frozen=True)
class Placement:
    """A heart that controls are placed on.

    labels: (D, H, W) uint8, KJI order, the anatomy's labels. affine: (4, 4) voxel IJK -> mm of `frame`. frame: "world"
    (RAS mm, a twin) or "canonical". to_frame: (4, 4) rigid, canonical mm -> mm of `frame`.
    """

    labels: UInt8Array
    affine: Affine
    frame: Frame
    to_frame: Affine
    anatomy: Anatomy

    @classmethod
    def of(cls, twin: Twin | None, anatomy: Anatomy, reference: Reference) -> Placement:
        """The twin, or the mean heart of the model's reference where there is none."""
        if twin is not None:
            return cls(twin.known, twin.labelmap.affine, "world", twin.canonical.to_world, anatomy)
        labels = mean_heart(reference, anatomy)
        return cls(labels, CanonicalFrame.of(anatomy).affine, "canonical", np.eye(4), anatomy)

    @property
    def axes(self) -> Rows:
        """The canonical x, y and z axis in `frame`, as rows: domains along them are sampled quickest."""
        x, y, z = np.asarray(self.to_frame[:3, :3].T).tolist()
        return tuple(x), tuple(y), tuple(z)

    @cached_property
    def volumes(self) -> dict[str, float]:
        """Tissue id -> ml, 0 where it is absent."""
        return tissue_volumes(self.labels, self.affine, self.anatomy)

    def placed(self, control: Control) -> Control:
        """The control in this frame. Raises InputError for one of a twin where there is none."""
        if control.frame == self.frame:
            return control
        if self.frame == "canonical":
            raise InputError("The control lies about a twin, and there is none", value=f"frame {control.frame}",
                             rule='without a twin, a control in the frame "canonical"', hint="name the twin as well")
        return control.moved(self.to_frame, "world")

    def measured(self, control: Control) -> dict[str, Measurement]:
        """Domain name -> what this heart has there, in the control's own frame."""
        control.require(self.anatomy)
        placed, back = self.placed(control), control.frame != self.frame
        found = {domain.name: measure(self.labels, self.affine, domain, self.anatomy) for domain in placed.domains}
        return {name: m.moved(inverse(self.to_frame)) for name, m in found.items()} if back else found

    def in_view(self, domain: ControlDomain) -> float:
        """Share (0..1) of a domain's points that the model sees. domain: in this frame."""
        view = CanonicalFrame.of(self.anatomy)
        points = domain.points().reshape(-1, 3)
        to_canonical = inverse(self.to_frame)
        canonical = points @ to_canonical[:3, :3].T + to_canonical[:3, 3]
        half = np.array(view.shape[::-1]) * view.spacing / 2
        return float((np.abs(canonical) <= half + 1e-6).all(axis=1).mean())


def mean_heart(reference: Reference, anatomy: Anatomy) -> UInt8Array:
    """(D, H, W) uint8: the model's mean heart on the canonical grid, from the smoothed maps of its reference.

    A point is tissue where the tissues together hold half of it, and then the tissue that holds most.
    """
    view = CanonicalFrame.of(anatomy)
    labels = np.zeros(view.shape, dtype=np.uint8)
    best, total = np.zeros(view.shape, dtype=np.float32), np.zeros(view.shape, dtype=np.float32)
    for value, part in zip(reference.values.tolist(), reference.maps, strict=True):
        share = reference.on(view, part)
        total += share
        labels[share > best] = value
        np.maximum(best, share, out=best)
    labels[total < TISSUE_SHARE] = 0
    return labels
