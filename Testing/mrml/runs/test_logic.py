"""The logic end to end: shipped weights, real worker, real scene; and the panel's parameters without a panel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from at_once import region_mask
from DiffusionSiblingsUI import logic as logic_module
from DiffusionSiblingsUI.logic import SiblingsLogic
from DiffusionSiblingsUI.runs import edit_request
from DiffusionSiblingsUI.runs.edits import REGION_TO_COME, Task
from DiffusionSiblingsUI.runs.operation import OperationCancelled
from DiffusionSiblingsUI.runs.result_words import cancelled_words, result_as_html
from DiffusionSiblingsUI.scene import bridge, records
from DiffusionSiblingsUI.scene.runs import find_runs
from panel_parameters import parameters

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.models import registry

ROOT = Path(__file__).resolve().parents[3]
QUICK = {"steps": 2}


def all_nodes() -> list[str]:
    """What is in the scene, by class and ID."""
    nodes = [slicer.mrmlScene.GetNthNode(n) for n in range(slicer.mrmlScene.GetNumberOfNodes())]
    tree = "vtkMRMLSubjectHierarchyNode"
    return sorted(f"{node.GetClassName()} {node.GetID()}" for node in nodes if not node.IsA(tree))


def items() -> int:
    """Items of the subject hierarchy."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return tree.GetNumberOfItems()


def labels_of(node: Any) -> np.ndarray:
    return bridge.read_segmentation(node).labelmap.labels


def test_perturb_puts_siblings_where_the_twin_is_and_leaves_the_twin_alone(logic: SiblingsLogic,
                                                                           sample_node: Any) -> None:
    before = labels_of(sample_node).copy()
    nodes = logic.perturb(sample_node, ratio=0.5, count=2, seed=3, **QUICK)
    twin = bridge.read_segmentation(sample_node)
    assert len(nodes) == 2 and np.array_equal(twin.labelmap.labels, before)
    for node in nodes:
        sibling = bridge.read_segmentation(node)
        assert sibling.segment_ids == twin.segment_ids and np.allclose(sibling.grid.affine, twin.grid.affine)
        assert (sibling.labelmap.labels != before).mean() > 0.001
    assert not np.array_equal(labels_of(nodes[0]), labels_of(nodes[1]))
    run = find_runs()[-1]
    assert run.twin_node is sample_node and [s["k"] for s in run.record["runs"][0]["siblings"]] == [0, 1]


def test_the_same_request_gives_the_same_sibling_and_replay_says_so(logic: SiblingsLogic, sample_node: Any) -> None:
    first, second = (logic.perturb(sample_node, 0.3, seed=5, **QUICK)[0] for _ in range(2))
    assert np.array_equal(labels_of(first), labels_of(second))
    assert [row["verdict"] for row in logic.replay(find_runs()[-1])] == ["identical"]


def test_inpaint_in_a_roi_changes_nothing_outside_it_and_is_replayed_after_the_roi_moved(logic: SiblingsLogic,
                                                                                        sample_node: Any) -> None:
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    bridged = bridge.read_segmentation(sample_node)
    inside = np.argwhere(bridged.labelmap.labels == 3).mean(axis=0)[::-1]
    center = bridged.grid.affine @ [*inside, 1.0]
    roi.SetCenter(*center[:3])
    roi.SetSize(50.0, 50.0, 50.0)
    node = logic.inpaint(sample_node, "LV", roi=roi, **QUICK)[0]
    mask = region_mask(bridged, roi=roi)
    changed = labels_of(node) != bridged.labelmap.labels
    assert changed.any() and not (changed & ~mask).any()
    run = find_runs()[-1]
    assert run.row_of(node)["edit"] == "edit LV + region" and ".nrrd" not in records.as_html(run.record)
    assert "equal the twin" not in result_as_html(run.record, 3.0)
    roi.SetCenter(0.0, 0.0, 0.0)
    assert [row["verdict"] for row in logic.replay(find_runs()[-1])] == ["identical"]


def test_a_run_in_which_nothing_could_change_says_so(logic: SiblingsLogic, sample_node: Any) -> None:
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    ventricle = next(i for i in sample_node.GetSegmentation().GetSegmentIDs()
                     if sample_node.GetSegmentation().GetSegment(i).GetName() == "Left ventricle")
    roi.SetCenter(*sample_node.GetSegmentCenterRAS(ventricle))
    roi.SetSize(6.0, 6.0, 6.0)
    logic.inpaint(sample_node, "LV", roi=roi, steps=4)  # fewer do not see that blood is all around
    assert "1 of 1 siblings equal the twin" in result_as_html(find_runs()[-1].record, 3.0)
    assert "unfinished" in cancelled_words("/somewhere") and "unfinished" not in cancelled_words("")


def test_inpaint_of_a_painted_segment_by_its_name(logic: SiblingsLogic, sample_node: Any) -> None:
    name = sample_node.GetSegmentation().GetNthSegment(3).GetName()
    node = logic.inpaint(sample_node, segment=(sample_node, name), **QUICK)[0]
    twin, sibling = labels_of(sample_node), labels_of(node)
    assert (twin != sibling).any() and not ((twin != sibling) & (twin != 4)).any()


def test_generated_hearts_need_no_twin(logic: SiblingsLogic, scene: Any) -> None:
    node = logic.generate(seed=1, **QUICK)[0]
    bridged = bridge.read_segmentation(node)
    assert set(bridged.labelmap.tissues) == set(load_anatomy().ids) and find_runs()[0].twin_node is None


def test_segments_without_names_are_found_by_labels(logic: SiblingsLogic, sample_node: Any) -> None:
    segmentation = sample_node.GetSegmentation()
    labels = {}
    for tissue, segment_id in zip(load_anatomy().ids, segmentation.GetSegmentIDs(), strict=True):
        segment = segmentation.GetSegment(segment_id)
        segment.SetName(f"part {tissue.lower()}x")
        segment.RemoveTag("TerminologyEntry")
        labels[tissue] = segment.GetName()
    with pytest.raises(InputError, match="does not have a segment for each tissue"):
        logic.reconstruct(sample_node)
    assert len(logic.reconstruct(sample_node, labels=labels)) == 1
    with pytest.raises(InputError, match="has no segment of this name"):
        logic.reconstruct(sample_node, labels={"LV": "ventricle"})


def test_measure_gives_the_rows_of_the_metrics_table(logic: SiblingsLogic, sample_node: Any) -> None:
    rows = logic.measure([sample_node])
    assert rows[0]["map"] == "synthetic twin" and rows[0]["LV volume [ml]"] > 20


def test_an_operation_for_the_effects_leaves_the_scene_alone(logic: SiblingsLogic, sample_node: Any) -> None:
    before = all_nodes()
    request = Request("inpaint", tissues=("LV",), region=REGION_TO_COME, **QUICK)
    segment = (sample_node, sample_node.GetSegmentation().GetNthSegmentID(2))
    siblings, record, rows, bridged = logic.sibling_operation(request, sample_node, segment=segment).wait()
    assert all_nodes() == before and len(rows) == 2 and record["complete"]
    again = logic.sibling_operation(request, bridged, segment=segment).wait()  # a Bridged twin is not read again
    assert np.array_equal(siblings[0].labels, again.siblings[0].labels) and again.bridged is bridged


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.92])
def test_a_cancelled_run_leaves_scene_and_worker_as_they_were(logic: SiblingsLogic, sample_node: Any,
                                                              share: float) -> None:
    before = (all_nodes(), items())
    operation = logic.run_operation(Task((Request("perturb", count=2, **QUICK),), sample_node))
    operation.on_update.append(lambda o: o.cancel() if o.progress >= share else None)
    with pytest.raises(OperationCancelled):
        operation.wait()
    assert (all_nodes(), items()) == before
    assert len(logic.perturb(sample_node, **QUICK)) == 1  # and it works on


@pytest.mark.parametrize("stretches", [2, 4, 6])
def test_a_run_cancelled_while_its_siblings_come_into_the_scene_takes_them_out(logic: SiblingsLogic, sample_node: Any,
                                                                               stretches: int) -> None:
    before = (all_nodes(), items())
    operation = logic.run_operation(Task((Request("perturb", **QUICK),), sample_node))
    while operation.progress < 0.92:
        operation.step(budget=0.0)
    for _ in range(stretches):
        operation.step(budget=0.0)
    assert not operation.finished and (stretches < 4 or all_nodes() != before[0])
    operation.cancel()
    assert (all_nodes(), items()) == before


def test_a_failed_run_leaves_the_scene_as_it_was(logic: SiblingsLogic, sample_node: Any,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    before = (all_nodes(), items())
    with pytest.raises(InputError, match="The tissue is unknown: spleen"):
        logic.inpaint(sample_node, "spleen", **QUICK)
    assert (all_nodes(), items()) == before
    monkeypatch.setattr("DiffusionSiblingsUI.scene.plots.drift_chart", lambda *_: 1 / 0)  # the last step
    roi = Task((Request("inpaint", tissues=("LV",), region=REGION_TO_COME, **QUICK),), sample_node,
               segment=(sample_node, sample_node.GetSegmentation().GetNthSegmentID(2)))
    operation = logic.run_operation(roi)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        operation.wait()
    assert (all_nodes(), items()) == before


def test_a_twin_that_leaves_the_scene_meanwhile_ends_the_run_with_a_message(logic: SiblingsLogic,
                                                                            sample_node: Any) -> None:
    operation = logic.run_operation(Task((Request("perturb", **QUICK),), sample_node))
    operation.on_update.append(lambda o: slicer.mrmlScene.RemoveNode(sample_node) if o.progress > 0.3 else None)
    with pytest.raises(InputError, match="was removed from the scene"):
        operation.wait()
    assert not find_runs()


# The panel's parameters


def test_the_panel_says_what_is_missing_before_it_runs(sample_node: Any) -> None:
    assert "twin" in edit_request.missing(parameters())
    assert not edit_request.missing(parameters(edit="generate"))
    assert not edit_request.missing(parameters(twin=sample_node))
    assert "Tick" in edit_request.missing(parameters(twin=sample_node, edit="inpaint", tissues=""))
    assert "ROI" in edit_request.missing(parameters(twin=sample_node, edit="inpaint", region_kind="roi"))
    assert "segment" in edit_request.missing(parameters(twin=sample_node, edit="inpaint", region_kind="segment"))
    with pytest.raises(InputError, match="twin"):
        edit_request.task_of(parameters())
    sample_node.GetSegmentation().RemoveSegment(sample_node.GetSegmentation().GetNthSegmentID(2))
    assert "left ventricle" in edit_request.missing(parameters(twin=sample_node))


def test_the_panel_asks_for_what_it_shows(sample_node: Any) -> None:
    task = edit_request.task_of(parameters(twin=sample_node, edit="inpaint", tissues="LV,RV", inpaint_ratio=0.7))
    assert task.requests == (Request("inpaint", 4, tissues=("LV", "RV"), ratio=0.7),) and task.twin is sample_node
    segment_id = sample_node.GetSegmentation().GetNthSegmentID(0)
    task = edit_request.task_of(parameters(twin=sample_node, edit="inpaint", region_kind="segment", tissues="",
                                           region_segmentation=sample_node, region_segment=segment_id))
    assert task.segment == (sample_node, segment_id) and task.requests[0].region == REGION_TO_COME


def test_a_ratio_is_described_as_the_documentation_does() -> None:
    text = (ROOT / "docs" / "choosing-an-edit.md").read_text(encoding="utf-8")
    for ratio in (0.2, 0.35, 0.5, 0.8):
        assert edit_request.scale_words("perturb", ratio).split(";")[0] in text
    assert "anew" in edit_request.scale_words("inpaint", 1.0)
    assert "myocardium changes with it" in edit_request.edit_words("inpaint", ("LV", "RA"), load_anatomy())
    assert "changes with it" not in edit_request.edit_words("inpaint", ("LV", "Myo"), load_anatomy())


@pytest.mark.parametrize("seconds, words", [(0.4, "0 s"), (59, "59 s"), (75, "1 min 10 s"), (1800, "30 min"),
                                            (7500, "2 h 5 min")])
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert edit_request.duration(seconds) == words


def test_the_module_is_imported_quickly_and_without_what_slicer_lacks(tmp_path: Path) -> None:
    """Stands in for what Slicer has loaded before any module: it is not what this module adds."""
    code = """
import dataclasses, json, logging, sys, time, types
import numpy, vtk, slicer, slicer.util
for name in ("i18n", "ScriptedLoadableModule"):
    made = sys.modules["slicer." + name] = types.ModuleType(name)
    made.tr = made.translate = None
    for part in ("", "Widget", "Logic", "Test"):
        setattr(made, "ScriptedLoadableModule" + part, type("Base", (), {}))
before, began = set(sys.modules), time.process_time()
import DiffusionSiblings
seconds = time.process_time() - began
assert DiffusionSiblings.DiffusionSiblingsLogic
print(json.dumps([seconds, sorted({name.split(".")[0] for name in set(sys.modules) - before}), sys.path[:2]]))
"""
    found = []
    for _ in range(2):  # the first may compile
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path,
                              env={**os.environ, "PYTHONPATH": str(ROOT / "DiffusionSiblings")})
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert min(seconds for seconds, *_ in found) < 0.05
    _, names, path = found[0]
    assert not set(names) & {"torch", "scipy", "safetensors", "SimpleITK", "cc3d", "matplotlib", "qt", "ctk"}
    assert str(ROOT) in path  # the source tree: the library lies beside the module's folder


def test_the_default_model_is_that_of_the_command_line() -> None:
    assert logic_module.DEFAULT_MODEL == registry.DEFAULT_MODEL
