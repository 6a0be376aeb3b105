"""Dataclasses as plain JSON values: what goes out comes back, and what is wrong is refused at its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.core.codec import from_plain, to_plain
from DiffusionSiblingsLib.core.labelmap import LabelValues


@dataclass(frozen=True)
class Part:
    width: int
    scale: float = 1.0
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Whole:
    name: str
    on: bool = False
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    pair: tuple[int, str] = (0, "")
    tags: dict[str, float] = field(default_factory=dict)
    free: Any = None
    names: list[str] = field(default_factory=list)


numbers = st.integers(-(2**40), 2**40)
floats = st.floats(allow_nan=False)
parts = st.builds(Part, numbers, floats, st.sampled_from(["a", "b"]))
wholes = st.builds(
    Whole, st.text(), st.booleans(), st.none() | parts, st.lists(parts, max_size=3).map(tuple),
    st.tuples(numbers, st.text()), st.dictionaries(st.text(), floats, max_size=3), st.none() | numbers,
    st.lists(st.text(), max_size=3),
)  # fmt: skip


@given(wholes)
def test_what_goes_out_comes_back_through_json(whole: Whole) -> None:
    assert from_plain(Whole, json.loads(json.dumps(to_plain(whole)))) == whole


def test_numbers_of_numpy_become_plain_and_whole_numbers_become_floats() -> None:
    plain = to_plain(Part(np.uint8(3), np.float32(0.5)))  # type: ignore[arg-type]
    assert json.dumps(plain) == '{"width": 3, "scale": 0.5, "mode": "a"}'
    assert isinstance(from_plain(Part, {"width": 1, "scale": 2}).scale, float)


@pytest.mark.parametrize(("values", "words"), [
    ([], "expected Whole, found"),
    ({}, "name is missing"),
    ({"name": "x", "nam": 1}, "Whole has no field nam"),
    ({"name": 1}, "name: expected str, found '1'"),
    ({"name": "x", "on": 1}, "on: expected bool"),
    ({"name": "x", "part": {"width": True}}, "part.width: expected int"),
    ({"name": "x", "part": {"width": 1, "scale": "1"}}, "part.scale: expected float"),
    ({"name": "x", "part": {"width": 1, "mode": "c"}}, r"part\.mode: expected .*'a', 'b'"),
    ({"name": "x", "parts": [{"width": 1}, {"width": 1.5}]}, r"parts\[1\]\.width: expected int"),
    ({"name": "x", "pair": [1]}, "pair: expected"),
    ({"name": "x", "pair": "ab"}, "pair: expected"),
    ({"name": "x", "tags": {"k": None}}, r"tags\['k'\]: expected float"),
    ({"name": "x", "names": "abc"}, "names: expected"),
])  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(values: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_plain(Whole, values)


@dataclass(frozen=True)
class Chosen:
    labels: LabelValues | None = None


@pytest.mark.parametrize("labels", [None, {"LV": 3}, {"LV": "Ventricule gauche", "LA": [420, 421]}, {"LA": ["a", 7]}])
def test_a_union_of_several_types_takes_each_of_them(labels: Any) -> None:
    found = from_plain(Chosen, {"labels": labels}).labels
    assert to_plain(found) == labels


@pytest.mark.parametrize("labels", [[1], {"LV": 1.5}, {"LV": None}, {"LV": [True]}, {"LV": {"x": 1}}, 3])
def test_a_union_of_several_types_refuses_others(labels: Any) -> None:
    with pytest.raises(ValueError, match="labels"):
        from_plain(Chosen, {"labels": labels})
