"""Topology as something to steer towards: which components, loops and voids are kept, and which are to vanish.

Anatomica's topological potential: for each dimension the B_k most persistent features of a substructure's probability
field are kept (Y), all others suppressed (Z),
    L_topo = - sum over Y of |S(r_b) - S(r_d)|^2 + sum over Z of |S(r_b) - S(r_d)|^2,
r_b and r_d being the points at which a feature is born and dies. These critical points are found without a gradient on
the whole field; only there is the field decoded again with one. They may be used for a few steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError
from .homology import Pairs, persistence


@dataclass(frozen=True)
class CriticalPoints:
    """Where the features of a field are born and die, and what is to become of them. Plain data: no graph, no field.

    birth, death: (n,) int64, flat C-order points of the domain's template. dimension: (n,) int8. kept: (n,) bool, True
    for those that are to last. persistence: (n,) float64 when they were found. missing: features of each dimension that
    are wanted but have nothing in the field to grow from; no step on these points can make them.
    """

    birth: np.ndarray
    death: np.ndarray
    dimension: np.ndarray
    kept: np.ndarray
    persistence: np.ndarray
    missing: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def none(cls) -> CriticalPoints:
        """No critical points at all."""
        nowhere = np.zeros(0, np.int64)
        return cls(nowhere, nowhere, np.zeros(0, np.int8), np.zeros(0, bool), np.zeros(0))

    def __len__(self) -> int:
        return len(self.birth)

    @property
    def index(self) -> np.ndarray:
        """(2 n,) int64: the points to decode, all births and then all deaths."""
        return np.concatenate([self.birth, self.death])


@dataclass(frozen=True)
class TopologyTerm:
    """Betti targets of one domain.

    targets: (components, loops, voids), None where it does not matter. floor: values below it are background, see
    `homology.persistence`; it should be well below the least persistence that matters. least: features of less
    persistence are left alone. most: at most so many features of each dimension are suppressed at once, the most
    persistent first. level: where given, features that are neither there at this level of the field nor within `margin`
    of being there are not suppressed either: they make no difference to what is counted in the end (level 0.5), and
    leaving them alone changes less. engine: of `homology.persistence`.
    """

    targets: tuple[int | None, int | None, int | None]
    floor: float | None = 0.01
    least: float = 0.02
    most: int = 32
    level: float | None = None
    margin: float = 0.2
    engine: str = "auto"

    def __post_init__(self) -> None:
        counts = [wanted for wanted in self.targets if wanted is not None]
        if len(self.targets) != 3 or any(wanted != int(wanted) or wanted < 0 for wanted in counts):
            raise InputError("Betti targets are counts of components, loops and voids", value=self.targets,
                             rule="three whole numbers from 0, or null where it does not matter")
        if not counts:
            raise InputError("A topology target asks for nothing", value=self.targets, rule="at least one count")
        if not 0 < self.least < 1 or self.most < 1 or not (self.floor is None or 0 <= self.floor < self.least):
            raise InputError("The settings of a topology target do not fit", rule="0 <= floor < least < 1, most >= 1",
                             value=f"floor {self.floor}, least {self.least}, most {self.most}")

    def select(self, field: np.ndarray | Tensor) -> CriticalPoints:
        """The critical points of a field of probabilities (a, b, c), in [0, 1], without a graph.

        A field that cannot have the targets keeps what it has of them (`control.limits` refuses such targets before
        anything is sampled). A field with undefined numbers has no critical points.
        """
        if isinstance(field, Tensor):
            field = field.detach().double().cpu().numpy()
        if not np.isfinite(field).all():
            return CriticalPoints.none()
        dimensions = [dimension for dimension, wanted in enumerate(self.targets) if wanted is not None]
        pairs = persistence(field, dimensions, self.engine, self.floor)
        parts = [self._part(pairs[dimension], dimension, int(self.targets[dimension] or 0)) for dimension in dimensions]
        birth, death, of, kept, length = (np.concatenate(column) for column in zip(*parts, strict=True))
        components, loops, voids = (max(0, int(wanted or 0) - (len(pairs[dimension]) if dimension in pairs else 0))
                                    for dimension, wanted in enumerate(self.targets))
        return CriticalPoints(birth, death, of, kept, length, (components, loops, voids))

    def _part(self, pairs: Pairs, dimension: int, wanted: int) -> tuple[np.ndarray, ...]:
        """birth, death, dimension, kept, persistence of one dimension."""
        length = pairs.persistence  # descending
        kept = np.arange(len(length)) < wanted
        unwanted = ~kept & (length >= self.least)
        if self.level is not None:
            unwanted &= pairs.birth_value >= self.level - self.margin
            unwanted &= pairs.death_value < self.level + self.margin
        used = np.concatenate([np.flatnonzero(kept), np.flatnonzero(unwanted)[: self.most]])
        return (pairs.birth_index[used], pairs.death_index[used], np.full(len(used), dimension, np.int8), kept[used],
                length[used])


def persistence_of(values: Tensor, points: CriticalPoints) -> Tensor:
    """(..., 2 n) field values at `points.index`, decoded again -> (..., n) persistence S(r_b) - S(r_d)."""
    births, deaths = values[..., : len(points)], values[..., len(points) :]
    return births - deaths


def residuals(values: Tensor, points: CriticalPoints, enough: float = 1.0) -> Tensor:
    """(..., 2 n) values at `points.index` -> (..., n), 0 where reached.

    1 - persistence of what is kept, the persistence of what is suppressed. enough: a kept feature of this persistence
    needs no more, and its residual is counted from there; a softened field cannot reach 1.
    """
    length = persistence_of(values, points)
    kept = torch.from_numpy(points.kept).to(length.device)
    return torch.where(kept, (enough - length).clamp(min=0), length)
