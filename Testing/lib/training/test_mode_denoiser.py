"""The network along the modes learns what the best linear estimate cannot know, and a run resumes exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from DiffusionSiblingsLib.engine.diffusion.modes import Modes
from DiffusionSiblingsLib.models.networks.mode_denoiser import ModeDenoiserConfig
from DiffusionSiblingsLib.training.config import StageConfig
from DiffusionSiblingsLib.training.dataset import Cohort
from DiffusionSiblingsLib.training.latents import Latents
from DiffusionSiblingsLib.training.loop import Hardware, Runner
from DiffusionSiblingsLib.training.mode_denoiser import ModeStage

CPU = Hardware(torch.device("cpu"), None)
SHAPE = (2, 2, 2, 2)
FAR = 20.0  # of either kind of heart from the mean, along the first mode
STAGE = StageConfig(steps=400, batch=128, learning_rate=3e-3, warmup=20, ema=0.98, evaluate_every=1000)
CONFIG = ModeDenoiserConfig(width=48, blocks=2, dropout=0.0)


def two_kinds(count: int, seed: int) -> torch.Tensor:
    """(N, *SHAPE) latents of two kinds of hearts along one direction, with a second one that goes with the first."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(16, 2, generator=torch.Generator().manual_seed(9)))[0]
    kind = torch.randint(2, (count,), generator=generator) * 2.0 - 1.0
    first = FAR * kind + torch.randn(count, generator=generator)
    second = 0.02 * first.square() - 0.02 * FAR**2 + 3.0 * torch.randn(count, generator=generator)
    return (torch.stack([first, second], 1) @ basis.T).reshape(count, *SHAPE)


def mode_stage() -> ModeStage:
    torch.manual_seed(0)
    train, held = two_kinds(300, 0), two_kinds(40, 1)
    cohort = Cohort(tuple(map(str, range(300))), torch.empty(0), torch.ones(300, dtype=torch.float64))
    latents = Latents(train[:, None], torch.zeros(2), torch.ones(2))
    return ModeStage(CONFIG, STAGE, cohort, latents, held, Modes.of(train, 2), CPU)


def exact(x: np.ndarray, sigma: float, kinds: np.ndarray) -> np.ndarray:
    """The posterior mean of a coordinate that is one of `kinds` plus unit noise, by Bayes' rule."""
    spread = 1 + sigma**2
    log = -((x[:, None] - kinds) ** 2) / (2 * spread)
    weight = np.exp(log - log.max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    return (weight * (kinds + (x[:, None] - kinds) / spread)).sum(1)


def test_it_learns_the_posterior_mean_of_two_kinds_of_hearts(tmp_path: Path) -> None:
    """At the noise level where the kinds just overlap the best linear estimate puts hearts between them."""
    stage = mode_stage()
    figures = Runner(stage, STAGE, CPU, tmp_path, seed=3, limit_seconds=None).run()
    modes = stage.in_use()
    sigma, generator = 10.0, torch.Generator().manual_seed(4)
    clean = modes.coordinates(two_kinds(500, 5))
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    with torch.no_grad():
        found = modes.estimate(noisy, torch.full((500,), sigma))
    kinds = np.array([-FAR, FAR]) - float(clean[:, 0].mean())
    best = exact(noisy[:, 0].double().numpy(), sigma, kinds)
    linear = dataclasses.replace(modes, network=None).estimate(noisy, torch.full((500,), sigma))
    error, linear_error, least = (float(np.sqrt(np.mean((np.asarray(one) - clean[:, 0].numpy()) ** 2)))
                                  for one in (found[:, 0], linear[:, 0], best))
    assert least < 0.75 * linear_error
    assert error < least + 0.25 * (linear_error - least)
    assert figures["error_10"] < 0.85


def test_an_untrained_network_is_as_good_as_the_linear_estimate() -> None:
    stage = mode_stage()
    stage.model.eval()
    with torch.no_grad():
        assert all(share == pytest.approx(1.0) for share in stage.evaluate().values())


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    short = dataclasses.replace(STAGE, steps=6)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = mode_stage()
    Runner(whole, short, CPU, tmp_path / "whole", seed=1, limit_seconds=None).run()
    broken = Runner(mode_stage(), short, CPU, tmp_path / "parts", seed=1, limit_seconds=None)
    for _ in range(3):
        broken.optimise()
        broken.step += 1
    broken.save()
    resumed = Runner(mode_stage(), short, CPU, tmp_path / "parts", seed=1, limit_seconds=None)
    resumed.run()
    for a, b in zip(whole.model.parameters(), resumed.stage.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
