"""Controls: domains, terms and targets hold what they promise, and say what is wrong with what they refuse."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from frames import random_pose, random_rotation
from hypothesis import given
from hypothesis import strategies as st

from DiffusionSiblingsLib.control.absolute_targets import in_frame
from DiffusionSiblingsLib.control.achieved import Achieved, achieved_of, error_of
from DiffusionSiblingsLib.control.control import Control, read_control, write_control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import Measurement
from DiffusionSiblingsLib.control.terms import Target, Term, default_tolerance
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.target_rows import target_columns

HEART = load_anatomy("heart")
EYE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
BOX = ControlDomain("RV", ("RV",), (10.0, -20.0, 30.0), EYE, (90.0, 80.0, 70.0), (30, 20, 14))
PLANE = ControlDomain("root", ("Ao",), (0.0, 0.0, 0.0), EYE, (40.0, 30.0, 0.0), (20, 15, 1))
LINE = ControlDomain("wall", ("Myo",), (0.0, 0.0, 0.0), EYE, (21.0, 0.0, 0.0), (30, 1, 1))


def measurement(domain: ControlDomain, mass: float, **values: object) -> Measurement:
    """A measurement made by hand."""
    rest = {"centroid": domain.centre, "size": 300.0, "shape": None, "orientation": None, "covariance": None}
    return Measurement(domain.name, mass, **{**rest, "betti": (1, 0, 0), "unit": domain.unit, **values})


def test_boxes_planes_and_lines_know_their_units_cells_and_points():
    assert [(d.dimension, d.unit) for d in (BOX, PLANE, LINE)] == [(3, "ml"), (2, "mm^2"), (1, "mm")]
    assert (BOX.cell, PLANE.cell, LINE.cell) == pytest.approx((3 * 4 * 5 / 1000, 4.0, 0.7))
    assert (BOX.whole, PLANE.whole, LINE.whole) == pytest.approx((504.0, 1200.0, 21.0))
    points = BOX.points()
    assert points.shape == (30, 20, 14, 3)
    assert points[0, 0, 0] == pytest.approx([10 - 45 + 1.5, -20 - 40 + 2, 30 - 35 + 2.5])
    assert points[-1, -1, -1] == pytest.approx([10 + 45 - 1.5, -20 + 40 - 2, 30 + 35 - 2.5])
    assert PLANE.points()[..., 2] == pytest.approx(0.0) and LINE.points()[..., 1:] == pytest.approx(0.0)
    assert BOX.spacing == pytest.approx((3, 4, 5)) and len(BOX.corners()) == 8


@given(st.integers(0, 10_000))
def test_points_of_a_moved_domain_are_the_moved_points(seed):
    rng = np.random.default_rng(seed)
    pose = random_pose(rng)
    for domain in (BOX, PLANE, LINE):
        moved = domain.moved(pose)
        assert np.abs(moved.points() - (domain.points() @ pose[:3, :3].T + pose[:3, 3])).max() < 1e-9
        back = moved.moved(np.linalg.inv(pose))
        assert back.same_place(domain) and back.template == domain.template


def test_alignment_is_any_signed_permutation():
    turned = ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0))
    assert BOX.is_aligned() and ControlDomain("a", ("RV",), (0, 0, 0), turned, (9, 9, 9), (3, 3, 3)).is_aligned()
    slanted = random_rotation(np.random.default_rng(1))
    assert not ControlDomain("a", ("RV",), (0, 0, 0), slanted, (9, 9, 9), (3, 3, 3)).is_aligned()


def test_rounded_axes_are_made_orthonormal_and_exact_ones_are_kept():
    exact = random_rotation(np.random.default_rng(2))
    domain = ControlDomain("a", ("RV",), (0, 0, 0), exact.round(4), (9, 9, 9), (3, 3, 3))
    axes = np.array(domain.axes)
    assert np.abs(axes @ axes.T - np.eye(3)).max() < 1e-12 and np.abs(axes - exact).max() < 1e-3
    assert np.array_equal(np.array(ControlDomain("a", ("RV",), (0, 0, 0), exact, (9, 9, 9), (3, 3, 3)).axes), exact)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "no name"),
        ({"tissues": ()}, "at least one tissue"),
        ({"tissues": ("RV", 3)}, "tissues"),
        ({"centre": (0, 0)}, "three finite numbers"),
        ({"centre": (0, 0, math.nan)}, "finite"),
        ({"centre": "middle"}, "finite"),
        ({"size": (90, math.inf, 70)}, "finite"),
        ({"size": (90, -80, 70)}, "above 0"),
        ({"size": (90, 80, 0)}, "template"),
        ({"size": (90, 80, 2000)}, "1000"),
        ({"axes": ((1, 0, 0), (0, 1, 0), (0, 0, 2))}, "right angles"),
        ({"axes": ((1, 0, 0), (0, 1, 0), (0, 0.1, 1))}, "right angles"),
        ({"axes": ((1, 0, 0), (0, 1, 0))}, "right angles"),
        ({"axes": ((1, 0, 0), (0, 1, 0), (0, 0, math.nan))}, "right angles"),
        ({"template": (30, 20)}, "template"),
        ({"template": (30, 20, 0)}, "template"),
        ({"template": (30.5, 20, 14)}, "template"),
        ({"template": (30, 1, 14), "size": (90, 0, 70)}, "last"),
        ({"template": (1, 1, 1), "size": (0, 0, 0)}, "last"),
        ({"template": (256, 256, 256)}, "points in all"),
        ({"template": (999, 20, 14)}, "256"),
    ],
)
def test_impossible_domains_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        ControlDomain(**{**{k: getattr(BOX, k) for k in ("name", "tissues", "centre", "axes", "size", "template")},
                         **change})


@pytest.mark.parametrize("matrix", [np.eye(3), 2 * np.eye(4), np.diag([1, 1, 1.01, 1.0]), np.diag([-1.0, 1, 1, 1]),
                                    np.full((4, 4), math.nan), "matrix", None])
def test_only_rigid_motions_move_a_domain(matrix):
    with pytest.raises(InputError, match="rigid"):
        BOX.moved(matrix)


@pytest.mark.parametrize(
    ("quantity", "target", "words"),
    [
        ("volume", {"value": 3.0}, "one of mass"),
        ("mass", {}, "exactly one"),
        ("mass", {"value": 3.0, "times": 1.2}, "exactly one"),
        ("mass", {"value": math.nan}, "above 0"),
        ("mass", {"value": -1.0}, "above 0"),
        ("mass", {"value": True}, "above 0"),
        ("mass", {"times": 0.0}, "above 0"),
        ("mass", {"plus": math.inf}, "finite"),
        ("mass", {"value": "big"}, "above 0"),
        ("position", {"times": 1.2}, "'times' works for"),
        ("position", {"value": 3.0}, "three numbers"),
        ("position", {"plus": (1, 2)}, "three numbers"),
        ("shape", {"plus": (0.1, 0, -0.1)}, "'plus' works for"),
        ("shape", {"value": (0.2, 0.3, 0.5)}, "largest first"),
        ("shape", {"value": (0.6, 0.3, 0.3)}, "together 1"),
        ("orientation", {"value": ((1, 0, 0), (1, 0, 0), (0, 0, 1))}, "right angles"),
        ("covariance", {"value": ((0.5, 0.1, 0), (0, 0.3, 0), (0, 0, 0.2))}, "symmetric"),
        ("covariance", {"value": ((1.5, 0, 0), (0, -0.3, 0), (0, 0, -0.2))}, "eigenvalue"),
        ("betti", {"value": (1, -1, 0)}, "from 0"),
        ("betti", {"value": (1, 0)}, "whole numbers"),
        ("betti", {"value": (1.5, 0, 0)}, "whole numbers"),
        ("betti", {"value": (None, None, None)}, "not all three"),
        ("betti", {"times": 2.0}, "'times' works for"),
    ],
)
def test_targets_that_cannot_be_meant_are_refused(quantity, target, words):
    with pytest.raises(InputError, match=words):
        Term("RV", quantity, Target(**target))


@pytest.mark.parametrize(
    ("domain", "quantity", "value", "words"),
    [
        (BOX, "mass", 505.0, "whole domain has 504 ml"),
        (PLANE, "mass", 1300.0, "1200 mm"),
        (BOX, "position", (60.0, -20.0, 30.0), "point inside the domain"),
        (BOX, "size", 5000.0, "at most 4850"),
        (BOX, "shape", (0.6, 0.4), "3 shares"),
        (PLANE, "shape", (0.5, 0.3, 0.2), "2 shares"),
        (PLANE, "orientation", EYE[::-1], "across"),
        (PLANE, "covariance", ((0.5, 0, 0), (0, 0, 0), (0, 0, 0.5)), "across"),
        (BOX, "betti", (1, 0, 5000), "at most 3024"),
        (BOX, "betti", (2000, 0, 0), "at most 1050"),
        (PLANE, "betti", (1, 0, 1), "voids"),
        (LINE, "betti", (1, 1, 0), "loops"),
        (BOX.with_template((2, 2, 2)), "betti", (1, 0, 1), "voids"),
    ],
)
def test_targets_beyond_the_domain_are_refused_before_anything_is_measured(domain, quantity, value, words):
    with pytest.raises(InputError, match=words):
        Control((domain,), (Term(domain.name, quantity, Target(value=value)),))


def test_relative_targets_beyond_the_domain_are_refused_once_measured():
    grow = Control((BOX,), (Term("RV", "mass", Target(times=3.0)),))
    with pytest.raises(InputError, match="whole domain"):
        grow.resolve({"RV": measurement(BOX, 170.0)})
    away = Control((BOX,), (Term("RV", "position", Target(plus=(50, 0, 0))),))
    with pytest.raises(InputError, match="point inside the domain"):
        away.resolve({"RV": measurement(BOX, 170.0)})
    less = Control((BOX,), (Term("RV", "mass", Target(plus=-200.0)),))
    with pytest.raises(InputError, match="above 0"):
        less.resolve({"RV": measurement(BOX, 170.0)})


@pytest.mark.parametrize("measured", [{}, {"RV": measurement(BOX, 0.0, centroid=None, size=None)}])
def test_relative_targets_need_something_to_be_relative_to(measured):
    for target, quantity in ((Target(times=1.2), "mass"), (Target(plus=(1, 0, 0)), "position")):
        with pytest.raises(InputError, match="holds none of its tissues"):
            Control((BOX,), (Term("RV", quantity, target),)).resolve(measured)


def test_targets_become_absolute():
    terms = (
        Term("RV", "mass", Target(times=1.2)),
        Term("RV", "position", Target(plus=(1.0, -2.0, 0.5)), tolerance=1.0, weight=2.0),
        Term("RV", "size", Target(plus=20.0)),
        Term("RV", "betti", Target(value=(1, None, 0))),
        Term("RV", "shape", Target(value=(0.5, 0.3, 0.2)), on=False),
    )
    asked = Control((BOX,), terms).resolve({"RV": measurement(BOX, 100.0)})
    assert [a.quantity for a in asked] == ["mass", "position", "size", "betti"]
    assert asked[0].value == pytest.approx(120.0) and (asked[0].before, asked[0].tolerance) == (100.0, 0.01)
    assert asked[1].value == pytest.approx((11.0, -22.0, 30.5)) and (asked[1].tolerance, asked[1].weight) == (1.0, 2.0)
    assert (asked[2].value, asked[3].value) == (320.0, (1, None, 0))
    absolute = Control((BOX,), (Term("RV", "mass", Target(value=120.0)),)).resolve({})
    assert absolute[0].before is None and absolute[0].value == 120.0


def test_contradictory_targets_are_refused_by_name_also_across_domains():
    measured = {"RV": measurement(BOX, 100.0)}
    with pytest.raises(InputError, match="RV volume 120 and RV volume 100"):
        Control((BOX,), (Term("RV", "mass", Target(times=1.2)), Term("RV", "mass", Target(value=100.0)))).resolve(
            measured)
    twin = ControlDomain("other", BOX.tissues, BOX.centre, BOX.axes, BOX.size, BOX.template)
    both = Control((BOX, twin), (Term("RV", "mass", Target(times=1.2)), Term("other", "mass", Target(times=0.8))))
    with pytest.raises(InputError, match="other volume 80"):
        both.resolve({**measured, "other": measurement(twin, 100.0)})
    betti = [Term("RV", "betti", Target(value=value)) for value in ((1, None, None), (2, None, 0))]
    with pytest.raises(InputError, match="contradict"):
        Control((BOX,), tuple(betti)).resolve({})


def test_targets_that_agree_or_speak_of_different_things_stand_side_by_side():
    twice = Control((BOX,), (Term("RV", "mass", Target(times=1.2)), Term("RV", "mass", Target(plus=20.0))))
    assert len(twice.resolve({"RV": measurement(BOX, 100.0)})) in (1, 2)
    betti = [Term("RV", "betti", Target(value=value)) for value in ((1, None, None), (None, 0, 0))]
    assert len(Control((BOX,), tuple(betti)).resolve({})) == 2
    turned = [Term("RV", "orientation", Target(value=rows)) for rows in (EYE, ((-1, 0, 0), (0, -1, 0), (0, 0, 1)))]
    assert len(Control((BOX,), tuple(turned)).resolve({})) == 2
    off = (Term("RV", "mass", Target(value=120.0)), Term("RV", "mass", Target(value=90.0), on=False))
    assert len(Control((BOX,), off).resolve({})) == 1


def test_controls_are_written_and_read_again_the_same(tmp_path):
    pose = random_pose(np.random.default_rng(3))
    terms = (
        Term("RV", "mass", Target(times=1.2), tolerance=0.02), Term("RV", "betti", Target(value=(1, None, 0))),
        Term("root", "mass", Target(value=450.0), weight=3.0), Term("wall", "mass", Target(plus=2.0), on=False),
        Term("RV", "orientation", Target(value=random_rotation(np.random.default_rng(4)))),
        Term("RV", "position", Target(plus=(1, 2, 3))),
    )
    for control in (Control((BOX, PLANE, LINE), terms, name="both"), Control((BOX,)),
                    Control((BOX, PLANE, LINE), terms).moved(pose, "canonical")):
        write_control(tmp_path / "control.json", control)
        assert read_control(tmp_path / "control.json", HEART) == control
        assert json.loads((tmp_path / "control.json").read_text(encoding="utf-8"))["schema"] == "siblings-control/1"
    plain = BOX.to_json()
    del plain["axes"]
    assert ControlDomain.from_json(plain) == BOX


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "siblings-control/2"}, "siblings-control/1"),
        ({"schema": None}, "siblings-control/1"),
        ({"domains": []}, "at least one"),
        ({"domains": "RV"}, "list of domains"),
        ({"domains": [1]}, "JSON object"),
        ({"domains": [BOX.to_json(), BOX.to_json()]}, "one name"),
        ({"domains": [{**BOX.to_json(), "colour": "red"}]}, "unknown colour"),
        ({"domains": [{"name": "RV"}]}, "without tissues"),
        ({"domains": [{**BOX.to_json(), "tissues": ["PV"]}]}, "no such tissue"),
        ({"frame": "lps"}, "world, canonical"),
        ({"name": 3}, "text"),
        ({"terms": [{"domain": "LV", "quantity": "mass", "value": 3}]}, "no such domain"),
        ({"terms": [{"domain": "RV", "quantity": "mass"}]}, "exactly one"),
        ({"terms": [{"domain": "RV", "quantity": "mass", "value": 3, "size": 1}]}, "unknown size"),
        ({"terms": [{"domain": "RV", "quantity": "mass", "value": 3, "on": "yes"}]}, "true or false"),
        ({"terms": [{"domain": "RV", "quantity": "mass", "value": 3, "tolerance": -1}]}, "from 0"),
        ({"terms": [{"domain": "RV", "quantity": "mass", "value": 3, "weight": "NaN"}]}, "from 0"),
        ({"extra": 1}, "unknown extra"),
    ],
)
def test_control_files_that_cannot_be_used_are_refused_with_their_name(tmp_path, change, words):
    values = {**Control((BOX,)).to_json(), **change}
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=words) as caught:
        read_control(path, HEART)
    assert "bad.json" in str(caught.value)


def test_files_that_are_no_control_are_refused(tmp_path):
    for name, content in (("a.json", "{"), ("b.json", "[1]"), ("c.json", '{"domains": NaN}'), ("d.json", "\x00")):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="read"):
            read_control(tmp_path / name)
    with pytest.raises(InputError, match="read"):
        read_control(tmp_path / "missing.json")


def test_merging_keeps_equal_domains_once_and_renames_others():
    moved = ControlDomain("RV", BOX.tissues, (0.0, 0.0, 0.0), BOX.axes, BOX.size, BOX.template)
    first = Control((BOX,), (Term("RV", "mass", Target(times=1.2)),), name="a")
    second = Control((moved, PLANE), (Term("RV", "mass", Target(times=1.0)), Term("root", "mass", Target(times=1.0))))
    both = first.merged(second)
    assert [d.name for d in both.domains] == ["RV", "RV 2", "root"]
    assert [t.domain for t in both.terms] == ["RV", "RV 2", "root"] and both.tissues == ("RV", "Ao")
    again = both.merged(first)
    assert (again.domains, again.terms) == (both.domains, both.terms)
    with pytest.raises(InputError, match="frames"):
        first.merged(second.moved(np.eye(4), "canonical"))


@given(st.integers(0, 10_000))
def test_targets_move_with_their_frame(seed):
    pose = random_pose(np.random.default_rng(seed))
    turn = pose[:3, :3]
    terms = (Term("RV", "position", Target(value=BOX.centre)), Term("RV", "position", Target(plus=(1.0, 2.0, 3.0))),
             Term("RV", "orientation", Target(value=EYE)), Term("RV", "mass", Target(times=1.2)),
             Term("RV", "covariance", Target(value=((0.5, 0, 0), (0, 0.3, 0), (0, 0, 0.2)))))
    control = Control((BOX,), terms).moved(pose, "canonical")
    found = [term.target for term in control.terms]
    assert control.frame == "canonical" and found[0].value == pytest.approx(control.domain("RV").centre)
    assert found[1].plus == pytest.approx(turn @ [1, 2, 3])
    assert np.array(found[2].value) == pytest.approx(turn.T) and found[3] == Target(times=1.2)
    assert np.array(found[4].value) == pytest.approx(turn @ np.diag([0.5, 0.3, 0.2]) @ turn.T)


def test_errors_are_in_the_tolerance_s_measure():
    assert error_of("mass", 200.0, 198.0) == pytest.approx(0.01)
    assert error_of("position", (0, 0, 0), (3, 4, 0)) == 5.0
    assert error_of("shape", (0.5, 0.3, 0.2), (0.45, 0.33, 0.22)) == pytest.approx(0.05)
    assert error_of("betti", (2, None, 0), (3, 9, 0)) == 1.0
    tilted = ((math.cos(0.1), math.sin(0.1), 0), (math.sin(0.1), -math.cos(0.1), 0), (0, 0, -1))
    assert error_of("orientation", EYE, tilted) == pytest.approx(math.degrees(0.1))
    assert error_of("orientation", EYE, ((-1, 0, 0), (0, -1, 0), (0, 0, 1))) == 0.0


def test_the_report_says_what_was_reached():
    terms = (Term("RV", "mass", Target(times=1.2)), Term("RV", "betti", Target(value=(1, None, 0))),
             Term("root", "mass", Target(value=450.0)), Term("RV", "position", Target(plus=(1, 0, 0))))
    asked = Control((BOX, PLANE), terms).resolve({"RV": measurement(BOX, 100.0)})
    found = achieved_of(asked, {"RV": measurement(BOX, 119.5)})
    assert [item.reached for item in found] == [True, True, False, False]
    assert found[0].error == pytest.approx(0.5 / 120) and found[2].achieved is None and found[2].error is None
    table = target_columns(found)
    assert table["RV volume asked [ml]"] == pytest.approx(120) and table["RV volume achieved [ml]"] == 119.5
    assert (table["RV betti asked"], table["RV betti achieved"]) == ("1 - 0", "1 0 0")
    assert table["RV position asked [mm]"] == "11 -20 30" and table["targets reached"] == "2 of 4"
    assert json.loads(json.dumps([item.to_json() for item in found]))[0]["before"] == 100.0


def test_default_tolerances():
    assert [default_tolerance(q) for q in ("mass", "size", "position", "shape", "orientation", "betti")] == [
        0.01, 0.01, 0.5, 0.02, 5.0, 0.0]


def test_terms_get_ids_that_stay_with_them(tmp_path):
    terms = (Term("RV", "mass", Target(times=1.2)), Term("RV", "mass", Target(plus=20.0)),
             Term("RV", "betti", Target(value=(1, None, 0)), id="pieces"))
    control = Control((BOX,), terms)
    assert [term.id for term in control.terms] == ["RV mass", "RV mass 2", "pieces"]
    write_control(tmp_path / "control.json", control)
    assert read_control(tmp_path / "control.json") == control
    assert [term.id for term in control.moved(np.eye(4), "canonical").terms] == [term.id for term in control.terms]
    asked = control.resolve({"RV": measurement(BOX, 100.0)})
    assert [target.id for target in asked] == ["RV mass", "pieces"]  # the second asks for the same
    assert [item.id for item in achieved_of(asked, {"RV": measurement(BOX, 119.5)})] == ["RV mass", "pieces"]
    assert control.term("pieces").quantity == "betti"
    with pytest.raises(InputError, match="no such term"):
        control.term("volume")


def test_controls_without_ids_are_read_as_before_and_two_terms_of_one_id_are_refused():
    control = Control((BOX,), (Term("RV", "mass", Target(times=1.2)), Term("RV", "mass", Target(plus=20.0))))
    old = control.to_json()
    old["terms"] = [{key: value for key, value in term.items() if key != "id"} for term in old["terms"]]
    assert Control.from_json(old) == control
    old["terms"] = [{**term, "id": "a"} for term in old["terms"]]
    with pytest.raises(InputError, match="same id"):
        Control.from_json(old)


def test_merged_controls_keep_the_first_ones_ids():
    first = Control((BOX,), (Term("RV", "mass", Target(times=1.2)),))
    second = Control((PLANE, BOX), (Term("root", "mass", Target(times=1.1), id="RV mass"),
                                    Term("RV", "mass", Target(times=1.2), id="same target")))
    assert [(term.domain, term.id) for term in first.merged(second).terms] == [("RV", "RV mass"), ("root", "root mass")]


def test_targets_of_earlier_records_have_no_id():
    asked = Control((BOX,), (Term("RV", "mass", Target(value=120.0)),)).resolve({})
    (item,) = achieved_of(asked, {"RV": measurement(BOX, 119.5)})
    assert Achieved.from_json(item.to_json()) == item
    old = {key: value for key, value in item.to_json().items() if key != "id"}
    assert Achieved.from_json(old) == replace(item, id="")


@given(st.integers(0, 10_000))
def test_targets_are_the_same_in_both_frames(seed):
    """Targets carried into another frame are exactly those that the control would have had there."""
    pose = random_pose(np.random.default_rng(seed))
    terms = (Term("RV", "mass", Target(times=1.2)), Term("RV", "position", Target(plus=(1.0, 2.0, 3.0))),
             Term("RV", "orientation", Target(value=EYE)), Term("RV", "size", Target(plus=20.0)),
             Term("RV", "betti", Target(value=(1, None, 0))), Term("RV", "mass", Target(value=1.0), on=False))
    control, here = Control((BOX,), terms), measurement(BOX, 100.0)
    there = control.moved(pose, "canonical")
    carried = in_frame(control.resolve({"RV": here}), {term.id: term for term in there.terms},
                       {"RV": here.moved(pose)})
    assert carried == there.resolve({"RV": here.moved(pose)})
