"""Noise levels in equal ratios: the papers' meaning of a ratio, and steps that are never longer than a whole run's."""

from __future__ import annotations

import pytest
import torch

from DiffusionSiblingsLib.engine.diffusion.edm import Schedule
from DiffusionSiblingsLib.engine.diffusion.log_schedule import LOWEST, LogSchedule

WHOLE = LogSchedule.like(Schedule(steps=12))


def test_a_whole_run_goes_down_in_equal_ratios_and_ends_at_zero() -> None:
    sigmas = WHOLE.sigmas()
    assert len(sigmas) == 13 and sigmas[0] == 80.0 and sigmas[-1] == 0.0
    assert sigmas[-2] == pytest.approx(LOWEST)
    ratios = sigmas[1:-1] / sigmas[:-2]
    assert torch.allclose(ratios, ratios[0].expand(11), rtol=1e-12)


@pytest.mark.parametrize("psi", [0.05, 0.2, 0.35, 0.5, 0.8, 0.999])
def test_a_ratio_means_the_same_noise_with_either_solver(psi: float) -> None:
    sigmas = WHOLE.from_ratio(psi)
    assert float(sigmas[0]) == WHOLE.sigma_of(psi) == Schedule(steps=50).sigma_of(psi)
    longest = WHOLE.sigmas()[0] / WHOLE.sigmas()[1]
    assert (sigmas[:-2] / sigmas[1:-1] <= longest * (1 + 1e-9)).all()
    assert sigmas[-1] == 0 and (sigmas.diff() < 0).all() and len(sigmas) <= 13


def test_the_ends_are_no_run_and_a_whole_run() -> None:
    assert len(WHOLE.from_ratio(0)) == 0
    assert torch.equal(WHOLE.from_ratio(1), WHOLE.sigmas())


def test_a_start_below_the_last_level_is_one_step() -> None:
    psi = 0.01
    assert 0 < WHOLE.sigma_of(psi) < LOWEST
    assert WHOLE.from_ratio(psi).tolist() == [WHOLE.sigma_of(psi), 0.0]


@pytest.mark.parametrize("steps", [2, 5, 50])
def test_steps_are_network_evaluations(steps: int) -> None:
    assert len(LogSchedule.like(Schedule(steps=steps)).sigmas()) == steps + 1
