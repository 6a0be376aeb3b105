"""Preconditioning and schedule: npj Eqs 2 to 4 and the sampling ratio."""

from __future__ import annotations

import math

import pytest
import torch

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.engine.diffusion.edm import EDMDenoiser, Schedule, loss_weight, precondition

SIGMAS = torch.tensor([2e-3, 0.1, 1.0, 7.0, 80.0], dtype=torch.float64)


def test_network_input_and_training_target_have_unit_variance_at_every_noise_level() -> None:
    """Karras et al. 2022, Appendix B.6: the two conditions that define c_in, c_skip and c_out."""
    generator = torch.Generator().manual_seed(0)
    z0 = 0.5 * torch.randn((1, 1, 40, 40, 40), generator=generator)
    n = torch.randn(z0.shape, generator=generator)
    seen: list[torch.Tensor] = []
    for sigma in SIGMAS:
        seen.clear()
        z = z0 + float(sigma) * n
        D_zero = EDMDenoiser(lambda x, c: seen.append(x) or torch.zeros_like(x), sigma_data=0.5)
        D_one = EDMDenoiser(lambda x, c: torch.ones_like(x), sigma_data=0.5)
        c_skip_z = D_zero(z, sigma)
        c_out = float((D_one(z, sigma) - c_skip_z).mean())
        assert float(seen[0].std()) == pytest.approx(1, abs=0.02)
        assert float(((z0 - c_skip_z) / c_out).std()) == pytest.approx(1, abs=0.02)
        assert float(loss_weight(sigma, 0.5)) == pytest.approx(1 / c_out**2, rel=1e-3)


def test_denoiser_takes_one_sigma_or_one_per_sample_and_passes_on_a_quarter_of_its_logarithm() -> None:
    seen: list[torch.Tensor] = []
    D = precondition(lambda x, c: seen.append(c) or x)
    z = torch.randn(5, 2, 3, 3, 3, dtype=torch.float64)
    together = D(z, SIGMAS)
    assert torch.equal(seen[0], SIGMAS.float().log() / 4)
    for k in range(5):
        assert torch.equal(together[k], D(z[k : k + 1], SIGMAS[k])[0])


@pytest.mark.parametrize("state", [torch.float64, torch.float32])
def test_half_precision_network_works_in_its_own_dtype_and_the_state_keeps_its(state: torch.dtype) -> None:
    network = torch.nn.Conv3d(2, 2, 1, bias=False).to(torch.bfloat16)
    seen: list[torch.dtype] = []
    network.register_forward_pre_hook(lambda module, args: seen.append(args[0].dtype))

    class Conditioned(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
            assert c_noise.dtype == torch.float32
            return self.inner(x)

    z0_hat = precondition(Conditioned())(torch.randn(1, 2, 4, 4, 4, dtype=state), torch.tensor(2e-3, dtype=state))
    assert seen == [torch.bfloat16] and z0_hat.dtype == state


def test_low_noise_returns_the_latent_itself_to_single_precision() -> None:
    z = torch.randn(1, 2, 4, 4, 4, dtype=torch.float64)
    z0_hat = precondition(lambda x, c: torch.ones_like(x))(z, torch.tensor(1e-9))
    assert torch.allclose(z0_hat, z, atol=1e-6)


def test_gradients_reach_latent_and_network() -> None:
    network = torch.nn.Conv3d(1, 1, 1)
    D = precondition(type("N", (torch.nn.Module,), {
        "__init__": lambda self: (torch.nn.Module.__init__(self), setattr(self, "c", network))[0],
        "forward": lambda self, x, c: self.c(x)})())
    z = torch.randn(2, 1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    D(z, torch.tensor([1.0, 2.0])).sum().backward()
    assert z.grad is not None and network.weight.grad is not None and z.grad.isfinite().all()


def test_schedule_is_equation_4_worked_by_hand() -> None:
    """N = 5, rho = 3, sigma from 27 to 1: the cube roots are 3, 2.5, 2, 1.5, 1."""
    sigmas = Schedule(steps=5, sigma_min=1.0, sigma_max=27.0).sigmas()
    assert sigmas.dtype == torch.float64
    assert sigmas.tolist() == pytest.approx([27, 15.625, 8, 3.375, 1, 0], rel=1e-14)


def test_default_schedule_is_the_papers() -> None:
    sigmas = Schedule().sigmas()
    assert len(sigmas) == 51 and sigmas[0] == 80 and sigmas[-1] == 0
    assert float(sigmas[49]) == pytest.approx(2e-3, rel=1e-12)
    assert bool((sigmas.diff() < 0).all())


@pytest.mark.parametrize("steps", [1, 2, 7, 20, 50, 333])
def test_sigma_of_ratio_rises_without_a_jump(steps: int) -> None:
    schedule = Schedule(steps=steps)
    psi = torch.linspace(0, 1, 2001, dtype=torch.float64).tolist()
    sigma = torch.tensor([schedule.sigma_of(p) for p in psi], dtype=torch.float64)
    assert sigma[0] == 0 and sigma[-1] == 80
    assert bool((sigma.diff() > 0).all())
    steepest = max(4.32 * steps / max(steps - 1, 1), 0.127 * steps)  # of sigma^(1/3): Eq. 4, or the last step to 0
    assert float((sigma ** (1 / 3)).diff().max()) < steepest / 2000


@pytest.mark.parametrize("steps", [3, 20, 49, 50, 97])
def test_whole_steps_hit_the_schedule_whatever_the_rounding_of_the_ratio(steps: int) -> None:
    schedule = Schedule(steps=steps)
    sigmas = schedule.sigmas()
    for i in range(steps + 1):
        for psi in ((steps - i) / steps, 1 - i / steps, min(1, max(0, (steps - i) / steps * (1 + 1e-15)))):
            assert schedule.sigma_of(psi) == float(sigmas[i])
            run = schedule.from_ratio(psi)
            assert torch.equal(run, sigmas[i:] if i < steps else torch.empty(0, dtype=torch.float64))


def test_fractional_start_keeps_its_sigma_and_runs_the_remaining_whole_steps() -> None:
    """0.35 x 50 = 17.5 steps: i = 32.5, 17 whole steps and a half one before them."""
    schedule = Schedule()
    run, sigmas = schedule.from_ratio(0.35), schedule.sigmas()
    by_hand = (80 ** (1 / 3) + 32.5 / 49 * (2e-3 ** (1 / 3) - 80 ** (1 / 3))) ** 3
    assert float(run[0]) == schedule.sigma_of(0.35) == pytest.approx(by_hand, rel=1e-12)
    assert torch.equal(run[1:], sigmas[33:]) and len(run) == 19
    assert sigmas[33] < run[0] < sigmas[32]


def test_sigma_of_ratio_depends_on_the_number_of_steps_only_as_equation_4_does() -> None:
    """i / (N - 1) = (1 - psi) N / (N - 1): the gap to the limit of many steps falls as 1 / N."""
    for psi in (0.2, 0.35, 0.5, 0.8):
        limit = Schedule(steps=10**7).sigma_of(psi) ** (1 / 3)
        gaps = [(N - 1) * (limit - Schedule(steps=N).sigma_of(psi) ** (1 / 3)) for N in (20, 50, 200)]
        assert gaps == pytest.approx([4.183 * (1 - psi)] * 3, rel=1e-3)


def test_ratio_limits() -> None:
    schedule = Schedule(steps=20)
    assert len(schedule.from_ratio(0)) == 0
    assert torch.equal(schedule.from_ratio(1), schedule.sigmas())


@pytest.mark.parametrize("psi", [-0.1, 1.01, math.nan, math.inf])
def test_ratio_outside_0_to_1_is_refused(psi: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        Schedule().from_ratio(psi)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2.5}, {"steps": math.nan}, {"sigma_min": 0.0},
                                   {"sigma_max": 1e-3}, {"sigma_max": math.nan}, {"rho": 0.0}])
def test_impossible_schedules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Schedule(**wrong)  # type: ignore[arg-type]


