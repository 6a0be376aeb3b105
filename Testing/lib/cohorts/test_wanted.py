"""Written targets: what they mean, and that whatever cannot be meant is refused in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from DiffusionSiblingsLib.cohorts.wanted import Wanted, parse_wanted
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.measurement import tissue_key

HEART = load_anatomy("heart")
ROWS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
ROOT = ControlDomain("aortic root", ("Ao",), (0.0, 0.0, 0.0), ROWS, (60.0, 60.0, 0.0), (40, 40, 1))
CONTROL = Control((ROOT,), (), "canonical", "root")


def read(text: str) -> Wanted:
    return parse_wanted(text, HEART, CONTROL)


@pytest.mark.parametrize(("text", "words"), [
    ("RV>115", "RV volume > 115 ml"),
    ("  rv volume  >= 115.5ml ", "RV volume >= 115.5 ml"),
    ("RV volume [ml] > 115", "RV volume > 115 ml"),
    ("right ventricle > 115", "RV volume > 115 ml"),
    ("LV volume<90", "LV volume < 90 ml"),
    ("RV>115 and LA<60", "RV volume > 115 ml and LA volume < 60 ml"),
    ("RV>115, LA≤60", "RV volume > 115 ml and LA volume <= 60 ml"),
    ("115<RV", "RV volume > 115 ml"),
    ("100 < RV <= 150", "RV volume > 100 ml and RV volume <= 150 ml"),
    ("LV major axis > 90", "LV major axis > 90 mm"),
    ("LV_minor < 50 mm", "LV minor axis < 50 mm"),
    ("Myo>120", "Myo volume > 120 ml"),
    ("aortic root area>450", "aortic root area > 450 mm^2"),
    ("aortic root > 450 mm2", "aortic root area > 450 mm^2"),
    ("RV > p90", "RV volume > p90"),
    ("aortic annulus diameter > 26mm", "aortic annulus area diameter > 26 mm"),
    ("mitral annulus area > 900 mm2", "mitral annulus area > 900 mm^2"),
    ("6 < wall thickness < 12", "LV wall median thickness > 6 mm and LV wall median thickness < 12 mm"),
    ("RV/LV<1.5", "RV/LV volume ratio < 1.5"),
    ("aorto-mitral angle > 120°", "aorto-mitral angle > 120 deg"),
    ("LV wall > 100", "Myo volume > 100 ml"),
])
def test_a_target_is_read_as_a_person_means_it(text: str, words: str) -> None:
    assert str(read(text)) == words
    assert str(read(words)) == words


@pytest.mark.parametrize("text", [
    "", "RV", "RV>", ">115", "RV=115", "RV>115>90<80", "RV>big", "RV>115 cm", "RV>-3", "RV>1__import__", "RV>p120",
    "liver>3", "Myo major axis>3", "aortic valve>3", "RV>150 and RV<100", "RV>100 and RV<100", "100>RV<150", "and",
    "__import__('os')>1", "RV>nan", "RV>inf", "RV<0", "RV<=0", "LV minor>60 and LV major<50", "aortic root<0",
    "mitral annulus colour>3", "RV/LV>2 ml", "wall thickness>9 ml", "wall thickness<0",
])
def test_what_cannot_be_meant_is_refused_with_a_rule(text: str) -> None:
    with pytest.raises(InputError) as error:
        read(text)
    assert error.value.rule


def test_a_heart_meets_all_conditions_or_is_told_which_it_misses() -> None:
    wanted = read("RV>115 and LA<60")
    assert wanted.met_by({tissue_key("RV"): 115.1, tissue_key("LA"): 59.0})
    assert not wanted.met_by({tissue_key("RV"): 115.0, tissue_key("LA"): 59.0})
    assert wanted.missed({tissue_key("RV"): 98.23, tissue_key("LA"): 59.0}) == ("RV volume 98.23, wanted > 115 ml",)
    assert wanted.bounds(wanted.measures[0]) == (115.0, float("inf"))
    with pytest.raises(InputError, match="LA volume"):
        wanted.met_by({tissue_key("RV"): 120.0})


def test_a_heart_without_a_measure_does_not_meet_a_target_that_names_it() -> None:
    for text, wanted in (("wall thickness>8", "> 8 mm"), ("RV/LV<99", "< 99")):
        target = read(text)
        assert target.by_name and not target.met_by({}) and target.steered == target
        assert target.missed({}) == (f"{target.measures[0].label} not found, wanted {wanted}",)
        assert target.met_by({target.measures[0].key: 9.0})
    assert str(read("mitral annulus eccentricity<0.2 and RV>100").steered) == "RV volume > 100 ml"


def test_a_percentile_of_a_measure_is_of_the_hearts_that_have_it() -> None:
    target = read("wall thickness>p50")
    assert target.resolved({target.measures[0].key: [7.0, float("nan"), 8.0, 9.0]}).clauses[0].value == 8.0


def test_percentiles_become_numbers_of_a_cohort() -> None:
    wanted = read("RV>p90 and LV<100")
    with pytest.raises(InputError, match="percentile"):
        wanted.met_by({tissue_key("RV"): 200.0, tissue_key("LV"): 90.0})
    resolved = wanted.resolved({tissue_key("RV"): [float(value) for value in range(101)]})
    assert str(resolved) == "RV volume > 90 ml and LV volume < 100 ml"
    with pytest.raises(InputError, match="reference cohort"):
        wanted.resolved({tissue_key("LV"): [1.0]})
    with pytest.raises(InputError, match="No heart"):
        read("RV>p90 and RV<50").resolved({tissue_key("RV"): [100.0, 200.0]})


@settings(max_examples=60)
@given(st.floats(1e-3, 1e4), st.floats(0, 1e4), st.sampled_from(["<", "<=", ">", ">="]))
def test_a_condition_compares_as_its_sign_says(limit: float, value: float, op: str) -> None:
    met = read(f"RV{op}{limit!r}").met_by({tissue_key("RV"): value})
    assert met == {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[op]


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except InputError as error:
        assert error.what
