"""Segments to tissues: by code, by name, by the user; and what the panel says about it."""

from __future__ import annotations

from typing import Any

import pytest
from DiffusionSiblingsUI.scene import terminology
from nodes import empty_node

from DiffusionSiblingsLib.core.anatomy import load_anatomy

ANATOMY = load_anatomy("heart")
NAMES = ("aorta", "LV myocardium", "left ventricle", "right ventricle", "left atrium", "right atrium")


def named_node(names: tuple[str, ...] = NAMES) -> Any:
    node = empty_node("patient")
    for number, name in enumerate(names):
        node.GetSegmentation().AddEmptySegment(f"S{number}", name)
    return node


def test_terminology_finds_tissues_whatever_they_are_called(heart_node: Any) -> None:
    segmentation = heart_node.GetSegmentation()
    for number, identifier in enumerate(segmentation.GetSegmentIDs()):
        segmentation.GetSegment(identifier).SetName(f"Segment {number}")
    found = terminology.match_tissues(heart_node, ANATOMY)
    assert list(found.values()) == ["Ao", "Myo", "LV", "RV", "LA", "RA"]
    assert terminology.found_by(heart_node, "LV_id", "LV", {}, ANATOMY) == terminology.BY_CODE


def test_names_find_tissues_without_terminology(scene: Any) -> None:
    node = named_node((*NAMES, "pacemaker"))
    found = terminology.match_tissues(node, ANATOMY)
    assert list(found.values()) == ["Ao", "Myo", "LV", "RV", "LA", "RA", None]
    assert terminology.found_by(node, "S2", "LV", {}, ANATOMY) == terminology.BY_NAME
    assert terminology.found_by(node, "S6", None, {}, ANATOMY) == ""
    assert terminology.twin_warning(node, found, ANATOMY) == ""
    remarks = terminology.twin_remarks(node, found, ANATOMY)
    assert remarks == ["pacemaker is not a tissue that the model knows; it stays unchanged."]


def test_one_code_for_two_walls_is_the_one_whose_name_says_so(heart_node: Any) -> None:
    segmentation = heart_node.GetSegmentation()
    segmentation.GetSegment("Ao_id").SetTag("TerminologyEntry", ANATOMY.tissue("Myo").terminology)
    segmentation.GetSegment("Ao_id").SetName("right ventricle wall")
    found = terminology.match_tissues(heart_node, ANATOMY)
    assert (found["Ao_id"], found["Myo_id"]) == (None, "Myo")


def test_corrections_are_kept_for_each_node_and_survive_nonsense(scene: Any) -> None:
    first, second = named_node(), named_node()
    text = terminology.write_overrides("", first, {"S0": "RV", "S3": ""})
    text = terminology.write_overrides(text, second, {"S1": "LV"})
    assert terminology.read_overrides(text, first) == {"S0": "RV", "S3": ""}
    found = terminology.chosen_tissues(first, text, ANATOMY)
    assert (found["S0"], found["S3"], found["S4"]) == ("RV", None, "LA")
    assert terminology.chosen_tissues(second, text, ANATOMY)["S1"] == "LV"
    assert terminology.found_by(first, "S0", "RV", terminology.read_overrides(text, first), ANATOMY) == "you"
    text = terminology.write_overrides(terminology.write_overrides(text, first, {}), second, {})
    assert text == ""
    for nonsense in ("", "{", "[1]", "null", '{"a": 3}'):
        assert terminology.chosen_tissues(first, nonsense, ANATOMY) == terminology.match_tissues(first, ANATOMY)


def test_corrections_of_what_is_gone_are_left_out(scene: Any) -> None:
    node = named_node()
    text = terminology.write_overrides("", node, {"gone": "LV", "S0": "liver"})
    assert terminology.chosen_tissues(node, text, ANATOMY) == terminology.match_tissues(node, ANATOMY)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "patient has no segments yet. A twin has one for each of 6 tissues."),
        (NAMES[:5], "The right atrium is missing. If a segment of another name is this tissue, choose it in the table; "
                    "otherwise segment it first."),
        (NAMES[:4], "These tissues are missing: left atrium and right atrium. If segments of other names are these "
                    "tissues, choose them in the table; otherwise segment them first."),
        (("a", "b"), "No segment was recognised. Choose the tissue of each segment in the table."),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_plain_words(scene: Any, names: tuple[str, ...], expected: str) -> None:
    node = named_node(names)
    assert terminology.twin_warning(node, terminology.match_tissues(node, ANATOMY), ANATOMY) == expected


def test_two_segments_may_be_one_tissue(scene: Any) -> None:
    node = named_node((*NAMES, "Ascending aorta"))
    found = terminology.match_tissues(node, ANATOMY)
    assert terminology.missing_tissues(found, ANATOMY) == []
    assert terminology.twin_remarks(node, found, ANATOMY) == ["aorta and Ascending aorta together form the aorta."]
