"""What planning accepts can be sampled: drawn domains, templates and targets never raise once they are planned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from blobs import EXTENT, Blobs, ball
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from DiffusionSiblingsLib.control.absolute_targets import Asked
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.limits import can_show, most_features
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.terms import QUANTITIES, Quantity, Target, Term
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.guided_plan import GuidedTargets
from DiffusionSiblingsLib.engine.guidance.guide import Guide, GuideSettings
from DiffusionSiblingsLib.engine.guided_finish import weights_for
from DiffusionSiblingsLib.metrics.betti import betti_numbers

HEART = load_anatomy("heart")
NOISE_LEVELS = (20.0, 5.0, 0.5, 0.1, 0.005)  # above topology, topology on coarse and fine templates, moments, the last
NAMED = (  # each passed planning and then failed in the middle of sampling
    ((5, 5, 1), (None, 1, None)),
    ((5, 5, 5), (None, None, 1)),
    ((9, 9, 9), (9, None, None)),
)


def rotation(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


@st.composite
def drawn_domains(draw: st.DrawFn, name: str = "a") -> ControlDomain:
    dimension = draw(st.integers(1, 3))
    template = [draw(st.integers(2, 12)) if axis < dimension else 1 for axis in range(3)]
    size = [draw(st.floats(2.0, 50.0)) if axis < dimension else 0.0 for axis in range(3)]
    axes = np.eye(3) if draw(st.booleans()) else rotation(draw(st.integers(0, 50)))
    centre = [draw(st.floats(-12.0, 12.0)) for _ in range(3)]
    return ControlDomain(name, ("LV",), centre, axes, size, template)  # type: ignore[arg-type]


def shares(seed: int, count: int) -> list[float]:
    return sorted(np.random.default_rng(seed).dirichlet(np.ones(count)).tolist(), reverse=True)


def drawn_value(draw: st.DrawFn, quantity: Quantity, domain: ControlDomain) -> Any:
    """An absolute value that is mostly, not always, one that the domain can hold."""
    seed, n = draw(st.integers(0, 50)), domain.dimension
    axes = np.array(domain.axes) if draw(st.booleans()) or n < 3 else rotation(seed)
    if quantity == "mass":
        return domain.whole * draw(st.floats(0.01, 1.1))
    if quantity == "size":
        return sum(side * side for side in domain.size) / 4 * draw(st.floats(0.01, 1.1))
    if quantity == "position":
        inside = np.array([draw(st.floats(-0.52, 0.52)) for _ in range(3)]) * domain.size
        return tuple(np.array(domain.centre) + inside @ np.array(domain.axes))
    if quantity == "shape":
        return tuple(shares(seed, draw(st.sampled_from((n, n, n, 2)))))
    if quantity == "orientation":
        return tuple(map(tuple, axes))
    if quantity == "covariance":
        return tuple(map(tuple, axes.T @ np.diag([*shares(seed, n), *[0.0] * (3 - n)]) @ axes))
    return tuple(draw(st.sampled_from((None, 0, 1, 1, 2, 5, 9, 40))) for _ in range(3))


@st.composite
def drawn_terms(draw: st.DrawFn, domain: ControlDomain) -> Term | None:
    """A term, None where not even a term can be made of the drawn value."""
    quantity = draw(st.sampled_from((*QUANTITIES, "betti", "betti")))
    if quantity in ("mass", "size") and draw(st.booleans()):
        return Term(domain.name, quantity, Target(times=draw(st.floats(0.5, 2.0))))
    if quantity == "position" and draw(st.booleans()):
        return Term(domain.name, quantity, Target(plus=tuple(draw(st.floats(-4.0, 4.0)) for _ in range(3))))
    try:
        return Term(domain.name, quantity, Target(value=drawn_value(draw, quantity, domain)))
    except InputError as error:
        require_clear(error)
        return None


def require_clear(error: InputError) -> None:
    assert error.what and error.value not in (None, "") and error.rule


def heart_of(seed: int) -> Placement:
    """A map with one tissue, a ball with holes and specks, in a pose of its own."""
    rng = np.random.default_rng(seed)
    axis = (np.arange(32) + 0.5) * 2 - 32
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = (np.sqrt(x**2 + y**2 + z**2) < 9) ^ (rng.random((32, 32, 32)) < 0.02)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = axis[0]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation(seed), rng.normal(scale=20, size=3)
    return Placement((inside * HEART.label_of("LV")).astype(np.uint8), pose @ affine, "world", pose, HEART)


def latents(seed: int) -> Tensor:
    return ball() + 2.0 * torch.randn(1, 2, 16, 16, 16, generator=torch.Generator().manual_seed(seed))


def sample_guided(targets: GuidedTargets, z: Tensor, parsing: str) -> None:
    """Every evaluation that a guided run makes, at every kind of noise level, and what is made of a finished map."""
    led, downhill = (Guide(targets.canonical.domains, targets.canonical_asked, {"LV": 1}, EXTENT.tolist(), Blobs(),
                           GuideSettings(guider, parsing)) for guider in ("projection", "gradient"))
    labels, affine = targets.heart.labels, targets.heart.affine
    shares = targets.shares(labels, affine)
    if led.whole:
        led.calibrate(z, weights_for(led, shares))
    denoise = downhill.guided(lambda z, sigma: z / (1 + sigma**2))
    for step, sigma in enumerate(NOISE_LEVELS):
        assert torch.isfinite(led.hook(z, z, sigma, step)).all()
        assert torch.isfinite(denoise(z, torch.tensor(sigma))).all()
    if led.steers:
        assert torch.isfinite(led.refine(z, weights_for(led, shares), led.bracket(), 0.5)).all()
        led.hook(torch.full_like(z, math.nan), z, 0.5, 50)  # a sampling that diverges is not guided; it does not raise
    undecided = np.random.default_rng(0).normal(size=(7, *labels.shape))
    rounded = targets.rounded(labels, affine, lambda voxels: undecided[(slice(None), *voxels.T)])
    assert len(targets.achieved(targets.shares(rounded, affine))) == len(targets.asked)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_planning_accepts_never_raises_while_sampling(data: st.DataObject) -> None:
    domains = tuple(data.draw(drawn_domains(name)) for name in ("a", "b")[: data.draw(st.integers(1, 2))])
    picked = [data.draw(st.sampled_from(domains)) for _ in range(data.draw(st.integers(1, 4)))]
    terms = [term for domain in picked if (term := data.draw(drawn_terms(domain))) is not None]
    z = latents(data.draw(st.integers(0, 5)))
    try:
        control = Control(domains, tuple(terms), "canonical")
        targets = GuidedTargets.of(control, heart_of(data.draw(st.integers(0, 5))))
    except InputError as error:
        require_clear(error)
        return
    sample_guided(targets, z, data.draw(st.sampled_from("LV")))


@pytest.mark.parametrize(("template", "betti"), NAMED)
def test_targets_that_only_the_whole_template_can_show_are_sampled(template: tuple[int, ...], betti: Any) -> None:
    size = [30.0 if n > 1 else 0.0 for n in template]
    domain = ControlDomain("a", ("LV",), (0.0, 0.0, 0.0), np.eye(3), size, template)  # type: ignore[arg-type]
    control = Control((domain,), (Term("a", "betti", Target(value=betti)),), "canonical")
    sample_guided(GuidedTargets.of(control, heart_of(0)), ball(), "L")


def test_high_noise_has_the_coarse_template_where_that_can_show_the_targets() -> None:
    domain = ControlDomain("a", ("LV",), (0.0, 0.0, 0.0), np.eye(3), (30.0,) * 3, (9, 9, 9))  # type: ignore[arg-type]
    for betti, template in (((8, None, None), (4, 4, 4)), ((9, None, None), (9, 9, 9))):
        led = Guide([domain], [Asked("a", "betti", betti, 0.0)], {"LV": 1}, EXTENT.tolist(), Blobs())
        assert led.topology[0].coarse.domain.template == template


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_map_has_more_than_the_limits_allow(data: st.DataObject) -> None:
    """The limits refuse nothing that a template can show."""
    dimension = data.draw(st.integers(1, 3))
    template = tuple(data.draw(st.integers(2, 5)) if axis < dimension else 1 for axis in range(3))
    share, seed = data.draw(st.floats(0.1, 0.95)), data.draw(st.integers(0, 10_000))
    found = betti_numbers(np.random.default_rng(seed).random(template) < share)
    assert can_show(template, found), (found, most_features(template))


@pytest.mark.parametrize(("template", "most"), [
    ((9, 1, 1), (5, 0, 0)), ((5, 5, 1), (9, 5, 0)), ((5, 5, 5), (27, 125, 14)), ((3, 3, 2), (4, 18, 0)),
    ((12, 2, 2), (6, 0, 0)), ((2, 2, 1), (1, 0, 0)),
])
def test_the_limits_of_a_template(template: tuple[int, ...], most: tuple[int, ...]) -> None:
    assert most_features(template) == most
