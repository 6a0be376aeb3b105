"""Targets in a person's words become volumes and measures; what cannot be read or steered is refused in words."""

from __future__ import annotations

import pytest
from hearts import ellipsoid_heart
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.terms import Target
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds, control_of
from DiffusionSiblingsLib.editing.wants import control_of_wants, parse_want

ANATOMY = load_anatomy("heart")
HEART = ellipsoid_heart((40, 36, 44), 3.4)
ON_HEART = Placement.of_map(HEART.labels, HEART.affine, ANATOMY)


@pytest.mark.parametrize(("text", "label", "target"), [
    ("RV volume=+20%", "RV volume", Target(times=1.2)),
    ("rv = -10 %", "RV volume", Target(times=0.9)),
    ("right ventricle=150ml", "RV volume", Target(value=150.0)),
    ("LV=+5", "LV volume", Target(plus=5.0)),
    ("wall thickness=+2mm", "LV wall median thickness", Target(plus=2.0)),
    ("aortic root area=450mm2", "aortic annulus area", Target(value=450.0)),
    ("aortic annulus area=4.5 cm²", "aortic annulus area", Target(value=450.0)),
    ("mitral annulus diameter=+10%", "mitral annulus area diameter", Target(times=1.1)),
    ("aorto-mitral angle=130°", "aorto-mitral angle", Target(value=130.0)),
    ("LV length=same", "LV length", Target(plus=0.0)),
])
def test_a_wish_is_read(text: str, label: str, target: Target) -> None:
    want = parse_want(text, ANATOMY)
    assert (want.key.label, want.target) == (label, target)


@pytest.mark.parametrize(("text", "says"), [
    ("RV volume", '"="'), ("RV=", '"="'), ("RV=big", "a number with a unit"), ("RV=20%", "has a sign"),
    ("RV=+20mm", "measured in ml"), ("RV=-100%", "less than 100"), ("wall thickness=0", "above 0"),
    ("liver=+20%", "no such measure"), ("aortic annulus eccentricity=0.1", "only measured"),
    ("mitral annulus=5 apples", "measured in"),
])
def test_what_cannot_be_read_or_steered_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_want(text, ANATOMY)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for said in (text, f"RV={text}", f"{text}=+2mm"):
        try:
            parse_want(said, ANATOMY)
        except InputError:
            pass


def control(*wants: str) -> Control:
    return control_of_wants([parse_want(text, ANATOMY) for text in wants], ON_HEART)


def test_volumes_become_boxes_and_measures_stay_measures() -> None:
    found = control("RV volume=+20%", "wall thickness=+1mm")
    assert [(term.domain, term.target) for term in found.terms] == [("RV", Target(times=1.2))]
    assert [term.label for term in found.measures] == ["LV wall median thickness"]


def test_a_ratio_decides_the_first_volume_and_keeps_the_second() -> None:
    found = control("RV/LV=1.1")
    targets = {term.domain: term.target for term in found.terms}
    assert targets["LV"] == Target(times=1.0)
    assert targets["RV"].value == pytest.approx(1.1 * ON_HEART.volumes["LV"])
    both = {term.domain: term.target for term in control("RV/LV=1.1", "LV=+10%").terms}
    assert both["RV"].value == pytest.approx(1.21 * ON_HEART.volumes["LV"])
    with pytest.raises(InputError, match="contradict"):
        control("RV/LV=1.1", "RV=+10%")


def test_holding_all_leaves_the_muscle_free_where_the_wall_is_to_thicken() -> None:
    shorthand = PresetsAndHolds(hold=("all",), wants=("wall thickness=+1mm",))
    found = control_of(None, ON_HEART, shorthand)
    assert found is not None
    held = {term.domain for term in found.terms}
    assert "Myo" not in held and {"LV", "RV"} <= held


def test_wishes_travel_as_json() -> None:
    shorthand = PresetsAndHolds(wants=("RV=+10%", "LV length=same"))
    assert PresetsAndHolds.taken_from({**shorthand.to_json(), "ratio": 0.6}) == ({"ratio": 0.6}, shorthand)
