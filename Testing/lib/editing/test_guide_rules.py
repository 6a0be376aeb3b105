"""Which edit a guided request becomes, and which requests are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core import defaults
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.guide_rules import guided_request
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds
from DiffusionSiblingsLib.editing.request import Request

PRESET, HELD = PresetsAndHolds(("enlarge-rv",)), PresetsAndHolds(hold=("LV",))


def control() -> Control:
    domain = ControlDomain("LV", ("LV",), (0.0, 0.0, 0.0), np.eye(3), (60.0,) * 3, (8, 8, 8))  # type: ignore[arg-type]
    return Control((domain,), (Term("LV", "mass", Target(times=1.1)),), "canonical")


@pytest.mark.parametrize(("asked", "edit", "ratio"), [
    ({"twin": True}, "perturb", defaults.GUIDED_RATIO),
    ({"twin": True, "ratio": 0.3}, "perturb", 0.3),
    ({"twin": True, "region": {"tissues": ("RV",), "box": None}}, "inpaint", defaults.INPAINT_RATIO),
    ({"twin": True, "region": {"box": (0.0, 1.0, 0.0, 1.0, 0.0, 1.0)}, "ratio": 0.4}, "inpaint", 0.4),
    ({"twin": True, "region": {"tissues": (), "box": None, "region": None}}, "perturb", defaults.GUIDED_RATIO),
    ({"twin": False}, "generate", defaults.RATIO),
])
def test_the_edit_and_its_ratio_follow_from_what_is_given(asked: dict[str, Any], edit: str, ratio: float) -> None:
    for given in ((control(), PresetsAndHolds()), (None, PRESET)):
        request = guided_request(*given, seed=7, guider="gradient", **asked)
        assert (request.edit, request.ratio, request.control) == (edit, ratio, given[0])
        assert (request.seed, request.guider) == (7, "gradient")


@pytest.mark.parametrize("asked", [{"ratio": 0.6}, {"region": {"tissues": ("RV",)}}, {"shorthand": HELD}])
def test_what_refers_to_a_twin_needs_one(asked: dict[str, Any]) -> None:
    settings = {"shorthand": PRESET, **asked}
    with pytest.raises(InputError, match="needs a twin"):
        guided_request(None, twin=False, **settings)
    assert guided_request(None, twin=True, **settings).needs_twin


def test_without_anything_to_guide_by_there_is_no_guided_request() -> None:
    with pytest.raises(InputError, match="nothing to guide by"):
        guided_request(None, PresetsAndHolds(), twin=True)


def test_shorthand_is_written_as_it_is_read() -> None:
    for shorthand in (PresetsAndHolds(), PRESET, HELD, PresetsAndHolds(("enlarge-rv", "shrink-la"), 0.1, ("all",))):
        settings, again = PresetsAndHolds.taken_from({"edit": "perturb", **shorthand.to_json()})
        assert (settings, again) == ({"edit": "perturb"}, shorthand)


def test_a_guided_request_of_an_earlier_version_is_the_same_request() -> None:
    request = Request("generate", control=control())
    old = request.to_json()
    old["control"]["terms"] = [{key: value for key, value in term.items() if key != "id"}
                               for term in old["control"]["terms"]]
    assert Request.from_json(old) == request and Request.from_json(old).to_json() == request.to_json()


def test_names_are_read_from_text_and_lists() -> None:
    assert names_of(" LV, ,LA ") == names_of(["LV", "LA"]) == ("LV", "LA") and names_of(None) == names_of("") == ()
    with pytest.raises(InputError, match="Names"):
        names_of([1])
