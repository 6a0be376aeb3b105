"""Surfaces drawn at another level, so that boxes hold the volume asked."""

from __future__ import annotations

import numpy as np
import pytest

from DiffusionSiblingsLib.control.absolute_targets import Asked
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.levels import level_to_targets
from DiffusionSiblingsLib.control.measure import measure
from DiffusionSiblingsLib.core.anatomy import load_anatomy

HEART = load_anatomy()
LV, MYO = HEART.label_of("LV"), HEART.label_of("Myo")
SHAPE = (24, 26, 28)
AFFINE = np.diag([1.4, 1.4, 1.4, 1.0])
AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def box(tissue: str, size: float = 32.0) -> ControlDomain:
    return ControlDomain(tissue, (tissue,), (18.2, 18.0, 16.0), AXES, (size, size, size), (32, 32, 32))


def ball() -> np.ndarray:
    """(classes, *SHAPE) log-likelihoods: a left ventricle in a shell of myocardium, somewhat uneven."""
    k, j, i = np.indices(SHAPE) * 1.4
    radius = np.sqrt((i - 18.31) ** 2 + 1.1 * (j - 17.87) ** 2 + 0.9 * (k - 16.13) ** 2)
    scores = np.full((len(HEART.tissues) + 1, *SHAPE), -40.0)
    scores[0] = 3.0 * (radius - 11.3)
    scores[LV] = 3.0 * (6.1 - radius)
    scores[MYO] = np.minimum(3.0 * (radius - 6.1), 3.0 * (11.3 - radius))
    return scores


def levelled(domains: list[ControlDomain], times: list[float], reach: np.ndarray | None = None,
             scores: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """The likeliest labels, the same at other levels, and the volumes found as shares of those asked."""
    scores = ball() if scores is None else scores
    plain = scores.argmax(axis=0).astype(np.uint8)
    asked = [Asked(domain.name, "mass", share * volume(plain, domain), 0.01)
             for domain, share in zip(domains, times, strict=True)]
    found = level_to_targets(plain, AFFINE, domains, asked, lambda voxels: scores[(slice(None), *voxels.T)], HEART,
                             reach=reach)
    return plain, found, [volume(found, domain) / float(target.value)  # type: ignore[arg-type]
                          for domain, target in zip(domains, asked, strict=True)]


def volume(labels: np.ndarray, domain: ControlDomain) -> float:
    return measure(labels, AFFINE, domain, HEART, betti=False).mass


@pytest.mark.parametrize("times", [0.93, 0.98, 1.02, 1.07])
def test_a_box_gets_the_volume_it_was_asked_for(times: float) -> None:
    plain, found, shares = levelled([box("LV")], [times])
    assert shares[0] == pytest.approx(1, abs=0.006)  # the box has points between the voxels
    assert abs(volume(plain, box("LV")) / volume(found, box("LV")) - 1) > 0.01


def test_volumes_that_share_a_surface_are_reached_together() -> None:
    _, _, shares = levelled([box("LV"), box("Myo")], [1.04, 1.0])
    assert shares == pytest.approx([1, 1], abs=0.006)
    _, _, shares = levelled([box("Myo"), box("LV")], [0.97, 1.03])
    assert shares == pytest.approx([1, 1], abs=0.006)


def test_only_voxels_at_a_surface_change_and_tissues_grow_evenly() -> None:
    plain, found, _ = levelled([box("LV")], [1.07])
    scores = ball()
    lead = scores[LV] - np.delete(scores, LV, axis=0).max(axis=0)
    turned = (found == LV) & (plain != LV)
    assert turned.any() and not ((plain == LV) & (found != LV)).any()
    assert lead[turned].min() >= lead[(plain != LV) & (found != LV)].max() - 1e-6  # the likeliest ones first


def test_the_level_has_a_limit() -> None:
    plain, found, shares = levelled([box("LV")], [3.0])
    scores = ball()
    at = np.nonzero(found != plain)
    assert shares[0] < 0.9
    assert (scores[(plain[at], *at)] - scores[(found[at], *at)]).max() <= 1.5 + 1e-5


def test_outside_of_the_box_and_of_the_reach_nothing_changes() -> None:
    half = ControlDomain("LV", ("LV",), (18.2 + 8, 18.0, 16.0), AXES, (16, 32, 32), (16, 32, 32))
    plain, found, shares = levelled([half], [1.05])
    assert shares[0] == pytest.approx(1, abs=0.02)
    assert not (found != plain)[..., : int(18.2 / 1.4)].any()
    reach = np.zeros(SHAPE, dtype=bool)
    reach[:12] = True
    plain, found, _ = levelled([box("LV")], [1.05], reach)
    assert (found != plain)[:12].any() and not (found != plain)[12:].any()


def test_a_label_that_may_not_stand_there_does_not_spread() -> None:
    scores = ball()
    scores[0] = np.where(scores[0] > scores[MYO], scores[0], -np.inf)
    plain, found, _ = levelled([box("Myo")], [0.95], scores=scores)
    assert not ((found == 0) & (plain != 0)).any()


def test_what_is_near_enough_stays() -> None:
    plain, found, _ = levelled([box("LV"), box("Myo")], [1.0, 1.001])
    assert found is plain
    wall = ControlDomain("wall", ("Myo",), (18.2, 18.0, 16.0), AXES, (30.0, 0.0, 0.0), (60, 1, 1))
    plain, found, _ = levelled([wall], [1.2])
    assert found is plain


def test_an_empty_map_stays_empty() -> None:
    empty = np.zeros(SHAPE, dtype=np.uint8)
    asked = [Asked("LV", "mass", 3.0, 0.01)]
    found = level_to_targets(empty, AFFINE, [box("LV")], asked, lambda voxels: np.zeros((7, len(voxels))), HEART)
    assert not found.any()
