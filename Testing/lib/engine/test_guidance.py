"""Guidance: moments and their gradients, the projection's step, parsing, and a sampler that is led to its targets."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from blobs import EXTENT, Blobs, ball
from torch import Tensor

from DiffusionSiblingsLib.control.absolute_targets import Asked
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import measured_weights, moments_of
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.engine.diffusion.edits import generate
from DiffusionSiblingsLib.engine.diffusion.edm import Schedule
from DiffusionSiblingsLib.engine.diffusion.log_schedule import LogSchedule, NoiseLevels
from DiffusionSiblingsLib.engine.diffusion.noise import SampleNoise
from DiffusionSiblingsLib.engine.diffusion.sampler import Sampler
from DiffusionSiblingsLib.engine.guidance.bracket import Bracket
from DiffusionSiblingsLib.engine.guidance.guide import Guide, GuideSettings
from DiffusionSiblingsLib.engine.guidance.linearise import Aim, MomentPart, linearise, missing
from DiffusionSiblingsLib.engine.guidance.moments import moments
from DiffusionSiblingsLib.engine.guidance.parsing import Parser, site
from DiffusionSiblingsLib.engine.guidance.projection import project
from DiffusionSiblingsLib.engine.guidance.residuals import moment_residual, moment_residuals
from DiffusionSiblingsLib.engine.guided_finish import LONG_STEPS

EYE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
TURN = math.sqrt(0.5)
TURNED = ((TURN, TURN, 0.0), (-TURN, TURN, 0.0), (0.0, 0.0, 1.0))


def box(**changes: object) -> ControlDomain:
    values = {"name": "box", "tissues": ("LV",), "centre": (2.0, -3.0, 1.0), "axes": EYE, "size": (30.0, 26.0, 22.0),
              "template": (9, 8, 7)}
    return ControlDomain(**{**values, **changes})  # type: ignore[arg-type]


PLANE = box(name="plane", size=(30.0, 26.0, 0.0), template=(12, 11, 1), axes=TURNED)
LINE = box(name="line", size=(30.0, 0.0, 0.0), template=(20, 1, 1), axes=TURNED)


def guide(domain: ControlDomain, asked: list[Asked], **settings: object) -> Guide:
    free = settings.pop("free", None)
    return Guide([domain], asked, {"LV": 1}, EXTENT.tolist(), Blobs(), GuideSettings(**settings),  # type: ignore[arg-type]
                 free=free)  # type: ignore[arg-type]


def of(quantity: str, value: object, domain: str = "box") -> Asked:
    return Asked(domain, quantity, value, 0.01)  # type: ignore[arg-type]


# ---- moments and residuals


@pytest.mark.parametrize("domain", [box(), box(axes=TURNED), PLANE, LINE])
def test_moments_agree_with_those_of_maps(domain: ControlDomain) -> None:
    weights = np.random.default_rng(0).random(domain.template)
    place = site(domain, [1], EXTENT)
    found = moments(torch.from_numpy(weights.reshape(1, -1)), place.own, domain.cell)
    mass, centroid, covariance = moments_of(weights, domain.points(), domain.cell)
    n, axes = domain.dimension, np.array(domain.axes)
    assert found.mass.item() == pytest.approx(mass)
    assert found.centroid[0].numpy() == pytest.approx((axes @ (centroid - domain.centre))[:n])
    assert found.covariance[0].numpy() == pytest.approx((axes @ covariance @ axes.T)[:n, :n])


QUANTITIES = ("mass", "position", "size", "shape", "orientation", "covariance")


@pytest.mark.parametrize(("quantity", "domain"), list(itertools.product(QUANTITIES, [box(axes=TURNED), PLANE, LINE])),
                         ids=lambda value: getattr(value, "name", value))
def test_residuals_vanish_at_their_target_and_have_the_right_gradient(quantity: str, domain: ControlDomain) -> None:
    generator = np.random.default_rng(1)
    aim, start = generator.random(domain.template), generator.random(domain.template)
    there = measured_weights(aim, domain, betti=False)
    residual = moment_residual(of(quantity, there.get(quantity), domain.name), domain)  # type: ignore[arg-type]
    own = site(domain, [1], EXTENT).own

    def missing_of(weights: Tensor) -> Tensor:
        return residual(moments(weights, own, domain.cell))

    assert torch.allclose(missing_of(torch.from_numpy(aim.reshape(1, -1))), torch.zeros((), dtype=torch.float64),
                          atol=1e-9)
    weights = torch.from_numpy(start.reshape(1, -1)).requires_grad_()
    assert missing_of(weights).shape == (1, residual.count)
    if residual.count:  # a line has no orientation
        assert torch.autograd.gradcheck(lambda w: missing_of(w).square().sum(), weights, atol=1e-5)


def test_a_residual_of_1_is_a_target_missed_completely() -> None:
    domain = box()
    own, whole = site(domain, [1], EXTENT).own, torch.ones(1, 504, dtype=torch.float64)
    for mass in (0.5, 5.0):
        assert moment_residual(of("mass", mass), domain)(moments(0 * whole, own, domain.cell)).item() == -1
    away = np.add(domain.centre, (0, 13, 0))
    moved = moment_residual(of("position", tuple(away)), domain)(moments(whole, own, domain.cell))
    assert 0.5 < moved.norm().item() < 2


def test_too_little_tissue_has_no_place_and_no_shape() -> None:
    domain = box()
    few = torch.full((1, 504), 1e-3, dtype=torch.float64)
    found = moments(few, site(domain, [1], EXTENT).own, domain.cell)
    for quantity, value in (("position", (2.0, -3.0, 9.0)), ("size", 50.0), ("shape", (0.5, 0.3, 0.2))):
        assert moment_residual(of(quantity, value), domain)(found).abs().max() == 0
    assert moment_residual(of("mass", 5.0), domain)(found).abs().max() > 0.9


def test_a_betti_number_is_no_moment() -> None:
    with pytest.raises(InputError, match="no moments"):
        moment_residual(of("betti", (1, 0, 0)), box())


# ---- projection


def test_one_step_solves_a_linear_problem_by_the_shortest_way() -> None:
    rows = torch.randn(3, 2, 1, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    r = torch.tensor([[0.3, -0.2, 0.1], [0.0, 0.5, -0.4]], dtype=torch.float64)
    step = project(r, rows, 1.0, cap=1e9)
    reached = r + torch.einsum("kbn,bn->bk", rows.flatten(2).double(), step.change.flatten(1))
    assert reached.abs().max() < 1e-5 and step.ok.all()
    expected = -torch.linalg.pinv(rows[:, 0].flatten(1).double()) @ r[0]
    assert torch.allclose(step.change[0].flatten(), expected, atol=1e-5)


def test_the_step_is_bounded_and_undefined_numbers_change_nothing() -> None:
    rows = torch.randn(2, 2, 1, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    r = torch.tensor([[5.0, -3.0], [5.0, -3.0]], dtype=torch.float64)
    short = project(r, rows, 1.0, cap=0.1)
    assert short.taken.tolist() == pytest.approx([0.1, 0.1]) and (short.asked > 0.1).all()
    rows[0, 1, 0, 0, 0, 0] = math.nan
    step = project(r, rows, 1.0)
    assert step.ok.tolist() == [True, False] and step.change[1].abs().max() == 0
    assert torch.isfinite(step.change).all() and step.change[0].abs().max() > 0


def test_contradicting_targets_end_between_and_empty_rows_take_no_part() -> None:
    row = torch.randn(1, 1, 1, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    step = project(torch.tensor([[1.0, -1.0]]), torch.cat([row, row]), 1.0)
    assert step.ok.all() and step.change.abs().max() < 1e-3
    step = project(torch.tensor([[1.0, 7.0]]), torch.cat([row, torch.zeros_like(row)]), 1.0, cap=1e9)
    reached = 1 + (row.flatten(2).double()[0] * step.change.flatten(1)).sum()
    assert abs(float(reached)) < 1e-4


# ---- parsing


@pytest.mark.parametrize("axes", [EYE, ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))])
def test_aligned_domains_are_read_axis_by_axis_with_the_same_result(axes: tuple[tuple[float, ...], ...]) -> None:
    z, parser = torch.randn(2, 2, 16, 16, 16, generator=torch.Generator().manual_seed(0)), Parser(Blobs())
    quick = site(box(axes=axes), [1], EXTENT)
    assert quick.grid is not None
    slow = dataclasses.replace(quick, grid=None)
    prepared = parser.prepare(z)
    values = [parser.probability(parser.read(prepared, one), one) for one in (quick, slow)]
    assert torch.allclose(*values, atol=1e-5) and values[0].shape == (2, 504)
    some = torch.tensor([0, 17, 503])
    assert torch.allclose(parser.at(prepared, quick, some), values[0][:, some], atol=1e-5)
    assert site(box(axes=TURNED), [1], EXTENT).grid is None


def test_whole_and_local_decoding_see_the_same_tissue() -> None:
    z, place = ball((4.0, 0.0, -3.0)), site(box(), [1], EXTENT)
    whole, local = (Parser(Blobs(), method) for method in "VL")
    seen = [parser.probability(parser.read(parser.prepare(z), place), place) for parser in (whole, local)]
    assert (seen[0] - seen[1]).abs().mean() < 0.02


def test_a_coarser_template_measures_nearly_the_same() -> None:
    fine = site(box(size=(40.0, 40.0, 40.0), template=(20, 20, 20)), [1], EXTENT)
    coarse, parser = fine.coarse(2, EXTENT), Parser(Blobs())
    assert coarse.domain.template == (10, 10, 10)
    assert site(LINE, [1], EXTENT).coarse(2, EXTENT).domain.template == (10, 1, 1)
    masses = [moments(parser.probability(parser.read(ball(), one), one).double(), one.own, one.domain.cell).mass.item()
              for one in (fine, coarse)]
    assert masses[0] == pytest.approx(masses[1], rel=0.05)


# ---- the guide


def test_the_jacobian_is_that_of_automatic_differentiation() -> None:
    domain, z = box(), ball(batch=2) + 0.1 * torch.randn(2, 2, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    asked = [of("mass", 4.0), of("position", (0.0, 0.0, 0.0)), of("covariance", tuple(map(tuple, np.eye(3) / 3)))]
    aim = Aim([MomentPart(site(domain, [1], EXTENT), moment_residuals(asked, domain))])
    parser = Parser(Blobs())
    r, rows = linearise(parser, z, aim)
    assert r.shape == (2, 10) and rows.shape == (10, *z.shape)
    assert torch.allclose(r, missing(parser, z, aim))
    leaf = z.clone().requires_grad_()
    part = aim.parts[0]
    weights = parser.probability(parser.read(parser.prepare(leaf), part.site), part.site).double()
    direct = torch.cat([one(moments(weights, part.site.own, domain.cell)) for one in part.residuals], 1)
    for k in range(10):
        (expected,) = torch.autograd.grad(direct[:, k].sum(), leaf, retain_graph=True)
        assert torch.allclose(rows[k], expected, atol=1e-6)


@pytest.mark.parametrize("schedule", [Schedule(), LogSchedule.like(Schedule(steps=12))], ids=["heun", "dpmpp-2m"])
@pytest.mark.parametrize("guider", ["projection", "gradient"])
def test_samples_are_led_to_what_is_asked(guider: str, schedule: NoiseLevels) -> None:
    """Latents around a ball: the exact denoiser of N(ball, 0.3^2) is known."""
    domain, mean = box(size=(48.0, 48.0, 48.0), template=(16, 16, 16)), ball().double()
    asked = [of("mass", 5.0), of("position", (3.0, -1.0, 0.0))]
    solver, pace = ("heun", {}) if isinstance(schedule, Schedule) else ("dpmpp-2m", LONG_STEPS)
    led = guide(domain, asked, guider=guider, **pace)

    def denoise(z: Tensor, sigma: Tensor) -> Tensor:
        return mean + (z - mean) * 0.3**2 / (0.3**2 + sigma**2)

    sampler = Sampler(denoise, schedule, solver)
    steered = dataclasses.replace(sampler, hook=led.hook) if guider == "projection" else dataclasses.replace(
        sampler, denoiser=led.guided(denoise))
    noise = (SampleNoise(0, range(3), (2, 16, 16, 16)) for _ in range(2))
    plain, z = generate(sampler, next(noise)), generate(steered, next(noise))
    parser, aim = Parser(Blobs()), Aim(led.fine)
    before, after = missing(parser, plain, aim), missing(parser, z, aim)
    # the gradient goes downhill on the sum of all squares, and so less straight
    assert after.abs().max() < (2e-3 if guider == "projection" else 0.25 * float(before.abs().max()))
    assert (z[0] - z[1]).std() > 0.2  # and the rest stays free
    assert led.log.guided > 0 and led.log.skipped == 0


def test_bisection_finds_the_step_of_a_staircase_that_is_nearest() -> None:
    """Finished maps answer in steps; Newton's steps alone would jump between -0.9 and 0.6 for ever."""

    def finished(u: Tensor) -> Tensor:  # flat at -0.9, 0.1 and 0.6
        return torch.where(u < 0.2, -0.9, torch.where(u < 0.26, 0.1, 0.6)).double()

    bracket, u, tolerance = Bracket(1), torch.tensor([0.6], dtype=torch.float64), torch.tensor([0.2])
    for _ in range(8):
        m = finished(u)
        bracket.add(u, m)
        u = bracket.aim(u, m, tolerance, 0.5)
    assert finished(u).item() == pytest.approx(0.1)


def test_bisection_begins_with_newton_and_stays_where_it_is_good() -> None:
    bracket, tolerance = Bracket(2), torch.tensor([0.1, 0.1], dtype=torch.float64)
    u, m = torch.tensor([0.5, 0.5], dtype=torch.float64), torch.tensor([0.3, 0.04], dtype=torch.float64)
    bracket.add(u, m)
    assert bracket.aim(u, m, tolerance, 0.5).tolist() == pytest.approx([0.2, 0.5])


def test_what_must_stay_stays() -> None:
    free = torch.zeros(1, 1, 16, 16, 16, dtype=torch.bool)
    free[..., :8] = True
    led = guide(box(size=(48.0, 48.0, 48.0), template=(16, 16, 16)), [of("mass", 5.0)], free=free)
    z = ball()
    moved = led.correct(z)
    assert torch.equal(moved[..., 8:], z[..., 8:]) and not torch.equal(moved, z)


def test_calibration_aims_at_the_finished_map() -> None:
    """A finished map with a tenth more than its latents say: the correction leaves that much away."""
    domain = box(size=(48.0, 48.0, 48.0), template=(16, 16, 16))
    led, parser = guide(domain, [of("mass", 5.0)]), Parser(Blobs())
    place, z = led.fine[0].site, ball()

    def weights(z: Tensor) -> Tensor:
        return parser.probability(parser.read(parser.prepare(z), place), place)[0]

    for _ in range(6):
        led.calibrate(z, [1.1 * weights(z)])
        z = led.correct(z)
    assert 1.1 * weights(z).sum().item() * domain.cell == pytest.approx(5.0, rel=1e-3)


def test_two_pieces_come_apart() -> None:
    """Two balls that overlap, asked to be two components."""
    domain = box(centre=(0.0, 0.0, 0.0), size=(60.0, 40.0, 40.0), template=(30, 20, 20))
    z = torch.maximum(ball((-8.0, 0.0, 0.0))[:, 1:], ball((8.0, 0.0, 0.0))[:, 1:])
    z = torch.cat([-z, z], 1)
    led = guide(domain, [of("betti", (2, None, None))])
    place, parser = site(domain, [1], EXTENT), Parser(Blobs())

    def pieces(z: Tensor) -> tuple[int, int, int] | None:
        values = parser.probability(parser.read(parser.prepare(z), place), place)
        return measured_weights(values.reshape(domain.template).numpy(), domain).betti

    assert pieces(z) == (1, 0, 0)
    for _ in range(8):
        z = led.correct(z)
    assert pieces(z) == (2, 0, 0)


def test_what_is_dear_and_matters_little_is_left_alone() -> None:
    """Two residuals alike, one of them a hundred times dearer: with slack only the cheap one is brought to zero."""
    rows = torch.zeros(2, 1, 1, 1, 1, 4)
    rows[0, ..., 0], rows[1, ..., 1] = 1.0, 0.01
    r = torch.tensor([[0.1, 0.1]])
    whole = project(r, rows, 1.0, cap=1e9).change.flatten()
    slack = project(r, rows, 1.0, cap=1e9, slack=torch.tensor([0.2, 0.2])).change.flatten()
    assert whole[:2].tolist() == pytest.approx([-0.1, -10.0], rel=1e-2)
    # the least change^2 / 4 + ((r + J change) / 0.2)^2
    assert slack[:2].tolist() == pytest.approx([-0.1 / 1.01, -0.001 / (1e-4 + 0.01)], rel=1e-3)


def test_topology_may_begin_in_the_middle_of_a_step() -> None:
    domain = box(size=(48.0, 48.0, 48.0), template=(16, 16, 16))
    led, z = guide(domain, [of("mass", 5.0), of("betti", (1, None, None))], topology_below=2.0), ball()
    for sigma in (2.5, 1.5):
        assert torch.isfinite(led.hook(z, z, sigma, 3)).all()
