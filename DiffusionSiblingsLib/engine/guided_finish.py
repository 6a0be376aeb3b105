"""Guided requests in the engine: a model's decoders for the guidance, and siblings finished to their targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..control.absolute_targets import Asked
from ..control.achieved import Achieved, achieved_of
from ..control.control import Control
from ..control.levels import level_to_targets
from ..control.measure import measured_weights, sample
from ..control.placement import Placement
from ..control.rounding import Likelihood, round_to_targets
from ..core.anatomy import Anatomy
from ..core.errors import ModelError
from ..editing.guided_plan import make_guided
from ..editing.request import Request
from ..editing.result import Sibling
from ..labelmaps.geometry.frame import CanonicalFrame, inverse
from ..models.networks.checkpoint import Networks
from .diffusion.modes import Modes
from .diffusion.sample import Sampler
from .guidance.guide import Guide, Settings

FINISHES = 8  # maps of one sibling that are made at most to bring it to its targets
NEAR = 0.5  # of a tolerance: no more is asked of a finished map
PATIENCE = 2  # maps in a row that are not clearly better: more of them would not be either
CLEARLY = 0.9  # of the squared errors of the best map
Shares = dict[str, np.ndarray]  # domain name -> the tissues' share (0..1) at its template's points


class ModelDecoders:
    """The two decoders of an autoencoder, as the guidance wants them."""

    def __init__(self, networks: Networks) -> None:
        self.networks, self.field = networks, networks.autoencoder.field

    def volume(self, z: Tensor) -> Tensor:
        """(B, classes, D, H, W) logits of the convolution decoder."""
        return self.networks.autoencoder.decoder(self.networks.raw(z))

    def features(self, z: Tensor) -> Tensor:
        """The field's feature grid."""
        return self.field.features(self.networks.raw(z))

    def read(self, features: Tensor, points: Tensor) -> Tensor:
        """(B, N, width)."""
        return self.field.read(features, points)

    def read_grid(self, features: Tensor, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """(B, nz, ny, nx, width)."""
        return self.field.read_grid(features, axes)

    def pointwise(self, read: Tensor) -> Tensor:
        """(..., classes) logits."""
        return self.field.pointwise(read)


@dataclass(frozen=True)
class Goal:
    """What siblings of one request are to reach.

    control: in the ground's frame, in which siblings are measured. asked: its absolute targets. canonical: the same
    targets in canonical mm, with the domains there.
    """

    control: Control
    asked: tuple[Asked, ...]
    canonical: Control
    canonical_asked: tuple[Asked, ...]
    ground: Placement

    @classmethod
    def of(cls, request: Request, ground: Placement) -> Goal | None:
        """The goal of a request, None where it has no control. Raises InputError for what cannot be had."""
        if request.control is None:
            return None
        placed, to_canonical = ground.placed(request.control), inverse(ground.to_frame)
        ready = make_guided(dataclasses.replace(request, control=placed), ground)
        canonical = placed.moved(to_canonical, "canonical")
        measured = {name: found.moved(to_canonical) for name, found in ready.measured.items()}
        return cls(placed, ready.asked, canonical, canonical.resolve(measured), ground)

    def rounded(self, labels: np.ndarray, affine: np.ndarray, likelihood: Likelihood,
                reach: np.ndarray | None = None) -> np.ndarray:
        """A map before repair, its surfaces and undecided voxels rounded to the targets of boxes, planes and lines."""
        for step in (level_to_targets, round_to_targets):
            labels = step(labels, affine, self.control.domains, self.asked, likelihood, self.ground.anatomy,
                          reach=reach)
        return labels

    def shares(self, labels: np.ndarray, affine: np.ndarray) -> Shares:
        """What a map has at the points of every domain that something is asked of."""
        names = dict.fromkeys(target.domain for target in self.asked)
        return {name: sample(labels, affine, self.control.domain(name), self.ground.anatomy) for name in names}

    def achieved(self, shares: Shares) -> tuple[Achieved, ...]:
        """What a map has of it. Betti numbers are counted only where they are asked for."""
        counted = {target.domain for target in self.asked if target.quantity == "betti"}
        measured = {name: measured_weights(values, self.control.domain(name), betti=name in counted)
                    for name, values in shares.items()}
        return achieved_of(self.asked, measured)


def weights_for(guide: Guide, shares: Shares) -> list[Tensor]:
    """The shares (N,) of each domain whose moments the guide steers, as it wants them to be calibrated."""
    return [torch.from_numpy(shares[part.site.domain.name].reshape(-1)) for part in guide.whole]


def make_guide(goal: Goal, request: Request, networks: Networks, anatomy: Anatomy, modes: Modes | None,
               mask: Tensor | None, twin: Tensor | None) -> Guide:
    """A guide for one batch. mask: preserved latents of an inpainting. twin: (1, C, d, h, w) its latents, on which the
    guide is calibrated. Raises ModelError where the field is asked for and the model has none.
    """
    parsing = request.parsing if request.parsing != "auto" else "L" if networks.autoencoder.field is not None else "V"
    if parsing == "L" and networks.autoencoder.field is None:
        raise ModelError("The model has no neural field", value="parsing L", rule="parsing V or auto")
    frame = CanonicalFrame.of(anatomy)
    extent = [n * frame.spacing for n in reversed(frame.shape)]
    guide = Guide(goal.canonical.domains, goal.canonical_asked, {t.id: t.label for t in anatomy.tissues}, extent,
                  ModelDecoders(networks), Settings(request.guider, parsing),
                  free=None if mask is None else ~mask, metric=None if modes is None else modes.posterior)
    if twin is not None and guide.whole:
        guide.calibrate(twin, weights_for(guide, goal.shares(goal.ground.labels, goal.ground.affine)))
    return guide


def steer(sampler: Sampler, guide: Guide) -> Sampler:
    """The sampler, led by a guide."""
    if guide.settings.guider == "gradient":
        return dataclasses.replace(sampler, denoiser=guide.guided(sampler.denoiser))
    return dataclasses.replace(sampler, hook=guide.hook)


def finish_guided(goal: Goal, guide: Guide, z: Tensor, finish: Callable[[Tensor], Sibling]) -> Sibling:
    """The sibling of latents z (1, C, d, h, w), corrected until its finished map has what was asked.

    finish: latents -> sibling. Sampling reaches the targets on the decoded probabilities; between these and the map lie
    the other decoder, thresholds, resampling and repair. Each round measures the map and moves the latents to where the
    next one should have it; the best map is kept. A target that is not reached is said, never hidden.
    """
    best: tuple[tuple[int, float], Sibling] | None = None
    idle = 0  # rounds since one that was clearly better
    spent: dict[str, float] = {}
    bracket = guide.bracket()
    for round_ in range(FINISHES):
        sibling = finish(z)
        spent = {key: seconds + (spent.get(key, 0.0) if key != "sample" else 0.0)
                 for key, seconds in sibling.timings.items()}
        shares = goal.shares(sibling.known, sibling.labelmap.affine)
        achieved = goal.achieved(shares)
        missed = [_share(target) for target in achieved]
        rank = _rank(missed)
        idle = 0 if best is None or rank < (best[0][0], CLEARLY * best[0][1]) else idle + 1
        if best is None or rank < best[0]:
            best = (rank, dataclasses.replace(sibling, guidance=achieved))
        if max(missed) <= NEAR or not guide.steers or idle == PATIENCE or round_ == FINISHES - 1:
            break
        z = guide.refine(z, weights_for(guide, shares), bracket, NEAR)
    assert best is not None  # FINISHES is above 0
    return dataclasses.replace(best[1], timings=spent, guidance_notes=_notes(guide))


def _rank(missed: list[float]) -> tuple[int, float]:
    """Of two maps the better one misses fewer targets, then misses them by less; one out of reach does not decide."""
    return sum(share > 1 for share in missed), float(np.square(missed).mean())


def _share(target: Achieved) -> float:
    """How much of its tolerance a target's error takes; 0 for a topology that is right."""
    if target.error is None:
        return float("inf")
    if target.tolerance == 0:
        return 0.0 if target.error == 0 else 10.0 + target.error
    return target.error / target.tolerance


def _notes(guide: Guide) -> tuple[str, ...]:
    """Remarks for a person: steps that could not be made. What was missed stands in the targets themselves."""
    if not guide.log.skipped:
        return ()
    return (f"{guide.log.skipped} of {guide.log.guided} guided evaluations had undefined numbers and were left "
            "unguided",)
