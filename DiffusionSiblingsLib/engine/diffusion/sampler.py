"""The sampler: follows the noise levels from high to low with a solver, churn (Karras et al. 2022) and callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from ...core.errors import InputError, ModelError
from .edm import Denoiser, Schedule
from .log_schedule import NoiseLevels
from .modes import Modes
from .noise import SampleNoise, state_dtype
from .solvers.dpmpp_2m import DPMSolver2M
from .solvers.euler import Euler
from .solvers.heun import Heun
from .solvers.method import Method

Hook = Callable[[Tensor, Tensor, float, int], Tensor]  # (z0_hat, z, sigma, step) -> z0_hat; guidance plugs in here
Replace = Callable[[Tensor, float, SampleNoise], Tensor]  # (z, sigma, noise) -> z; inpainting plugs in here
Progress = Callable[[int, int], None]  # (steps done, steps in all); may raise Cancelled
METHODS: dict[str, Callable[[], Method]] = {"heun": Heun, "euler": Euler, "dpmpp-2m": DPMSolver2M}


class Cancelled(Exception):  # noqa: N818, the user's decision rather than an error
    """Raised by a progress callback to stop sampling; passes through the sampler unchanged."""


@dataclass(frozen=True)
class Churn:
    """How much noise every step adds (Karras Algorithm 2). S_churn = 0 is the deterministic solver.

    S_churn: spread over the N steps of the schedule. S_tmin, S_tmax: the noise levels where it acts.
    S_noise: standard deviation of the noise, 1 or a little more.
    """

    S_churn: float = 0.0
    S_tmin: float = 0.0
    S_tmax: float = math.inf
    S_noise: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.S_churn < math.inf and 0 <= self.S_tmin <= self.S_tmax and 0 < self.S_noise < math.inf):
            raise InputError("The churn settings cannot be used", value=self,
                             rule="S_churn >= 0, 0 <= S_tmin <= S_tmax, S_noise > 0")

    def gamma(self, sigma: float, N: int) -> float:
        """The relative rise of sigma before a step, at most sqrt(2) - 1."""
        return min(self.S_churn / N, math.sqrt(2) - 1) if self.S_tmin <= sigma <= self.S_tmax else 0.0


@dataclass(frozen=True)
class Sampler:
    """All settings of a run except its latents: denoiser, schedule, solver (a name in METHODS), and callbacks.

    modes: the widest modes of the latents, if known; sampling from noise then starts with their variances.
    """

    denoiser: Denoiser
    schedule: NoiseLevels = field(default_factory=Schedule)
    solver: str = "heun"
    churn: Churn = field(default_factory=Churn)
    hook: Hook | None = None
    progress: Progress | None = None
    modes: Modes | None = None

    def start(self, noise: SampleNoise) -> Tensor:
        """(B, C, d, h, w) at sigma_max, without a trace of a twin: noise, as wide as the latents along their modes."""
        sigma, n = self.schedule.sigma_max, noise("start").to(state_dtype(noise.device))
        return sigma * n if self.modes is None else self.modes.marginal(n, sigma)

    def run(self, z: Tensor, sigmas: Tensor, noise: SampleNoise, replace: Replace | None = None,
            resample: int = 1) -> Tensor:
        """`sample` with these settings; the churn of a partial run is that of the whole schedule."""
        return sample(self.denoiser, z, sigmas, noise, solver=self.solver, churn=self.churn, N=self.schedule.steps,
                      hook=self.hook, replace=replace, resample=resample, progress=self.progress)


@torch.no_grad()
def sample(denoiser: Denoiser, z: Tensor, sigmas: Iterable[float] | Tensor, noise: SampleNoise, *,
           solver: str = "heun", churn: Churn | None = None, N: int | None = None, hook: Hook | None = None,
           replace: Replace | None = None, resample: int = 1, progress: Progress | None = None) -> Tensor:
    """Follow dz = (z - D(z; sigma)) / sigma dsigma from sigmas[0] to sigmas[-1]; Karras et al. 2022, Algorithm 2.

    z: (B, C, d, h, w) at noise level sigmas[0]; returned in the state's dtype at noise level sigmas[-1], unchanged
    if there are fewer than two levels. N: steps of the whole schedule for the churn (default: of this run); solvers
    that cannot follow churn leave it out.
    hook receives every denoised estimate and its state. replace acts after every step. resample: how often every step
    is made; before each repetition the state is noised again to the start of the step (RePaint, jump length 1). The
    step to sigma = 0 is made once. Raises ModelError if the denoiser gives infinite or undefined numbers.
    """
    levels = _checked_levels(sigmas, solver, resample)
    z, churn, method = z.to(state_dtype(z.device)), churn or Churn(), METHODS[solver]()
    done, total = 0, sum(resample if to > 0 else 1 for to in levels[1:])

    def estimate(step: int, z: Tensor, sigma: float) -> Tensor:
        z0_hat = denoiser(z, torch.full((), sigma, dtype=z.dtype, device=z.device))
        return (z0_hat if hook is None else hook(z0_hat, z, sigma, step)).to(z.dtype)

    for step, (sigma, sigma_next) in enumerate(pairwise(levels)):
        repeats = resample if sigma_next > 0 else 1
        for repeat in range(repeats):
            if repeat:
                z = z + math.sqrt(sigma**2 - sigma_next**2) * noise("resample")
            sigma_hat = sigma * (1 + churn.gamma(sigma, N or len(levels) - 1)) if method.churns else sigma
            if sigma_hat > sigma:
                z = z + math.sqrt(sigma_hat**2 - sigma**2) * churn.S_noise * noise("churn")
            z = method.step(partial(estimate, step), z, sigma_hat, sigma_next)
            z = z if replace is None else replace(z, sigma_next, noise)
            done += 1
            if progress is not None:
                progress(done, total)
    if not torch.isfinite(z).all():
        raise ModelError("The model gave infinite or undefined numbers while sampling", value=f"{total} steps",
                         hint="try --device cpu; if that does not help, the model file does not fit this program")
    return z


def _checked_levels(sigmas: Iterable[float] | Tensor, solver: str, resample: int) -> list[float]:
    levels = [float(sigma) for sigma in (sigmas.tolist() if isinstance(sigmas, Tensor) else sigmas)]
    if any(not to < sigma < math.inf for sigma, to in pairwise(levels)) or any(not sigma >= 0 for sigma in levels):
        raise InputError("The noise levels cannot be used", value=levels, rule="decreasing numbers, 0 or more")
    if solver not in METHODS:
        raise InputError("The solver is unknown", value=solver, rule=f"one of {', '.join(METHODS)}")
    if not isinstance(resample, int) or resample < 1:
        raise InputError("The number of resamplings cannot be used", value=resample, rule="a whole number, 1 or more")
    return levels
