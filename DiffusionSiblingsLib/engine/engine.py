"""From a request to checked, recorded siblings: joins the networks, the sampler and the plain layer (torch layer)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..cohorts.training_distance import TrainingDistanceMeter
from ..cohorts.training_statistics import read_cohort
from ..core.anatomy import Anatomy, load_anatomy
from ..core.errors import ModelError
from ..core.labelmap import LabelMap
from ..editing.composite import Scope, edit_scope
from ..editing.guided_plan import GuidedTargets, plan_guidance
from ..editing.postprocess import finish_edit, finish_generated, most_probable
from ..editing.presets_and_holds import PresetsAndHolds
from ..editing.request import Request
from ..editing.result import Sibling
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.geometry.reference import Reference
from ..labelmaps.twin import Twin, open_twin
from ..metrics.morphology import features, tissue_volumes
from ..models.card import ModelCard
from ..models.networks.checkpoint import Networks, load_networks
from ..models.registry import DEFAULT_MODEL, find_model
from .compute import Compute, find_compute
from .diffusion.edits import generate, inpaint, latent_mask, perturb
from .diffusion.edm import Schedule, precondition
from .diffusion.modes import Modes
from .diffusion.noise import SampleNoise
from .diffusion.sample import Churn, Sampler
from .guided_finish import finish_guided, make_guide, steer

CHURN = ("S_churn", "S_tmin", "S_tmax", "S_noise")  # as a model card has them
Progress = Callable[[int, int], None]  # (sampling steps done, steps in all), over the whole request


@dataclass(frozen=True)
class Encoded:
    """A twin and its standardised latents, (1, C, d, h, w) float32: the encoder's mean."""

    twin: Twin
    z: Tensor


class Engine:
    """A model, loaded once and used for any number of requests.

        engine = Engine.open()
        twin = engine.twin("heart.nii.gz")
        siblings = list(engine.run(Request("perturb", ratio=0.5, count=4), twin))
    """

    def __init__(self, card: ModelCard, networks: Networks, reference: Reference, compute: Compute) -> None:
        self.card, self.reference, self.compute = card, reference, compute
        self.anatomy: Anatomy = load_anatomy(card.anatomy)
        self.networks = networks.to(compute.device, compute.dtype)
        modes = Modes(*self.networks.modes) if self.networks.modes is not None else None
        self.denoiser = precondition(self.networks.denoiser, float(card.sampling["sigma_data"]), modes)
        self.meter = TrainingDistanceMeter.of(read_cohort(card.folder), self.anatomy)
        self.churn = Churn(**{name: card.sampling[name] for name in CHURN if name in card.sampling})

    @classmethod
    def open(cls, model: str = DEFAULT_MODEL, device: str = "auto", *, dtype: str | None = None) -> Engine:
        """Loads an installed model (or a model's folder) onto a device, its weights checked by SHA-256.

        Raises ModelError or DeviceError.
        """
        card = find_model(model)
        networks = load_networks(card.weights_path, sha256=card.sha256)
        return cls(card, networks, card.reference(), find_compute(device, dtype))

    def twin(self, source: str | Path | LabelMap, labels: dict[str, int] | None = None) -> Encoded:
        """Reads a label map, places it in the canonical frame and encodes it. Raises InputError."""
        path = Path(source) if isinstance(source, str) else source
        twin = open_twin(path, self.anatomy, self.reference, labels=labels)
        return Encoded(twin, self.encode(twin.canonical.labels))

    @torch.inference_mode()
    def encode(self, labels: npt.NDArray[np.uint8]) -> Tensor:
        """labels: (128, 128, 128) uint8 canonical -> standardised latents (1, C, d, h, w) float32."""
        mean, _ = self.networks.autoencoder.encode(torch.from_numpy(labels)[None].to(self.compute.device))
        return self.networks.standardised(mean)

    @torch.inference_mode()
    def decode(self, z: Tensor) -> Tensor:
        """z: (1, C, d, h, w) standardised -> logits (classes, 128, 128, 128) float32 of the convolution decoder."""
        return self.networks.autoencoder.decoder(self.networks.raw(z))[0].float()

    @torch.inference_mode()
    def decode_field(self, z: Tensor) -> Tensor:
        """The same by the neural field, at the voxel centres of the canonical grid.

        Raises ModelError for a model without a field.
        """
        field = self.networks.autoencoder.field
        if field is None:
            raise ModelError("The model has no neural field", value=self.card.id, rule="a configuration with a field")
        features = field.features(self.networks.raw(z))
        axes = [((2 * torch.arange(n, device=z.device) + 1) / n - 1) for n in self.anatomy.shape]
        slabs = [field.on_grid(features, (part, axes[1], axes[2]))[0] for part in axes[0].split(16)]
        return torch.cat(slabs).movedim(-1, 0).float()

    def run(self, request: Request, twin: Encoded | None = None, *, targets: GuidedTargets | None = None,
            progress: Progress | None = None) -> Iterator[Sibling]:
        """Makes the siblings of a request, one after the other; sibling k depends on (seed, k) alone.

        targets: of a guided request that has been planned on this twin already; else they are planned here.
        progress: called at every sampling step; it may raise `diffusion.sample.Cancelled`.
        Raises InputError if the request needs a twin and has none, or cannot reach it.
        """
        schedule = self.schedule(request)
        scope = edit_scope(request, twin.twin, self.anatomy) if twin is not None and request.needs_twin else None
        mask, margin = self.mask(scope, twin)
        goal, meter = targets or self.goal(request, twin), self.meter_of(request, twin)
        stop = request.first + request.count
        for low in range(request.first, stop, self.compute.batch):
            indices = range(low, min(low + self.compute.batch, stop))
            began = time.perf_counter()
            report = _over_whole(progress, indices, request)
            sampler = Sampler(self.denoiser, schedule, churn=self.churn, progress=report, modes=self.denoiser.modes)
            guide = None
            if goal is not None:
                guide = make_guide(goal, request, self.networks, self.anatomy, self.denoiser.modes, mask,
                                   twin.z if twin is not None and request.needs_twin else None)
                sampler = steer(sampler, guide)
            z = self.sample(request, sampler, indices, twin, mask)
            seconds = (time.perf_counter() - began) / len(indices)
            for row, k in enumerate(indices):
                finish = partial(self.finish, request, k, twin=twin, scope=scope, goal=goal, seconds=seconds,
                                 margin=margin)
                latents = z[row : row + 1]
                sibling = finish(latents) if goal is None else finish_guided(goal, guide, latents, finish)
                yield sibling if meter is None else replace(
                    sibling, bias=meter.bias(sibling.features, sibling.volumes))

    def schedule(self, request: Request) -> Schedule:
        """The model's noise schedule with the request's number of steps."""
        sampling = self.card.sampling
        return Schedule(request.steps, sampling["sigma_min"], sampling["sigma_max"], sampling["rho"])

    def mask(self, scope: Scope | None, twin: Encoded | None) -> tuple[Tensor | None, int]:
        """Preserved latents of an inpainting (1, 1, d, h, w) bool and the dilations used; None for other edits.

        The papers dilate twice on a 32^3 grid of 5.6 mm cells; the same margin in mm sets the number here.
        """
        if scope is None or twin is None or scope.preserved is None:
            return None, 0
        dilations = max(1, round(2 * twin.z.shape[-1] / 32))
        mask = latent_mask(scope.preserved, tuple(twin.z.shape), dilations, scope.editable, least_share=0.5)
        return mask.cells, mask.dilations[0]

    def sample(self, request: Request, sampler: Sampler, indices: range, twin: Encoded | None,
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

    def goal(self, request: Request, twin: Encoded | None) -> GuidedTargets | None:
        """What a guided request's siblings are to reach; None for other requests. Raises InputError."""
        source = twin.twin if twin is not None and request.needs_twin else None
        (plan,) = plan_guidance([request], [PresetsAndHolds()], source, self.anatomy, self.reference)
        return plan.targets

    def meter_of(self, request: Request, twin: Encoded | None) -> TrainingDistanceMeter | None:
        """What measures the bias of a request's siblings, against their twin if they have one."""
        if self.meter is None or twin is None or not request.needs_twin:
            return self.meter
        known, affine = twin.twin.known, twin.twin.labelmap.affine
        return self.meter.against(features(known, affine, self.anatomy), tissue_volumes(known, affine, self.anatomy))

    def finish(self, request: Request, k: int, z: Tensor, *, twin: Encoded | None, scope: Scope | None,
               goal: GuidedTargets | None, seconds: float, margin: int) -> Sibling:
        """Decodes latents, puts them on the twin's grid, checks, repairs and measures."""
        began = time.perf_counter()
        logits = self.decode(z)
        scores = logits.cpu().numpy()
        decoded = most_probable(scores)
        sigma = self.schedule(request).sigma_of(request.psi)
        if twin is None or scope is None:
            if goal is not None:
                affine = CanonicalFrame.of(self.anatomy).affine
                decoded = goal.rounded(decoded, affine, lambda voxels: scores[(slice(None), *voxels.T)])
            timings = {"sample": seconds, "decode": time.perf_counter() - began}
            return finish_generated(request, k, decoded, self.anatomy, sigma=sigma, timings=timings)
        probabilities = class_probabilities(logits, scope.allowed)
        timings = {"sample": seconds, "decode": time.perf_counter() - began}
        return finish_edit(request, k, probabilities, decoded, twin.twin, scope, self.anatomy, sigma=sigma,
                           timings=timings, dilations=margin, rounding=None if goal is None else goal.rounded)


def class_probabilities(logits: Tensor, allowed: tuple[int, ...]) -> npt.NDArray[np.float16]:
    """logits: (classes, D, H, W) -> probabilities, the same shape, float16: a softmax among the allowed labels."""
    forbidden = [label for label in range(len(logits)) if label not in allowed]
    if forbidden:
        logits = logits.clone()
        logits[forbidden] = -torch.inf
    return logits.softmax(0).half().cpu().numpy()


def _over_whole(progress: Progress | None, indices: range, request: Request) -> Progress | None:
    """Progress of one batch as progress over all siblings of the request."""
    if progress is None:
        return None
    done, share = indices.start - request.first, len(indices)
    return lambda step, steps: progress(done * steps + step * share, request.count * steps)
