"""What is known of a twin before a run: problems, segments over the heart, and whether it has changed since."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from at_once import added_run
from DiffusionSiblingsUI.runs import edit_request, twin_check
from DiffusionSiblingsUI.runs.twin_check import TwinChecks
from DiffusionSiblingsUI.scene import bridge
from DiffusionSiblingsUI.scene.terminology import match_tissues, twin_remarks
from nodes import add_segment, image_of, linear_transform
from panel_parameters import parameters
from run_cases import job

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.record import hash_labelmap

ANATOMY = load_anatomy()


@pytest.fixture
def checks() -> TwinChecks:
    return TwinChecks(lambda: None, background=False)


def shrunk(node: Any, tissue: str = "Left ventricle") -> Any:
    """Takes a voxel from a segment -> what gives it back."""
    segmentation = node.GetSegmentation()
    segment_id = next(i for i in segmentation.GetSegmentIDs() if segmentation.GetSegment(i).GetName() == tissue)
    segment = segmentation.GetSegment(segment_id)
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segment_id)
    place = tuple(np.argwhere(array == segment.GetLabelValue())[0])
    value = array[place]

    def put(number: int) -> None:
        array[place] = number
        segment.GetRepresentation("Binary labelmap").Modified()

    put(0)
    return lambda: put(int(value))


def test_a_sound_twin_has_the_hash_that_its_record_will_have(heart_node: Any, checks: TwinChecks) -> None:
    tissues = match_tissues(heart_node, ANATOMY)
    state = checks.state_of(heart_node, tissues)
    assert state is not None and state.problem is None and state.apart == ()
    assert state.labels_sha256 == hash_labelmap(bridge.read_segmentation(heart_node, tissues).labelmap)


def test_a_twin_is_read_once_for_as_long_as_it_stays_the_same(heart_node: Any, checks: TwinChecks,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    real = twin_check.checking
    monkeypatch.setattr(twin_check, "checking", lambda *args: read.append(args) or real(*args))
    tissues = match_tissues(heart_node, ANATOMY)
    assert checks.state_of(heart_node, tissues) is checks.state_of(heart_node, dict(tissues))
    assert len(read) == 1
    shrunk(heart_node)
    checks.state_of(heart_node, tissues)
    assert len(read) == 2


def test_run_is_refused_before_it_begins_where_tissues_overlap(heart_node: Any, heart: Any) -> None:
    add_segment(heart_node, image_of((heart.labels > 2).astype(np.uint8), heart.affine), 1, identifier="x",
                name="Left atrium")
    reason = edit_request.missing(parameters(twin=heart_node))
    assert "overlap" in reason and "subtract" in reason.lower() and "<" not in reason


def test_run_is_refused_before_it_begins_under_a_transform_that_is_not_linear(heart_node: Any) -> None:
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    spline = vtk.vtkThinPlateSplineTransform()
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for place in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (30, 30, 30)):
        points.InsertNextPoint(place)
        moved.InsertNextPoint((place[0] + 5 * np.sin(place[1]), place[1], place[2]))
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    spline.SetBasisToR()
    warp.SetAndObserveTransformToParent(spline)
    heart_node.SetAndObserveTransformNodeID(warp.GetID())
    reason = edit_request.missing(parameters(twin=heart_node))
    assert "not linear: warp" in reason and "harden" in reason


def test_a_segment_over_the_heart_is_told_and_does_not_keep_from_running(heart_node: Any, heart: Any) -> None:
    add_segment(heart_node, image_of((heart.labels > 2).astype(np.uint8), heart.affine), 1, identifier="device",
                name="<b>lead</b>")
    context = parameters(twin=heart_node)
    assert not edit_request.missing(context)
    state = context.twin_checks.state_of(heart_node, context.tissue_of)
    assert state.apart == ("<b>lead</b>",)
    remarks = " ".join(twin_remarks(heart_node, context.tissue_of, ANATOMY, state.apart))
    assert "lies over tissues of the heart" in remarks and "stays unchanged" not in remarks


def test_a_run_knows_that_its_twin_has_changed_since_and_that_it_is_the_same_again(
        heart_node: Any, checks: TwinChecks) -> None:
    bridged = bridge.read_segmentation(heart_node)
    results, record, rows = job(bridged.labelmap)
    run = added_run(results, twin_node=heart_node, bridged=bridged, record=record, rows=rows, title="run")
    assert not checks.is_changed(run)
    undo = shrunk(heart_node)
    assert checks.is_changed(run)
    undo()
    assert not checks.is_changed(run)
    heart_node.SetAndObserveTransformNodeID(linear_transform(np.diag([1.0, 1.0, 1.2, 1.0])).GetID())
    assert checks.is_changed(run)
    slicer.mrmlScene.RemoveNode(heart_node)
    assert not checks.is_changed(run) and not checks.is_changed(None)


def test_a_segmentation_without_segments_is_not_read(scene: Any, checks: TwinChecks) -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    assert checks.state_of(empty, {}) is None and checks.state_of(None, {}) is None
