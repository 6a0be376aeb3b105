"""Measures by name are reached in the delivered map, wherever it has them; where it has none, that is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hearts import ellipsoid_heart, small_model

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.measure_terms import MeasureTerm
from DiffusionSiblingsLib.control.terms import Target
from DiffusionSiblingsLib.core.anatomy import resource_folder
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine import guided_finish
from DiffusionSiblingsLib.engine.engine import Engine
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey
from DiffusionSiblingsLib.metrics.measures.measure import measure

TWIN = resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd"
ANNULUS = MeasurementKey("area diameter", "aortic annulus", "mm")
WALL = MeasurementKey("median thickness", "LV wall", "mm")


def test_the_annulus_and_the_wall_of_the_delivered_map_are_as_asked() -> None:
    """Measured here, in the delivered map, without anything of the guidance."""
    engine = Engine.open()
    twin = engine.twin(TWIN)
    before = twin.placed.measured.measures
    assert before is not None
    control = Control(measures=(MeasureTerm(ANNULUS, Target(plus=1.5)), MeasureTerm(WALL, Target(plus=0.8))))
    request = Request("perturb", ratio=0.5, steps=10, solver="dpmpp-2m", control=control)
    (sibling,) = engine.run(request, twin)
    delivered = measure(sibling.labelmap.labels, sibling.labelmap.affine, engine.anatomy).values
    for key, more in ((ANNULUS, 1.5), (WALL, 0.8)):
        assert delivered[key] == pytest.approx(before.values[key] + more, abs=0.3), key.label
    assert all(target.reached and target.follows for target in sibling.guidance)
    told = [target.achieved for target in sibling.guidance]
    assert told == [pytest.approx(delivered[key]) for key in (ANNULUS, WALL)]


@pytest.mark.parametrize("guider", ["projection", "gradient"])
def test_a_model_that_draws_no_such_place_is_led_by_the_twin_and_told_to_have_missed(
        tmp_path: Path, guider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guided_finish, "FINISHES", 2)
    engine = Engine.open(str(small_model(tmp_path / "small")), "cpu")
    control = Control(measures=(MeasureTerm(WALL, Target(times=1.1)),))
    request = Request("perturb", ratio=0.6, steps=4, control=control, guider=guider)  # type: ignore[arg-type]
    (sibling,) = engine.run(request, engine.twin(ellipsoid_heart((40, 36, 44), 3.4)))
    (outcome,) = sibling.guidance
    found = measure(sibling.known, sibling.labelmap.affine, engine.anatomy).values.get(WALL)
    assert outcome.achieved == found
    assert outcome.reached == (found is not None and abs(found - float(outcome.asked)) <= 0.3)  # type: ignore[arg-type]
