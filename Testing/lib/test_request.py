"""Requests check themselves and survive JSON."""

from __future__ import annotations

import json

import pytest

from DiffusionSiblingsLib.errors import InputError
from DiffusionSiblingsLib.region import parse_box
from DiffusionSiblingsLib.request import Request


def test_a_request_survives_json() -> None:
    request = Request("inpaint", count=3, seed=7, tissues=("LV", "RV"), box=(-1.0, 2.0, 3.0, 4.0, 5.0, 6.5), ratio=0.7)
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request


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
