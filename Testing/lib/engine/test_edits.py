"""The edits against Gaussian data: limits of the sampling ratio, preserved latents, conditional means, masks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.engine.diffusion.edits import generate, inpaint, latent_mask, perturb
from DiffusionSiblingsLib.engine.diffusion.edm import Schedule
from DiffusionSiblingsLib.engine.diffusion.log_schedule import LogSchedule
from DiffusionSiblingsLib.engine.diffusion.modes import Modes
from DiffusionSiblingsLib.engine.diffusion.noise import SampleNoise
from DiffusionSiblingsLib.engine.diffusion.sampler import Churn, Sampler
from DiffusionSiblingsLib.engine.diffusion.similarity import MaskedSimilarity

SHAPE = (2, 4, 4, 4)
MU = torch.tensor([0.5, -1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
VAR = torch.tensor([0.5, 1.5], dtype=torch.float64).reshape(2, 1, 1, 1)
HALF = torch.zeros(1, 1, 4, 4, 4, dtype=torch.bool)
HALF[..., :2] = True


def gaussian(z: Tensor, sigma: Tensor) -> Tensor:
    """Exact denoiser of N(MU, diag VAR) per channel."""
    return (VAR * z + sigma**2 * MU) / (VAR + sigma**2)


def pairs(rho: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Exact denoiser of standard normal values, neighbours along the last axis (of size 2) correlated by rho."""
    S = torch.tensor([[1, rho], [rho, 1]], dtype=torch.float64)
    return lambda z, sigma: z @ (S @ torch.linalg.inv(S + sigma**2 * torch.eye(2, dtype=torch.float64)))


def seed_latent(k: int = 0, count: int = 1) -> Tensor:
    return MU + VAR.sqrt() * SampleNoise(100 + k, range(count), SHAPE)("seed")


def noise_for(indices: list[int] | None = None) -> SampleNoise:
    return SampleNoise(0, [0, 1, 2] if indices is None else indices, SHAPE)


SAMPLER = Sampler(gaussian, Schedule(steps=12))
MULTISTEP = Sampler(gaussian, LogSchedule.like(Schedule(steps=12)), "dpmpp-2m", Churn(S_churn=6))


EACH_SOLVER = pytest.mark.parametrize("sampler", [SAMPLER, MULTISTEP], ids=lambda sampler: sampler.solver)


@EACH_SOLVER
def test_ratio_0_is_the_twin_itself(sampler: Sampler) -> None:
    z_seed = seed_latent().float()
    z = perturb(sampler, z_seed, 0, noise_for())
    assert torch.equal(z.float(), z_seed.expand(3, *SHAPE))
    assert torch.equal(inpaint(sampler, z_seed, HALF, noise_for(), psi=0).float(), z_seed.expand(3, *SHAPE))


@EACH_SOLVER
def test_ratio_1_is_generation_without_a_trace_of_the_twin(sampler: Sampler) -> None:
    made = generate(sampler, noise_for())
    for k in range(2):
        assert torch.equal(perturb(sampler, seed_latent(k), 1, noise_for()), made)


def test_just_below_ratio_1_the_trace_is_as_small_as_the_noise_is_large() -> None:
    """The probability flow scales a difference of twins by sqrt(VAR / (VAR + sigma^2)), about 1 / 80."""
    a, b = (perturb(SAMPLER, seed_latent(k), 0.999999, noise_for()) for k in range(2))
    assert float((a - b).abs().max()) < 1.3 / 80 * float((seed_latent(0) - seed_latent(1)).abs().max()) * 1.1


def test_perturbation_is_the_probability_flow_from_the_noised_twin() -> None:
    for psi in (0.2, 0.35, 0.5, 0.8):
        schedule = Schedule(steps=200)
        z_seed, sigma = seed_latent(), schedule.sigma_of(psi)
        start = z_seed + sigma * noise_for()("start")
        exact = MU + (start - MU) * (VAR / (VAR + sigma**2)).sqrt()
        assert torch.allclose(perturb(Sampler(gaussian, schedule), z_seed, psi, noise_for()), exact, atol=0.02)


@pytest.mark.parametrize("psi", [0.2, 0.35, 0.5, 0.8])
def test_a_dozen_steps_of_the_multistep_solver_follow_the_probability_flow(psi: float) -> None:
    z_seed, sigma = seed_latent(), MULTISTEP.schedule.sigma_of(psi)
    start = z_seed + sigma * noise_for()("start")
    exact = MU + (start - MU) * (VAR / (VAR + sigma**2)).sqrt()
    assert torch.allclose(perturb(MULTISTEP, z_seed, psi, noise_for()), exact, atol=0.1)


@EACH_SOLVER
def test_distance_to_the_twin_grows_with_the_ratio(sampler: Sampler) -> None:
    """The multistep solver's own error jumps by less than a thousandth where a ratio needs one step more."""
    slack = 0.0 if sampler is SAMPLER else 1e-3
    distances = [float((perturb(sampler, seed_latent(), psi, noise_for()) - seed_latent()).pow(2).mean())
                 for psi in np.linspace(0, 0.8, 33)]
    assert distances[0] == 0 and bool((np.diff(distances) > -slack).all())


EDITS: dict[str, Callable[[SampleNoise], Tensor]] = {
    "generate": lambda n: generate(SAMPLER, n),
    "perturb": lambda n: perturb(SAMPLER, seed_latent(), 0.55, n),
    "churn": lambda n: perturb(Sampler(gaussian, Schedule(steps=12), churn=Churn(S_churn=6)), seed_latent(), 0.55, n),
    "multistep": lambda n: inpaint(MULTISTEP, seed_latent(), HALF, n, resample=2, psi=0.7),
    "replace": lambda n: inpaint(SAMPLER, seed_latent(), HALF, n, resample=2),
    "guidance": lambda n: inpaint(SAMPLER, seed_latent(), HALF, n, method="guidance", resample=2, psi=0.7),
}


@pytest.mark.parametrize("name", EDITS)
def test_batch_and_order_do_not_change_a_sibling(name: str) -> None:
    alone = {k: EDITS[name](noise_for([k]))[0] for k in range(5)}
    for batch in ([0, 1, 2, 3, 4], [4, 1], [2]):
        for k, z in zip(batch, EDITS[name](noise_for(batch)), strict=True):
            assert torch.equal(z, alone[k])


@pytest.mark.parametrize("psi", [1.0, 0.63])
@pytest.mark.parametrize("resample", [1, 3])
@pytest.mark.parametrize("sampler", [Sampler(gaussian, Schedule(steps=12), churn=Churn(S_churn=6)), MULTISTEP],
                         ids=lambda sampler: sampler.solver)
def test_replacement_ends_with_the_twins_own_latents_where_preserved(psi: float, resample: int,
                                                                     sampler: Sampler) -> None:
    z_seed = seed_latent().float()
    z = inpaint(sampler, z_seed, HALF, noise_for(), psi=psi, resample=resample)
    kept = HALF.expand(z.shape)
    assert torch.equal(z[kept].float(), z_seed.expand(z.shape)[kept])
    assert float((z - z_seed).abs().amax((1, 2, 3, 4)).min()) > 0.5  # the rest of every sibling moved
    assert not torch.allclose(z[0], z[1])


def test_mask_of_nothing_perturbs_and_mask_of_everything_returns_the_twin() -> None:
    nothing, z_seed = torch.zeros_like(HALF), seed_latent()
    assert torch.equal(inpaint(SAMPLER, z_seed, nothing, noise_for()), generate(SAMPLER, noise_for()))
    for method in ("replace", "guidance"):
        z = inpaint(SAMPLER, z_seed, nothing, noise_for(), psi=0.6, method=method)  # type: ignore[arg-type]
        assert torch.equal(z, perturb(SAMPLER, z_seed, 0.6, noise_for()))
    assert torch.equal(inpaint(SAMPLER, z_seed, ~nothing, noise_for()), z_seed.expand(3, *SHAPE))


def test_preserved_latents_carry_the_right_amount_of_fresh_noise_at_every_step() -> None:
    seen: list[tuple[float, Tensor]] = []

    def spy(z: Tensor, sigma: Tensor) -> Tensor:
        seen.append((float(sigma), z))
        return gaussian(z, sigma)

    noise, z_seed = SampleNoise(0, range(16), SHAPE), seed_latent() + 1000  # far off: the first step has to know it
    inpaint(Sampler(spy, Schedule(steps=6), solver="euler"), z_seed, HALF, noise)
    assert len(seen) == 6
    residuals = torch.stack([((z - z_seed) / sigma)[HALF.expand(z.shape)] for sigma, z in seen])
    assert float(residuals.mean(1).abs().max()) < 0.15
    assert torch.allclose(residuals.std(1), torch.ones(6, dtype=torch.float64), atol=0.1)
    assert float((torch.corrcoef(residuals) - torch.eye(6)).abs().max()) < 0.15  # 1,024 values a step


def free_cells(method: str, resample: int, rho: float = 0.9, solver: str = "heun") -> Tensor:
    """The free cell of 1,152 pairs whose other cell is preserved at 2: exactly N(2 rho, 1 - rho^2)."""
    shape = (1, 24, 24, 2)
    mask = torch.zeros(1, *shape, dtype=torch.bool)
    mask[..., 0] = True
    z_seed = torch.full((1, *shape), 2.0, dtype=torch.float64)
    papers = Schedule(steps=20)
    sampler = Sampler(pairs(rho), papers if solver == "heun" else LogSchedule.like(papers), solver)
    z = inpaint(sampler, z_seed, mask, SampleNoise(0, [0, 1], shape), method=method,  # type: ignore[arg-type]
                resample=resample)
    assert torch.allclose(z[..., 0], z_seed[..., 0], atol=1e-4)
    return z[..., 1]


def test_resampling_brings_the_free_region_to_terms_with_the_preserved_one() -> None:
    """Exact conditional mean 1.8, variance 0.19; one pass of replacement reaches less than half of the mean."""
    gaps = [1.8 - float(free_cells("replace", r).mean()) for r in (1, 3, 10, 30)]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 0.8 and gaps[2] < 0.25 and gaps[3] < 0.1
    assert float(free_cells("replace", 30).var()) == pytest.approx(0.19, abs=0.06)


def test_resampling_works_with_the_multistep_solver_too() -> None:
    gaps = [1.8 - float(free_cells("replace", r, solver="dpmpp-2m").mean()) for r in (1, 3, 10)]
    assert gaps == sorted(gaps, reverse=True) and gaps[2] < 0.25


def test_guidance_tells_the_free_region_more_than_replacement_does() -> None:
    once = free_cells("guidance", 1)
    assert abs(1.8 - float(once.mean())) < 0.4 < 1.8 - float(free_cells("replace", 1).mean())
    assert float(free_cells("guidance", 10).mean()) == pytest.approx(1.8, abs=0.05)
    assert float(free_cells("guidance", 10).var()) == pytest.approx(0.19, abs=0.04)


@pytest.mark.parametrize("sigma", [1e-3, 0.5, 3.0, 80.0])
def test_guided_estimate_of_an_isotropic_gaussian_takes_the_twin_on_the_mask_at_any_noise_level(sigma: float) -> None:
    s = torch.tensor(sigma, dtype=torch.float64)
    D = lambda z, sigma: z / (1 + sigma**2)  # noqa: E731
    z, z_seed = seed_latent(1, 3) + sigma * noise_for()("start"), seed_latent()
    guided = MaskedSimilarity(D, z_seed, HALF)(z, s)
    assert torch.allclose(guided, torch.where(HALF, z_seed, D(z, s)), atol=1e-9)
    half_way = MaskedSimilarity(D, z_seed, HALF, weight=0.5)(z, s)
    assert torch.allclose(half_way, (guided + D(z, s)) / 2, atol=1e-9)


def test_correction_is_never_longer_than_the_residual_however_steep_the_denoiser() -> None:
    """Latents of few modes have directions of a variance far above 1, where a fixed weight would overshoot."""
    U = torch.linalg.qr(torch.randn(128, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
    gains = torch.logspace(-3, 3, 128, dtype=torch.float64)
    D = lambda z, sigma: (z.flatten(1) @ U * (gains / (gains + sigma**2)) @ U.T).reshape(z.shape)  # noqa: E731
    for sigma in (0.01, 1.0, 80.0):
        s, z = torch.tensor(sigma, dtype=torch.float64), seed_latent(1, 3) + sigma * noise_for()("start")
        moved = MaskedSimilarity(D, seed_latent(), HALF)(z, s) - D(z, s)
        residual = HALF * (D(z, s) - seed_latent())
        assert bool((moved.flatten(1).norm(dim=1) <= residual.flatten(1).norm(dim=1) * (1 + 1e-9)).all())
        assert bool(((residual + HALF * moved).flatten(1).norm(dim=1) <= residual.flatten(1).norm(dim=1)).all())


def test_gradient_that_leads_away_from_the_twin_is_not_followed() -> None:
    z, s = seed_latent(1, 3), torch.tensor(1.0, dtype=torch.float64)
    assert torch.equal(MaskedSimilarity(lambda z, sigma: -z, seed_latent(), HALF)(z, s), -z)


def test_guidance_works_in_inference_mode_and_leaves_no_graph() -> None:
    plain = EDITS["guidance"](noise_for())
    with torch.inference_mode():
        quiet = EDITS["guidance"](noise_for())
    assert torch.equal(plain, quiet) and not plain.requires_grad


def test_twins_and_masks_may_differ_within_a_batch() -> None:
    seeds, masks = seed_latent(0, 3), torch.stack([HALF[0], ~HALF[0], torch.zeros_like(HALF[0])])
    together = inpaint(SAMPLER, seeds, masks, noise_for())
    for k in range(3):
        assert torch.equal(inpaint(SAMPLER, seeds[k : k + 1], masks[k : k + 1], noise_for([k]))[0], together[k])


@pytest.mark.parametrize("mask", [HALF.float(), HALF[0], HALF[..., :2], HALF.expand(2, 1, 4, 4, 4),
                                  HALF.expand(1, 2, 4, 4, 4)])
def test_masks_that_do_not_fit_are_refused(mask: Tensor) -> None:
    with pytest.raises(InputError, match="mask"):
        inpaint(SAMPLER, seed_latent(), mask, noise_for())


def test_unknown_method_and_wrong_twin_are_refused() -> None:
    with pytest.raises(InputError, match="replace or guidance"):
        inpaint(SAMPLER, seed_latent(), HALF, noise_for(), method="magic")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="do not fit"):
        perturb(SAMPLER, seed_latent(0, 2), 0.5, noise_for())
    with pytest.raises(InputError, match="from 0 to 1"):
        perturb(SAMPLER, seed_latent(), 1.5, noise_for())


def volume(*corner: int) -> np.ndarray:
    preserved = np.zeros((32, 32, 32), dtype=bool)
    preserved[corner] = True
    return preserved


@pytest.mark.parametrize(("dilations", "cells"), [(0, 1), (1, 27), (2, 125)])
def test_one_preserved_voxel_keeps_its_cell_and_its_26_neighbours(dilations: int, cells: int) -> None:
    mask = latent_mask(volume(15, 16, 13), (8, 8, 8, 8), dilations)
    assert mask.cells.shape == (1, 1, 8, 8, 8) and mask.cells.dtype == torch.bool
    assert int(mask.cells.sum()) == cells and bool(mask.cells[0, 0, 3, 4, 3])
    assert mask.dilations == (dilations,) and mask.freed == (0,)


def test_every_preserved_voxel_lies_in_a_preserved_cell_on_any_grid() -> None:
    preserved = np.random.default_rng(0).random((2, 32, 16, 24)) < 0.01
    for grid in ((4, 4, 4), (16, 8, 12), (32, 16, 24)):
        cells = latent_mask(preserved, grid, 0).cells
        up = torch.nn.functional.interpolate(cells.float(), size=(32, 16, 24), mode="nearest")[:, 0] > 0
        assert bool(up[torch.from_numpy(preserved)].all())
        assert torch.equal(latent_mask(torch.from_numpy(preserved), grid, 0).cells, cells)


def chamber(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A cubic chamber about the centre of 32^3 voxels and the preserved rest."""
    editable = np.zeros((32, 32, 32), dtype=bool)
    low, high = 16 - size // 2, 16 + size // 2
    editable[low:high, low:high, low:high] = True
    return ~editable, editable


@pytest.mark.parametrize(("size", "dilations", "freed", "share"), [
    (24, 2, 0, (8 / 24) ** 3), (16, 1, 0, 1 / 8), (8, 0, 0, 1.0), (6, 0, 8, 1.0), (2, 0, 8, 1.0)])
def test_mask_never_swallows_the_whole_region(size: int, dilations: int, freed: int, share: float) -> None:
    """Cells of 4 voxels: a chamber of 6 has no whole cell of its own, so the 8 that it touches are freed."""
    preserved, editable = chamber(size)
    mask = latent_mask(preserved, (8, 8, 8), 2, editable)
    assert (mask.dilations, mask.freed, mask.free_share) == ((dilations,), (freed,), (pytest.approx(share),))
    assert not bool(mask.cells.all())


def test_a_least_free_share_can_be_asked_for() -> None:
    preserved, editable = chamber(24)
    used = [latent_mask(preserved, (8, 8, 8), 2, editable, least_share=s).dilations[0] for s in (0, 0.03, 0.04, 0.3)]
    assert used == [2, 2, 1, 0]


def test_free_background_alone_does_not_count_as_the_region() -> None:
    preserved, editable = chamber(6)
    preserved[:12] = False  # far background
    assert latent_mask(preserved, (8, 8, 8), 2, editable).freed == (8,)


def test_every_map_of_a_batch_has_its_own_mask() -> None:
    maps = [chamber(size) for size in (24, 16, 6)]
    mask = latent_mask(np.stack([p for p, _ in maps]), (8, 8, 8), 2, np.stack([e for _, e in maps]))
    assert mask.dilations == (2, 1, 0) and mask.freed == (0, 0, 8)
    for k, (preserved, editable) in enumerate(maps):
        assert torch.equal(latent_mask(preserved, (8, 8, 8), 2, editable).cells[0], mask.cells[k])


def test_impossible_masks_are_refused() -> None:
    preserved, editable = chamber(8)
    with pytest.raises(InputError, match="Nothing is left to edit"):
        latent_mask(preserved, (8, 8, 8), 2, preserved)
    with pytest.raises(InputError, match="divisible"):
        latent_mask(preserved, (5, 8, 8), 2, editable)
    with pytest.raises(InputError, match="equal shapes"):
        latent_mask(preserved, (8, 8, 8), 2, editable[:16])


@pytest.mark.parametrize(("name", "stored"), [
    ("replace", [0.17192742, -1.69149111]), ("multistep", [0.89048161, -2.992553])])
def test_stored_numbers(name: str, stored: list[float]) -> None:
    """A seed means the same sibling in every version."""
    z = EDITS[name](noise_for([3]))
    assert z[0, :, 1, 1, 2].tolist() == pytest.approx(stored, abs=1e-5)


@pytest.mark.parametrize("edit", ["generate", "perturb", "inpaint"])
def test_pure_noise_narrows_a_wide_mode_and_the_marginal_keeps_it(edit: str) -> None:
    """Gaussian latents with one mode as wide as the heart's size (sd 62): the exact denoiser is known."""
    width, mean = 62.0, 7.0
    modes = Modes(torch.full((1, 1, 1, 2), mean), torch.tensor([[[[[1.0, 0.0]]]]]), torch.tensor([width**2]))

    def drawn(modes: Modes | None) -> torch.Tensor:
        noise = SampleNoise(0, range(512), (1, 1, 1, 2))
        variances = torch.tensor([width**2, 1.0], dtype=torch.float64)
        sampler = Sampler(lambda z, sigma: mean + (z - mean) * variances / (variances + sigma**2), modes=modes)
        twin = torch.full((1, 1, 1, 1, 2), 1e6)
        if edit == "generate":
            z = generate(sampler, noise)
        elif edit == "perturb":
            z = perturb(sampler, twin, 1.0, noise)
        else:
            z = inpaint(sampler, twin, torch.zeros(1, 1, 1, 1, 2, dtype=torch.bool), noise)
        return z.reshape(512, 2)

    narrowed = drawn(None)[:, 0].std() / width
    assert float(narrowed) == pytest.approx(80 / (80**2 + width**2) ** 0.5, abs=0.08)
    full = drawn(modes)
    assert float(full[:, 0].std() / width) == pytest.approx(1.0, abs=0.08) and float(full[:, 1].std()) < 1.2
    assert full.mean(0).tolist() == pytest.approx([mean, mean], abs=4 * width / 512**0.5)
