"""Guided edits: targets as they are typed, the guide's rows, tasks, and runs with the real worker and weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_cases
import slicer
from DiffusionSiblingsUI import logic as logic_module
from DiffusionSiblingsUI.guide import domain_makers, domains, targets
from DiffusionSiblingsUI.guide import request as guide_request
from DiffusionSiblingsUI.guide import rows as guide_rows
from DiffusionSiblingsUI.guide import training_range as guide_support
from DiffusionSiblingsUI.guide.live import LiveMeasures
from DiffusionSiblingsUI.logic import SiblingsLogic
from DiffusionSiblingsUI.runs import arguments, edit_request
from DiffusionSiblingsUI.scene import bridge, records, tables, terminology
from DiffusionSiblingsUI.scene.runs import find_runs
from panel_parameters import parameters

from DiffusionSiblingsLib.apps.cli import edits
from DiffusionSiblingsLib.control.control import Control, read_control, write_control
from DiffusionSiblingsLib.control.measure_terms import MeasureTerm
from DiffusionSiblingsLib.control.terms import QUANTITIES, Target, Term
from DiffusionSiblingsLib.core import defaults
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.guide_rules import guided_request
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds
from DiffusionSiblingsLib.editing.wants import parse_want
from DiffusionSiblingsLib.models import registry

ROOT = Path(__file__).resolve().parents[3]
ANATOMY = load_anatomy()
QUICK = {"steps": 12}


def placed_twin(node: Any) -> Any:
    return domain_makers.placed_twin(node, terminology.match_tissues(node, ANATOMY), ANATOMY)


def live_of(node: Any) -> LiveMeasures:
    made = LiveMeasures(ANATOMY, lambda _: None, timers=False)
    made.watch(node, terminology.match_tissues(node, ANATOMY), domains.find_domains())
    made.settle()
    return made


def volume(node: Any, tissue: str) -> float:
    """ml, counted in voxels."""
    found = placed_twin(node)
    return float((found.labels == ANATOMY.label_of(tissue)).sum() * abs(np.linalg.det(found.affine[:3, :3])) / 1000)


# Targets as people write them


@pytest.mark.parametrize(("text", "quantity", "target"), [
    ("+20 %", "mass", Target(times=1.2)), ("-5%", "mass", Target(times=0.95)), ("x1.1", "size", Target(times=1.1)),
    ("120", "mass", Target(value=120.0)), ("84,5 ml", "mass", Target(value=84.5)),
    ("450 mm²", "mass", Target(value=450.0)), ("by -4; 0; 1", "position", Target(plus=(-4.0, 0.0, 1.0))),
    ("+2 mm", "mass", Target(plus=2.0)), ("-3", "mass", Target(plus=-3.0)), ("keep", "mass", Target(times=1.0)),
    ("keep", "position", Target(plus=(0.0, 0.0, 0.0))), ("+0; 0; 5", "position", Target(plus=(0.0, 0.0, 5.0))),
    ("-12.5; 3; 4", "position", Target(value=(-12.5, 3.0, 4.0))), ("1 2 3", "position", Target(value=(1.0, 2.0, 3.0))),
    ("2; 0; 0", "betti", Target(value=(2, 0, 0))), ("1 - -", "betti", Target(value=(1, None, None))),
    ("1,0,0", "betti", Target(value=(1, 0, 0))), ("0.6; 0.3; 0.1", "shape", Target(value=(0.6, 0.3, 0.1))),
])
def test_targets_are_read_as_they_are_typed_and_shown_so(text: str, quantity: str, target: Target) -> None:
    found = targets.parse_target(text, quantity)
    plain = found.value if found.value is not None else found.plus if found.plus is not None else found.times
    meant = target.value if target.value is not None else target.plus if target.plus is not None else target.times
    assert found.kind == target.kind and (plain == pytest.approx(meant) if quantity != "betti" else plain == meant)
    again = targets.parse_target(targets.target_text(found, quantity), quantity)
    assert Term("d", quantity, again) == Term("d", quantity, found)


@pytest.mark.parametrize(("text", "quantity"), [
    ("", "mass"), ("a lot", "mass"), ("1; 2", "mass"), ("+20 %", "position"), ("1; 2", "position"),
    ("1.5; 0; 0", "betti"), ("keep", "shape")])
def test_what_cannot_be_meant_is_refused_with_an_example(text: str, quantity: str) -> None:
    with pytest.raises(InputError):
        targets.parse_target(text, quantity)


def test_keeping_a_shape_asks_for_the_value_that_the_twin_has() -> None:
    assert targets.parse_target("keep", "shape", (0.5, 0.3, 0.2)) == Target(value=(0.5, 0.3, 0.2))


@pytest.mark.parametrize(("text", "quantity", "number"), [
    ("2 %", "mass", 0.02), ("1", "position", 1.0), ("", "mass", None), ("5°", "orientation", 5.0)])
def test_tolerances_are_read_as_they_are_shown(text: str, quantity: str, number: float | None) -> None:
    assert targets.parse_tolerance(text, quantity) == number
    term = Term("d", "mass", Target(times=1.0), tolerance=0.02)
    assert targets.parse_tolerance(targets.tolerance_text(term), "mass") == pytest.approx(0.02)
    with pytest.raises(InputError, match="tolerance"):
        targets.parse_tolerance("-1", quantity)


# The guide's rows


def test_rows_say_what_the_twin_has_and_what_is_asked(heart_node: Any) -> None:
    box = domain_makers.around(placed_twin(heart_node), ("RV",))
    made = live_of(heart_node)
    (row,) = guide_rows.rows_of([box], made.found)
    assert (row.domain, row.tissues, row.quantity, row.target, row.on) == ("RV", "RV", "Volume", "keep", True)
    assert row.shown_domain == "RV (fixed)" and "fixed" in dict(row.tips)["domain"]
    assert row.twin.endswith(" ml") and float(row.twin.split()[0]) == pytest.approx(volume(heart_node, "RV"), rel=0.05)
    guide_rows.retarget(row, "+20 %", made.measured(box))
    guide_rows.retolerate(row, "2 %")
    guide_rows.switch(row, False)
    (row,) = guide_rows.rows_of([box], made.found)
    assert (row.target, row.tolerance, row.on) == ("+20 %", "2 %", False)
    assert "Target: " in dict(row.tips)["target"]
    with pytest.raises(InputError):
        guide_rows.retarget(row, "much", made.measured(box))
    assert guide_rows.rows_of([box], made.found)[0].target == "+20 %"


def test_more_can_be_asked_of_a_domain_and_the_last_target_takes_it_away(heart_node: Any) -> None:
    box = domain_makers.around(placed_twin(heart_node), ("LV", "Myo"))
    made = live_of(heart_node)
    for quantity in QUANTITIES[1:]:
        guide_rows.ask(box, quantity, made.measured(box))
    with pytest.raises(InputError, match="already"):
        guide_rows.ask(box, "mass", made.measured(box))
    made.settle()
    rows = guide_rows.rows_of([box], made.found)
    assert [row.quantity for row in rows][1:] == [targets.WORDS[name] for name in QUANTITIES[1:]]
    assert all(row.tissues == "LV + Myo" and row.twin not in ("", "...", "?") for row in rows)
    for row in reversed(rows):
        guide_rows.remove(row)
    assert not domains.find_domains()


def entry_of(domain: str, value: float, id: str = "") -> dict[str, Any]:
    """A target of a record, with an id or as earlier versions wrote it."""
    found = {"domain": domain, "quantity": "mass", "unit": "ml", "before": 100.0, "asked": 120.0, "achieved": value,
             "error": 0.0, "tolerance": 0.01, "reached": True}
    return {"id": id, **found} if id else found


def test_achieved_values_come_back_by_the_ids_of_their_terms(heart_node: Any) -> None:
    boxes = [domain_makers.around(placed_twin(heart_node), ("RV",)) for _ in range(2)]
    ids = [term.id for term in domains.control_of(boxes).terms]
    achieved = [entry_of("RV", 111.0, ids[0]), entry_of("RV 2", 122.0, ids[1]), entry_of("LA", 133.0, "LA mass")]
    boxes[0].SetName("renamed")
    for nodes in (boxes, boxes[::-1]):  # neither names nor order matter
        rows = guide_rows.rows_of(nodes, {}, achieved)
        assert {row.node: row.achieved for row in rows} == {
            boxes[0]: "111.0 ml", boxes[1]: "122.0 ml", None: "133.0 ml"}


def test_records_without_ids_give_the_same_rows_by_name(heart_node: Any) -> None:
    boxes = [domain_makers.around(placed_twin(heart_node), ("RV",)) for _ in range(2)]
    control = domains.control_of(boxes)
    values = [111.0, 122.0]
    new = [entry_of(term.domain, value, term.id) for term, value in zip(control.terms, values, strict=True)]
    old = [entry_of(term.domain, value) for term, value in zip(control.terms, values, strict=True)]
    rows = guide_rows.rows_of(boxes, {}, [*new, entry_of("LA", 133.0, "LA mass")])
    assert rows == guide_rows.rows_of(boxes, {}, [*old, entry_of("LA", 133.0)])
    assert [row.achieved for row in rows] == ["111.0 ml", "122.0 ml", "133.0 ml"]


def test_presets_become_markups_with_targets(heart_node: Any) -> None:
    nodes = domain_makers.from_preset(placed_twin(heart_node), "enlarge-rv", 0.1)
    assert [node.GetClassName() for node in nodes] == ["vtkMRMLMarkupsROINode"]
    assert domains.read_settings(nodes[0]).terms[0].target.times == pytest.approx(1.1)
    offered = set(domain_makers.presets(ANATOMY))
    assert offered >= {"enlarge-rv", "mitral-valve", "mitral-valve-fixed", "aortic-trunk-fixed", "myo-wall-fixed"}


def test_presets_of_measures_become_what_would_be_typed() -> None:
    assert domain_makers.wants_of_preset("enlarge-rv", 0.2, ANATOMY) == ()
    typed = domain_makers.wants_of_preset("aortic-trunk", 0.1, ANATOMY)
    assert typed == ("Ao sinus diameter=+10%", "Ao ascending diameter=+10%")
    for name in domain_makers.presets(ANATOMY):
        for want in domain_makers.wants_of_preset(name, 0.2, ANATOMY):
            assert parse_want(want, ANATOMY).target.times == pytest.approx(1.2)


@pytest.mark.parametrize("target", [Target(times=1.2), Target(times=0.9), Target(plus=-3.0), Target(plus=0.0),
                                    Target(times=1.0), Target(value=450.5)])
@pytest.mark.parametrize("name", ["aortic annulus area", "LV length", "LV wall median thickness", "aorto-mitral angle"])
def test_a_measure_of_a_file_is_typed_as_it_is_read(name: str, target: Target) -> None:
    key = parse_want(f"{name}=same", ANATOMY).key
    words = targets.want_words(MeasureTerm(key, target))
    again = parse_want(words, ANATOMY)
    assert again.key == key and again.target.of(100.0) == pytest.approx(target.of(100.0))


def test_a_target_of_the_same_measure_takes_the_place_of_the_earlier_one() -> None:
    assert targets.with_wants(("LV length=+3mm", "RV volume=+20%"), ("lv length=same",)) == (
        "lv length=same, RV volume=+20%")


def test_planes_and_lines_of_presets_lie_on_the_sample(sample_node: Any) -> None:
    twin = placed_twin(sample_node)
    made = {name: domain_makers.from_preset(twin, name, 0.2)
            for name in ("mitral-valve-fixed", "aortic-trunk-fixed", "myo-wall-fixed")}
    assert [len(made[name]) for name in made] == [1, 5, 4]
    live = live_of(sample_node)
    for nodes in made.values():
        for node in nodes:
            found = live.measured(node)[0].measurement
            assert found is not None and found.mass > 1, node.GetName()


def test_a_drawn_point_radiates_across_the_long_axis(sample_node: Any) -> None:
    twin = placed_twin(sample_node)
    node = domain_makers.to_draw(twin, "point", ("Myo",))
    node.AddControlPointWorld(*sample_node.GetSegmentCenterRAS(sample_node.GetSegmentation().GetNthSegmentID(2)))
    axis = np.array(domains.read_settings(node).normal)
    assert np.linalg.norm(axis) == pytest.approx(1.0)
    for domain in domains.domains_of(node):
        assert abs(np.array(domain.axes[0]) @ axis) < 1e-6
    found = live_of(sample_node).measured(node)
    assert all(3 < each.measurement.mass < 40 for each in found)


def test_volumes_beyond_the_training_hearts_are_warned_of_while_they_are_asked_for(sample_node: Any) -> None:
    twin = placed_twin(sample_node)
    box = domain_makers.around(twin, ("RV",))
    live = live_of(sample_node)
    row = guide_rows.rows_of([box], live.found)[0]
    assert not guide_support.warnings([box], live.found, twin, (), "heart-compact")
    guide_rows.retarget(row, "2500", live.measured(box))
    (said,) = guide_support.warnings([box], live.found, twin, ("all",), "heart-compact")
    assert "RV 2500 ml" in said and "trained" in said
    guide_rows.switch(row, False)
    assert not guide_support.warnings([box], live.found, twin, (), "heart-compact")
    assert guide_support.support_of("no such model") is None


# What the panel and scripts ask for


def guided(node: Any, **values: Any) -> Any:
    return parameters(twin=node, guide=True, **values)


def test_the_panel_says_what_the_guide_lacks(heart_node: Any) -> None:
    assert "Set a target" in edit_request.missing(guided(heart_node))
    assert not edit_request.missing(guided(heart_node, hold="LV"))
    assert "no twin" in edit_request.missing(guided(None, edit="generate", hold="LV"))
    node = domain_makers.to_draw(None, "box", ("LV",))
    assert "Place LV box" in edit_request.missing(guided(heart_node))
    node.SetSize(20.0, 20.0, 20.0)
    node.SetCenter(0.0, 0.0, 0.0)
    assert not edit_request.missing(guided(heart_node))
    guide_rows.switch(guide_rows.rows_of([node], {})[0], False)
    assert "Set a target" in edit_request.missing(guided(heart_node))


def test_the_panel_asks_for_its_domains_and_held_volumes(heart_node: Any) -> None:
    domain_makers.around(placed_twin(heart_node), ("RV",))
    task = edit_request.task_of(guided(heart_node, hold="LV,LA"))
    assert task.requests[0].control == domains.control_of() and task.targets == {"hold": ["LV", "LA"]}
    said = edit_request.guide_words(guided(heart_node, hold="LV,LA").parameters)
    assert said == "Guided by 1 target; volumes of LV, LA held."
    assert edit_request.task_of(guided(heart_node, edit="generate")).requests[0].control.frame == "canonical"
    unguided = edit_request.task_of(parameters(twin=heart_node))
    assert unguided.requests[0].control is None and not unguided.targets
    assert not edit_request.guide_words(parameters().parameters)


def test_scripts_say_what_they_want_in_three_ways(heart_node: Any, tmp_path: Path) -> None:
    box = domain_makers.around(placed_twin(heart_node), ("RV",))
    control = domains.control_of()
    write_control(tmp_path / "control.json", control)
    for given in (None, control, tmp_path / "control.json", str(tmp_path / "control.json"), box, [box]):
        assert guide_request.control_from(given, markups=True) == control
    assert guide_request.control_from(None) is None
    guide_rows.switch(guide_rows.rows_of([box], {})[0], False)
    assert guide_request.control_from(None, markups=True) is None
    with pytest.raises(InputError, match="nothing to guide"):
        SiblingsLogic().guide(heart_node)
    with pytest.raises(InputError, match="needs a twin"):
        SiblingsLogic().guide(preset="enlarge-rv", hold="LV")


def guided_task(twin: Any, **values: Any) -> Any:
    arguments = {"control": None, "preset": (), "amount": 0.2, "hold": (), "ratio": None, "tissues": (), "roi": None,
                 "segment": None, "box": None, "labels": None, "model": "heart-compact", "device": "auto"}
    return guide_request.guided_task(twin, **{**arguments, **values})


@pytest.mark.parametrize("asked", [
    {"preset": "enlarge-rv"}, {"hold": "LV, LA", "ratio": 0.3}, {"preset": "enlarge-rv", "tissues": "RV,LV"},
    {"preset": ["enlarge-rv", "shrink-la"], "box": (0, 1, 0, 1, 0, 1), "ratio": 0.9},
])
def test_slicer_makes_the_requests_of_the_command_line(heart_node: Any, asked: dict[str, Any]) -> None:
    task = guided_task(heart_node, seed=3, **asked)
    shorthand = PresetsAndHolds(names_of(asked.get("preset")), hold=names_of(asked.get("hold")))
    region = {"tissues": names_of(asked.get("tissues")), "box": asked.get("box")}
    assert task.requests == (guided_request(None, shorthand, twin=True, ratio=asked.get("ratio"), region=region,
                                            seed=3),)
    assert task.targets == shorthand.to_json()


def test_the_rules_and_defaults_of_guided_edits_stand_once() -> None:
    assert guide_request.guided_request is edits.guided_request is guided_request
    assert guide_request.names_of is edits.names_of is edit_request.names_of is arguments.names_of is names_of
    assert logic_module.DEFAULT_MODEL is defaults.DEFAULT_MODEL is registry.DEFAULT_MODEL


def test_a_control_saved_by_the_panel_is_one_of_the_command_line(heart_node: Any, tmp_path: Path) -> None:
    domain_makers.from_preset(placed_twin(heart_node), "shrink-la", 0.2)
    before = domains.control_of(name="my control")
    write_control(tmp_path / "control.json", before)
    slicer.mrmlScene.Clear(False)
    control = read_control(tmp_path / "control.json", ANATOMY)
    domains.markups_of(control)
    after = domains.control_of(name="my control")
    assert json.loads((tmp_path / "control.json").read_text(encoding="utf-8"))["schema"] == "siblings-control/1"
    assert after.terms == before.terms and after.domains[0].template == before.domains[0].template
    assert np.allclose(after.domains[0].size, before.domains[0].size)


# Runs


def test_a_guided_sibling_has_the_volume_and_the_held_ones_stay(logic: SiblingsLogic, sample_node: Any) -> None:
    before = {tissue: volume(sample_node, tissue) for tissue in ANATOMY.ids}
    (node,) = logic.guide(sample_node, preset="enlarge-rv", amount=0.2, hold="all", **QUICK)
    after = {tissue: volume(node, tissue) for tissue in ANATOMY.ids}
    assert after["RV"] == pytest.approx(1.2 * before["RV"], rel=0.015)
    for tissue in set(ANATOMY.ids) - {"RV"}:
        assert after[tissue] == pytest.approx(before[tissue], rel=0.015), tissue
    run = find_runs()[-1]
    achieved = guide_rows.achieved_by(run, 0)
    assert len(achieved) == 6 and all(entry["reached"] for entry in achieved)
    names = tables.target_names(run.record)
    assert names[0] == "targets reached" and "RV volume achieved [ml]" in names
    heads = guide_rows.target_heads(run.record)
    assert "mass" not in " ".join(heads.values())
    assert "RV volume achieved [ml]" in guide_rows.achieved_titles(run.record)
    assert run.row_of(run.siblings[0])["targets reached"] == "6 of 6"
    assert dict(records.summary(run.record)[-1][1])["targets reached"] == "6 of 6"
    record = json.loads(json.dumps(run.record))
    said = guide_rows.run_notes(record)
    assert guide_rows.targets_words(record) == "All targets were reached." and len(said) == 1 and "12 steps" in said[0]
    gap = {"kind": "cavity", "what": "Myo", "voxels": 9, "reason": "0.7 ml", "inherited": False}
    record["runs"][0]["siblings"][0]["repair"]["left"].append(gap)
    assert guide_rows.run_notes(record) == [*said, "background is enclosed in Myo (0.7 ml)"]
    assert "enlarge-rv" in run.title and "hold all" in run.title
    assert [row["verdict"] for row in logic.replay(run)] == ["identical"]


def test_markups_guide_an_inpainting_and_their_rows_show_what_was_achieved(logic: SiblingsLogic, sample_node: Any,
                                                                           tmp_path: Path) -> None:
    box = domain_makers.around(placed_twin(sample_node), ("LA",))
    live = live_of(sample_node)
    guide_rows.retarget(guide_rows.rows_of([box], live.found)[0], "+10 %", live.measured(box))
    (node,) = logic.guide(sample_node, tissues="LA", **QUICK)
    changed = bridge.read_segmentation(node).labelmap.labels != bridge.read_segmentation(sample_node).labelmap.labels
    assert changed.any()
    (row,) = guide_rows.rows_of([box], live.found, guide_rows.achieved_by(find_runs()[-1], 0))
    assert row.reached and float(row.achieved.split()[0]) == pytest.approx(1.1 * float(row.twin.split()[0]), rel=0.015)
    run_cases.save(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    run_cases.read(tmp_path / "scene.mrb")
    (again,) = guide_rows.rows_of(domains.find_domains(), {}, guide_rows.achieved_by(find_runs()[-1], 0))
    assert (again.target, again.achieved, again.reached) == ("+10 %", row.achieved, True)


def test_a_new_heart_has_what_is_asked(logic: SiblingsLogic, scene: Any) -> None:
    (node,) = logic.guide(preset="enlarge-lv", amount=0.2, **QUICK)
    (entry,) = guide_rows.achieved_by(find_runs()[-1], 0)
    assert entry["reached"] and volume(node, "LV") == pytest.approx(entry["asked"], rel=0.02)


def test_a_domain_in_the_wrong_place_ends_in_a_message(logic: SiblingsLogic, sample_node: Any) -> None:
    box = domain_makers.around(placed_twin(sample_node), ("LV",))
    box.SetCenter(900.0, 0.0, 0.0)
    with pytest.raises(InputError, match="outside"):
        logic.guide(sample_node, control=box, **QUICK)
    assert not find_runs()


def test_contradicting_targets_are_named(logic: SiblingsLogic, sample_node: Any) -> None:
    box = domain_makers.around(placed_twin(sample_node), ("LV",))
    control = domains.control_of()
    with pytest.raises(InputError, match="contradict"):
        logic.guide(sample_node, control=Control(control.domains, (Term("LV", "mass", Target(value=90.0)),)), hold="LV",
                    **QUICK)
    assert box is not None
