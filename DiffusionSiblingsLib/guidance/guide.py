"""A guide: resolved targets, ready to steer a sampler, and to finish what it has sampled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..control import Asked, ControlDomain
from .features import TopologyPart
from .gradient import descend
from .linearise import Aim, Measured, linearise, missing, residuals_of
from .parsing import Decoders, Parser, Site, site
from .projection import Metric, Step, project
from .residuals import moment_residuals
from .topology import TopologyTerm

Guider = Literal["projection", "gradient"]
REFRESH = 3  # solver steps for which a Jacobian is used; residuals are new at each evaluation
LAST = 0.01  # noise level from which on every evaluation has its own: what is left over there stays
Denoiser = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Settings:
    """guider: projection or gradient. cap: longest correction of one evaluation, rms over the latents (their own
    standard deviation is 1). coarse_above: noise level above which templates are used with half the points an axis.
    topology_below: noise level from which on topology is looked after; topology_fine_below: on its whole template.
    weight: of the gradient guider's step, 1 for the whole way that the linearised residuals ask for.
    """

    guider: Guider = "projection"
    parsing: Literal["L", "V"] = "L"
    cap: float = 1.0
    coarse_above: float = 0.2
    topology_below: float = 10.0
    topology_fine_below: float = 1.0
    weight: float = 1.0


@dataclass
class Log:
    """What guiding a sample took: evaluations guided, and those left alone because numbers were undefined."""

    guided: int = 0
    skipped: int = 0

    def add(self, step: Step) -> None:
        """Counts one evaluation; of a batch, its worst sample."""
        self.guided += 1
        self.skipped += not bool(step.ok.all())


@dataclass
class Guide:
    """Steers clean latents towards what was asked.

    domains: in canonical mm. asked: resolved targets, in the same frame. labels: tissue id -> class. extent: (3,) mm,
    edge lengths of the field of view along x, y, z. free: (1, 1, d, h, w) bool, latents that may be changed, all by
    default. metric: of the projection, see `projection.project`.
    """

    domains: Sequence[ControlDomain]
    asked: Sequence[Asked]
    labels: dict[str, int]
    extent: Sequence[float]
    decoders: Decoders
    settings: Settings = field(default_factory=Settings)
    free: Tensor | None = None
    metric: Metric | None = None
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self.parser = Parser(self.decoders, self.settings.parsing)
        self._extent = torch.tensor(list(self.extent))
        self.fine = [part for part in map(self._part, self.domains) if part.residuals]
        self.coarse = [dataclasses.replace(part, site=part.site.coarse(2, self._extent)) for part in self.fine]
        self.topology = [self._topology(target) for target in self.asked if target.quantity == "betti"]
        self._offset: Tensor | float = 0.0  # residuals of finished maps less those of their latents
        self._jacobian: tuple[int, tuple[bool, bool], Tensor] | None = None  # solver step, templates and Jacobian

    @property
    def steers(self) -> bool:
        """Whether anything is asked for that latents can be led to."""
        return bool(self.fine or self.topology)

    def _part(self, domain: ControlDomain) -> Measured:
        terms = [term for term in self.asked if term.domain == domain.name]
        return Measured(self._site(domain), moment_residuals(terms, domain))

    def _topology(self, target: Asked) -> TopologyPart:
        place = self._site(next(domain for domain in self.domains if domain.name == target.domain))
        term = TopologyTerm(tuple(None if n is None else int(n) for n in target.value), level=0.5)
        return TopologyPart(place, place.coarse(2, self._extent), term, target.weight)

    def _site(self, domain: ControlDomain) -> Site:
        return site(domain, [self.labels[tissue] for tissue in domain.tissues], self._extent)

    def hook(self, z0_hat: Tensor, z: Tensor, sigma: float, step: int) -> Tensor:
        """The sampler's hook: the clean estimate (B, C, d, h, w), corrected (projection guider)."""
        return z0_hat + self._change(z0_hat, sigma, step).to(z0_hat)

    def _change(self, z0_hat: Tensor, sigma: float, step: int) -> Tensor:
        """The projection's step. Residuals are measured every time; their Jacobian serves for a few solver steps."""
        aim = self._aim(sigma, step)
        if not aim.parts and not aim.topology:
            return torch.zeros_like(z0_hat)
        known = self._jacobian
        level = (aim.parts is self.fine, aim.fine)
        if known is not None and known[1] == level and 0 <= step - known[0] < REFRESH and sigma > LAST:
            r, jacobian = missing(self.parser, z0_hat, aim), known[2]
            if len(jacobian) == r.shape[1]:  # else topology has begun in between
                return self._step(r, jacobian, sigma).change
        r, jacobian = linearise(self.parser, z0_hat, aim)
        self._jacobian = (step, level, jacobian)
        return self._step(r, jacobian, sigma).change

    def correct(self, z: Tensor) -> Tensor:
        """Clean latents (B, C, d, h, w), moved once more towards the targets after the sampling."""
        r, jacobian = linearise(self.parser, z, Aim(self.fine, self.topology))
        return z + self._step(r, jacobian, 0.0).change.to(z)

    def guided(self, denoiser: Denoiser) -> Denoiser:
        """The denoiser of the gradient guider: D - sigma^2 grad_z L(D), through the denoiser (Anatomica)."""

        def linearised(z0_hat: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
            r, jacobian = linearise(self.parser, z0_hat, self._aim(sigma, -1))
            return self._calibrated(r), self._within(jacobian)

        def denoise(z: Tensor, sigma: Tensor) -> Tensor:
            aim = self._aim(float(sigma.reshape(-1)[0]), -1)
            if not aim.parts and not aim.topology:
                return denoiser(z, sigma)
            step, z0_hat = descend(denoiser, z, sigma, linearised, cap=self.settings.cap, weight=self.settings.weight)
            self.log.add(step)
            return z0_hat + step.change.to(z0_hat)

        return denoise

    def calibrate(self, z: Tensor, weights: Sequence[Tensor]) -> None:
        """Takes account of what lies between latents and a finished map: decoder, resampling, thresholds, repair.

        z: (1, C, d, h, w). weights: for each of the guide's domains the tissue's share (N,) at its points in the
        finished map of z. From now on corrections aim at what the map would have.
        """
        found = zip(weights, self.fine, strict=True)
        finished = torch.cat([residuals_of(w[None].double(), part) for w, part in found], 1)
        self._offset = finished.to(z.device) - missing(self.parser, z, Aim(self.fine))

    def _aim(self, sigma: float, step: int) -> Aim:
        """Coarse templates at high noise, and no topology where the estimate is still a blur."""
        parts = self.coarse if sigma > self.settings.coarse_above else self.fine
        topology = self.topology if sigma <= self.settings.topology_below else ()
        return Aim(parts, topology, sigma <= self.settings.topology_fine_below, step)

    def _calibrated(self, r: Tensor) -> Tensor:
        """Residuals of latents (moments first) -> those that the finished map would have."""
        count = sum(part.count for part in self.fine)
        return torch.cat([r[:, :count] + self._offset, r[:, count:]], 1)

    def _step(self, r: Tensor, jacobian: Tensor, sigma: float) -> Step:
        step = project(self._calibrated(r), self._within(jacobian), sigma, metric=self._metric, cap=self.settings.cap)
        self.log.add(step)
        return step

    def _within(self, rows: Tensor) -> Tensor:
        """Only what may be changed: rows (K, B, C, d, h, w)."""
        return rows if self.free is None else rows * self.free.to(rows)

    def _metric(self, rows: Tensor, sigma: float) -> Tensor:
        return rows if self.metric is None else self._within(self.metric(rows, sigma))
