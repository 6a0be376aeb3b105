"""Guided runs of a few steps with a small untrained model: what planning accepts is sampled, and its outcome told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hearts import ellipsoid_heart, small_model

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine import engine as engine_module
from DiffusionSiblingsLib.engine import guided_finish
from DiffusionSiblingsLib.engine.engine import Encoded, Engine


@pytest.fixture(autouse=True)
def one_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """The untrained model never has what is asked; its maps are full of crumbs, and slow to repair."""
    monkeypatch.setattr(guided_finish, "FINISHES", 2)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.open(str(small_model(tmp_path_factory.mktemp("models") / "small")), "cpu")


@pytest.fixture(scope="module")
def twin(engine: Engine) -> Encoded:
    return engine.twin(ellipsoid_heart((40, 36, 44), 3.4))


def request(template: tuple[int, int, int], *terms: Term) -> Request:
    size = [50.0 if n > 1 else 0.0 for n in template]
    domain = ControlDomain("LV", ("LV",), (0.0, 0.0, 0.0), np.eye(3), size, template)  # type: ignore[arg-type]
    return Request("perturb", ratio=0.6, steps=4, control=Control((domain,), terms, "canonical"))


@pytest.mark.parametrize(("template", "betti"), [
    ((5, 5, 1), (None, 1, None)), ((5, 5, 5), (None, None, 1)), ((9, 9, 9), (9, None, None)),
])
def test_topology_that_only_the_whole_template_can_show_is_reached_or_told(
        engine: Engine, twin: Encoded, template: tuple[int, int, int], betti: Any) -> None:
    (sibling,) = engine.run(request(template, Term("LV", "betti", Target(value=betti), id="topology")), twin)
    (outcome,) = sibling.guidance
    assert (outcome.id, outcome.asked) == ("topology", betti)
    assert outcome.achieved is not None and outcome.reached == (outcome.error == 0)


def test_topology_that_no_template_of_that_size_can_show_is_refused_before_sampling(
        engine: Engine, twin: Encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "sample", lambda *_: pytest.fail("sampled"))
    with pytest.raises(InputError, match="cannot be reached"):
        list(engine.run(request((5, 5, 1), Term("LV", "betti", Target(value=(None, 6, None)))), twin))


def test_a_plan_that_is_handed_over_is_not_made_again(engine: Engine, twin: Encoded,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request((16, 16, 16), Term("LV", "mass", Target(times=1.1)),
                    Term("LV", "position", Target(plus=(1.0, 0.0, 2.0))))
    (bare,) = engine.run(asked, twin)
    planned = engine.plan(asked, twin)
    monkeypatch.setattr(engine_module, "plan_requests", lambda *_: pytest.fail("planned again"))
    (sibling,) = engine.run(planned, twin)
    assert np.array_equal(sibling.labelmap.labels, bare.labelmap.labels)
    assert sibling.guidance == bare.guidance and [item.id for item in bare.guidance] == ["LV mass", "LV position"]
