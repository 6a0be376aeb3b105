"""Twin and sibling over each other: looks given back exactly, one sibling at a time, surfaces in short steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_cases
import slicer
import vtk
from at_once import added_run
from DiffusionSiblingsUI.effects import preview as effect_preview
from DiffusionSiblingsUI.scene import bridge, runs, sequences, surfaces
from DiffusionSiblingsUI.scene import comparison_view as comparison

from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.steps import exhaust

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture
def run(heart_node: Any) -> runs.Run:
    bridged = bridge.read_segmentation(heart_node)
    results, record, rows = run_cases.job(bridged.labelmap)
    return added_run(results, twin_node=heart_node, bridged=bridged, record=record, rows=rows, title="run")


def look(node: Any) -> list[Any]:
    """All that a display node says of how its segmentation looks."""
    display = node.GetDisplayNode()
    values = [getattr(display, f"Get{name}")() for name in comparison.PROPERTIES]
    return values + [tuple(display.GetSegmentColor(segment)) for segment in node.GetSegmentation().GetSegmentIDs()]


def test_the_twin_gets_its_look_back(run: runs.Run) -> None:
    twin = run.twin_node
    first, second = twin.GetSegmentation().GetSegmentIDs()[:2]
    twin.GetDisplayNode().SetOpacity2DFill(0.123)
    twin.GetDisplayNode().SetSegmentOverrideColor(second, 0.2, 0.4, 0.6)
    twin.GetDisplayNode().SetSegmentVisibility(first, False)
    before = look(twin)
    for sibling in run.siblings:
        comparison.compare(run, sibling, comparison.Style(twin_color=(0, 1, 1)))
        assert comparison.is_compared(twin) and look(twin) != before
    comparison.restore(twin)
    assert look(twin) == before and not comparison.is_compared(twin)
    assert not twin.GetDisplayNode().GetSegmentVisibility(first)
    comparison.restore(twin)
    assert look(twin) == before


def test_one_sibling_is_shown_and_the_twin_is_an_outline_of_another_colour(run: runs.Run) -> None:
    style = comparison.Style(twin_color=(0, 1, 1), fill=0.4)
    comparison.compare(run, run.siblings[1], style)
    assert [node.GetDisplayNode().GetVisibility() for node in run.siblings] == [0, 1, 0]
    shown, twin = run.siblings[1].GetDisplayNode(), run.twin_node.GetDisplayNode()
    assert not twin.GetVisibility2DFill() and twin.GetVisibility2DOutline()
    assert shown.GetOpacity2DFill() == 0.4
    for segment in run.twin_node.GetSegmentation().GetSegmentIDs():
        assert tuple(twin.GetSegmentColor(segment)) == (0, 1, 1) != tuple(shown.GetSegmentColor(segment))


def test_the_outline_is_told_apart_from_all_that_lies_below_it() -> None:
    outline = _lab(comparison.Style().twin_color)
    tissues = [color for tissue in load_anatomy().tissues for color in (tissue.color, tissue.picture_color)]
    greys = [(level,) * 3 for level in np.linspace(0, 1, 11)]
    for color in [*tissues, *greys, effect_preview.COLOR]:
        assert np.linalg.norm(outline - _lab(color)) > 75, color  # 2 can just be told apart


def _lab(color: tuple[float, ...]) -> np.ndarray:
    """sRGB 0..1 -> CIE L*a*b*, in which distance is how different two colours look."""
    rgb = np.asarray(color, float)
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.maximum(to_xyz @ linear / (0.9505, 1.0, 1.089), 0.0088))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_tissues_that_are_as_in_the_twin_are_not_drawn_twice_in_3d(run: runs.Run) -> None:
    record = run.record
    record["runs"][0]["siblings"][1]["dice_to_twin"] = {"LV": 0.93, "RV": 1.0, "LA": 1.0}
    run.node.SetText(json.dumps(record))
    before, ids = look(run.twin_node), run.twin_node.GetSegmentation().GetSegmentIDs()
    run.twin_node.GetDisplayNode().SetSegmentVisibility3D("Myo_id", False)
    comparison.compare(run, run.siblings[1], comparison.Style(), in_3d=True)
    seen = {segment for segment in ids if run.twin_node.GetDisplayNode().GetSegmentVisibility3D(segment)}
    assert seen == {"LV_id", "RA_id", "Ao_id"}
    comparison.compare(run, run.siblings[0], comparison.Style(), in_3d=True)
    seen = {segment for segment in ids if run.twin_node.GetDisplayNode().GetSegmentVisibility3D(segment)}
    assert seen == set(ids) - {"Myo_id"}
    comparison.restore(run.twin_node)
    assert look(run.twin_node) == before and not run.twin_node.GetDisplayNode().GetSegmentVisibility3D("Myo_id")


def test_without_the_outline_the_twin_is_as_the_user_has_it(run: runs.Run) -> None:
    before = look(run.twin_node)
    comparison.compare(run, run.siblings[0], comparison.Style())
    comparison.compare(run, run.siblings[0], comparison.Style(), outline=False)
    assert look(run.twin_node) == before


def test_surfaces_come_at_once_and_the_twins_go_again(run: runs.Run) -> None:
    sibling, twin = run.siblings[0], run.twin_node
    comparison.compare(run, sibling, comparison.Style(), in_3d=True)
    steps = comparison.preparing_3d(run, sibling)
    while not surfaces.has_surfaces(sibling):
        next(steps)
        ids = sibling.GetSegmentation().GetSegmentIDs()
        have = [sibling.GetSegmentation().GetSegment(i).GetRepresentation(surfaces.SURFACE) is not None for i in ids]
        assert len(set(have)) == 1
    exhaust(steps)
    assert surfaces.has_surfaces(twin) and sibling.GetDisplayNode().GetDisplayRepresentationName3D() == surfaces.SURFACE
    comparison.restore(twin)
    assert not surfaces.has_surfaces(twin) and surfaces.has_surfaces(sibling)


def test_surfaces_that_the_user_made_stay(run: runs.Run) -> None:
    run.twin_node.CreateClosedSurfaceRepresentation()
    comparison.compare(run, run.siblings[0], comparison.Style(), in_3d=True)
    exhaust(comparison.preparing_3d(run, run.siblings[0]))
    comparison.restore(run.twin_node)
    assert surfaces.has_surfaces(run.twin_node)


def test_a_surface_encloses_its_voxels(run: runs.Run, heart: Any) -> None:
    node = run.siblings[0]
    bridged = bridge.read_segmentation(node)
    exhaust(surfaces.surfacing(node))
    for value, identifier in enumerate(bridged.segment_ids, start=1):
        surface = node.GetSegmentation().GetSegment(identifier).GetRepresentation(surfaces.SURFACE)
        mass = vtk.vtkMassProperties()
        mass.SetInputData(surface)
        mass.Update()
        voxels = (bridged.labelmap.labels == value).sum() * heart.voxel_volume_ml
        assert mass.GetVolume() / 1000 == pytest.approx(voxels, rel=0.05)
        inside = np.argwhere(bridged.labelmap.labels == value)[:, ::-1].mean(axis=0)
        center = heart.affine[:3, :3] @ inside + heart.affine[:3, 3]
        assert np.linalg.norm(np.array(surface.GetCenter()) - center) < 30
        points = vtk.util.numpy_support.vtk_to_numpy(surface.GetPoints().GetData())
        normals = vtk.util.numpy_support.vtk_to_numpy(surface.GetPointData().GetNormals())
        assert ((points - points.mean(axis=0)) * normals).sum() > 0, "a surface is inside out"


def test_a_left_handed_grid_does_not_turn_surfaces_inside_out(make_node: Any) -> None:
    from hearts import ellipsoid_heart

    node = make_node(ellipsoid_heart((32, 24, 28), 5.6, direction=np.diag([-1.0, 1.0, 1.0])))
    exhaust(surfaces.surfacing(node))
    surface = node.GetSegmentation().GetNthSegment(2).GetRepresentation(surfaces.SURFACE)
    points = vtk.util.numpy_support.vtk_to_numpy(surface.GetPoints().GetData())
    normals = vtk.util.numpy_support.vtk_to_numpy(surface.GetPointData().GetNormals())
    assert ((points - points.mean(axis=0)) * normals).sum() > 0


@pytest.fixture
def browser(run: runs.Run) -> Any:
    return exhaust(sequences.sequencing(run))


def test_the_sequences_player_shows_each_sibling(run: runs.Run, browser: Any) -> None:
    assert run.browser_node is browser and browser.GetNumberOfItems() == len(run.siblings)
    proxy = browser.GetProxyNode(browser.GetMasterSequenceNode())
    for number, sibling in enumerate(run.siblings):
        browser.SetSelectedItemNumber(number)
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
        shown, meant = bridge.read_segmentation(proxy), bridge.read_segmentation(sibling)
        assert np.array_equal(shown.labelmap.labels, meant.labelmap.labels)
    assert exhaust(sequences.sequencing(run)) is browser
    assert len(run.siblings) == 3


def test_a_sequence_that_is_stopped_leaves_nothing(run: runs.Run) -> None:
    before = slicer.mrmlScene.GetNumberOfNodes()
    steps = sequences.sequencing(run)
    next(steps)
    steps.close()
    assert slicer.mrmlScene.GetNumberOfNodes() == before and run.browser_node is None


def test_deleting_a_run_deletes_its_sequence(run: runs.Run, browser: Any) -> None:
    runs.delete_run(run)
    for name in ("vtkMRMLSequenceNode", "vtkMRMLSequenceBrowserNode", "vtkMRMLTableNode", "vtkMRMLTextNode"):
        assert slicer.mrmlScene.GetNumberOfNodesByClass(name) == 0, name
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1  # the twin


def test_a_sequence_survives_saving_and_reading_the_scene(run: runs.Run, browser: Any, tmp_path: Path) -> None:
    run_cases.save(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    run_cases.read(tmp_path / "scene.mrb")
    (again,) = runs.find_runs()
    assert again.browser_node is not None and again.browser_node.GetNumberOfItems() == 3 and len(again.siblings) == 3
    runs.delete_run(again)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_a_scene_saved_while_comparing_gives_the_twin_its_look_back(run: runs.Run, tmp_path: Path) -> None:
    before = look(run.twin_node)
    comparison.compare(run, run.siblings[0], comparison.Style())
    run_cases.save(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    run_cases.read(tmp_path / "scene.mrb")
    (again,) = runs.find_runs()
    assert comparison.is_compared(again.twin_node)
    comparison.restore(again.twin_node)
    assert np.allclose(np.hstack(look(again.twin_node)), np.hstack(before), atol=1e-4)
