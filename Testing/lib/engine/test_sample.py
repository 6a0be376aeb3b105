"""The sampler and its noise against Gaussian data, for which denoiser and solution are known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from DiffusionSiblingsLib.core.errors import InputError, ModelError
from DiffusionSiblingsLib.engine.diffusion.edm import Schedule
from DiffusionSiblingsLib.engine.diffusion.log_schedule import LogSchedule, NoiseLevels
from DiffusionSiblingsLib.engine.diffusion.noise import SampleNoise, state_dtype, stream_seed
from DiffusionSiblingsLib.engine.diffusion.sampler import Cancelled, Churn, Sampler, sample
from DiffusionSiblingsLib.engine.diffusion.solvers.dpmpp_2m import DPMSolver2M

MU = torch.tensor([0.5, -1.0, 0.0], dtype=torch.float64).reshape(3, 1, 1, 1)
VAR = torch.tensor([0.25, 1.0, 2.0], dtype=torch.float64).reshape(3, 1, 1, 1)
FULL = torch.tensor([[1.0, 0.6, -0.3], [0.6, 0.8, 0.1], [-0.3, 0.1, 1.2]], dtype=torch.float64)


def diagonal(z: Tensor, sigma: Tensor) -> Tensor:
    """Exact denoiser of N(MU, diag VAR) per channel."""
    return (VAR * z + sigma**2 * MU) / (VAR + sigma**2)


def correlated(z: Tensor, sigma: Tensor) -> Tensor:
    """Exact denoiser of N(MU, FULL) over the channels of every cell."""
    gain = FULL @ torch.linalg.inv(FULL + sigma**2 * torch.eye(3, dtype=torch.float64))
    return MU + torch.einsum("ij,bjdhw->bidhw", gain, z - MU)


def flow(z: Tensor, sigma: float, to: float) -> Tensor:
    """Exact probability flow of `diagonal` from noise level sigma to another."""
    return MU + (z - MU) * ((VAR + to**2) / (VAR + sigma**2)).sqrt()


def noise_for(count: int = 2, grid: int = 4, seed: int = 0) -> SampleNoise:
    return SampleNoise(seed, range(count), (3, grid, grid, grid))


def papers(steps: int) -> Schedule:
    return Schedule(steps, sigma_min=0.02)


def equal_ratios(steps: int) -> LogSchedule:
    return LogSchedule(steps, papers(50), 0.02)


@pytest.mark.parametrize(("solver", "order", "schedule"), [("euler", 1, papers), ("heun", 2, papers),
                                                           ("dpmpp-2m", 2, equal_ratios)])
def test_deterministic_solver_converges_to_the_probability_flow_at_its_order(
        solver: str, order: int, schedule: Callable[[int], NoiseLevels]) -> None:
    steps = np.array([20, 40, 80, 160])
    errors = []
    z = 80.0 * noise_for()("start")
    for N in steps:
        sigmas = schedule(int(N)).sigmas()[:-1]
        end = sample(diagonal, z, sigmas, noise_for(), solver=solver)
        errors.append(float((end - flow(z, 80.0, 0.02)).abs().max()))
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.15), errors


@pytest.mark.parametrize(("churn", "resample"), [(Churn(), 1), (Churn(S_churn=20), 1),
                                                 (Churn(S_churn=40, S_tmin=0.05, S_tmax=50), 1), (Churn(), 3)])
def test_samples_have_the_mean_and_covariance_of_the_data(churn: Churn, resample: int) -> None:
    """32,768 values a channel: the standard error of a variance of 1 is 0.008; the rest is the solver's own error.

    Churn needs more steps for that: at 40 steps, S_churn = 20 still leaves the variances 9 % too large.
    """
    noise = noise_for(count=8, grid=16)
    schedule = Schedule(steps=160 if churn.S_churn else 60)
    z = Sampler(correlated, schedule, churn=churn).run(
        80.0 * noise("start"), schedule.sigmas(), noise, resample=resample)
    values = z.transpose(0, 1).reshape(3, -1)
    assert torch.allclose(values.mean(1), MU.flatten(), atol=0.03)
    assert torch.allclose(torch.cov(values), FULL, atol=0.04)


def test_the_multistep_solver_is_exact_where_the_estimate_is_constant_or_linear_in_the_logarithm_of_sigma() -> None:
    """What its formula promises, by the closed solution: D = a + b lambda gives z / sigma = c + integral of D e^lambda.

    The first step is of order 1, so that a constant estimate is exact from the first step, a linear one from the second
    if the first is exact.
    """
    a, b = torch.full((1, 1, 1, 1, 1), 3.0, dtype=torch.float64), 0.7
    levels = [10.0, 4.0, 1.0, 0.3]

    def solution(z: Tensor, sigma: float, to: float, slope: float) -> Tensor:
        def part(s: float) -> Tensor:  # an integral of (a + slope lambda) e^lambda over lambda
            return (a - slope - slope * math.log(s)) / s

        return to * (z / sigma + part(to) - part(sigma))

    z = 10.0 * noise_for()("start")
    constant = sample(lambda z, sigma: a.expand_as(z), z, levels, noise_for(), solver="dpmpp-2m")
    assert torch.allclose(constant, solution(z, 10.0, 0.3, 0.0), atol=1e-12)
    method, estimate = DPMSolver2M(), lambda z, sigma: (a - b * math.log(sigma)).expand_as(z)
    method.step(estimate, z, 10.0, 4.0)
    z = 4.0 * noise_for(seed=1)("start")  # wherever the first step has led
    for sigma, to in pairwise(levels[1:]):
        ahead = method.step(estimate, z, sigma, to)
        slope_at_start = solution(z, sigma, to, b)
        h = math.log(sigma / to)
        linear = to / sigma * z + (1 - to / sigma) * ((a - b * math.log(sigma)) + b * h / 2)
        assert torch.allclose(ahead, linear, atol=1e-12)  # the midpoint of the linear estimate
        assert (ahead - slope_at_start).abs().max() < b * h**3  # and of third order in one step
        z = ahead


def test_at_equal_evaluations_the_multistep_solver_on_its_levels_is_nearer_than_heun_on_the_papers() -> None:
    z = 80.0 * noise_for()("start")
    found = {}
    for solver, schedule in (("heun", Schedule(steps=8)), ("dpmpp-2m", LogSchedule.like(Schedule(steps=15)))):
        calls = []

        def counted(z: Tensor, sigma: Tensor, calls: list[float] = calls) -> Tensor:
            calls.append(float(sigma))
            return diagonal(z, sigma)

        end = Sampler(counted, schedule, solver).run(z, schedule.sigmas(), noise_for())
        assert len(calls) == 15
        found[solver] = float((end - flow(z, 80.0, 0.0)).abs().max())
    assert found["dpmpp-2m"] < 0.2 * found["heun"]


def test_a_repeated_step_looks_back_to_the_step_before_it() -> None:
    """Resampling makes a step again from the same level: the memory must not take the repetition for a step."""
    method, z = DPMSolver2M(), noise_for()("start")
    method.step(lambda z, sigma: torch.zeros_like(z), z, 8.0, 4.0)
    ones = method.step(lambda z, sigma: torch.ones_like(z), z, 4.0, 2.0)
    again = method.step(lambda z, sigma: torch.ones_like(z), z, 4.0, 2.0)
    assert torch.equal(ones, again)


def test_the_multistep_solver_draws_no_noise_on_the_way() -> None:
    schedule, quiet = LogSchedule.like(Schedule(steps=8)), noise_for()
    Sampler(diagonal, schedule, "dpmpp-2m", Churn(S_churn=8)).run(noise_for()("start"), schedule.sigmas(), quiet)
    assert not quiet._generators


def test_churn_changes_the_sample_and_none_draws_no_noise() -> None:
    schedule, z = Schedule(steps=8), 80.0 * noise_for()("start")
    quiet = noise_for()
    still = Sampler(diagonal, schedule).run(z, schedule.sigmas(), quiet)
    assert not quiet._generators
    moved = Sampler(diagonal, schedule, churn=Churn(S_churn=8)).run(z, schedule.sigmas(), noise_for())
    assert not torch.allclose(still, moved, atol=0.1)


def test_churn_of_a_partial_run_is_that_of_the_whole_schedule() -> None:
    """One step of Algorithm 2 by hand: gamma = S_churn / N with N = 10 steps, although this run has one."""
    z, s_hat = noise_for()("start"), 2.0 * 1.3
    sampler = Sampler(diagonal, Schedule(steps=10), solver="euler", churn=Churn(S_churn=3, S_noise=1.007))
    z_hat = z + (s_hat**2 - 2.0**2) ** 0.5 * 1.007 * noise_for()("churn")
    expected = z_hat + (1.0 - s_hat) * (z_hat - diagonal(z_hat, torch.tensor(s_hat, dtype=z.dtype))) / s_hat
    assert torch.allclose(sampler.run(z, torch.tensor([2.0, 1.0]), noise_for()), expected, atol=1e-12)


def test_churn_is_bounded_and_acts_only_between_its_limits() -> None:
    churn = Churn(S_churn=10, S_tmin=0.1, S_tmax=5)
    assert churn.gamma(1, 50) == 0.2 and churn.gamma(1, 5) == math.sqrt(2) - 1
    assert churn.gamma(0.09, 50) == churn.gamma(5.1, 50) == 0
    with pytest.raises(InputError):
        Churn(S_churn=-1)


@pytest.mark.parametrize("batches", [[[0, 1, 2, 3, 4]], [[0], [1], [2], [3], [4]], [[3, 0], [4, 2], [1]]])
def test_a_sample_depends_on_its_number_and_not_on_its_batch(batches: list[list[int]]) -> None:
    def run(indices: list[int]) -> Tensor:
        noise = SampleNoise(7, indices, (3, 4, 4, 4))
        schedule = Schedule(steps=10)
        start = 80.0 * noise("start")
        return Sampler(diagonal, schedule, churn=Churn(S_churn=5)).run(start, schedule.sigmas(), noise, resample=2)

    alone = {k: run([k])[0] for k in range(5)}
    for indices in batches:
        for k, z in zip(indices, run(indices), strict=True):
            assert torch.equal(z, alone[k])


def test_hook_sees_and_replaces_every_estimate() -> None:
    calls: list[tuple[float, int]] = []
    target = torch.full((2, 3, 4, 4, 4), 3.0, dtype=torch.float64)

    def hook(z0_hat: Tensor, z: Tensor, sigma: float, step: int) -> Tensor:
        assert torch.equal(z0_hat, diagonal(z, torch.tensor(sigma, dtype=z.dtype)))
        calls.append((sigma, step))
        return target.float()

    schedule = Schedule(steps=5)
    end = Sampler(diagonal, schedule, hook=hook).run(80.0 * noise_for()("start"), schedule.sigmas(), noise_for())
    assert torch.allclose(end, target, atol=1e-9) and end.dtype == torch.float64
    sigmas = schedule.sigmas().tolist()
    assert calls == [(sigmas[0], 0)] + [(s, i) for i in range(1, 5) for s, i in ((sigmas[i], i - 1), (sigmas[i], i))]


def test_replace_acts_after_every_step_and_last_at_zero() -> None:
    seen: list[float] = []

    def replace(z: Tensor, sigma: float, noise: SampleNoise) -> Tensor:
        seen.append(sigma)
        return torch.full_like(z, 2.5) if sigma == 0 else z

    schedule = Schedule(steps=4)
    end = Sampler(diagonal, schedule).run(noise_for()("start"), schedule.sigmas(), noise_for(), replace, resample=2)
    s = schedule.sigmas().tolist()
    assert seen == [s[1], s[1], s[2], s[2], s[3], s[3], 0.0] and bool((end == 2.5).all())


def test_progress_counts_every_step_and_cancelling_stops_at_once() -> None:
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 3:
            raise Cancelled

    schedule = Schedule(steps=10)
    with pytest.raises(Cancelled):
        Sampler(diagonal, schedule, progress=progress).run(noise_for()("start"), schedule.sigmas(), noise_for())
    assert seen == [(1, 10), (2, 10), (3, 10)]


def test_nothing_to_run_leaves_the_latent_as_it_is() -> None:
    z = torch.randn(1, 3, 4, 4, 4)
    assert torch.equal(sample(diagonal, z, [], noise_for()), z.double())


def test_state_is_double_except_on_mps() -> None:
    assert state_dtype("cpu") == state_dtype("cuda") == torch.float64 and state_dtype("mps") == torch.float32


def test_undefined_numbers_and_wrong_settings_are_refused() -> None:
    z = noise_for()("start")
    with pytest.raises(ModelError, match="undefined"):
        sample(lambda z, sigma: z * math.nan, z, [1.0, 0.5], noise_for())
    for wrong in ({"sigmas": [1.0, 2.0]}, {"sigmas": [1.0, -1.0]}, {"solver": "rk4"}, {"resample": 0}):
        with pytest.raises(InputError):
            sample(diagonal, z, **{"sigmas": [1.0, 0.0], "noise": noise_for(), **wrong})  # type: ignore[arg-type]


def test_no_graph_is_kept() -> None:
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    end = sample(lambda z, sigma: weight * diagonal(z, sigma), noise_for()("start"), [1.0, 0.0], noise_for())
    assert not end.requires_grad


def test_noise_is_standard_normal_and_differs_between_samples_streams_seeds_and_draws() -> None:
    noise = SampleNoise(1, [0, 1], (1, 16, 16, 16))
    draws = [*noise("start"), *noise("start"), *noise("churn"), *SampleNoise(2, [0, 1], (1, 16, 16, 16))("start")]
    values = torch.stack(draws).flatten(1)
    assert float(torch.corrcoef(values).fill_diagonal_(0).abs().max()) < 0.07  # 4.5 standard errors of 4,096 values
    assert float(values.mean()) == pytest.approx(0, abs=0.03) and float(values.std()) == pytest.approx(1, abs=0.02)


def test_drawing_for_one_purpose_does_not_shift_another() -> None:
    plain, busy = noise_for(), noise_for()
    busy("churn"), busy("churn")
    assert torch.equal(plain("start"), busy("start"))


def test_dtype_and_batch_do_not_change_the_numbers() -> None:
    single = SampleNoise(5, [9], (2, 3, 3, 3), dtype=torch.float32)("start")
    many = SampleNoise(5, [1, 9, 4], (2, 3, 3, 3))("start")
    assert torch.equal(single.double()[0], many[1])


def test_no_two_of_a_hundred_thousand_siblings_share_a_generator() -> None:
    assert len({stream_seed(3, k, "start") for k in range(100_000)}) == 100_000


def test_stored_numbers() -> None:
    """A seed means the same sibling in every version; changing these breaks every record."""
    assert [stream_seed(0, 0, "start"), stream_seed(0, 1, "start"), stream_seed(2**40, 7, "churn")] == STORED_SEEDS
    draw = SampleNoise(0, [3], (1, 4, 4, 4))("start").flatten()
    assert draw[:4].tolist() == pytest.approx(STORED_DRAW, abs=1e-6)


STORED_SEEDS = [2618973933, 3920792624, 1833600876]
STORED_DRAW = [0.69172001, 0.43823749, -0.17821255, -0.46329618]
