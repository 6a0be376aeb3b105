"""Residuals of all domains and their Jacobian with respect to the clean latents, with one decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .features import TopologyPart
from .moments import moments
from .parsing import Parser, Readable, Site
from .residuals import MomentResidual


class Part(Protocol):
    """Residuals of what is read at a site."""

    @property
    def site(self) -> Readable:
        """Where it is read."""

    @property
    def count(self) -> int:
        """How many numbers its residuals are."""

    def residuals_of(self, weights: Tensor) -> Tensor:
        """(B, N) of the site -> (B, count)."""


@dataclass(frozen=True)
class Aim:
    """What one evaluation is to reach: moments of some domains, measures by name, and the topology of other domains.

    fine: topology on whole templates, else on coarse ones. step: of the solver, for what is used again at the next one;
    -1 for an evaluation outside of a sampling.
    """

    parts: Sequence[Part]
    topology: Sequence[TopologyPart] = ()
    fine: bool = True
    step: int = -1


@dataclass(frozen=True)
class MomentPart:
    """A site and what is asked of its moments."""

    site: Site
    residuals: tuple[MomentResidual, ...]

    @property
    def count(self) -> int:
        """How many numbers its residuals are."""
        return sum(residual.count for residual in self.residuals)

    def residuals_of(self, weights: Tensor) -> Tensor:
        """weights: (B, N) share of the tissue at the site's points -> (B, count)."""
        own = self.site.own.to(weights.device)
        found = moments(weights.to(own.dtype), own, self.site.domain.cell)
        return torch.cat([residual(found) for residual in self.residuals], 1)


def missing(parser: Parser, z: Tensor, aim: Aim) -> Tensor:
    """The residuals (B, K) float64 alone, without a graph."""
    with torch.no_grad():
        prepared = parser.prepare(z)
        found = [part.residuals_of(parser.probability(parser.read(prepared, part.site), part.site))
                 for part in aim.parts]
        for topology in aim.topology:
            topology.locate(parser, prepared, aim.fine, aim.step)
            found.append(topology.residual(parser, prepared, aim.fine))
        return torch.cat(found, 1)


def linearise(parser: Parser, z: Tensor, aim: Aim) -> tuple[Tensor, Tensor]:
    """-> residuals (B, K) float64, those of moments first, and their Jacobian (K, B, C, d, h, w) float32.

    The points' network is walked back once a site, whatever the number of residuals: probability n depends on the
    features at point n alone. What is left for every residual is the adjoint of the interpolation and of the trunk.
    """
    with torch.enable_grad():
        z = z.detach().float().requires_grad_()
        prepared = parser.prepare(z)
        features = prepared.detach().requires_grad_()
        values, rows = [], []
        for part in aim.parts:
            read = parser.read(features, part.site)
            r, cotangents = _at_points(parser, read.detach(), part)
            values.append(r)
            rows += [torch.autograd.grad(read, features, c.to(read.dtype), retain_graph=True)[0] for c in cotangents]
        for topology in aim.topology:
            topology.locate(parser, prepared.detach(), aim.fine, aim.step)
            r = topology.residual(parser, features, aim.fine)
            values.append(r.detach())
            rows += torch.autograd.grad(r.sum(), features)
        jacobian = [torch.autograd.grad(prepared, z, row, retain_graph=True)[0] for row in rows]
    return torch.cat(values, 1), torch.stack(jacobian)


def _at_points(parser: Parser, read: Tensor, part: Part) -> tuple[Tensor, list[Tensor]]:
    """read: (B, N, width) -> residuals (B, k) without a graph, and d r_k / d read (B, N, width) for every k."""
    read = read.requires_grad_()
    weights = parser.probability(read, part.site)  # (B, N)
    (slope,) = torch.autograd.grad(weights.sum(), read)
    weights = weights.detach().requires_grad_()
    r = part.residuals_of(weights)
    pulls = [torch.autograd.grad(r[:, k].sum(), weights, retain_graph=True)[0] for k in range(r.shape[1])]
    return r.detach(), [pull.to(slope.dtype)[..., None] * slope for pull in pulls]
