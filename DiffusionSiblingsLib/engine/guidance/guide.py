"""A guide: resolved targets, ready to steer a sampler, and to finish what it has sampled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import torch
from torch import Tensor

from ...control.absolute_targets import Asked
from ...control.domain import ControlDomain
from ...control.limits import can_show
from ...editing.postprocess import most_probable
from .bracket import Bracket
from .features import TopologyPart
from .following import Followers, Placed, ProbePart
from .gradient import descend
from .linearise import Aim, MomentPart, Part, linearise, missing
from .parsing import Decoders, Parser, Site, site
from .projection import Metric, Step, project
from .residuals import moment_residuals
from .topology import TopologyTerm

Guider = Literal["projection", "gradient"]
MOST_POINTS = 16_384  # of a template at low noise: more cost time and change nothing that calibration does not
WORTH = 5.0  # tolerances that a finished map may be off by rather than move its latents by an rms of 1
MEASURE_WORTH = 1.0  # the same of a measure, which answers to the whole of a step
Denoiser = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class GuideSettings:
    """guider: projection or gradient. cap: longest correction of one evaluation, rms over the latents (their own
    standard deviation is 1). coarse_above: noise level above which templates are used with half the points an axis.
    topology_below: noise level below which topology is steered; topology_fine_below: on its whole template.
    weight: of the gradient guider's step, 1 for the whole way that the linearised residuals ask for. refresh,
    reuse: solver steps for which a Jacobian and critical points of topology are used; residuals are new at each step.
    last: noise level from which on both are new at each evaluation: what is left there stays. follow: solver steps
    after which the probes of measures are placed anew.
    """

    guider: Guider = "projection"
    parsing: Literal["L", "V"] = "L"
    cap: float = 1.0
    coarse_above: float = 0.2
    topology_below: float = 10.0
    topology_fine_below: float = 1.0
    weight: float = 1.0
    refresh: int = 6
    reuse: int = 3
    last: float = 0.01
    follow: int = 6


@dataclass
class Log:
    """What guiding a sample took: evaluations guided, and those left alone because numbers were undefined."""

    guided: int = 0
    skipped: int = 0

    def add(self, step: Step) -> None:
        """Counts one evaluation; of a batch, its worst sample."""
        self.guided += 1
        self.skipped += not bool(step.ok.all())


@dataclass(frozen=True)
class Linear:
    """Residuals as linear functions of the clean estimate.

    made: solver step of the Jacobian (K, B, ...); terms: which it is of. step: of r (B, K), measured at z0_hat.
    """

    made: int
    terms: tuple[bool, int]
    jacobian: Tensor
    step: int
    z0_hat: Tensor
    r: Tensor

    def residuals(self, z0_hat: Tensor) -> Tensor:
        """(B, K) at another estimate of the same solver step: the second one of Heun's two lies close to the first."""
        moved = (z0_hat - self.z0_hat).flatten(1).to(self.jacobian.dtype)
        return self.r + torch.einsum("kbn,bn->bk", self.jacobian.flatten(2), moved).to(self.r)


@dataclass
class Guide:
    """Steers clean latents towards what was asked.

    domains: in canonical mm. asked: resolved targets, in the same frame. labels: tissue id -> class. extent: (3,) mm,
    edge lengths of the field of view along x, y, z. free: (1, 1, d, h, w) bool, latents that may be changed, all by
    default. metric: of the projection, see `projection.project`. followers: targets of measures by name.
    """

    domains: Sequence[ControlDomain]
    asked: Sequence[Asked]
    labels: dict[str, int]
    extent: Sequence[float]
    decoders: Decoders
    settings: GuideSettings = field(default_factory=GuideSettings)
    free: Tensor | None = None
    metric: Metric | None = None
    followers: Followers | None = None
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self.parser = Parser(self.decoders, self.settings.parsing)
        self._extent = torch.tensor(list(self.extent))
        self.whole = [part for part in map(self._part, self.domains) if part.residuals]
        self.fine = [self._thinned(part, (len(part.site.points) / MOST_POINTS) ** (1 / 3)) for part in self.whole]
        self.coarse = [self._thinned(part, 2.0) for part in self.whole]
        self.topology = [self._topology(target) for target in self.asked if target.quantity == "betti"]
        self._offset: Tensor | float = 0.0  # residuals of finished maps less those of their latents
        self._linear: Linear | None = None
        self._placed: int | None = None  # solver step at which the probes were placed

    @property
    def steers(self) -> bool:
        """Whether there is any target that latents can be steered to."""
        return bool(self.whole or self.topology or self.followers)

    def _part(self, domain: ControlDomain) -> MomentPart:
        terms = [term for term in self.asked if term.domain == domain.name]
        return MomentPart(self._site(domain), moment_residuals(terms, domain))

    def _thinned(self, part: MomentPart, factor: float) -> MomentPart:
        """The same on a template with fewer points along every axis."""
        return part if factor <= 1 else dataclasses.replace(part, site=part.site.coarse(factor, self._extent))

    def _topology(self, target: Asked) -> TopologyPart:
        place = self._site(next(domain for domain in self.domains if domain.name == target.domain))
        components, loops, voids = cast("tuple[int | None, int | None, int | None]", target.value)
        term = TopologyTerm((components, loops, voids), level=0.5)
        coarse = place.coarse(2, self._extent)
        fits = can_show(coarse.domain.template, term.targets)  # small templates have no points to spare
        return TopologyPart(place, coarse if fits else place, term, target.weight, self.settings.reuse)

    def _site(self, domain: ControlDomain) -> Site:
        return site(domain, [self.labels[tissue] for tissue in domain.tissues], self._extent)

    def hook(self, z0_hat: Tensor, z: Tensor, sigma: float, step: int) -> Tensor:
        """The sampler's hook: the clean estimate (B, C, d, h, w), corrected (projection guider)."""
        return z0_hat + self._change(z0_hat, sigma, step).to(z0_hat)

    def _change(self, z0_hat: Tensor, sigma: float, step: int) -> Tensor:
        """The projection's step. Residuals are measured once a solver step. Their Jacobian changes little and is
        expensive: it is taken on coarse templates and reused for several steps.
        """
        self._follow(z0_hat, step)
        aim = self._aim(sigma, step)
        if not aim.parts and not aim.topology:
            return torch.zeros_like(z0_hat)
        known, terms = self._linear, (aim.fine, len(aim.topology))
        last = sigma <= self.settings.last
        if known is None or known.terms != terms or last or not 0 <= step - known.made < self.settings.refresh:
            rough: Sequence[Part] = [*self.coarse, *self._probes] if not last else aim.parts
            r, jacobian = linearise(self.parser, z0_hat, dataclasses.replace(aim, parts=rough))
            known = Linear(step, terms, jacobian, step, z0_hat, r)
            if not last and sigma <= self.settings.coarse_above:
                known = dataclasses.replace(known, r=missing(self.parser, z0_hat, aim))
        elif known.step != step:
            known = dataclasses.replace(known, step=step, z0_hat=z0_hat, r=missing(self.parser, z0_hat, aim))
        self._linear = known
        return self._step(known.residuals(z0_hat), known.jacobian, sigma).change

    def correct(self, z: Tensor) -> Tensor:
        """Clean latents (B, C, d, h, w), moved once more towards the targets after the sampling."""
        r, jacobian = linearise(self.parser, z, Aim(self._parts, self.topology))
        slack = torch.zeros(r.shape[1], dtype=torch.float64)  # none for topology
        tolerance, fixed = self._tolerance(), self._count - len(self._probes)
        slack[: len(tolerance)] = MEASURE_WORTH * tolerance
        slack[:fixed] = WORTH * tolerance[:fixed]
        return z + self._step(r, jacobian, 0.0, slack).change.to(z)

    def guided(self, denoiser: Denoiser) -> Denoiser:
        """The denoiser of the gradient guider: D - sigma^2 grad_z L(D), through the denoiser (Anatomica)."""

        def linearised(z0_hat: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
            self._follow(z0_hat, self.log.guided // 2)  # two evaluations are a solver step
            r, jacobian = linearise(self.parser, z0_hat, self._aim(sigma, -1))
            return self._calibrated(r), self._within(jacobian)

        def denoise(z: Tensor, sigma: Tensor) -> Tensor:
            aim = self._aim(float(sigma.reshape(-1)[0]), -1)
            if not aim.parts and not aim.topology and not self.followers:
                return denoiser(z, sigma)
            step, z0_hat = descend(denoiser, z, sigma, linearised, cap=self.settings.cap, weight=self.settings.weight)
            self.log.add(step)
            return z0_hat + step.change.to(z0_hat)

        return denoise

    def calibrate(self, z: Tensor, weights: Sequence[Tensor]) -> None:
        """Takes account of what lies between latents and a finished map: decoder, resampling, thresholds, repair.

        z: (1, C, d, h, w), of the twin. weights: for each of the guide's domains the tissue's share (N,) at its points
        in the finished map of z. From now on corrections aim at what the map would have: this also covers what thinner
        templates miss. The probes of measures begin where the twin has them.
        """
        if self.whole:
            offset = self._finished(z, weights) - missing(self.parser, z, Aim(self.fine))
            self._offset = torch.cat([offset, offset.new_zeros(1, len(self.followers or ()))], 1)
        if self.followers:
            self.followers.place(self.parser, z, [self.followers.origin])

    def refine(self, z: Tensor, weights: Sequence[Tensor], bracket: Bracket, near: float,
               places: Placed | None = None) -> Tensor:
        """Latents (1, C, d, h, w), moved to where their finished map should have what was asked.

        weights: as for `calibrate`. places: the measures of the finished map. bracket: of this sample; it grows. near:
        share of a tolerance that is good enough.
        """
        if self.whole or self.followers:
            u = missing(self.parser, z, Aim(self._parts))[0].cpu()
            m = self._finished(z, weights)[0].cpu() if self.whole else u[:0]
            if self.followers and places is not None:
                u, m = self._renewed(z, u, m, places, first=bracket.empty)
            bracket.add(u, m)
            aim = bracket.aim(u, m, self._tolerance(), near)
            self._offset = -torch.where(torch.isnan(aim), u, aim)[None].to(z.device)
        return self.correct(z)

    def _renewed(self, z: Tensor, u: Tensor, m: Tensor, places: Placed, *, first: bool) -> tuple[Tensor, Tensor]:
        """Places the probes on a finished map -> u and m (K,) with the measures.

        From one finished map to the next the latents' residuals go on from where they were: the bracket compares them.
        At the first map they are the map's own.
        """
        assert self.followers is not None
        own = self.followers.residuals(places.measured)
        if first:
            u = torch.cat([u[: len(m)], torch.nan_to_num(own)])
        self.followers.place(self.parser, z, [places], u[None, len(m):].to(z.device))
        return u, torch.cat([m, own])

    def _follow(self, z0_hat: Tensor, step: int) -> None:
        """Places the probes of measures where the clean estimate has them, every few solver steps."""
        if not self.followers:
            return
        if self.followers.parts and self._placed is not None and 0 <= step - self._placed < self.settings.follow:
            return
        with torch.no_grad():
            scores = self.decoders.volume(z0_hat).float().cpu().numpy()
            found = [self.followers.in_canonical(most_probable(one)) for one in scores]
            self.followers.place(self.parser, z0_hat, found)
        self._placed, self._linear = step, None

    @property
    def _probes(self) -> list[ProbePart]:
        return self.followers.parts if self.followers else []

    @property
    def _parts(self) -> list[Part]:
        """All parts at full resolution, those of domains first."""
        return [*self.fine, *self._probes]

    def _tolerance(self) -> Tensor:
        """(K,) float64 residuals of the moments at their tolerances."""
        found = [residual.allowed for part in self.whole for residual in part.residuals]
        found += [part.allowed for part in self._probes]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)

    def bracket(self) -> Bracket:
        """An empty one, for a sample that is about to be finished."""
        return Bracket(self._count, len(self._probes))

    @property
    def _count(self) -> int:
        """How many residuals the moments and measures have."""
        return sum(part.count for part in self.whole) + len(self._probes)

    def _finished(self, z: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """(1, K) float64 residuals of the moments of a finished map."""
        found = zip(weights, self.whole, strict=True)
        return torch.cat([part.residuals_of(w[None].double()) for w, part in found], 1).to(z.device)

    def _aim(self, sigma: float, step: int) -> Aim:
        """Coarse templates at high noise, and no topology where the estimate is still a blur."""
        parts: list[Part] = [*(self.coarse if sigma > self.settings.coarse_above else self.fine), *self._probes]
        topology = self.topology if sigma <= self.settings.topology_below else ()
        return Aim(parts, topology, sigma <= self.settings.topology_fine_below, step)

    def _calibrated(self, r: Tensor) -> Tensor:
        """Residuals of latents (moments first) -> those that the finished map would have."""
        count = self._count
        return torch.cat([r[:, :count] + self._offset, r[:, count:]], 1)

    def _step(self, r: Tensor, jacobian: Tensor, sigma: float, slack: Tensor | None = None) -> Step:
        step = project(self._calibrated(r), self._within(jacobian), sigma, metric=self._metric, cap=self.settings.cap,
                       slack=slack)
        self.log.add(step)
        return step

    def _within(self, rows: Tensor) -> Tensor:
        """Only what may be changed: rows (K, B, C, d, h, w)."""
        return rows if self.free is None else rows * self.free.to(rows)

    def _metric(self, rows: Tensor, sigma: float) -> Tensor:
        return rows if self.metric is None else self._within(self.metric(rows, sigma))
