"""Markups and control domains: the same place in the world under any transform, and again after a reload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_cases
import slicer
import vtk
from DiffusionSiblingsUI.guide import domains
from DiffusionSiblingsUI.scene import markups
from nodes import matrix, rotation

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.errors import InputError

TURN = rotation((0.2, 0.9, -0.4), 0.7)
ENLARGE = Term("d", "mass", Target(times=1.2), tolerance=0.02)


def domain(dimension: int, name: str = "d", tissues: tuple[str, ...] = ("LV",)) -> ControlDomain:
    size, template = (60.0, 42.0, 50.0)[:dimension], (20, 14, 25)[:dimension]
    rest = 3 - dimension
    return ControlDomain(name, tissues, (12.0, -30.0, 44.0), tuple(map(tuple, TURN)),
                         (*size, *[0.0] * rest), (*template, *[1] * rest))


def add(kind: str, **settings: Any) -> Any:
    node = markups.new_markup(kind, kind)
    domains.write_settings(node, domains.DomainSettings(("LV",), (ENLARGE,), **settings))
    return node


def under(node: Any, affine: np.ndarray) -> Any:
    """The node under a new linear transform."""
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix(affine))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def rigid(turn: np.ndarray = TURN, shift: tuple[float, float, float] = (5.0, -8.0, 3.0)) -> np.ndarray:
    made = np.eye(4)
    made[:3, :3], made[:3, 3] = turn, shift
    return made


def same_points(one: ControlDomain, other: ControlDomain) -> bool:
    """Whether two domains have the same points, in whatever order."""
    first, second = (np.sort(each.points().reshape(-1, 3).round(4).view("f8,f8,f8").ravel()) for each in (one, other))
    return first.shape == second.shape and bool(
        np.allclose(first.view("f8").reshape(-1, 3), second.view("f8").reshape(-1, 3), atol=1e-3))


@pytest.mark.parametrize("dimension", [3, 2, 1])
def test_a_domain_becomes_a_markup_and_the_same_domain_again(scene: Any, dimension: int) -> None:
    before = domain(dimension)
    node = domains.markup_of(before, (ENLARGE,))
    assert markups.kind_of(node) == {3: "box", 2: "plane", 1: "line"}[dimension]
    after = domains.domains_of(node)[0]
    assert after.name == "d" and after.tissues == ("LV",) and after.template == before.template
    assert np.allclose(after.centre, before.centre) and np.allclose(after.size, before.size)
    assert np.allclose(after.points(), before.points(), atol=1e-9) or same_points(after, before)
    assert domains.read_settings(node).terms == (ENLARGE,)


def test_a_left_handed_domain_keeps_its_points(scene: Any) -> None:
    axes = np.array(TURN) * [[1], [1], [-1]]
    before = ControlDomain("d", ("LV",), (1.0, 2.0, 3.0), tuple(map(tuple, axes)), (30.0, 20.0, 10.0), (10, 7, 5))
    assert same_points(domains.domains_of(domains.markup_of(before))[0], before)


@pytest.mark.parametrize("dimension", [3, 2, 1])
def test_a_parent_transform_moves_the_domain(scene: Any, dimension: int) -> None:
    before = domain(dimension)
    node = domains.markup_of(before)
    motion = rigid()
    under(node, motion)
    assert same_points(domains.domains_of(node)[0], before.moved(motion))


@pytest.mark.parametrize("kind", ["box", "plane", "line"])
def test_a_transform_that_scales_makes_the_domain_as_large_as_it_is_drawn(scene: Any, kind: str) -> None:
    node = domains.markup_of(domain({"box": 3, "plane": 2, "line": 1}[kind]))
    before = domains.domains_of(node)[0]
    under(node, np.diag([2.0, 2.0, 2.0, 1.0]))
    after = domains.domains_of(node)[0]
    assert np.allclose(np.array(after.size), 2 * np.array(before.size))
    assert np.allclose(np.array(after.centre), 2 * np.array(before.centre))
    assert np.allclose(after.cell ** (1 / after.dimension), before.cell ** (1 / before.dimension), rtol=0.05)


def test_a_drawn_box_has_points_three_millimetres_apart(scene: Any) -> None:
    node = add("box")
    assert not markups.is_placed(node)
    with pytest.raises(InputError, match="not placed"):
        domains.domains_of(node)
    node.SetCenter(1.0, 2.0, 3.0)
    node.SetSize(30.0, 60.0, 45.0)
    found = domains.domains_of(node)[0]
    assert found.template == (10, 20, 15) and np.allclose(found.centre, (1, 2, 3)) and found.unit == "ml"
    node.SetSize(60.0, 60.0, 45.0)
    assert domains.domains_of(node)[0].template == (20, 20, 15)


def test_a_curve_has_planes_across_it(scene: Any) -> None:
    node = add("curve", count=4, extent=30.0)
    for z in (0.0, 10.0, 20.0, 30.0):
        node.AddControlPointWorld(vtk.vtkVector3d(5.0, 6.0, z))
    found = domains.domains_of(node)
    assert [each.name for each in found] == ["curve 1", "curve 2", "curve 3", "curve 4"]
    for each in found:
        assert each.dimension == 2 and each.size == (30.0, 30.0, 0.0)
        assert np.allclose(np.abs(each.axes[2]), (0, 0, 1), atol=1e-6) and np.allclose(each.centre[:2], (5, 6))
    heights = [each.centre[2] for each in found]
    assert heights == sorted(heights) and 0.0 <= heights[0] < heights[-1] <= 30.0
    control = domains.control_of()
    assert [term.domain for term in control.terms] == [each.name for each in found]
    assert all(term.target.times == 1.2 for term in control.terms)


def test_a_point_has_lines_about_it(scene: Any) -> None:
    node = add("point", count=4, extent=40.0, normal=(0.0, 0.0, 1.0))
    node.AddControlPointWorld(vtk.vtkVector3d(1.0, 2.0, 3.0))
    found = domains.domains_of(node)
    assert len(found) == 4 and {each.unit for each in found} == {"mm"}
    for each in found:
        assert np.isclose(each.centre[2], 3.0) and np.isclose(each.size[0], 40.0)
        assert np.isclose(np.linalg.norm(np.array(each.centre) - (1, 2, 3)), 20.0)
    directions = np.array([each.axes[0] for each in found])
    assert np.allclose(directions @ directions[0], [1, 0, -1, 0], atol=1e-9)


def test_a_bending_transform_moves_points_but_is_no_obstacle(scene: Any) -> None:
    node = add("line")
    node.AddControlPointWorld(vtk.vtkVector3d(0.0, 0.0, 0.0))
    node.AddControlPointWorld(vtk.vtkVector3d(0.0, 0.0, 20.0))
    bend = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for x, y, z in np.ndindex(2, 2, 2):
        source.InsertNextPoint(50.0 * x, 50.0 * y, 50.0 * z)
        target.InsertNextPoint(50.0 * x + 4.0 * z, 50.0 * y, 50.0 * z)
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    bend.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(bend.GetID())
    assert domains.domains_of(node)[0].size[0] > 20.0


def test_names_stay_unique_and_terms_follow_them(scene: Any) -> None:
    nodes = [domains.markup_of(domain(3)), domains.markup_of(domain(2), (ENLARGE,))]
    for node in nodes:
        node.SetName("RV")
    control = domains.control_of()
    assert [each.name for each in control.domains] == ["RV", "RV 2"]
    assert [term.domain for term in control.terms] == ["RV 2"]


def test_a_control_comes_back_as_it_was(scene: Any) -> None:
    terms = (Term("box", "mass", Target(value=80.0)), Term("box", "betti", Target(value=(1, None, 0)), on=False),
             Term("line", "position", Target(plus=(0.0, 1.0, 2.0)), weight=2.0))
    before = Control((domain(3, "box", ("LV", "Myo")), domain(1, "line")), terms)
    domains.markups_of(before)
    after = domains.control_of()
    assert after.terms == before.terms
    assert all(same_points(one, other) for one, other in zip(after.domains, before.domains, strict=True))
    with pytest.raises(InputError, match="coordinates of a twin"):
        domains.markups_of(Control(before.domains, terms, "canonical"))


def test_domains_and_targets_survive_save_and_reload(scene: Any, tmp_path: Path) -> None:
    tissues = ("LV", "Myo")
    name = 'RV "apex"; 50 %: größer'
    domains.markups_of(Control((domain(3, name, tissues), domain(2, "valve"), domain(1, "wall")),
                               (Term(name, "mass", Target(times=1.2), tolerance=0.02),
                                Term("valve", "shape", Target(value=(0.6, 0.4))))))
    curve = add("curve", count=3)
    for z in (0.0, 10.0, 20.0):
        curve.AddControlPointWorld(vtk.vtkVector3d(z / 5, 6.0, z))
    before = domains.control_of()
    plain = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "someone else's")
    run_cases.save(tmp_path / "scene.mrb")
    scene.Clear(False)
    assert not domains.find_domains()
    run_cases.read(tmp_path / "scene.mrb")
    after = domains.control_of()
    assert after.terms == before.terms and plain.GetName() not in [each.name for each in after.domains]
    for one, other in zip(after.domains, before.domains, strict=True):
        assert one.name == other.name and one.tissues == other.tissues and one.template == other.template
        assert np.allclose(one.centre, other.centre, atol=1e-3) and np.allclose(one.size, other.size, atol=1e-3)
        assert np.allclose(one.axes, other.axes, atol=1e-4)


def test_attributes_of_others_are_refused_with_a_message(scene: Any) -> None:
    node = markups.new_markup("box", "odd")
    for text in ("{}", "[1]", "nonsense", '{"schema": 99}'):
        node.SetAttribute(domains.KEY, text)
        with pytest.raises(InputError, match="cannot be read"):
            domains.read_settings(node)


def test_a_removed_domain_leaves_nothing(scene: Any) -> None:
    before = scene.GetNumberOfNodes()
    node = domains.markup_of(domain(3), (ENLARGE,))
    markups.remove_markup(node)
    assert scene.GetNumberOfNodes() == before and not domains.find_domains()


def test_terms_keep_their_ids_when_markups_are_renamed_and_copies_have_ids_of_their_own(scene: Any) -> None:
    first, second = (domains.markup_of(domain(3), (ENLARGE,)) for _ in range(2))
    before = domains.control_of()
    assert len({term.id for term in before.terms}) == 2
    first.SetName("another name")
    after = domains.control_of([second, first])  # also in another order
    assert {term.id: term.domain for term in after.terms} == {
        before.terms[0].id: "another name", before.terms[1].id: second.GetName()}


def test_terms_of_a_file_keep_their_ids_unless_it_is_opened_twice(scene: Any) -> None:
    control = Control((domain(3),), (Term("d", "mass", Target(times=1.2), id="wall"),))
    (node,) = domains.markups_of(control)
    assert domains.control_of().term("wall").target == Target(times=1.2)
    (again,) = domains.markups_of(control)
    copied = markups.new_markup("box", "copy")
    copied.SetAttribute(domains.KEY, node.GetAttribute(domains.KEY))
    first, *others = (domains.term_ids(each, domains.read_settings(each), 0) for each in (node, again, copied))
    assert first == ("wall",) and "wall" not in {id for ids in others for id in ids}


def test_every_domain_of_a_curve_has_terms_of_its_own(scene: Any) -> None:
    node = add("point", count=3)
    node.AddControlPointWorld(1.0, 2.0, 3.0)
    control = domains.control_of([node])
    assert len({term.id for term in control.terms}) == 3
    settings = domains.read_settings(node)
    assert [term.id for term in control.terms] == [
        id for part in range(3) for id in domains.term_ids(node, settings, part)]
