"""Targets of measures by name: what they ask for, what became of it, and what is refused."""

from __future__ import annotations

import pytest

from DiffusionSiblingsLib.control.achieved import Achieved
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.measure_terms import MeasureTerm
from DiffusionSiblingsLib.control.terms import Target
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey

DIAMETER = MeasurementKey("area diameter", "aortic annulus", "mm")
AREA = MeasurementKey("area", "aortic annulus", "mm^2")


def test_a_control_of_measures_alone_goes_to_json_and_back() -> None:
    control = Control(measures=(MeasureTerm(DIAMETER, Target(times=1.1)), MeasureTerm(AREA, Target(value=450.0), 0.01)))
    assert Control.from_json(control.to_json()) == control
    assert [term.id for term in control.measures] == ["aortic annulus area diameter", "aortic annulus area"]


def test_a_control_without_measures_is_written_as_before() -> None:
    with pytest.raises(InputError, match="no domain"):
        Control(())


@pytest.mark.parametrize(("target", "asked"), [
    (Target(value=26.0), 26.0), (Target(times=1.1), 27.5), (Target(plus=-2.0), 23.0), (Target(plus=0.0), 25.0)])
def test_targets_are_resolved_on_the_twin(target: Target, asked: float) -> None:
    (found,) = Control(measures=(MeasureTerm(DIAMETER, target),)).resolve_measures({DIAMETER: 25.0})
    assert (found.value, found.before) == (pytest.approx(asked), 25.0)


@pytest.mark.parametrize(("key", "value", "achieved", "reached"), [
    (DIAMETER, 26.0, 26.29, True), (DIAMETER, 26.0, 26.31, False),  # 0.3 mm
    (AREA, 500.0, 509.0, True), (AREA, 500.0, 511.0, False),  # 2 %
])
def test_reached_is_within_a_length_or_a_share(key: MeasurementKey, value: float, achieved: float,
                                               reached: bool) -> None:
    (asked,) = Control(measures=(MeasureTerm(key, Target(value=value)),)).resolve_measures({key: 480.0})
    found = asked.achieved({key: achieved})
    assert (found.reached, found.follows) == (reached, True)
    assert Achieved.from_json(found.to_json()) == found


def test_a_map_without_the_place_has_not_reached_it() -> None:
    (asked,) = Control(measures=(MeasureTerm(AREA, Target(value=500.0)),)).resolve_measures({AREA: 480.0})
    found = asked.achieved({})
    assert (found.reached, found.achieved, found.error) == (False, None, None)


def test_what_no_heart_can_have_is_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        MeasureTerm(AREA, Target(value=-1.0))
    with pytest.raises(InputError, match="above 0"):
        Control(measures=(MeasureTerm(AREA, Target(plus=-500.0)),)).resolve_measures({AREA: 480.0})
    with pytest.raises(InputError, match="no such place"):
        Control(measures=(MeasureTerm(AREA, Target(plus=5.0)),)).resolve_measures({})
    with pytest.raises(InputError, match="same id"):
        Control(measures=(MeasureTerm(AREA, Target(plus=5.0)), MeasureTerm(AREA, Target(plus=6.0))))
    with pytest.raises(InputError, match="cannot be read"):
        MeasureTerm.from_json({"of": "aortic annulus", "name": "area"})


def test_a_measure_that_cannot_be_steered_is_refused_with_what_can() -> None:
    control = Control(measures=(MeasureTerm(MeasurementKey("eccentricity", "aortic annulus", "1"), Target(value=0.1)),))
    with pytest.raises(InputError, match="no target that guidance could meet"):
        control.require(load_anatomy("heart"))


def test_controls_are_merged_with_their_measures() -> None:
    one, other = (Control(measures=(MeasureTerm(key, Target(times=1.1)),)) for key in (AREA, DIAMETER))
    assert [term.key for term in one.merged(other).measures] == [AREA, DIAMETER]
    assert one.merged(one).measures == one.measures
