"""Targets that go along with the heart: measures by name, steered by probes that are placed anew as the heart changes.

A probe (metrics/measures/probes) says in which direction a measure grows; a measurement of the decoded map says how far
it has to. Both are taken where the map has the place now: nothing is steered in a plane that the heart has left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...control.measure_terms import AskedMeasure
from ...core.anatomy import Anatomy
from ...core.labelmap import Affine
from ...labelmaps.geometry.frame import CanonicalFrame
from ...metrics.measures.measure import Measured, measure
from ...metrics.measures.probes import Probe, probe_of
from .parsing import Parser

UInt8Array = npt.NDArray[np.uint8]
MISSING = float("nan")


@dataclass(frozen=True)
class ProbeSite:
    """Probes made ready for decoding. points: (B, N, 3) in [-1, 1], x y z. weights: (B, N, classes)."""

    points: Tensor
    weights: Tensor
    grid = None  # they lie on no grid

    def combined(self, shares: Tensor) -> Tensor:
        """(B, N, classes) shares of the classes -> (B, N) what each point adds to the probe's value."""
        return (shares * self.weights.to(shares)).sum(-1)


@dataclass(frozen=True)
class ProbePart:
    """One measure's target: residual (value of the probe - goal) / scale. goal: (B,). tolerance: in the residual."""

    site: ProbeSite
    goal: Tensor
    scale: float
    tolerance: float

    @property
    def count(self) -> int:
        """How many numbers its residual is."""
        return 1

    def residuals_of(self, contributions: Tensor) -> Tensor:
        """(B, N) of `ProbeSite.combined` -> (B, 1) float64."""
        value = contributions.double().sum(1, keepdim=True)
        return (value - self.goal.to(value)[:, None]) / self.scale

    @property
    def allowed(self) -> Tensor:
        """(1,) residual at the tolerance."""
        return torch.tensor([self.tolerance], dtype=torch.float64)


class Placed(NamedTuple):
    """The measures of a map, and (4, 4) from its mm to canonical mm."""

    measured: Measured
    to_canonical: Affine


class Followers:
    """The measures' targets of a guide, and the probes that they are steered by now.

    asked: what is asked. origin: the measures of the twin, or of the mean heart: where a sample is looked at that does
    not have a measure. frame: the model's; labels: tissue id -> class.
    """

    def __init__(self, asked: Sequence[AskedMeasure], origin: Placed, anatomy: Anatomy, frame: CanonicalFrame,
                 labels: Mapping[str, int]) -> None:
        self.asked, self.origin, self.anatomy, self.frame, self.labels = asked, origin, anatomy, frame, labels
        self.parts: list[ProbePart] = []

    def __len__(self) -> int:
        return len(self.asked)

    def in_canonical(self, labels: UInt8Array) -> Placed:
        """The measures of a map on the canonical grid, (D, H, W) uint8."""
        names = {target.key.tissue for target in self.asked}
        return Placed(measure(labels, self.frame.affine, self.anatomy, names), np.eye(4))

    def residuals(self, measured: Measured) -> Tensor:
        """(K,) float64: how far the measures of a map are from what is asked; nan for one that is not there."""
        found = []
        for target in self.asked:
            probe = probe_of(measured, target.key, self.anatomy)
            found.append(MISSING if probe is None else
                         (probe.amount(measured.values[target.key]) / probe.amount(target.value)) - 1)
        return torch.tensor(found, dtype=torch.float64)

    def place(self, parser: Parser, z: Tensor, found: Sequence[Placed], at: Tensor | None = None) -> None:
        """Probes where maps have the measures now, such that latents z have the residuals of their maps, or `at`.

        z: (B, C, d, h, w). found: one for each sample. at: (B, K).
        """
        prepared = parser.prepare(z)
        own = torch.stack([self.residuals(one.measured) for one in found])
        at = torch.where(torch.isnan(own), self.residuals(self.origin.measured), own) if at is None else at
        self.parts = []
        for number, target in enumerate(self.asked):
            places = [one if target.key in one.measured.values else self.origin for one in found]
            probes = [probe_of(one.measured, target.key, self.anatomy) for one in places]
            site = self._site([(probe, one.to_canonical) for probe, one in zip(probes, places, strict=True) if probe])
            value = parser.probability(parser.read(prepared, site), site).double().sum(1)
            amount = next(probe for probe in probes if probe).amount
            scale = abs(amount(target.value))
            near = abs(amount(target.value + target.allowed) - amount(target.value)) / scale
            self.parts.append(ProbePart(site, value - at[:, number].to(value) * scale, scale, near))

    def _site(self, probes: Sequence[tuple[Probe, Affine]]) -> ProbeSite:
        most = max(len(probe.points) for probe, _ in probes)
        points = np.zeros((len(probes), most, 3))
        weights = np.zeros((len(probes), most, 1 + max(self.labels.values())), dtype=np.float32)
        extent = np.array(self.frame.shape[::-1]) * self.frame.spacing
        for row, (probe, matrix) in enumerate(probes):
            count = len(probe.points)
            points[row, :count] = 2 * (probe.points @ matrix[:3, :3].T + matrix[:3, 3]) / extent
            for tissue, weight in probe.weights.items():
                weights[row, :count, self.labels[tissue]] = weight
        seen = np.asarray((np.abs(points) <= 1).all(-1))  # what lies outside the model's view has no say
        return ProbeSite(torch.from_numpy(points).float(), torch.from_numpy(weights * seen[..., None]))
