"""Guided requests in the engine: a guide for their targets, and siblings finished until their maps have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..control.achieved import Achieved
from ..core.anatomy import Anatomy
from ..core.errors import ModelError
from ..editing.choices import PAPERS_SOLVER
from ..editing.guided_plan import GuidedTargets, Shares
from ..editing.request import Request
from ..editing.result import Sibling
from ..labelmaps.geometry.frame import CanonicalFrame
from ..models.networks.checkpoint import Networks
from .decoders import ModelDecoders
from .diffusion.log_schedule import LOWEST
from .diffusion.modes import Modes
from .diffusion.sampler import Sampler
from .guidance.following import Followers, Placed
from .guidance.guide import Guide, GuideSettings

LONG_STEPS: dict[str, Any] = {"refresh": 1, "reuse": 1, "last": LOWEST, "follow": 2}  # of a solver with few of them
FINISHES = 8  # maps of one sibling that are made at most to bring it to its targets
NEAR = 0.5  # of a tolerance: no more is asked of a finished map
PATIENCE = 2  # maps in a row that are not clearly better: more of them would not be either
CLEARLY = 0.9  # of the squared errors of the best map


def weights_for(guide: Guide, shares: Shares) -> list[Tensor]:
    """The shares (N,) of each domain whose moments the guide steers, as it wants them to be calibrated."""
    return [torch.from_numpy(shares[part.site.domain.name].reshape(-1)) for part in guide.whole]


def make_guide(targets: GuidedTargets, request: Request, networks: Networks, anatomy: Anatomy, modes: Modes | None,
               mask: Tensor | None, twin: Tensor | None) -> Guide:
    """A guide for one batch. mask: preserved latents of an inpainting. twin: (1, C, d, h, w) its latents, to calibrate
    the guide on. Raises ModelError where the field is asked for and the model has none.
    """
    field = networks.autoencoder.field is not None
    parsing = request.parsing if request.parsing != "auto" else "L" if field else "V"
    if parsing == "L" and not field:
        raise ModelError("The model has no neural field, which parsing L needs", rule="parsing V or auto",
                             hint="leave out --parsing, or choose a model with a neural field")
    pace = {} if request.solver == PAPERS_SOLVER else LONG_STEPS
    frame = CanonicalFrame.of(anatomy)
    extent = [n * frame.spacing for n in reversed(frame.shape)]
    labels = {tissue.id: tissue.label for tissue in anatomy.tissues}
    followers = None
    if targets.places is not None:
        origin = Placed(targets.places, targets.heart.to_canonical)
        followers = Followers(targets.asked_measures, origin, anatomy, frame, labels)
    guide = Guide(targets.canonical.domains, targets.canonical_asked, labels, extent, ModelDecoders(networks),
                  GuideSettings(request.guider, parsing, **pace), free=None if mask is None else ~mask,
                  metric=None if modes is None else modes.posterior, followers=followers)
    if twin is not None and (guide.whole or followers is not None):
        guide.calibrate(twin, weights_for(guide, targets.shares(targets.heart.labels, targets.heart.affine)))
    return guide


def steer(sampler: Sampler, guide: Guide) -> Sampler:
    """The sampler, steered by a guide."""
    if guide.settings.guider == "gradient":
        return dataclasses.replace(sampler, denoiser=guide.guided(sampler.denoiser))
    return dataclasses.replace(sampler, hook=guide.hook)


def finish_guided(targets: GuidedTargets, guide: Guide, z: Tensor, finish: Callable[[Tensor], Sibling]) -> Sibling:
    """The sibling of latents z (1, C, d, h, w), corrected until its finished map has what was asked.

    finish: latents -> sibling. Sampling reaches the targets on the decoded probabilities; between these and the map lie
    the other decoder, thresholds, resampling and repair. Each round measures the map and moves the latents to where the
    next one should have it; the best map is kept. Targets that are not reached are reported, never hidden.
    """
    best: tuple[tuple[int, float], Sibling] | None = None
    idle = 0  # rounds since one that was clearly better
    spent: dict[str, float] = {}
    bracket = guide.bracket()
    for round_ in range(FINISHES):
        sibling = finish(z)
        spent = {key: seconds + (spent.get(key, 0.0) if key != "sample" else 0.0)
                 for key, seconds in sibling.timings.items()}
        shares = targets.shares(sibling.known, sibling.labelmap.affine)
        places = targets.places_in(sibling.known, sibling.labelmap.affine)
        achieved = targets.achieved(shares, places)
        missed = [_share(target) for target in achieved]
        rank = _rank(missed)
        idle = 0 if best is None or rank < (best[0][0], CLEARLY * best[0][1]) else idle + 1
        if best is None or rank < best[0]:
            best = (rank, dataclasses.replace(sibling, guidance=achieved))
        if max(missed) <= NEAR or not guide.steers or idle == PATIENCE or round_ == FINISHES - 1:
            break
        found = Placed(places, targets.heart.to_canonical) if places is not None else None
        z = guide.refine(z, weights_for(guide, shares), bracket, NEAR, found)
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
    """Remarks for a person about steps that could not be made. The targets themselves say what was missed."""
    if not guide.log.skipped:
        return ()
    return (f"{guide.log.skipped} of {guide.log.guided} guided evaluations had undefined numbers and were left "
            "unguided",)
