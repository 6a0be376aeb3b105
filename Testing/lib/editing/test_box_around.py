"""Boxes around a place of the heart: cubes about tissues and rings, found in the twin and recorded as six numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from DiffusionSiblingsLib.cohorts.model_facts import ModelFacts
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.composite import edit_scope
from DiffusionSiblingsLib.editing.planned import PlacedTwin, plan_requests
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.region import parse_box

ANATOMY = load_anatomy("heart")


@pytest.fixture(scope="module")
def facts(models: Path) -> ModelFacts:
    return ModelFacts.of("small")


@pytest.fixture(scope="module")
def heart(facts: ModelFacts) -> PlacedTwin:
    return PlacedTwin.of(resource_folder() / "SampleData" / "synthetic_twin.seg.nrrd", facts)


def box_of(text: str, heart: PlacedTwin, facts: ModelFacts) -> np.ndarray:
    """(6,) the corners that a plan has for a box."""
    (planned,) = plan_requests([Request("inpaint", box=parse_box(text))], [PresetsAndHolds()], heart, facts)
    assert planned.request.to_json()["box"] == list(planned.request.box or ())
    return np.array(planned.request.box)


def edges(box: np.ndarray) -> np.ndarray:
    return box[1::2] - box[::2]


@pytest.mark.parametrize("words", ["RV", "rv", "right ventricle"])
def test_a_box_around_a_tissue_is_a_cube_about_its_centre(words: str, heart: PlacedTwin, facts: ModelFacts) -> None:
    box = box_of(f"around:{words},30", heart, facts)
    assert edges(box) == pytest.approx([30, 30, 30])
    k, j, i = np.nonzero(heart.twin.known == ANATOMY.label_of("RV"))
    centre = heart.twin.labelmap.affine @ [i.mean(), j.mean(), k.mean(), 1]
    assert (box[1::2] + box[::2]) / 2 == pytest.approx(centre[:3], abs=0.02)


@pytest.mark.parametrize("words", ["mitral annulus", "Mitral Annulus diameter"])
def test_a_box_around_a_valve_is_about_the_middle_of_its_ring(words: str, heart: PlacedTwin,
                                                              facts: ModelFacts) -> None:
    box = box_of(f"around:{words}, 20", heart, facts)
    assert edges(box) == pytest.approx([20, 20, 20])
    measures = heart.measured.measures
    assert measures is not None and measures.found is not None
    ring = measures.found.outlines["mitral annulus"]
    assert (box[1::2] + box[::2]) / 2 == pytest.approx(ring.centroid, abs=0.6)


def test_six_numbers_stay_as_they_are(heart: PlacedTwin, facts: ModelFacts) -> None:
    assert list(box_of("-15,20,-30,10,-5,40", heart, facts)) == [-15, 20, -30, 10, -5, 40]


@pytest.mark.parametrize(("text", "words"), [
    ("around:RV", "around:PLACE,MM"), ("around:,30", "around:PLACE,MM"), ("around:RV,0", "around:PLACE,MM"),
    ("around:RV,-3", "around:PLACE,MM"), ("around:RV,wide", "around:PLACE,MM"), ("about RV", "around:PLACE,MM"),
])
def test_what_is_no_box_is_refused_with_the_form_of_one(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_box(text)
    with pytest.raises(InputError):
        Request("inpaint", box=text)


@pytest.mark.parametrize("words", ["spleen", "aorto-mitral", "wall thickness"])
def test_an_unknown_place_is_refused_with_the_known_ones(words: str, heart: PlacedTwin, facts: ModelFacts) -> None:
    with pytest.raises(InputError, match=r"no such place(?s:.)*RV(?s:.)*mitral annulus"):
        box_of(f"around:{words},30", heart, facts)


def test_a_place_that_this_heart_lacks_is_named_with_the_reason(heart: PlacedTwin, facts: ModelFacts) -> None:
    measures = heart.measured.measures
    assert measures is not None and measures.found is not None
    outlines = {name: ring for name, ring in measures.found.outlines.items() if name != "mitral annulus"}
    without = dataclasses.replace(measures, found=dataclasses.replace(measures.found, outlines=outlines),
                                  missing={"mitral annulus": "LV and LA do not touch"})
    apart = PlacedTwin(heart.twin, dataclasses.replace(heart.measured, measures=without))
    with pytest.raises(InputError, match="mitral annulus: LV and LA do not touch"):
        box_of("around:mitral annulus,30", apart, facts)


def test_tissues_and_a_box_together_free_only_what_is_in_both(heart: PlacedTwin, facts: ModelFacts) -> None:
    (planned,) = plan_requests([Request("inpaint", tissues=("LV",), box="around:LVOT,30")], [PresetsAndHolds()], heart,
                               facts)
    box = planned.request.box
    assert isinstance(box, tuple) and planned.scope is not None
    both, known = planned.scope.reach, heart.twin.known
    tissue, place = (edit_scope(request, heart.twin, ANATOMY).reach for request in (
        Request("inpaint", tissues=("LV",)), Request("inpaint", box=box)))
    assert np.array_equal(both, tissue & place) and both.sum() < min(tissue.sum(), place.sum())
    assert set(np.unique(known[both])) <= {0, ANATOMY.label_of("LV"), ANATOMY.label_of("Myo")}
    assert planned.scope.allowed == tuple(sorted((0, ANATOMY.label_of("LV"), ANATOMY.label_of("Myo"))))
