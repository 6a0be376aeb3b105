"""Requests check themselves and survive JSON."""

from __future__ import annotations

import json

import pytest

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.terms import Quantity, Target, Term
from DiffusionSiblingsLib.core.defaults import LEAST_GUIDED_STEPS, MULTISTEP_STEPS, PAPERS_STEPS
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.choices import default_steps
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.region import parse_box

MASS: Quantity = "mass"
SIZE: Quantity = "size"


def test_a_request_survives_json() -> None:
    request = Request("inpaint", count=3, seed=7, tissues=("LV", "RV"), box=(-1.0, 2.0, 3.0, 4.0, 5.0, 6.5), ratio=0.7)
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request


def control(*terms: Term, frame: str = "world") -> Control:
    """A control of two boxes. terms: by default the right ventricle 20 % larger, the left as it is."""
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    boxes = [ControlDomain(name, (name,), (1.5, 0.0, 0.0), axes, (60.0, 70.0, 80.0), (8, 8, 8))
             for name in ("RV", "LV")]
    asked = terms or (Term("RV", "mass", Target(times=1.2)), Term("LV", "mass", Target(times=1.0)))
    return Control(tuple(boxes), asked, frame)  # type: ignore[arg-type]


def test_a_guided_request_survives_json() -> None:
    request = Request("inpaint", tissues=("RV",), control=control(), guider="gradient", parsing="L")
    values = json.loads(json.dumps(request.to_json()))
    assert values["control"]["schema"] == "siblings-control/1"
    assert Request.from_json(values) == request


def test_a_request_that_is_not_guided_says_nothing_of_guidance() -> None:
    assert not {"control", "guider", "parsing"} & set(Request("perturb").to_json())
    assert Request.from_json({**Request("perturb").to_json(), "control": None}) == Request("perturb")


@pytest.mark.parametrize(("terms", "words"), [
    ((), "RV volume x 1.2, 1 held"),
    ((Term("RV", "mass", Target(value=150.0)),), "RV volume 150"),
    ((Term("RV", "size", Target(plus=-20.5)),), "RV size -20.5"),
    ((Term("RV", "position", Target(plus=(1.0, 0.0, 0.0))),), "RV position"),
    ((Term("RV", "mass", Target(plus=5.0)), Term("RV", "position", Target(plus=(0, 0, 0)))), "RV volume +5, 1 held"),
    ((Term("RV", "mass", Target(times=1.1)), Term("LV", "mass", Target(times=1.0), on=False)), "RV volume x 1.1"),
    (tuple(Term(name, quantity, Target(times=1.1)) for name in ("RV", "LV") for quantity in (MASS, SIZE)),
     "RV volume x 1.1, RV size x 1.1, LV volume x 1.1, 1 more"),
])
def test_a_guided_request_is_told_in_brief(terms: tuple[Term, ...], words: str) -> None:
    assert Request("perturb", ratio=0.6, control=control(*terms)).describe() == f"ratio 0.6, guided: {words}"


@pytest.mark.parametrize(("request_", "words"), [
    (Request("perturb", ratio=0.6), "ratio 0.6"),
    (Request("inpaint", tissues=("RV", "RA"), ratio=0.5), "edit RV + RA, ratio 0.5"),
    (Request("inpaint", tissues=("RV",), ratio=1.0), "edit RV"),
    (Request("inpaint", tissues=("RV",), ratio=1.0, method="guidance"), "edit RV, guidance form"),
])
def test_a_request_is_told_in_one_line_that_tells_methods_apart(request_: Request, words: str) -> None:
    assert request_.describe() == words


@pytest.mark.parametrize(("values", "words"), [
    ({"edit": "reconstruct", "control": control()}, "draws nothing"),
    ({"edit": "perturb", "ratio": 0.0, "control": control()}, "draws nothing"),
    ({"edit": "generate", "control": control()}, "name the twin"),
    ({"edit": "perturb", "control": control().to_json()}, "read_control"),
    ({"edit": "perturb", "control": control(Term("RV", "mass", Target(times=1.2), on=False))}, "asks for nothing"),
    ({"edit": "perturb", "guider": "hope"}, "projection, gradient"),
    ({"edit": "perturb", "parsing": "W"}, "auto, V, L"),
])
def test_a_bad_guided_request_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Request(**values)  # type: ignore[arg-type]


def test_a_generated_heart_is_guided_in_the_canonical_frame() -> None:
    assert Request("generate", control=control(frame="canonical")).psi == 1.0


def test_psi_follows_the_edit() -> None:
    assert Request("generate").psi == 1.0
    assert Request("reconstruct", ratio=0.3).psi == 0.0
    assert Request("perturb", ratio=0.3).psi == 0.3


@pytest.mark.parametrize("values", [
    {"edit": "improve"}, {"edit": "perturb", "count": 0}, {"edit": "perturb", "count": 2.0},
    {"edit": "perturb", "ratio": 1.2}, {"edit": "perturb", "ratio": float("nan")}, {"edit": "perturb", "seed": -1},
    {"edit": "perturb", "steps": 1}, {"edit": "inpaint"}, {"edit": "inpaint", "tissues": ("LV",), "method": "hope"},
    {"edit": "inpaint", "box": (0.0, 1.0, 2.0)}, {"edit": "inpaint", "box": (1.0, 0.0, 0.0, 1.0, 0.0, 1.0)},
    {"edit": "perturb", "seed": True},
])
def test_a_bad_request_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Request(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d,e,f", "0,1,0,1,1,0", "0,1,0,1,0,inf"])
def test_a_bad_box_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(InputError, match="RAS mm"):
        parse_box(text)


def test_unknown_settings_in_json_are_refused() -> None:
    with pytest.raises(InputError, match="colour"):
        Request.from_json({"edit": "generate", "colour": "red"})


def test_defaults_of_steps_never_call_for_the_note_on_too_few() -> None:
    assert default_steps("heun") == default_steps("heun", guided=True) == PAPERS_STEPS
    assert default_steps("dpmpp-2m") == MULTISTEP_STEPS < LEAST_GUIDED_STEPS == default_steps("dpmpp-2m", guided=True)


def test_the_record_names_the_solver_and_one_without_is_heuns() -> None:
    values = Request("perturb", solver="dpmpp-2m").to_json()
    assert values["solver"] == "dpmpp-2m" and Request.from_json(values).solver == "dpmpp-2m"
    assert Request.from_json({key: value for key, value in values.items() if key != "solver"}).solver == "heun"
