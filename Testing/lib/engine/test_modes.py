"""The estimate along the latents' widest modes: exact for Gaussian latents, absent where it should be."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from DiffusionSiblingsLib.engine.diffusion.edm import EDMDenoiser
from DiffusionSiblingsLib.engine.diffusion.modes import SHARE_AT, Modes
from DiffusionSiblingsLib.models.networks.mode_denoiser import ModeDenoiser, ModeDenoiserConfig

SHAPE = (2, 3, 3, 3)
WIDTHS = torch.tensor([30.0, 12.0, 5.0])


def gaussian_latents(count: int = 400) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(54, 3, generator=generator))[0]
    drawn = torch.randn(count, 3, generator=generator) * WIDTHS
    return (0.7 + drawn @ basis.T).reshape(count, *SHAPE)


def test_modes_are_orthonormal_widest_first_and_as_many_as_there_are() -> None:
    z = gaussian_latents()
    modes = Modes.of(z, 10)
    assert len(modes.variances) == 3  # three directions vary, no more are made up
    flat = modes.vectors.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(3), atol=1e-4)
    assert torch.allclose(modes.variances.sqrt(), WIDTHS, rtol=0.1)
    assert torch.allclose(modes.mean, z.mean(0), atol=1e-4)


@pytest.mark.parametrize("sigma", [20.0, 80.0])
def test_at_high_noise_a_network_that_knows_nothing_is_nearly_the_wiener_filter(sigma: float) -> None:
    z = gaussian_latents()
    modes = Modes.of(z, 3)
    noisy = z + sigma * torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
    nothing = EDMDenoiser(lambda x, c: torch.zeros_like(x), modes=modes)
    flat = modes.vectors.flatten(1)
    best = modes.variances / (modes.variances + sigma**2) * ((noisy - modes.mean).flatten(1) @ flat.T)
    found = (nothing(noisy, torch.full((len(z),), sigma)) - modes.mean).flatten(1) @ flat.T
    share = sigma**2 / (sigma**2 + SHARE_AT**2)
    assert torch.allclose(found, best, atol=(1 - share) * float(noisy.abs().max()) * 8)


def test_what_is_not_along_a_mode_is_the_networks() -> None:
    z = gaussian_latents(5)
    modes = Modes.of(gaussian_latents(), 3)
    estimate = torch.randn(z.shape, generator=torch.Generator().manual_seed(2))
    blended = modes.blend(estimate, z, torch.full((5,), 10.0))
    flat = modes.vectors.flatten(1)
    moved = (blended - estimate).flatten(1)
    assert torch.allclose(moved - moved @ flat.T @ flat, torch.zeros_like(moved), atol=1e-4)
    assert moved.abs().max() > 0.1


def test_at_low_noise_the_network_alone_decides() -> None:
    modes, z = Modes.of(gaussian_latents(), 3), gaussian_latents(2)
    assert modes.blend(z, z, torch.tensor([0.005, 0.01])) is z


def test_gradients_pass_through_the_blend() -> None:
    modes, z = Modes.of(gaussian_latents(), 3), gaussian_latents(2).requires_grad_()
    EDMDenoiser(lambda x, c: x, modes=modes)(z, torch.tensor([5.0, 50.0])).sum().backward()
    assert z.grad is not None and torch.isfinite(z.grad).all()


def test_a_network_that_says_nothing_leaves_the_linear_estimate_as_it_is() -> None:
    modes = Modes.of(gaussian_latents(), 3)
    silent = dataclasses.replace(modes, network=ModeDenoiser(ModeDenoiserConfig(modes=3, width=8, blocks=1)).eval())
    noisy, sigma = torch.randn(4, 3) * 20, torch.tensor([0.3, 2.0, 10.0, 80.0])
    assert torch.equal(silent.estimate(noisy, sigma), modes.estimate(noisy, sigma))


def test_a_network_along_the_modes_fades_out_at_low_noise() -> None:
    modes = Modes.of(gaussian_latents(), 3)
    loud = dataclasses.replace(modes, network=lambda x, c: torch.ones_like(x), above=2.0)
    sigma = torch.tensor([0.02, 2.0, 2000.0])
    noisy = torch.zeros(3, 3)
    share = loud.estimate(noisy, sigma) / modes.c_out(sigma)
    assert torch.allclose(share[:, 0], torch.tensor([1e-4, 0.5, 1.0]), rtol=1e-3)
    assert torch.equal(modes.estimate(noisy, sigma), torch.zeros(3, 3))


def test_coordinates_are_those_of_latents_made_from_them() -> None:
    modes = Modes.of(gaussian_latents(), 3)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(3)) * 10
    z = modes.mean + torch.einsum("bk,kcdhw->bcdhw", x, modes.vectors)
    assert torch.allclose(modes.coordinates(z), x, atol=1e-4)


def test_the_fewer_modes_are_the_widest_and_have_no_network() -> None:
    modes = dataclasses.replace(Modes.of(gaussian_latents(), 3), network=lambda x, c: x)
    fewer = modes.widest(2)
    assert torch.equal(fewer.variances, modes.variances[:2]) and fewer.network is None
