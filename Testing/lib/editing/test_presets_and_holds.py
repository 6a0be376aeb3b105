"""Presets and holds become one control on a heart; what cannot be had is refused, what is doubtful is said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.cohorts.training_statistics import TrainingStatistics
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.placement import Placement, mean_heart
from DiffusionSiblingsLib.control.presets import preset
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.defaults import LEAST_GUIDED_STEPS, MULTISTEP_STEPS
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.names import names_of
from DiffusionSiblingsLib.editing.guided_plan import make_guided
from DiffusionSiblingsLib.editing.planned import plan_requests
from DiffusionSiblingsLib.editing.presets_and_holds import PresetsAndHolds, control_of, own_values
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.geometry.frame import CanonicalFrame
from DiffusionSiblingsLib.labelmaps.geometry.reference import build_reference, starting_reference
from DiffusionSiblingsLib.labelmaps.twin import Twin, open_twin
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsLib.metrics.morphology import tissue_volumes

ANATOMY = load_anatomy("heart")
TURNED = np.array([[0.0, -1.0, 0.0], [0.6, 0.0, -0.8], [0.8, 0.0, 0.6]])
HEART = ellipsoid_heart((64, 72, 68), 2.4, direction=TURNED)
REFERENCE = build_reference([(HEART.labels, HEART.affine)], ANATOMY,
                            starting_reference(HEART.labels, HEART.affine, ANATOMY))
TWIN = open_twin(HEART, ANATOMY, REFERENCE)
ON_TWIN = Placement.of(TWIN, ANATOMY, REFERENCE)
PERTURB = Request("perturb", ratio=0.6)


def box(name: str, tissues: tuple[str, ...], centre: tuple[float, float, float], side: float) -> ControlDomain:
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return ControlDomain(name, tissues, centre, axes, (side, side, side), (24, 24, 24))


def masses(control: Control | None) -> dict[str, float | None]:
    assert control is not None
    return {term.domain: term.target.times for term in control.terms}


def test_domains_of_presets_lie_along_the_models_grid() -> None:
    control = control_of(None, ON_TWIN, PresetsAndHolds(("enlarge-rv",)))
    assert control is not None and control.frame == "world"
    back = np.linalg.inv(ON_TWIN.to_frame)
    assert all(domain.moved(back).is_aligned() for domain in control.domains)
    assert np.linalg.det(np.array(ON_TWIN.axes)) == pytest.approx(1.0)


def test_a_control_measures_alike_in_both_frames() -> None:
    control = preset("enlarge-rv", ON_TWIN)
    canonical = control.moved(np.linalg.inv(ON_TWIN.to_frame), "canonical")
    here, there = ON_TWIN.measured(control)["RV"], ON_TWIN.measured(canonical)["RV"]
    assert here.mass == pytest.approx(ON_TWIN.volumes["RV"], rel=0.01)
    assert there.mass == pytest.approx(here.mass, rel=1e-6)
    assert there.moved(ON_TWIN.to_frame).centroid == pytest.approx(here.centroid, abs=1e-6)


def test_all_holds_what_is_not_asked_to_change() -> None:
    assert masses(control_of(None, ON_TWIN, PresetsAndHolds(("enlarge-rv", "shrink-la"), 0.1, ("all",)))) == {
        "RV": 1.1, "LA": 0.9, "Ao": 1.0, "Myo": 1.0, "LV": 1.0, "RA": 1.0}
    assert set(masses(control_of(None, ON_TWIN, PresetsAndHolds(hold=("lv", "RA", "LV"))))) == {"LV", "RA"}


def test_a_plane_through_one_tissue_frees_it_and_one_through_two_frees_neither() -> None:
    shorthand = PresetsAndHolds(("mitral-valve-fixed", "aortic-trunk-fixed"), 0.1, ("all",))
    wider = masses(control_of(None, ON_TWIN, shorthand))
    assert {name for name, times in wider.items() if times == 1.0} == {"Myo", "LV", "RV", "LA", "RA"}


def test_all_holds_the_whole_of_a_tissue_of_which_only_a_part_is_asked_to_change() -> None:
    centre = tuple(ON_TWIN.measured(preset("enlarge-rv", ON_TWIN))["RV"].centroid or ())
    part = Control((box("tip", ("RV",), centre, 20.0),), (Term("tip", "mass", Target(times=1.2)),))  # type: ignore[arg-type]
    assert "RV" in masses(control_of(part, ON_TWIN, PresetsAndHolds(hold=("all",))))


def test_all_holds_only_what_an_inpainting_can_change() -> None:
    guided = make_guided(Request("inpaint", tissues=("RV",)), ON_TWIN, PresetsAndHolds(hold=("all",)))
    assert set(masses(guided.request.control)) == {"Myo", "RV"}


def test_two_boxes_that_ask_differently_of_one_tissue_contradict() -> None:
    centre = tuple(ON_TWIN.measured(preset("enlarge-rv", ON_TWIN))["RV"].centroid or ())
    big = Control((box("mine", ("RV",), centre, 130.0),), (Term("mine", "mass", Target(times=1.2)),))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the whole RV"):
        make_guided(Request("perturb", control=big), ON_TWIN, PresetsAndHolds(hold=("RV",)))
    assert make_guided(Request("perturb", control=big), ON_TWIN, PresetsAndHolds(hold=("LV",))).warnings == ()


def test_a_domain_out_of_view_is_refused_and_an_empty_one_is_said() -> None:
    large = Placement(np.pad(ON_TWIN.labels, 80), ON_TWIN.affine @ shift(-80), "world", ON_TWIN.to_frame, ANATOMY)
    far = ON_TWIN.to_frame @ (0.0, 0.0, 160.0, 1.0)
    control = Control((box("far", ("RV",), tuple(far[:3]), 20.0),), (Term("far", "mass", Target(value=2.0)),))
    with pytest.raises(InputError, match="outside the model's field of view"):
        make_guided(Request("perturb", control=control), large)
    near = ON_TWIN.to_frame @ (80.0, 80.0, 0.0, 1.0)
    control = Control((box("edge", ("RV",), tuple(near[:3]), 15.0),), (Term("edge", "mass", Target(value=1.0)),))
    (note,) = make_guided(Request("perturb", control=control), large).warnings
    assert "edge holds no RV" in note


def test_too_few_steps_for_guidance_are_said() -> None:
    (note,) = make_guided(Request("perturb", steps=10), ON_TWIN, PresetsAndHolds(hold=("LV",))).warnings
    assert "made with 10 steps are often broken" in note


def shift(voxels: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = voxels
    return matrix


def test_own_values_are_a_start_to_edit() -> None:
    control = control_of(None, ON_TWIN, PresetsAndHolds(("enlarge-rv", "atria-separate")))
    assert control is not None
    measured = ON_TWIN.measured(control)
    own = own_values(control, measured)
    assert own.terms[0].target.value == pytest.approx(measured["RV"].mass, rel=1e-5)
    assert own.terms[1] == control.terms[1]  # a topology stays as it is asked
    assert Control.from_json(own.to_json()) == own


def test_the_mean_heart_has_the_volumes_of_its_cohort() -> None:
    mean = Placement.of(None, ANATOMY, REFERENCE)
    assert mean.frame == "canonical" and mean.labels.shape == CanonicalFrame.of(ANATOMY).shape
    assert np.array_equal(mean.labels, mean_heart(REFERENCE, ANATOMY))
    cohort = tissue_volumes(TWIN.canonical.labels, mean.affine, ANATOMY)
    for tissue in ("LV", "RV", "LA", "RA", "Myo"):
        assert mean.volumes[tissue] == pytest.approx(cohort[tissue], rel=0.15)  # smoothing takes from small ones
    guided = make_guided(Request("generate"), mean, PresetsAndHolds(("enlarge-lv",)))
    assert guided.asked[0].value == pytest.approx(1.2 * mean.volumes["LV"], rel=0.02)
    with pytest.raises(InputError, match="name the twin"):
        mean.placed(Control((box("b", ("RV",), (0.0, 0.0, 0.0), 20.0),)))


def test_requests_are_planned_each_with_its_own_wishes() -> None:
    support = TrainingStatistics("heart", (tissue_key("RV"),), np.array([[20.0], [30.0]]))
    requests = [PERTURB, PERTURB, Request("generate")]
    targets = [PresetsAndHolds(), PresetsAndHolds(("enlarge-rv",)), PresetsAndHolds(("enlarge-rv",))]
    facts = SimpleNamespace(anatomy=ANATOMY, reference=REFERENCE, training=support)
    placed = SimpleNamespace(twin=TWIN)
    plain, guided, new = (planned.guided for planned in plan_requests(requests, targets, placed, facts))
    assert plain.request == replace(PERTURB, steps=MULTISTEP_STEPS) and plain.asked == ()
    assert guided.request.steps == new.request.steps == LEAST_GUIDED_STEPS
    assert guided.request.control is not None and guided.request.control.frame == "world"
    assert "beyond what the model was trained on" in guided.warnings[0]
    assert new.request.control is not None and new.request.control.frame == "canonical"
    assert guided.to_json()["asked"][0]["before"] == pytest.approx(guided.measured["RV"].mass)


def test_wishes_are_taken_out_of_a_requests_json() -> None:
    asked = {"edit": "perturb", "preset": "enlarge-rv, shrink-la", "hold": ["LV"]}
    settings, targets = PresetsAndHolds.taken_from(asked)
    assert settings == {"edit": "perturb"}
    assert targets == PresetsAndHolds(("enlarge-rv", "shrink-la"), 0.2, ("LV",))
    assert PresetsAndHolds.taken_from({"edit": "perturb"}) == ({"edit": "perturb"}, PresetsAndHolds())
    assert names_of(["LV,RV", " LA "]) == ("LV", "RV", "LA")
    with pytest.raises(InputError, match="Names"):
        names_of(3)


def test_twin_is_measured_on_its_own_grid() -> None:
    assert isinstance(TWIN, Twin) and ON_TWIN.frame == "world"
    assert ON_TWIN.volumes == tissue_volumes(HEART.labels, HEART.affine, ANATOMY)
