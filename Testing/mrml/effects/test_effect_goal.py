"""Goals of the guided effect without a worker: the controls that they become, volumes of now, and what is said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from DiffusionSiblingsUI.effects import work as effect_work
from DiffusionSiblingsUI.effects.goal import (
    DOMAINS,
    GOALS,
    SCALED,
    TOPOLOGY,
    VOLUME,
    Goal,
    goal_title,
    goal_words,
    guided,
    ratio_words,
    targets_of,
)
from DiffusionSiblingsUI.effects.preview import Preview
from DiffusionSiblingsUI.effects.words import applied_text, guidance_lines, preview_text
from DiffusionSiblingsUI.effects.work import Plan, applying, previewing
from DiffusionSiblingsUI.runs.edits import Task
from DiffusionSiblingsUI.runs.operation import Outcome, SiblingResult
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from DiffusionSiblingsUI.scene.volumes import Volumes, segments_of
from nodes import linear_transform
from test_effect_commit import edited, editor_of, tag_of

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import measure
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.anatomy import load_anatomy, resource_folder
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds
from DiffusionSiblingsLib.editing.request import Request

AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def test_goals_of_presets_are_told_by_name() -> None:
    assert targets_of(Goal(VOLUME, "RV", 0.2)) == {"preset": ["enlarge-rv"], "amount": 0.2, "hold": ["all"]}
    assert targets_of(Goal(VOLUME, "LA", -0.1, hold=False)) == {"preset": ["shrink-la"], "amount": 0.1}
    assert targets_of(Goal(VOLUME, "LA", 0.0, hold=False)) == {"hold": ["LA"]}
    assert targets_of(Goal("one-piece", change=0.3)) == {"preset": ["one-piece"], "hold": ["all"]}
    assert targets_of(Goal("aortic-trunk", change=0.3, hold=False)) == {"preset": ["aortic-trunk"], "amount": 0.3}
    assert targets_of(Goal(DOMAINS, hold=False)) == targets_of(Goal(VOLUME, "Ao", 0.1, hold=False)) == {}
    for goal in (Goal(VOLUME, "RV", 0.2), Goal(VOLUME, "LA", 0.0), Goal("one-piece"), Goal("myo-wall", change=0.1)):
        _, targets = PresetsAndHolds.taken_from(targets_of(goal))
        assert targets


def test_presets_that_have_no_amount_are_known() -> None:
    recipes = json.loads((resource_folder() / "Presets" / "heart.json").read_text(encoding="utf-8"))["presets"]
    assert {name for name, recipe in recipes.items() if "change" not in recipe} == set(TOPOLOGY)
    assert set(GOALS) == {VOLUME, DOMAINS, *TOPOLOGY, *SCALED}


def test_a_volume_without_a_preset_is_asked_in_a_box_that_holds_all_of_the_tissue(heart_node: Any) -> None:
    task = exhaust(guided(Task((Request("perturb", ratio=0.6),), heart_node), Goal(VOLUME, "Ao", 0.1)))
    control, anatomy = task.requests[0].control, load_anatomy()
    assert control is not None and control.frame == "world" and task.targets == {"hold": ["all"]}
    assert [term.target.times for term in control.active] == [pytest.approx(1.1)]
    bridged = task.twin
    labels = np.where(np.isin(bridged.labelmap.labels, bridged.labelmap.tissues["Ao"]), anatomy.label_of("Ao"), 0)
    whole = (labels > 0).sum() * bridged.labelmap.voxel_volume_ml
    assert measure(labels, bridged.grid.affine, control.domains[0], anatomy).mass == pytest.approx(whole, rel=0.02)
    assert Request.from_json(task.requests[0].to_json()) == task.requests[0]


def test_what_markups_ask_joins_in(heart_node: Any) -> None:
    domain = ControlDomain("box", ("LV",), (0.0, 0.0, 0.0), AXES, (60.0, 60.0, 60.0), (20, 20, 20))
    marked = Control((domain,), (Term("box", "mass", Target(times=0.9)),))
    task = Task((Request("perturb", ratio=0.6),), heart_node)
    alone = exhaust(guided(task, Goal(DOMAINS, domains=marked)))
    assert alone.requests[0].control == marked and alone.twin is heart_node, "the twin was read without need"
    both = exhaust(guided(task, Goal(VOLUME, "Ao", -0.1, domains=marked))).requests[0].control
    assert both is not None and {domain.name for domain in both.domains} == {"Ao", "box"}
    assert task.requests[0].control is None


@pytest.mark.parametrize("kind", GOALS)
def test_every_goal_has_words(kind: str) -> None:
    assert goal_title(kind) and goal_words(kind, "", "").endswith(".")
    assert len({ratio_words(ratio) for ratio in (0.1, 0.5, 1.0)}) == 3


def test_volumes_follow_voxels_and_transforms(heart_node: Any) -> None:
    volumes, heart = Volumes(), read_segmentation(heart_node).labelmap
    tissue_of = {segment.identifier: segment.tissue for segment in heart.segments}
    value = heart.tissues["LV"][0]
    whole = (heart.labels == value).sum() * heart.voxel_volume_ml
    assert volumes.ml(heart_node, segments_of("LV", tissue_of)) == pytest.approx(whole)
    segment = heart_node.GetSegmentation().GetSegment(segments_of("LV", tissue_of)[0])
    image = segment.GetRepresentation("Binary labelmap")
    scalars = image.GetPointData().GetScalars()
    index = next(n for n in range(scalars.GetNumberOfTuples()) if scalars.GetTuple1(n) == value)
    scalars.SetTuple1(index, 0)
    image.Modified()
    fewer = volumes.ml(heart_node, segments_of("LV", tissue_of))
    assert fewer == pytest.approx(whole - heart.voxel_volume_ml)
    heart_node.SetAndObserveTransformNodeID(linear_transform(np.diag([2.0, 1.0, 1.0, 1.0])).GetID())
    assert volumes.ml(heart_node, segments_of("LV", tissue_of)) == pytest.approx(2 * fewer)
    assert volumes.ml(heart_node, ("nothing",)) is None and volumes.ml(heart_node, ()) is None


def test_preview_and_tag_have_what_the_worker_made_of_the_goal(
    heart_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Task] = []

    def steps(_session: Any, task: Task) -> Any:
        seen.append(task)
        bridged = read_segmentation(heart_node)
        yield None
        target = {"domain": "RV", "quantity": "mass", "unit": "ml", "before": 10.0, "asked": 12.0, "achieved": 12.01,
                  "error": 0.001, "tolerance": 0.01, "reached": True}
        gap = {"kind": "cavity", "what": "Myo", "voxels": 9, "reason": "0.7 ml", "inherited": False}
        sibling = SiblingResult(0, 0, 0, edited(bridged.labelmap.labels), {"RV volume [ml]": 12.0},
                                {"guidance": [target], "repair": {"left": [gap]}})
        run = {"request": {"edit": "perturb", "told": "by the worker"}, "warnings": ["nothing like it was seen"]}
        return Outcome([sibling], {"model": {}, "program": {}, "runs": [run]}, [{"RV volume [ml]": 10.0}], bridged)

    monkeypatch.setattr(effect_work, "edit_steps", steps)
    logic = editor_of(heart_node)
    plan = Plan(Task((Request("perturb", ratio=0.6),), heart_node), heart_node,
                frozenset(heart_node.GetSegmentation().GetSegmentIDs()), Goal(VOLUME, "RV", 0.2))
    assert plan.key != replace(plan, goal=Goal(VOLUME, "RV", 0.1)).key
    made = exhaust(previewing(None, plan, logic.GetSegmentEditorNode(), Preview()))
    assert seen[0].targets == targets_of(plan.goal) and seen[0].requests == plan.task.requests
    assert preview_text(made).split("\n") == [
        "Sibling of seed 0: all topology checks passed.",
        "RV: volume 10.0 ml \u2192 12.0 ml (target 12.0 ml): reached", "nothing like it was seen",
        "background is enclosed in Myo (0.7 ml)"]
    applied = exhaust(applying(None, plan, logic.GetSegmentEditorNode(), logic.SaveStateForUndo, made=made))
    assert len(seen) == 1 and applied_text(applied).split("\n")[1:] == preview_text(made).split("\n")[1:]
    assert json.loads(tag_of(heart_node, "LV_id"))["request"]["told"] == "by the worker"


def test_what_was_achieved_is_said() -> None:
    held = {"domain": "LV", "quantity": "mass", "unit": "ml", "before": 80.0, "asked": 80.0, "achieved": 80.3,
            "error": 0.004, "tolerance": 0.01, "reached": True}
    wanted = {**held, "domain": "RV", "before": 93.1, "asked": 111.72, "achieved": 111.6, "error": 0.001}
    lines = guidance_lines({"guidance": [wanted, held], "guidance_notes": ["one step was skipped"]})
    assert lines == ["RV: volume 93.1 ml \u2192 111.6 ml (target 111.7 ml): reached",
                     "Held: 1 of 1 volumes, within 0.4%", "one step was skipped"]
    missed = {**held, "achieved": 90.0, "error": 0.125, "reached": False}
    lines = guidance_lines({"guidance": [missed]}, masked=True)
    assert lines == ["Before masking:", "LV: volume 80.0 ml \u2192 90.0 ml (target 80.0 ml): not reached"]
    betti = {**held, "quantity": "betti", "unit": "", "before": [1, 0, 0], "asked": [2, None, 0],
             "achieved": [2, 1, 0], "error": 0.0}
    assert guidance_lines({"guidance": [betti]}) == [
        "LV: pieces, holes, voids 1; 0; 0 \u2192 2; 1; 0 (target 2; -; 0): reached"]
    assert guidance_lines({}) == []
