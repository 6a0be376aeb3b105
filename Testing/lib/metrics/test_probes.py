"""Probes answer to a change of the heart as the measures do that they are for."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_shapes import ANATOMY, Shape, ball, below, both, draw

from DiffusionSiblingsLib.metrics.measurement import MeasurementKey
from DiffusionSiblingsLib.metrics.measures.fields import TissueFields
from DiffusionSiblingsLib.metrics.measures.measure import Measured, measure
from DiffusionSiblingsLib.metrics.measures.names import find_named, keys_of
from DiffusionSiblingsLib.metrics.measures.probes import Probe, moves, probe_of, steerable


def heart(annulus: float = 9, wall: float = 10, length: float = 44, aorta: float = 9,
          tilt: float = 0) -> dict[str, Shape]:
    """A ventricle of 22 mm in a wall, cut at its base; an atrium and a tract to the aorta, whose valve can tilt."""
    slope = np.tan(np.radians(tilt))
    cavity = both(ball(22, stretch=length / 22), below(15))
    muscle = both(ball(22 + wall, stretch=(length + wall) / (22 + wall)), below(15))
    outside = lambda p: ~ball(23 + wall, stretch=(length + wall) / (22 + wall))(p)  # noqa: E731
    vessel = lambda p: np.hypot(p[..., 0] - 11, p[..., 1]) <= np.where(p[..., 2] < 32, annulus, aorta)  # noqa: E731
    return {
        "Myo": muscle, "LV": lambda p: cavity(p) | (vessel(p) & (p[..., 2] >= 15) & (p[..., 2] < 30)),
        "RV": both(ball(20, (22 + wall + 12, 0, -5)), outside),
        "LA": lambda p: (np.hypot(p[..., 0] + 9, p[..., 1]) <= 9) & (p[..., 2] >= 15) & (p[..., 2] < 40),
        "Ao": both(vessel, lambda p: (p[..., 2] >= 24 + slope * (p[..., 0] - 11)) & (p[..., 2] < 74)),
    }


def found(**sizes: float) -> Measured:
    return measure(*draw(heart(**sizes), half_mm=76, spacing=1.0), ANATOMY)


BASE = found()


def value(probe: Probe, measured: Measured) -> float:
    """What the probe reads on a map."""
    assert measured.found is not None
    fields: TissueFields = measured.found.fields
    return float(sum((weight * fields.sample(probe.points, tissue)).sum() for tissue, weight in probe.weights.items()))


def key(words: str) -> MeasurementKey:
    named = find_named(words, ANATOMY)
    assert named is not None
    return named


@pytest.mark.parametrize(("words", "changed"), [
    ("aortic annulus area", {"annulus": 9.6}), ("aortic annulus diameter", {"annulus": 9.6}),
    ("aortic annulus perimeter", {"annulus": 8.5}), ("ascending diameter", {"aorta": 9.6}),
    ("LV length", {"length": 47}), ("wall thickness", {"wall": 11}), ("LV wall septal thickness", {"wall": 11}),
])
def test_a_probe_of_one_heart_grows_with_the_measure_of_another(words: str, changed: dict[str, float]) -> None:
    """The probe stays where the first heart has the measure; both hearts' shares are read there."""
    other, named = found(**changed), key(words)
    probe = probe_of(BASE, named, ANATOMY)
    assert probe is not None
    asked = probe.amount(other.values[named]) - probe.amount(BASE.values[named])
    read = value(probe, other) - value(probe, BASE)
    assert asked != 0 and 0.6 < read / asked < 1.6  # a step that is off by so much converges


def test_the_slope_of_two_openings_goes_with_their_angle() -> None:
    named = key("aorto-mitral angle")
    one, other = found(tilt=12), found(tilt=20)
    probe = probe_of(one, named, ANATOMY)
    assert probe is not None
    turned = other.values[named] - one.values[named]
    assert turned < -5
    assert 0.5 < (value(probe, other) - value(probe, one)) / turned < 1.6


def test_every_measure_that_can_be_asked_for_has_a_probe_where_it_was_found() -> None:
    for named in BASE.values:
        if steerable(named, ANATOMY):
            probe = probe_of(BASE, named, ANATOMY)
            assert probe is not None and len(probe.points) <= 20_000, named.label
            assert all(np.isfinite(weight).all() and np.abs(weight).sum() > 0 for weight in probe.weights.values())
    assert {named.label for named in keys_of(ANATOMY) if not steerable(named, ANATOMY)} >= {
        "aortic annulus eccentricity", "LV sphericity", "RV/LV volume ratio"}


def test_a_measure_that_a_map_lacks_has_no_probe() -> None:
    closed = measure(*draw({"LV": ball(20)}), ANATOMY)
    assert probe_of(closed, key("aortic annulus area"), ANATOMY) is None


def test_a_thicker_wall_needs_more_muscle_and_a_wider_ring_does_not() -> None:
    assert moves(key("wall thickness"), ANATOMY) == ("Myo",)
    assert moves(key("ascending diameter"), ANATOMY) == ("Ao",)
    assert moves(key("aortic annulus area"), ANATOMY) == ()
