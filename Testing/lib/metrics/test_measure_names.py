"""What words mean which number of a measure, and that all numbers are known without a heart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.labelmaps.read import read
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.metrics.measures.kinds import KINDS
from DiffusionSiblingsLib.metrics.measures.measure import headlines, measure
from DiffusionSiblingsLib.metrics.measures.names import NUMBERS, find_named, keys_of

ROOT = Path(__file__).resolve().parents[3]
ANATOMY = load_anatomy()


def title(words: str) -> str | None:
    key = find_named(words, ANATOMY)
    return None if key is None else key.title


def test_a_heart_with_every_structure_has_exactly_the_numbers_that_are_known_without_it() -> None:
    heart = read(ROOT / "Resources" / "SampleData" / "synthetic_twin.seg.nrrd")
    found = measure(known_labels(heart, ANATOMY), heart.affine, ANATOMY)
    assert not found.missing
    assert tuple(found.values) == keys_of(ANATOMY)


def test_every_kind_tells_its_numbers_and_every_headline_is_one_of_them() -> None:
    assert set(NUMBERS) == set(KINDS)
    assert set(headlines(ANATOMY)) <= set(keys_of(ANATOMY))


@pytest.mark.parametrize("key", keys_of(ANATOMY), ids=str)
def test_every_number_is_found_by_its_own_words_in_any_case_with_or_without_its_unit(key: object) -> None:
    for words in (key.label, key.title, key.label.upper(), key.label.replace(" ", "_")):  # type: ignore[attr-defined]
        assert find_named(words, ANATOMY) == key


@pytest.mark.parametrize(("words", "meant"), [
    ("mitral annulus diameter", "mitral annulus area diameter [mm]"),
    ("LV wall thickness", "LV wall median thickness [mm]"),
    ("left ventricle wall thickness", "LV wall median thickness [mm]"),
    ("wall thickness", "LV wall median thickness [mm]"),
    ("left ventricular wall thickness", "LV wall median thickness [mm]"),
    ("myocardium thickness", "LV wall median thickness [mm]"),
    ("septal thickness", "LV wall septal thickness [mm]"),
    ("LV wall mid anterior", "LV wall thickness AHA 7 mid anterior [mm]"),
    ("LV wall AHA 17", "LV wall thickness AHA 17 apex [mm]"),
    ("LV wall AHA 1", "LV wall thickness AHA 1 basal anterior [mm]"),
    ("aortic root area", "aortic annulus area [mm^2]"),
    ("sinus diameter", "Ao sinus diameter [mm]"),
    ("aorta sinus diameter", "Ao sinus diameter [mm]"),
    ("Ascending Aorta Diameter", "Ao ascending diameter [mm]"),
    ("LVOT diameter", "LVOT area diameter at 5 mm [mm]"),
    ("LVOT area", "LVOT area at 5 mm [mm^2]"),
    ("LVOT area at 3 mm", "LVOT area at 3 mm [mm^2]"),
    ("RV/LV", "RV/LV volume ratio [1]"),
    ("rv / lv ratio", "RV/LV volume ratio [1]"),
    ("aorto-mitral", "aorto-mitral angle [deg]"),
    ("aorto-mitral angle", "aorto-mitral angle [deg]"),
    ("LV length", "LV length [mm]"),
    ("left ventricle length", "LV length [mm]"),
    ("sphericity", "LV sphericity [1]"),
    ("RV diameter", "RV basal diameter [mm]"),
    ("aortic annulus", "aortic annulus area diameter [mm]"),
])
def test_words_of_people_mean_a_number(words: str, meant: str) -> None:
    assert title(words) == meant


@pytest.mark.parametrize("words", ["LV", "RV volume", "left ventricle", "Ao", "LV wall", "LV major axis",
                                   "RV minor axis", "liver", "upper RV", ""])
def test_words_for_tissues_and_other_things_mean_no_measure(words: str) -> None:
    assert title(words) is None


@pytest.mark.parametrize(("words", "named"), [
    ("mitral annulus colour", "mitral annulus area, "), ("LVOT at", "LVOT area at 3 mm"),
    ("LV wall AHA", "thickness AHA 17 apex"), ("aortic annulus annulus", "aortic annulus eccentricity")])
def test_words_that_name_a_measure_but_no_single_number_of_it_are_refused_with_those_that_fit(words: str,
                                                                                             named: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        find_named(words, ANATOMY)
    assert named in str(caught.value)


def test_a_measure_without_a_headline_asks_which_number_is_meant() -> None:
    bare = replace(ANATOMY, measures=tuple({k: v for k, v in entry.items() if k != "headlines"}
                                           for entry in ANATOMY.measures))
    with pytest.raises(InputError, match="several numbers of the mitral annulus"):
        find_named("mitral annulus diameter", bare)


def test_a_synonym_for_a_number_that_does_not_exist_is_refused() -> None:
    wrong = replace(ANATOMY, measures=({"id": "ring", "kind": "opening", "synonyms": {"hole": "size"}},))
    with pytest.raises(InputError, match="synonym of the measure ring"):
        find_named("hole", wrong)
