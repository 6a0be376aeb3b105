"""Undecided voxels, rounded to the targets of lines and planes."""

from __future__ import annotations

import numpy as np
import pytest

from DiffusionSiblingsLib.control.absolute_targets import Asked
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import measure
from DiffusionSiblingsLib.control.rounding import round_to_targets
from DiffusionSiblingsLib.core.anatomy import load_anatomy

HEART = load_anatomy()
LV, MYO = HEART.label_of("LV"), HEART.label_of("Myo")
SHAPE = (24, 26, 28)
AFFINE = np.diag([1.4, 1.4, 1.4, 1.0])
ACROSS = ControlDomain("wall", ("Myo",), (18.2, 18.0, 16.0), ((1, 0, 0), (0, 1, 0), (0, 0, 1)), (30.0, 0.0, 0.0),
                       (60, 1, 1))
CUT = ControlDomain("cut", ("LV",), (18.2, 18.0, 16.0), ((1, 0, 0), (0, 1, 0), (0, 0, 1)), (30.0, 30.0, 0.0),
                    (60, 60, 1))


def ball() -> np.ndarray:
    """(3, *SHAPE) log-likelihoods of background, LV and Myo as the heart numbers them: a ball in a shell, blurred."""
    k, j, i = np.indices(SHAPE) * 1.4
    radius = np.sqrt((i - 18.2) ** 2 + (j - 18.0) ** 2 + (k - 16.0) ** 2)
    scores = np.full((len(HEART.tissues) + 1, *SHAPE), -20.0)
    scores[0] = 3.0 * (radius - 11.3)
    scores[LV] = 3.0 * (6.1 - radius)
    scores[MYO] = np.minimum(3.0 * (radius - 6.1), 3.0 * (11.3 - radius))
    return scores


def rounded(domain: ControlDomain, asked: list[Asked], reach: np.ndarray | None = None,
            scores: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The map by the likeliest labels, and the same rounded."""
    scores = ball() if scores is None else scores
    plain = scores.argmax(axis=0).astype(np.uint8)
    return plain, round_to_targets(plain, AFFINE, [domain], asked, lambda voxels: scores[(slice(None), *voxels.T)],
                                   HEART, reach=reach)


def mass(labels: np.ndarray, domain: ControlDomain) -> float:
    return measure(labels, AFFINE, domain, HEART, betti=False).mass


@pytest.mark.parametrize("change", [-0.6, -0.25, 0.25, 0.6])
def test_a_line_gets_the_length_it_was_asked_for(change: float) -> None:
    own = mass(rounded(ACROSS, [])[0], ACROSS)
    plain, found = rounded(ACROSS, [Asked("wall", "mass", own + change, 0.01)])
    assert abs(mass(found, ACROSS) - own - change) < 0.35 * abs(change)
    assert 0 < np.count_nonzero(found != plain) < 20


def test_a_plane_gets_its_area_and_its_place() -> None:
    own = measure(rounded(CUT, [])[0], AFFINE, CUT, HEART, betti=False)
    place = (own.centroid[0] + 0.2, own.centroid[1], None)
    _, found = rounded(CUT, [Asked("cut", "mass", own.mass * 1.05, 0.01), Asked("cut", "position", place, 0.2)])
    now = measure(found, AFFINE, CUT, HEART, betti=False)
    assert abs(now.mass / own.mass - 1.05) <= 0.0026
    assert np.linalg.norm(np.array(now.centroid[:2]) - place[:2]) <= 0.11


@pytest.mark.parametrize("domain, change", [(ACROSS, 0.95), (CUT, 1.05)])
def test_what_is_seen_is_spread_as_asked(domain: ControlDomain, change: float) -> None:
    own = measure(rounded(domain, [])[0], AFFINE, domain, HEART, betti=False).size
    _, found = rounded(domain, [Asked(domain.name, "size", own * change, 0.01)])
    now = measure(found, AFFINE, domain, HEART, betti=False).size
    assert abs(now / own - change) <= 0.2 * abs(change - 1)


def test_what_is_decided_stays() -> None:
    scores = ball()
    plain, found = rounded(ACROSS, [Asked("wall", "mass", 30.0, 0.01)], scores=scores)
    turned = found != plain
    assert turned.any()
    at = np.nonzero(turned)
    assert (scores[(plain[at], *at)] - scores[(found[at], *at)] <= 3.0).all()


def test_only_what_may_change_is_turned() -> None:
    plain, free = rounded(ACROSS, [Asked("wall", "mass", 11.5, 0.01)])
    first = np.argwhere(free != plain)[0]
    reach = np.ones(SHAPE, dtype=bool)
    reach[tuple(first)] = False
    _, found = rounded(ACROSS, [Asked("wall", "mass", 11.5, 0.01)], reach)
    assert found[tuple(first)] == plain[tuple(first)]
    _, none = rounded(ACROSS, [Asked("wall", "mass", 11.5, 0.01)], np.zeros(SHAPE, dtype=bool))
    assert np.array_equal(none, plain)


def test_a_label_that_may_not_stand_there_is_not_taken() -> None:
    scores = ball()
    scores[0] = np.where(scores[0] > scores[MYO], scores[0], -np.inf)  # as for an edit of LV and Myo alone
    plain, found = rounded(ACROSS, [Asked("wall", "mass", 8.0, 0.01)], scores=scores)
    assert not ((found == 0) & (plain != 0)).any()


def test_no_voxel_stands_alone() -> None:
    plain, found = rounded(CUT, [Asked("cut", "mass", 150.0, 0.01)])
    for k, j, i in np.argwhere(found != plain):
        beside = [found[k + a, j + b, i + c] for a, b, c in
                  ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))]
        assert found[k, j, i] in beside


def test_boxes_and_other_quantities_turn_nothing() -> None:
    box = ControlDomain("box", ("LV",), (18.2, 18.0, 16.0), ((1, 0, 0), (0, 1, 0), (0, 0, 1)), (30.0, 30.0, 30.0),
                        (20, 20, 20))
    plain, found = rounded(box, [Asked("box", "mass", 2.0, 0.01)])
    assert found is plain
    plain, found = rounded(CUT, [Asked("cut", "shape", (0.8, 0.2, 0.0), 0.02)])
    assert found is plain


def test_a_met_target_turns_nothing() -> None:
    own = mass(rounded(ACROSS, [])[0], ACROSS)
    plain, found = rounded(ACROSS, [Asked("wall", "mass", own, 0.01)])
    assert found is plain


def test_a_line_that_leaves_the_image_is_rounded_within() -> None:
    long = ControlDomain("wall", ("Myo",), (18.2, 18.0, 16.0), ((1, 0, 0), (0, 1, 0), (0, 0, 1)), (80.0, 0.0, 0.0),
                         (160, 1, 1))
    own = mass(rounded(long, [])[0], long)
    _, found = rounded(long, [Asked("wall", "mass", own + 0.4, 0.01)])
    assert abs(mass(found, long) - own - 0.4) < 0.2
