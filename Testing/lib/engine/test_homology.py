"""Persistence pairs agree with gudhi's, and with what is known of simple shapes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.engine.guidance import homology
from DiffusionSiblingsLib.engine.guidance.homology import Pairs, betti_numbers, persistence

pytest.importorskip("gudhi")
needs_numba = pytest.mark.skipif(homology.compiled() is None, reason="numba is not installed")

SHAPES = st.tuples(*[st.integers(1, 7)] * 3)
PLATEAUS = arrays(np.float64, SHAPES, elements=st.integers(0, 4).map(float), fill=st.nothing())
DISTINCT = arrays(np.float64, SHAPES, elements=st.floats(0, 1), fill=st.nothing())


def diagram(pairs: Pairs) -> list[tuple[float, float]]:
    return sorted(zip(pairs.birth_value.tolist(), pairs.death_value.tolist(), strict=True))


def smooth(seed: int, shape: tuple[int, ...], width: float) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), width)
    return (field - field.min()) / max(float(np.ptp(field)), 1e-12)


@needs_numba
@settings(max_examples=200, deadline=None)
@given(st.one_of(PLATEAUS, DISTINCT))
def test_own_diagrams_are_those_of_gudhi(field: np.ndarray) -> None:
    own, theirs = persistence(field, engine="own"), persistence(field, engine="gudhi")
    assert {k: diagram(own[k]) for k in own} == {k: diagram(theirs[k]) for k in theirs}


@needs_numba
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.tuples(*[st.integers(6, 20)] * 3), st.floats(0.5, 2.5))
def test_own_diagrams_of_smooth_fields_are_those_of_gudhi(seed: int, shape: tuple[int, ...], width: float) -> None:
    field = smooth(seed, shape, width)
    own, theirs = persistence(field, engine="own"), persistence(field, engine="gudhi")
    assert {k: diagram(own[k]) for k in own} == {k: diagram(theirs[k]) for k in theirs}


@settings(max_examples=60, deadline=None)
@given(st.one_of(PLATEAUS.map(lambda field: field / 4), DISTINCT), st.sampled_from(["auto", "gudhi"]))
def test_indices_are_where_the_values_are(field: np.ndarray, engine: str) -> None:
    for pairs in persistence(field, engine=engine).values():
        assert (field.ravel()[pairs.birth_index] == pairs.birth_value).all()
        assert (field.ravel()[pairs.death_index] == pairs.death_value).all()
        assert (pairs.persistence > 0).all()
        assert (np.diff(pairs.persistence) <= 0).all()


@settings(max_examples=60, deadline=None)
@given(st.one_of(PLATEAUS.map(lambda field: field / 4), DISTINCT), st.sampled_from(["auto", "gudhi"]))
def test_floor_is_a_lower_clip(field: np.ndarray, engine: str) -> None:
    clipped = persistence(np.maximum(field, 0.4), engine=engine)
    cropped = persistence(field, engine=engine, floor=0.4)
    assert {k: diagram(clipped[k]) for k in clipped} == {k: diagram(cropped[k]) for k in cropped}


@pytest.mark.parametrize("engine", ["auto", "gudhi"])
def test_a_constant_field_has_no_pairs(engine: str) -> None:
    assert [len(pairs) for pairs in persistence(np.ones((3, 4, 5)), engine=engine).values()] == [0, 0, 0]


def test_betti_numbers_of_known_shapes() -> None:
    field = np.zeros((16, 16, 16))
    assert betti_numbers(field) == (0, 0, 0)
    assert betti_numbers(field + 1) == (1, 0, 0)
    field[2:9, 2:9, 2:9] = 1
    field[5, 5, 5] = 0
    assert betti_numbers(field) == (1, 0, 1)
    field[5, 5, :7] = 0  # the void is opened to the outside
    assert betti_numbers(field) == (1, 0, 0)
    field[5, 5, :] = 0
    assert betti_numbers(field) == (1, 1, 0)
    field[9, 9, 9] = 1  # touches by a corner
    assert betti_numbers(field) == (1, 1, 0)
    field[12, 12, 12] = 1
    assert betti_numbers(field) == (2, 1, 0)


def test_a_plane_and_a_line_have_their_own_holes() -> None:
    plane = np.ones((1, 7, 7))
    plane[0, 3, 3] = 0
    assert betti_numbers(plane) == (1, 1, 0)
    assert betti_numbers(plane.transpose(1, 0, 2)) == (1, 1, 0)
    assert betti_numbers(np.array([1.0, 0, 1, 1, 0, 1]).reshape(6, 1, 1)) == (3, 0, 0)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(InputError, match="three axes"):
        persistence(np.zeros((3, 3)))
    with pytest.raises(InputError, match="undefined values"):
        persistence(np.full((2, 2, 2), np.nan))
    with pytest.raises(InputError, match="dimension"):
        persistence(np.zeros((2, 2, 2)), (3,))
    with pytest.raises(InputError, match="engine"):
        persistence(np.zeros((2, 2, 2)), engine="fast")


def test_without_numba_gudhi_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    field = smooth(1, (8, 8, 8), 1.0)
    expected = persistence(field)
    monkeypatch.setattr(homology, "compiled", lambda: None)
    assert {k: diagram(pairs) for k, pairs in persistence(field).items()} == {
        k: diagram(pairs) for k, pairs in expected.items()
    }
    with pytest.raises(InputError, match="pip install numba"):
        persistence(field, engine="own")


def test_without_both_one_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homology, "compiled", lambda: None)
    monkeypatch.setitem(sys.modules, "gudhi.cubical_complex", None)
    with pytest.raises(InputError, match="pip install gudhi"):
        persistence(np.zeros((2, 2, 2)))


def test_neither_is_imported_before_it_is_used() -> None:
    programs = ("apps.cli.main", "apps.cli.running", "apps.cli.measuring", "apps.cli.comparing", "apps.worker",
                "engine.engine", "engine.guidance.topology")
    code = (
        f"import sys, {', '.join(f'DiffusionSiblingsLib.{name}' for name in programs)}\n"
        "print(sorted({'gudhi', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
