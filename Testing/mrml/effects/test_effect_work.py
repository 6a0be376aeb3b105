"""Preview and Apply without a worker: what they leave in the scene, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import slicer
from DiffusionSiblingsUI.effects import work as effect_work
from DiffusionSiblingsUI.effects.preview import Preview
from DiffusionSiblingsUI.effects.words import preview_text
from DiffusionSiblingsUI.effects.work import Plan, applying, check_twin, module_settings, previewing
from DiffusionSiblingsUI.runs.edits import Task
from DiffusionSiblingsUI.runs.operation import Outcome, SiblingResult
from DiffusionSiblingsUI.scene.bridge import read_segmentation
from DiffusionSiblingsUI.scene.comparison_view import Style, is_compared, outline_twin
from DiffusionSiblingsUI.scene.grid import as_matrix
from DiffusionSiblingsUI.scene.terminology import match_tissues
from nodes import linear_transform
from test_effect_commit import edited, editor_of, tag_of

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.steps import exhaust
from DiffusionSiblingsLib.editing.request import Request

MODEL = {"id": "heart-compact", "version": "1", "sha256": "ab"}


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """An `edit_steps` that moves the heart; `calls` counts, `meanwhile` is called while it works."""
    state: dict[str, Any] = {"calls": 0, "meanwhile": lambda: None}

    def steps(_session: Any, task: Task) -> Any:
        state["calls"] += 1
        bridged = read_segmentation(task.twin)
        yield None
        state["meanwhile"]()
        sibling = SiblingResult(0, 0, 0, edited(bridged.labelmap.labels), {"LV volume [ml]": 20.0}, {})
        rows = [{"LV volume [ml]": 10.0}]
        return Outcome([sibling], {"model": MODEL, "program": {"name": "x"}}, rows, bridged)

    monkeypatch.setattr(effect_work, "edit_steps", steps)
    yield state


def plan_of(node: Any, **settings: Any) -> Plan:
    request = Request("perturb", **settings)
    return Plan(Task((request,), node), node, frozenset(node.GetSegmentation().GetSegmentIDs()))


def test_a_preview_leaves_the_twin_and_the_undo_history_alone(heart_node: Any, worker: dict[str, Any]) -> None:
    logic, preview = editor_of(heart_node), Preview()
    before = heart_node.GetSegmentation().GetMTime()
    exhaust(previewing(None, plan_of(heart_node), logic.GetSegmentEditorNode(), preview))
    assert preview.node is not None
    assert heart_node.GetSegmentation().GetMTime() == before and not logic.CanUndo()


def test_what_was_previewed_is_applied_without_the_worker(heart_node: Any, worker: dict[str, Any]) -> None:
    logic, preview = editor_of(heart_node), Preview()
    twin = read_segmentation(heart_node).labelmap.labels
    plan, editor = plan_of(heart_node, seed=3), logic.GetSegmentEditorNode()
    made = exhaust(previewing(None, plan, editor, preview))
    outline_twin(heart_node, Style())
    assert made.key == plan_of(heart_node, seed=3).key != plan_of(heart_node, seed=4).key
    applied = exhaust(applying(None, plan, editor, logic.SaveStateForUndo, made=made))
    assert worker["calls"] == 1 and applied.segments == 6
    assert not is_compared(heart_node), "its outline would be compared with siblings of the twin as it was"
    assert np.array_equal(read_segmentation(heart_node).labelmap.labels, edited(twin))
    tag = json.loads(tag_of(heart_node, "LV_id"))
    assert Request.from_json(tag["request"]) == plan.task.requests[0] and tag["model"] == MODEL
    logic.Undo()
    assert np.array_equal(read_segmentation(heart_node).labelmap.labels, twin)


def test_the_masking_at_the_time_of_apply_counts(heart_node: Any, worker: dict[str, Any]) -> None:
    logic = editor_of(heart_node)
    editor, plan = logic.GetSegmentEditorNode(), plan_of(heart_node)
    twin = read_segmentation(heart_node).labelmap.labels
    made = exhaust(previewing(None, plan, editor, Preview()))
    editor.SetMaskMode(heart_node.EditAllowedInsideAllSegments)
    exhaust(applying(None, plan, editor, logic.SaveStateForUndo, made=made))
    result = read_segmentation(heart_node).labelmap.labels
    assert np.array_equal(result, np.where(twin > 0, edited(twin), 0))


def test_the_message_tells_volumes_of_what_is_applied_and_what_was_checked(heart_node: Any,
                                                                           worker: dict[str, Any]) -> None:
    editor, plan = editor_of(heart_node).GetSegmentEditorNode(), plan_of(heart_node, seed=3)
    whole = exhaust(previewing(None, plan, editor, Preview()))
    assert whole.masked is None
    assert preview_text(whole) == "Sibling of seed 3: LV 10 \u2192 20 ml; all topology checks passed."
    heart_node.GetDisplayNode().SetSegmentVisibility("LV_id", False)
    masked = exhaust(previewing(None, plan, editor, Preview(), made=whole))
    heart = read_segmentation(heart_node).labelmap
    ml = {tissue: np.isin(heart.labels, values).sum() * heart.voxel_volume_ml
          for tissue, values in heart.tissues.items()}
    assert masked.masked is not None and masked.masked["LV"] == pytest.approx(ml["LV"])
    text = preview_text(masked)
    assert text.startswith("Sibling of seed 3 after masking: ") and "20 ml" not in text
    assert text.endswith("; all topology checks passed before masking.")
    heart_node.GetDisplayNode().SetSegmentVisibility("LV_id", True)
    assert exhaust(previewing(None, plan, editor, Preview(), made=masked)).masked is None


def test_a_new_segmentation_leaves_the_twin_as_it_is(heart_node: Any, worker: dict[str, Any]) -> None:
    logic = editor_of(heart_node)
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = tree.CreateFolderItem(tree.GetSceneItemID(), "patient")
    tree.CreateItem(folder, heart_node)
    twin = read_segmentation(heart_node).labelmap.labels
    applied = exhaust(applying(None, plan_of(heart_node), logic.GetSegmentEditorNode(), logic.SaveStateForUndo,
                               new_name="heart sibling 0"))
    assert applied.node is not heart_node and applied.node.GetName() == "heart sibling 0"
    assert np.array_equal(read_segmentation(heart_node).labelmap.labels, twin) and not logic.CanUndo()
    assert np.array_equal(read_segmentation(applied.node).labelmap.labels, edited(twin))
    assert tree.GetItemParent(tree.GetItemByDataNode(applied.node)) == folder
    assert json.loads(tag_of(applied.node, "LV_id"))["k"] == 0


def test_a_twin_that_changes_meanwhile_is_not_overwritten(heart_node: Any, worker: dict[str, Any]) -> None:
    logic = editor_of(heart_node)
    worker["meanwhile"] = lambda: heart_node.GetSegmentation().GetSegment("LV_id").GetRepresentation(
        "Binary labelmap").Modified()
    with pytest.raises(InputError, match="changed while"):
        exhaust(applying(None, plan_of(heart_node), logic.GetSegmentEditorNode(), logic.SaveStateForUndo))
    assert not logic.CanUndo()


def test_a_plan_is_another_one_when_the_twin_or_the_region_is_moved(heart_node: Any) -> None:
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    transform = linear_transform(np.eye(4))
    request = Request("inpaint", region="region")
    plan = Plan(Task((request,), heart_node, roi=roi), heart_node, frozenset())
    for node in (heart_node, roi):
        before = plan.key
        assert before == plan.key
        node.SetAndObserveTransformNodeID(transform.GetID())
        placed = plan.key
        assert placed != before
        matrix = np.eye(4)
        matrix[0, 3] = 5 if node is roi else 3
        transform.SetMatrixTransformToParent(as_matrix(matrix))
        assert plan.key != placed
    before = plan.key
    roi.SetSize(10, 20, 30)
    assert plan.key != before


def test_steps_are_short_and_can_be_stopped(heart_node: Any, worker: dict[str, Any]) -> None:
    logic, preview = editor_of(heart_node), Preview()
    nodes, before = slicer.mrmlScene.GetNumberOfNodes(), heart_node.GetSegmentation().GetMTime()
    for count in (1, 3, 8):
        steps = previewing(None, plan_of(heart_node), logic.GetSegmentEditorNode(), preview)
        for _ in range(count):
            next(steps)
        steps.close()
        assert slicer.mrmlScene.GetNumberOfNodes() == nodes
        assert heart_node.GetSegmentation().GetMTime() == before


def test_a_segmentation_without_the_heart_is_refused_in_plain_words(heart_node: Any) -> None:
    anatomy = load_anatomy()
    check_twin(heart_node, match_tissues(heart_node, anatomy), anatomy)
    with pytest.raises(InputError, match="left ventricle"):
        check_twin(heart_node, {**match_tissues(heart_node, anatomy), "LV_id": None}, anatomy)
    with pytest.raises(InputError, match="no heart"):
        check_twin(None, {}, anatomy)


def test_model_device_and_tissues_are_those_of_the_module(heart_node: Any) -> None:
    assert module_settings(heart_node) == {"model": "heart-compact", "device": "auto", "tissue_of": {}}
    stored = slicer.mrmlScene.AddNode(slicer.vtkMRMLScriptedModuleNode())
    stored.SetSingletonTag("DiffusionSiblings")
    stored.SetParameter("device", "cpu")
    stored.SetParameter("tissue_overrides", json.dumps({heart_node.GetID(): {"LV_id": ""}, "other": {"x": "LV"}}))
    assert module_settings(heart_node) == {"model": "heart-compact", "device": "cpu", "tissue_of": {"LV_id": ""}}
