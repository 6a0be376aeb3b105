"""From a planned request to checked, recorded siblings: joins networks, sampler and plain layer (torch layer)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..cohorts.model_facts import ModelFacts
from ..cohorts.training_distance import TrainingDistanceMeter
from ..core.defaults import DEFAULT_MODEL
from ..core.errors import ModelError
from ..core.labelmap import LabelMap, LabelValues
from ..editing.choices import PAPERS_SOLVER
from ..editing.composite import Scope
from ..editing.guided_plan import GuidedTargets
from ..editing.planned import PlacedTwin, PlannedRequest, plan_requests, require_twin
from ..editing.postprocess import finish_edit, finish_generated, most_probable
from ..editing.presets_and_holds import PresetsAndHolds
from ..editing.request import Request
from ..editing.result import Sibling
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.geometry.reference import Reference
from ..labelmaps.twin import Twin
from ..models.networks.checkpoint import Networks, load_networks
from .compute import Compute, find_compute
from .diffusion.edits import generate, inpaint, latent_mask, perturb
from .diffusion.edm import Schedule, precondition
from .diffusion.log_schedule import LogSchedule, NoiseLevels
from .diffusion.modes import Modes
from .diffusion.noise import SampleNoise
from .diffusion.sampler import Churn, Progress, Sampler
from .guided_finish import finish_guided, make_guide, steer

CHURN = ("S_churn", "S_tmin", "S_tmax", "S_noise")  # as a model card has them


@dataclass(frozen=True)
class Encoded:
    """A placed twin and its standardised latents, (1, C, d, h, w) float32: the encoder's mean."""

    placed: PlacedTwin
    z: Tensor

    @property
    def twin(self) -> Twin:
        """The twin in the canonical frame."""
        return self.placed.twin


@dataclass(frozen=True)
class Prepared:
    """What all siblings of one request share.

    mask: preserved latents of an inpainting, (1, 1, d, h, w) bool, and the dilations that made them; None and 0 for
    other edits. goal: the targets of a guided request. meter: measures siblings against training hearts and twin.
    """

    planned: PlannedRequest
    twin: Encoded | None
    schedule: NoiseLevels
    mask: Tensor | None
    dilations: int
    goal: GuidedTargets | None
    meter: TrainingDistanceMeter | None


class Engine:
    """A model, loaded once and used for any number of requests.

        engine = Engine.open()
        twin = engine.twin("heart.nii.gz")
        siblings = list(engine.run(Request("perturb", ratio=0.5, count=4), twin))
    """

    def __init__(self, facts: ModelFacts, networks: Networks, compute: Compute) -> None:
        self.facts, self.card, self.anatomy, self.compute = facts, facts.card, facts.anatomy, compute
        self.networks = networks.to(compute.device, compute.dtype)
        modes = Modes.of_model(self.networks)
        sampling = self.card.sampling
        self.denoiser = precondition(self.networks.denoiser, float(sampling["sigma_data"]), modes)
        self.churn = Churn(**{name: sampling[name] for name in CHURN if name in sampling})
        self._encoded: Encoded | None = None
        self._prepared: Prepared | None = None

    @classmethod
    def open(cls, model: str | ModelFacts = DEFAULT_MODEL, device: str = "auto", *, dtype: str | None = None) -> Engine:
        """Loads an installed model (or a model's folder) onto a device, its weights checked by SHA-256.

        Raises ModelError or DeviceError.
        """
        facts = model if isinstance(model, ModelFacts) else ModelFacts.of(model)
        networks = load_networks(facts.card.weights_path, sha256=facts.card.sha256)
        return cls(facts, networks, find_compute(device, dtype))

    @property
    def reference(self) -> Reference:
        """The model's canonical reference."""
        return self.facts.reference

    def twin(self, source: str | Path | LabelMap, labels: LabelValues | None = None) -> Encoded:
        """Reads a label map, places it in the canonical frame, measures and encodes it. Raises InputError."""
        return self.encoded(PlacedTwin.of(source, self.facts, labels))

    @torch.inference_mode()
    def encoded(self, placed: PlacedTwin) -> Encoded:
        """A placed twin with its latents; those of the last twin are kept."""
        if self._encoded is None or self._encoded.placed is not placed:
            self._encoded, networks = None, self.networks
            labels = torch.from_numpy(placed.twin.canonical.labels)[None].to(self.compute.device)
            mean, _ = networks.autoencoder.encode(labels)
            z = (mean - networks.latent_mean[:, None, None, None]) / networks.latent_std[:, None, None, None]
            self._encoded = Encoded(placed, z)
        return self._encoded

    @torch.inference_mode()
    def decode(self, z: Tensor) -> Tensor:
        """z: (1, C, d, h, w) standardised -> logits (classes, 128, 128, 128) float32 of the convolution decoder."""
        logits: Tensor = self.networks.autoencoder.decoder(self.networks.raw(z))
        return logits[0].float()

    @torch.inference_mode()
    def decode_field(self, z: Tensor) -> Tensor:
        """The same by the neural field, at the voxel centres of the canonical grid.

        Raises ModelError for a model without a field.
        """
        field = self.networks.autoencoder.field
        if field is None:
            raise ModelError("The model has no neural field", value=self.card.id, rule="its configuration has a field",
                             hint="use decode, or choose a model with a neural field")
        features = field.features(self.networks.raw(z))
        axes = [((2 * torch.arange(n, device=z.device) + 1) / n - 1) for n in self.anatomy.shape]
        slabs = [field.on_grid(features, (part, axes[1], axes[2]))[0] for part in torch.split(axes[0], 16)]
        return torch.cat(slabs).movedim(-1, 0).float()

    def plan(self, request: Request, twin: Encoded | None = None,
             shorthand: PresetsAndHolds | None = None) -> PlannedRequest:
        """A request that nobody has planned, with its targets resolved and its scope found. Raises InputError.

        shorthand: what is asked for by name besides its control: targets in words, presets, tissues to hold.
        """
        require_twin([request], twin)
        placed = twin.placed if twin is not None else None
        return plan_requests([request], [shorthand or PresetsAndHolds()], placed, self.facts)[0]

    def run(self, request: Request | PlannedRequest, twin: Encoded | None = None, *, ks: Sequence[int] | None = None,
            progress: Progress | None = None) -> Iterator[Sibling]:
        """Makes the siblings of a request, one after the other; sibling k depends on (seed, k) alone.

        request: a plain one is planned first. ks: numbers k of the siblings; None for all that the request asks for.
        progress: called with (sampling steps done, steps in all) at every step; it may raise to stop.
        Raises InputError if the request needs a twin and has none, or cannot reach it.
        """
        prepared = self.prepared(request if isinstance(request, PlannedRequest) else self.plan(request, twin), twin)
        request = prepared.planned.request
        ks = range(request.first, request.first + request.count) if ks is None else ks
        for at in range(0, len(ks), self.compute.batch):
            indices = ks[at : at + self.compute.batch]
            yield from self._batch(prepared, indices, _over_all(progress, at, len(indices), len(ks)))

    def prepared(self, planned: PlannedRequest, twin: Encoded | None) -> Prepared:
        """What the siblings of a planned request share; that of the last request is kept."""
        twin = twin if planned.request.needs_twin else None
        last = self._prepared
        if last is None or last.planned is not planned or last.twin is not twin:
            mask, dilations = self.mask(planned.scope, twin)
            meter = self.facts.meter
            if meter is not None and twin is not None:  # it compares siblings with their twin, too
                meter = meter.against(twin.placed.measured.features, twin.placed.measured.volumes)
            last = Prepared(planned, twin, self.schedule(planned.request), mask, dilations, planned.guided.targets,
                            meter)
            self._prepared = last
        return last

    def _batch(self, prepared: Prepared, indices: Sequence[int], progress: Progress | None) -> Iterator[Sibling]:
        """Siblings that are sampled at once."""
        began = time.perf_counter()
        request, twin, goal = prepared.planned.request, prepared.twin, prepared.goal
        sampler = Sampler(self.denoiser, prepared.schedule, request.solver, self.churn, progress=progress,
                          modes=self.denoiser.modes)
        guide = None
        if goal is not None:
            guide = make_guide(goal, request, self.networks, self.anatomy, self.denoiser.modes, prepared.mask,
                               twin.z if twin is not None else None)
            sampler = steer(sampler, guide)
        z = self.sample(request, sampler, indices, twin, prepared.mask)
        seconds = (time.perf_counter() - began) / len(indices)
        for row, k in enumerate(indices):
            finish, latents = partial(self.finish, prepared, k, seconds=seconds), z[row : row + 1]
            sibling = finish(latents) if guide is None or goal is None else finish_guided(goal, guide, latents, finish)
            if prepared.meter is not None:
                sibling = replace(sibling, training_distance=prepared.meter.distance_of(
                    sibling.features, sibling.volumes))
            yield sibling

    def schedule(self, request: Request) -> NoiseLevels:
        """The noise levels that suit the request's solver, with its number of steps."""
        sampling = self.card.sampling
        papers = Schedule(request.sampling_steps, sampling["sigma_min"], sampling["sigma_max"], sampling["rho"])
        return papers if request.solver == PAPERS_SOLVER else LogSchedule.like(papers)

    def mask(self, scope: Scope | None, twin: Encoded | None) -> tuple[Tensor | None, int]:
        """Preserved latents of an inpainting (1, 1, d, h, w) bool and the dilations used; None for other edits.

        The papers dilate twice on a 32^3 grid of 5.6 mm cells; the same margin in mm sets the number here.
        """
        if scope is None or twin is None or scope.preserved is None:
            return None, 0
        dilations = max(1, round(2 * twin.z.shape[-1] / 32))
        mask = latent_mask(scope.preserved, tuple(twin.z.shape), dilations, scope.editable, least_share=0.5)
        return mask.cells, mask.dilations[0]

    def sample(self, request: Request, sampler: Sampler, indices: Sequence[int], twin: Encoded | None,
               mask: Tensor | None) -> Tensor:
        """Latents of siblings `indices` -> (B, C, d, h, w), standardised."""
        latents = self.networks.autoencoder.config
        size = [n // latents.reduction for n in self.anatomy.shape]
        noise = SampleNoise(request.seed, list(indices), (latents.latent_channels, *size), self.compute.device)
        if twin is None or not request.needs_twin:
            return generate(sampler, noise)
        if mask is not None:
            return inpaint(sampler, twin.z, mask, noise, method=request.method, psi=request.psi,
                           resample=request.resample)
        return perturb(sampler, twin.z, request.psi, noise)

    def finish(self, prepared: Prepared, k: int, z: Tensor, *, seconds: float) -> Sibling:
        """Decodes latents, puts them on the twin's grid, checks, repairs and measures."""
        began = time.perf_counter()
        request, twin, scope, goal = (prepared.planned.request, prepared.twin, prepared.planned.scope, prepared.goal)
        logits = self.decode(z)
        scores = logits.cpu().numpy()
        decoded = most_probable(scores)
        sigma = prepared.schedule.sigma_of(request.psi)
        if twin is None or scope is None:
            if goal is not None:
                affine = CanonicalFrame.of(self.anatomy).affine
                decoded = goal.rounded(decoded, affine, lambda voxels: scores[(slice(None), *voxels.T)])
            timings = {"sample": seconds, "decode": time.perf_counter() - began}
            return finish_generated(request, k, decoded, self.anatomy, sigma=sigma, timings=timings)
        probabilities = class_probabilities(logits, scope.allowed)
        timings = {"sample": seconds, "decode": time.perf_counter() - began}
        return finish_edit(request, k, probabilities, decoded, twin.twin, scope, self.anatomy, sigma=sigma,
                           timings=timings, dilations=prepared.dilations,
                           rounding=None if goal is None else goal.rounded)


def class_probabilities(logits: Tensor, allowed: tuple[int, ...]) -> npt.NDArray[np.float16]:
    """logits: (classes, D, H, W) -> probabilities, the same shape, float16: a softmax among the allowed labels."""
    forbidden = [label for label in range(len(logits)) if label not in allowed]
    if forbidden:
        logits = logits.clone()
        logits[forbidden] = -torch.inf
    return logits.softmax(0).half().cpu().numpy()


def _over_all(progress: Progress | None, before: int, count: int, whole: int) -> Progress | None:
    """Progress of a batch of `count` siblings as that of all `whole`, of which so many came before."""
    if progress is None:
        return None
    return lambda step, steps: progress(before * steps + step * count, whole * steps)
