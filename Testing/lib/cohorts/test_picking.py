"""Members chosen by quantiles: the nearest ones, each once, and nothing hidden of those that cannot be measured."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelmap_cases import PARTS
from small_cohorts import coarse_anatomy, small_heart

from DiffusionSiblingsLib.cohorts.members import Member, find_members
from DiffusionSiblingsLib.cohorts.picking import Measurements, measure_members, parse_quantiles, pick_members
from DiffusionSiblingsLib.cohorts.wanted import find_measure
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.measures.measure import measure

ANATOMY = coarse_anatomy(44)
FRAME = CanonicalFrame.of(ANATOMY)
RV = find_measure("RV", ANATOMY)


def values(*numbers: float) -> Measurements:
    return Measurements(RV, tuple((Member(str(n), Path(str(n))), number) for n, number in enumerate(numbers)), {})


def test_quantiles_of_a_hundred_members_are_the_members_of_these_ranks() -> None:
    order = np.random.default_rng(3).permutation(101)
    found = pick_members(values(*order.astype(float)), (5, 25, 50, 75, 95))
    assert [pick.value for pick in found] == [pick.wanted for pick in found] == [5, 25, 50, 75, 95]
    assert [order[int(pick.member.name)] for pick in found] == [5, 25, 50, 75, 95]


@settings(max_examples=50)
@given(st.lists(st.floats(0, 100), min_size=3, max_size=6), st.lists(st.integers(0, 100), min_size=1, max_size=3,
                                                                    unique=True))
def test_no_other_choice_of_different_members_is_nearer(numbers: list[float], quantiles: list[int]) -> None:
    found = pick_members(values(*numbers), sorted(quantiles))
    assert len({pick.member.name for pick in found}) == len(quantiles)
    wanted = np.percentile(numbers, sorted(quantiles))
    best = min(sum(abs(a - b) for a, b in zip(chosen, wanted, strict=True))
               for chosen in permutations(numbers, len(quantiles)))
    assert sum(abs(pick.value - pick.wanted) for pick in found) == pytest.approx(best, abs=1e-9)


def test_more_quantiles_than_members_are_refused() -> None:
    with pytest.raises(InputError, match="2 for 3 quantiles"):
        pick_members(values(1.0, 2.0), (5, 50, 95))


@pytest.mark.parametrize(("text", "found"), [("5,25,50", (5, 25, 50)), (" 95, 5 ,5", (5, 95)),
                                             ("2.5%,97.5%", (2.5, 97.5))])
def test_quantiles_are_read_as_people_write_them(text: str, found: tuple[float, ...]) -> None:
    assert parse_quantiles(text) == found


@pytest.mark.parametrize("text", ["", "five", "5,101", "-1", "nan", "5;6"])
def test_what_is_no_quantile_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="quantiles cannot be read"):
        parse_quantiles(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hearts of three sizes, one without a right ventricle, and a file that is no heart."""
    out = tmp_path_factory.mktemp("hearts")
    for n, factor in enumerate((0.9, 1.0, 1.1, 1.05)):
        labels = small_heart(ANATOMY, np.full(len(PARTS), factor))
        if n == 3:
            labels[labels == ANATOMY.label_of("RV")] = 0
        segments = tuple(Segment(t.label, t.name, t.id, t.color, tags=t.tags) for t in ANATOMY.tissues
                         if (labels == t.label).any())
        write_labelmap(LabelMap(labels, FRAME.affine, segments), out / f"heart{n}.nrrd")
    (out / "heart4.nrrd").write_bytes(b"no heart")
    return out


def test_members_are_measured_as_the_map_says_and_those_without_a_value_say_why(folder: Path) -> None:
    members = find_members(folder, anatomy=ANATOMY)
    volumes = measure_members(members, RV, ANATOMY, jobs=1)
    assert [member.name for member, _ in volumes.values] == ["heart0", "heart1", "heart2"]
    plain = small_heart(ANATOMY, np.ones(len(PARTS)))
    assert volumes.values[1][1] == pytest.approx((plain == ANATOMY.label_of("RV")).sum() * FRAME.spacing**3 / 1000)
    assert volumes.without["heart3"] == "the map has no RV" and "heart4" in volumes.without["heart4"]
    wall = measure_members(members[:2], find_measure("wall thickness", ANATOMY), ANATOMY, jobs=1)
    assert wall.values[1][1] == pytest.approx(measure(plain, FRAME.affine, ANATOMY).values[wall.measure.key], rel=1e-4)
    none = measure_members(members[:2], find_measure("aortic annulus area", ANATOMY), ANATOMY, jobs=1)
    assert not none.values and "do not touch" in none.without["heart0"]
    axis = measure_members(members[:3], find_measure("LV major axis", ANATOMY), ANATOMY, jobs=1)
    assert axis.values[0][1] < axis.values[1][1] < axis.values[2][1]
