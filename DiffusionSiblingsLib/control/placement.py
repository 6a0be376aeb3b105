"""The heart on which controls are placed and measured: the twin on its own grid, or the model's mean heart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import Affine
from ..labelmaps.geometry.frame import CanonicalFrame, inverse
from ..metrics.measures.measure import Measured
from ..metrics.measures.measure import measure as measure_by_name
from ..metrics.morphology import tissue_volumes
from .builders import around_tissue
from .control import Control, Frame
from .domain import ControlDomain
from .measure import Measurement, measure

if TYPE_CHECKING:
    from ..labelmaps.geometry.reference import Reference
    from ..labelmaps.twin import Twin

UInt8Array = npt.NDArray[np.uint8]
Rows = tuple[tuple[float, float, float], ...]
TISSUE_SHARE = 0.5  # from here on a point of the mean heart is tissue: its volumes are then within 8 % of the cohort's
WHOLE = 0.02  # a box that misses no more of its tissues than this share holds them whole


@dataclass(frozen=True)
class Placement:
    """A heart on which controls are placed and measured.

    labels: (D, H, W) uint8, KJI order, the anatomy's labels. affine: (4, 4) float64, voxel IJK -> mm of `frame`. frame:
    "world" (RAS mm, a twin) or "canonical". to_frame: (4, 4) float64 rigid, canonical mm -> mm of `frame`; None where
    the heart has not been registered. counted: tissue id -> ml, where the voxels have been counted already.
    """

    labels: UInt8Array
    affine: Affine
    frame: Frame
    to_frame: Affine | None
    anatomy: Anatomy
    counted: Mapping[str, float] | None = None

    @classmethod
    def of(cls, twin: Twin | None, anatomy: Anatomy, reference: Reference) -> Placement:
        """The twin, or without one the mean heart of the model's reference."""
        if twin is not None:
            return cls(twin.known, twin.labelmap.affine, "world", twin.canonical.to_world, anatomy)
        labels = mean_heart(reference, anatomy)
        return cls(labels, CanonicalFrame.of(anatomy).affine, "canonical", np.eye(4), anatomy)

    @classmethod
    def of_map(cls, labels: UInt8Array, affine: Affine, anatomy: Anatomy,
               counted: Mapping[str, float] | None = None) -> Placement:
        """A label map as it is, in its own RAS mm, without registration: enough to place and measure domains on it."""
        return cls(labels, affine, "world", None, anatomy, counted)

    @property
    def axes(self) -> Rows:
        """The canonical x, y and z axis in `frame`, as rows: domains along them are sampled quickest. Those of the
        frame itself where the heart has not been registered.
        """
        x, y, z = np.asarray(np.eye(3) if self.to_frame is None else self.to_frame[:3, :3].T).tolist()
        return tuple(x), tuple(y), tuple(z)

    @cached_property
    def volumes(self) -> Mapping[str, float]:
        """Tissue id -> ml, 0 where it is absent."""
        return self.counted if self.counted is not None else tissue_volumes(self.labels, self.affine, self.anatomy)

    def has(self, tissue: str) -> bool:
        """Whether the map has the tissue."""
        return bool((self.labels == self.anatomy.label_of(tissue)).any())

    def holds_whole(self, domain: ControlDomain, there: Measurement) -> bool:
        """Whether a domain holds its tissues as a whole: an amount asked of it is then asked of all of them.

        there: what this heart has in it.
        """
        volume = sum(self.volumes.get(tissue, 0.0) for tissue in domain.tissues)
        return domain.dimension == 3 and volume > 0 and abs(there.mass - volume) <= WHOLE * volume

    def around(self, tissues: Sequence[str], **settings: Any) -> ControlDomain:
        """A box around tissues, along `axes`. settings: of `builders.around_tissue`, which says what it raises."""
        return around_tissue(self.labels, self.affine, self.anatomy, tissues, axes=self.axes, **settings)

    def placed(self, control: Control) -> Control:
        """The control in this heart's frame. Raises InputError for one that cannot be brought there."""
        if control.frame == self.frame:
            return control
        if self.frame == "canonical":
            raise InputError("This control is placed relative to a twin, but no twin was given",
                             value=f"frame {control.frame}", rule='without a twin, a control in the frame "canonical"',
                             hint="name the twin as well")
        return control.moved(self._registered(), "world")

    def canonical(self, control: Control) -> Control:
        """The control, which lies in this heart's frame, in the canonical frame."""
        return control.moved(self.to_canonical, "canonical")

    @property
    def to_canonical(self) -> Affine:
        """(4, 4) rigid, mm of `frame` -> canonical mm. Raises InputError for a heart without registration."""
        return inverse(self._registered())

    def measure(self, domain: ControlDomain, *, betti: bool = True) -> Measurement:
        """What this heart has in a domain of its frame; errors as for `control.measure.measure`."""
        return measure(self.labels, self.affine, domain, self.anatomy, betti=betti)

    def measured(self, control: Control) -> dict[str, Measurement]:
        """Domain name -> what this heart has there, in the control's own frame."""
        control.require(self.anatomy)
        found = {domain.name: self.measure(domain) for domain in self.placed(control).domains}
        return found if control.frame == self.frame else self.in_canonical(found)

    def measures(self, ids: Collection[str]) -> Measured:
        """This heart's measures by name, found once for the same ids. ids: of the measures that are needed."""
        wanted = frozenset(ids)
        if wanted not in self._by_name:
            self._by_name[wanted] = measure_by_name(self.labels, self.affine, self.anatomy, wanted)
        return self._by_name[wanted]

    @cached_property
    def _by_name(self) -> dict[frozenset[str], Measured]:
        return {}

    def in_canonical(self, measured: Mapping[str, Measurement]) -> dict[str, Measurement]:
        """Measurements in this heart's frame -> the same ones in the canonical frame."""
        to_canonical = self.to_canonical
        return {name: found.moved(to_canonical) for name, found in measured.items()}

    def in_view(self, domain: ControlDomain) -> float:
        """Share (0..1) of a domain's points that the model sees. domain: in this frame."""
        view = CanonicalFrame.of(self.anatomy)
        points = domain.points().reshape(-1, 3)
        to_canonical = self.to_canonical
        canonical = points @ to_canonical[:3, :3].T + to_canonical[:3, 3]
        half = np.array(view.shape[::-1]) * view.spacing / 2
        return float((np.abs(canonical) <= half + 1e-6).all(axis=1).mean())

    def _registered(self) -> Affine:
        if self.to_frame is None:
            raise InputError("A control cannot be moved to the canonical frame, because this heart has no place there",
                             rule="the heart is placed with Placement.of and a reference")
        return self.to_frame


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
