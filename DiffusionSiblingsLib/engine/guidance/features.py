"""Betti targets of a domain as one residual, beside those of the moments."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .parsing import Parser, Site
from .topology import CriticalPoints, TopologyTerm, residuals

TEMPERATURE = 2.0  # of the softmax: saturated probabilities have no slope to follow
LASTING = 0.8  # persistence at which a kept feature needs no more help


@dataclass
class TopologyPart:
    """A domain with Betti targets. coarse: the same domain for high noise, on fewer points where these can
    still show the targets.

    Critical points are found on the whole template without a gradient; only they are decoded again with one, and they
    are kept for `reuse` solver steps: between two steps of a sampler the field hardly moves.
    """

    site: Site
    coarse: Site
    term: TopologyTerm
    weight: float = 1.0
    reuse: int = 3
    _found: dict[str, tuple[int, list[CriticalPoints]]] = field(default_factory=dict)

    def locate(self, parser: Parser, prepared: Tensor, fine: bool, step: int) -> None:
        """Finds the critical points of every sample, unless those of a recent step still hold. step: -1 finds anew."""
        level = "fine" if fine else "coarse"
        known = self._found.get(level)
        if known is not None and 0 <= step - known[0] < self.reuse and known[0] >= 0 and len(known[1]) == len(prepared):
            return
        site = self.site if fine else self.coarse
        with torch.no_grad():
            weights = parser.probability(parser.read(prepared, site), site, TEMPERATURE)  # (B, N)
        fields = weights.reshape(-1, *site.domain.template)
        self._found[level] = (step, [self.term.select(one) for one in fields])

    def residual(self, parser: Parser, prepared: Tensor, fine: bool) -> Tensor:
        """(B, 1): the root of the sum of squares of `topology.residuals`, 0 where nothing is left to do.

        One number for all features, as their count changes from step to step: where they do not touch, a Gauss-Newton
        step on it is the step on each of them.
        """
        points = self._found["fine" if fine else "coarse"][1]
        site = self.site if fine else self.coarse
        return torch.stack([self._of_one(parser, prepared[b : b + 1], site, points[b]) for b in range(len(prepared))])

    def _of_one(self, parser: Parser, prepared: Tensor, site: Site, points: CriticalPoints) -> Tensor:
        """(1,) for one sample, with a graph."""
        nothing = prepared.float().sum().mul(0)[None]
        if not len(points):
            return nothing
        values = parser.at(prepared, site, torch.from_numpy(points.index), TEMPERATURE)[0].double()
        found = residuals(values, points, LASTING)
        if not bool((found.detach() > 0).any()):
            return nothing  # the root has no slope at 0
        norm: Tensor = torch.linalg.vector_norm(found)
        return self.weight * norm[None]
