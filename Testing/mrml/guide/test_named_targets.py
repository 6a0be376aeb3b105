"""Measures by name in the guide: from the panel's line to the worker, and in tables."""

from __future__ import annotations

from typing import Any

from DiffusionSiblingsUI.guide import domain_makers, targets
from DiffusionSiblingsUI.guide import request as guide_request
from DiffusionSiblingsUI.runs import edit_request
from panel_parameters import parameters

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.editing.wants import parse_want


def test_wishes_travel_to_the_worker_and_are_told(sample_node: Any) -> None:
    task = guide_request.guided_task(
        sample_node, None, preset=(), amount=0.2, hold="all", want="wall thickness=+1mm, RV volume=+10%", ratio=None,
        tissues=(), roi=None, segment=None, box=None, labels=None, model="heart-compact", device="cpu")
    assert task.targets == {"hold": ["all"], "want": ["wall thickness=+1mm", "RV volume=+10%"]}
    assert task.requests[0].control is None  # the worker places the twin and makes the control
    panel = parameters(twin=sample_node, guide=True, wants="LV length=-3mm")
    assert "LV length=-3mm" in edit_request.guide_words(panel.parameters)
    assert edit_request.task_of(panel).targets == {"want": ["LV length=-3mm"]}


def test_a_measure_in_a_table_has_its_own_name_and_unit() -> None:
    assert targets.quantity_words("median thickness", "mm") == "Median thickness"
    assert targets.value_text("area", 495.07, "mm^2").endswith("mm²")
    assert targets.value_text("angle", 131.2, "deg").endswith("°")


def test_what_is_offered_of_a_segment_can_be_asked_for_and_keeps_it() -> None:
    anatomy = load_anatomy("heart")
    offered = domain_makers.of_segments(anatomy)
    assert {"Volume of Right ventricle", "Area of mitral annulus"} <= set(offered)
    assert all(parse_want(want, anatomy).target.keeps for want in offered.values())
