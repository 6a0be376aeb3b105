"""The twin's live values: right, kept up to date, quick on a large twin, and without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from DiffusionSiblingsUI.guide import domain_makers, domains, live
from DiffusionSiblingsUI.guide.live import LiveMeasures
from DiffusionSiblingsUI.scene import markups, terminology
from hearts import ellipsoid_heart
from nodes import segmentation_node

from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.anatomy import load_anatomy

ROOT = Path(__file__).resolve().parents[3]
ANATOMY = load_anatomy()
LONGEST_S = 0.2  # from the movement to the value


def measures(twin: Any, told: list[Any] | None = None) -> LiveMeasures:
    """Live values without timers, following all domains of the scene."""
    made = LiveMeasures(ANATOMY, (told if told is not None else []).append, timers=False)
    made.watch(twin, terminology.match_tissues(twin, ANATOMY) if twin is not None else {}, domains.find_domains())
    made.settle()
    return made


def volume(node: Any, tissue: str) -> float:
    """ml of a tissue, counted in voxels."""
    found = domain_makers.placed_twin(node, terminology.match_tissues(node, ANATOMY), ANATOMY)
    return float((found.labels == ANATOMY.label_of(tissue)).sum() * abs(np.linalg.det(found.affine[:3, :3])) / 1000)


def around(node: Any, tissue: str) -> Any:
    return domain_makers.around(
        domain_makers.placed_twin(node, terminology.match_tissues(node, ANATOMY), ANATOMY), (tissue,))


def mass(made: LiveMeasures, node: Any) -> float:
    found = made.measured(node)[0].measurement
    assert found is not None, made.measured(node)
    return found.mass


def test_a_box_around_a_tissue_holds_its_volume(heart_node: Any) -> None:
    nodes = {tissue: around(heart_node, tissue) for tissue in ("LV", "RV", "Myo")}
    made = measures(heart_node)
    for tissue, node in nodes.items():
        assert mass(made, node) == pytest.approx(volume(heart_node, tissue), rel=0.05)


def test_a_moved_markup_is_measured_again_and_only_it(heart_node: Any) -> None:
    told: list[Any] = []
    lv, rv = around(heart_node, "LV"), around(heart_node, "RV")
    made = measures(heart_node, told)
    before = mass(made, lv)
    told.clear()
    center = np.array(lv.GetCenter())
    lv.SetCenter(center[0], center[1], center[2] + lv.GetSize()[2] / 2)
    made.settle()
    assert told == [lv] and 0.1 * before < mass(made, lv) < 0.9 * before
    lv.SetCenter(*center)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    lv.SetAndObserveTransformNodeID(transform.GetID())
    made.settle()
    assert mass(made, lv) == pytest.approx(before, rel=1e-9)
    told.clear()
    moved = vtk.vtkMatrix4x4()
    moved.SetElement(2, 3, 500.0)
    transform.SetMatrixTransformToParent(moved)
    made.settle()
    assert told == [lv] and "outside the image" in made.measured(lv)[0].problem
    assert mass(made, rv) > 0


def test_a_twin_that_is_edited_or_moved_is_measured_again(heart_node: Any) -> None:
    box = around(heart_node, "LV")
    made = measures(heart_node)
    before = mass(made, box)
    heart_node.GetSegmentation().RemoveSegment(heart_node.GetSegmentation().GetSegmentIDs()[2])
    made.watch(heart_node, terminology.match_tissues(heart_node, ANATOMY), domains.find_domains())
    made.settle()
    assert before > 1 and mass(made, box) == 0.0


def test_missing_twin_and_missing_tissues_are_said(heart_node: Any) -> None:
    box = around(heart_node, "LV")
    assert "No twin" in measures(None).measured(box)[0].problem
    made = LiveMeasures(ANATOMY, lambda _: None, timers=False)
    made.watch(heart_node, dict.fromkeys(heart_node.GetSegmentation().GetSegmentIDs()), [box])
    made.settle()
    assert "no tissues" in made.measured(box)[0].problem


def test_betti_numbers_are_counted_where_they_are_asked(heart_node: Any) -> None:
    box = around(heart_node, "LV")
    made = measures(heart_node)
    assert made.measured(box)[0].measurement.betti is None
    term = Term(box.GetName(), "betti", Target(value=(1, None, None)))
    domains.write_settings(box, domains.DomainSettings(("LV",), (term,)))
    made.settle()
    assert made.measured(box)[0].measurement.betti[0] == 1


def test_a_removed_markup_is_forgotten_and_nothing_is_left_observed(heart_node: Any) -> None:
    box = around(heart_node, "LV")
    made = measures(heart_node)
    markups.remove_markup(box)
    made.watch(heart_node, terminology.match_tissues(heart_node, ANATOMY), domains.find_domains())
    made.settle()
    assert not made.found
    made.stop()
    assert not made.Observations


def test_a_large_twin_is_measured_within_a_fifth_of_a_second(scene: Any, record_property: Any) -> None:
    """256 x 256 x 200 voxels; a box of 32^3 points around the right ventricle, moved as a user drags it."""
    heart = ellipsoid_heart((200, 256, 256), 0.75)
    twin = segmentation_node(heart, "large")
    node = around(twin, "RV")
    assert domains.domains_of(node)[0].dimension == 3
    made = measures(twin)
    center, seconds = np.array(node.GetCenter()), []
    for step in range(5):
        node.SetCenter(center[0] + 0.5 * step, center[1], center[2])
        began = time.perf_counter()
        made.settle()
        seconds.append(time.perf_counter() - began)
    record_property("seconds", seconds)
    print(f"live value of a {domains.domains_of(node)[0].template} box: {1000 * np.median(seconds):.0f} ms")
    assert np.median(seconds) + live.SOON_MS / 1000 < LONGEST_S


def test_live_values_need_no_torch(tmp_path: Path) -> None:
    code = """
import sys
sys.path[:0] = sys.argv[1:]
import conftest
import numpy as np
from nodes import segmentation_node
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsUI.guide import domain_makers, live
labels = np.zeros((20, 20, 20), np.uint8)
labels[5:15, 5:15, 5:15] = 1
node = segmentation_node(LabelMap(labels, np.eye(4), (Segment(1, "LV", "LV", identifier="LV"),)), "box")
box = domain_makers.around(domain_makers.placed_twin(node, {"LV": "LV"}, load_anatomy()), ("LV",))
made = live.LiveMeasures(load_anatomy(), lambda _: None, timers=False)
made.watch(node, {"LV": "LV"}, [box])
made.settle()
assert made.measured(box)[0].measurement.mass > 0.5
assert "torch" not in sys.modules, "torch was imported"
"""
    paths = [str(ROOT / part) for part in ("Testing/mrml", "Testing/lib", "DiffusionSiblings", "")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, env=os.environ,
                          cwd=tmp_path)
    assert done.returncode == 0, done.stderr
