"""Augmentation: intervals, targets beyond the threshold, controls that ask for them, and the turns of the seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fake_conditions import heart, seed_heart_of
from hearts import ANATOMY, ellipsoid_heart
from hypothesis import example, given, settings
from hypothesis import strategies as st

from DiffusionSiblingsLib.cohorts.members import Member
from DiffusionSiblingsLib.cohorts.wanted import parse_wanted
from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.geometry.reference import Reference
from DiffusionSiblingsLib.labelmaps.twin import open_twin
from DiffusionSiblingsLib.metrics.bootstrap import wilson
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsLib.studies.augmentation import AugmentationTask, Augmenter, Candidate, share_out
from DiffusionSiblingsLib.studies.conditions import Condition, Conditions
from DiffusionSiblingsLib.studies.seed_hearts import SeedHeart, choose_seed_hearts
from DiffusionSiblingsLib.studies.target_values import Tail, control_for
from DiffusionSiblingsLib.studies.twins import TwinSource

RV = tissue_key("RV")


def test_wilsons_interval_is_the_textbook_one() -> None:
    low, high = wilson(10, 20)
    assert (low, high) == pytest.approx((0.2993, 0.7007), abs=5e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0 and wilson(10, 10)[1] == 1.0


@given(st.integers(1, 500), st.data())
def test_wilsons_interval_holds_the_share(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    low, high = wilson(hits, of)
    assert 0 <= low <= hits / of + 1e-12 and hits / of - 1e-12 <= high <= 1


def tail(text: str, values: list[float]) -> Tail:
    return Tail.of(parse_wanted(text, ANATOMY), [{RV: np.array(values)}, {tissue_key("LV"): np.array([1.0])}])


def test_the_tail_is_what_meets_the_target() -> None:
    assert tail("RV>115", [100.0, 120.0, 130.0]).rows[:, 0].tolist() == [120.0, 130.0]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["RV>115", "RV<115", "110<RV<120", "114<RV<114.5"]),
       st.lists(st.floats(60, 200), max_size=6))
@example(7, "114<RV<114.5", [])  # a margin of 0.5 % does not fit in
def test_values_lie_beyond_the_threshold(seed: int, text: str, values: list[float]) -> None:
    found = tail(text, values)
    drawn = found.draw({RV: 150.0}, np.random.default_rng(seed))
    assert found.wanted.met_by(drawn), drawn
    assert drawn == found.draw({RV: 150.0}, np.random.default_rng(seed))


def test_a_seed_is_sent_near_to_its_own_value() -> None:
    found = tail("RV>115", [*np.linspace(116, 120, 20), *np.linspace(196, 200, 20)])
    drawn = [found.draw({RV: 198.0}, np.random.default_rng(k))[RV] for k in range(60)]
    assert np.median(drawn) > 170 and np.std(drawn) > 1


@pytest.fixture(scope="module")
def placement(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Placement:
    reference: Reference = find_model("small").reference()
    return Placement.of(open_twin(ellipsoid_heart(), ANATOMY, reference), ANATOMY, reference)


def test_a_control_asks_for_a_volume_and_for_axes(placement: Placement) -> None:
    wanted = parse_wanted("RV>115 and LV major axis>70", ANATOMY)
    control = control_for({RV: 140.0, tissue_key("LV", "major axis"): 74.0}, wanted, placement, None)
    asked = {(term.domain, term.quantity): term.target.value for term in control.terms}
    assert asked["RV", "mass"] == 140.0
    shares, size = asked["LV", "shape"], asked["LV", "size"]
    assert isinstance(size, float) and isinstance(shares, tuple)
    assert 2 * np.sqrt(5 * size * shares[0]) == pytest.approx(74.0)


@pytest.mark.parametrize(("text", "length"), [("LV major axis<12", 10.0), ("LV minor axis>60", 62.0)])
def test_an_axis_takes_along_those_that_it_would_pass(placement: Placement, text: str, length: float) -> None:
    wanted = parse_wanted(text, ANATOMY)
    control = control_for({wanted.measures[0].key: length}, wanted, placement, None)
    asked = {term.quantity: term.target.value for term in control.terms}
    shares, size = asked["shape"], asked["size"]
    assert isinstance(size, float) and isinstance(shares, tuple)
    axes = 2 * np.sqrt(5 * size * np.array(shares))
    assert axes[0 if "major" in text else 2] == pytest.approx(length) and (np.diff(axes) <= 1e-6).all()


@settings(max_examples=60)
@given(st.integers(0, 10_000),
       st.sampled_from(["LV major axis<62 and LV minor axis>58", "LV minor axis>40 and LV major axis>50"]))
@example(0, "LV major axis<62 and LV minor axis>58")
def test_a_minor_axis_is_never_drawn_longer_than_the_major_one(seed: int, text: str) -> None:
    drawn = Tail.of(parse_wanted(text, ANATOMY), []).draw(None, np.random.default_rng(seed))
    assert drawn[tissue_key("LV", "minor axis")] <= drawn[tissue_key("LV", "major axis")]
    assert parse_wanted(text, ANATOMY).met_by(drawn)


def test_a_domain_of_a_control_is_asked_for_and_its_other_terms_stay(placement: Placement) -> None:
    rows = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    box = ControlDomain("upper RV", ("RV",), (28.0, 0.0, 10.0), rows, (60.0, 60.0, 30.0), (20, 20, 10))
    other = Term("upper RV", "size", Target(times=1.0))
    control = Control((box,), (Term("upper RV", "mass", Target(times=1.0)), other), "canonical", "upper")
    wanted = parse_wanted("upper RV volume>10", ANATOMY, control)
    found = control_for({tissue_key("upper RV"): 12.0}, wanted, placement, control)
    assert [(term.quantity, term.target.value) for term in found.terms] == [("size", None), ("mass", 12.0)]
    assert found.frame == "world"


def test_seeds_are_those_that_meet_the_target_or_all(tmp_path: Path) -> None:
    everyone = [seed_heart_of(heart(tmp_path / f"{name}.nii.gz", scale), {RV: value})
                for name, scale, value in (("a", 0.97, 100.0), ("b", 1.0, 120.0), ("c", 1.03, 140.0))]
    for text, names, meet in (("RV>115", ["b", "c"], True), ("RV>300", ["a", "b", "c"], False)):
        found = choose_seed_hearts(everyone, parse_wanted(text, ANATOMY))
        assert ([heart.name for heart in found.seeds], found.meet, found.left_out) == (names, meet, ())
    two = choose_seed_hearts(everyone, parse_wanted("RV>1", ANATOMY), most=2).seeds
    assert [heart.name for heart in two] == ["a", "b"]


def test_a_heart_that_is_there_twice_is_one_seed_and_a_broken_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"no heart")
    twice = [seed_heart_of(heart(tmp_path / name, 1.0)) for name in ("a.nii.gz", "b.nrrd")]
    found = choose_seed_hearts([seed_heart_of(tmp_path / "broken.nii.gz"), *twice], parse_wanted("RV>1", ANATOMY))
    assert [heart.name for heart in found.seeds] == ["a"]
    assert "broken is not a seed heart" in found.left_out[0]
    assert "b is not a seed heart: it is the same heart as a" in found.left_out[1]
    with pytest.raises(InputError, match="No heart can be edited"):
        choose_seed_hearts([seed_heart_of(tmp_path / "broken.nii.gz")], parse_wanted("RV>1", ANATOMY))


def test_a_task_that_cannot_be_done_is_refused() -> None:
    wanted, seed = parse_wanted("RV>1", ANATOMY), (seed_heart_of(Path("a")),)
    with pytest.raises(InputError, match="no seed hearts"):
        AugmentationTask(wanted, "perturb")
    with pytest.raises(InputError, match="stop rule"):
        AugmentationTask(wanted, "perturb", seed, count=5, most=4)
    with pytest.raises(InputError, match="held"):
        AugmentationTask(wanted, "perturb", seed, hold=("LV",))


@settings(max_examples=60)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(0, 60), st.floats(0, 1), st.integers(0, 1000))
@example(10, 10, 10, 0.5, 0)
def test_no_sibling_is_made_twice_and_seeds_take_turns(models: Path, seeds: int, count: int, more: int, share: float,
                                                       luck: int) -> None:
    """Whatever meets the target by chance: rounds of the tool, with siblings that are only numbered."""
    rng = np.random.default_rng(luck)
    hearts = tuple(seed_heart_of(Path(f"{n}.nii.gz")) for n in range(seeds))
    task = AugmentationTask(parse_wanted("RV>1", ANATOMY), "perturb", hearts, count=count, most=count + more)
    asked: list[tuple[Path, int]] = []

    class Numbered(Conditions):
        def get(self, name: str, requests: Sequence[Request], twin: TwinSource | None = None) -> list[Condition]:
            assert twin is not None
            asked.extend((twin.member.path, k) for r in requests for k in range(r.first, r.first + r.count))
            members = tuple(Member("", twin.member.path, {"k": k}) for r in requests
                            for k in range(r.first, r.first + r.count))
            return [Condition(requests[0], Path(), members)]

    def judged(condition: Condition, seed: SeedHeart | None) -> list[Candidate]:
        name = seed.name if seed is not None else ""
        return [Candidate(member, name, {}, () if rng.random() < share else ("missed",), 1.0)
                for member in condition.members]

    work = Augmenter(task, Numbered(Path(), "", lambda *given: None, say=lambda words: None), ANATOMY,
                     find_model("small").reference())
    work._judged = judged  # type: ignore[method-assign]
    found = work.run()
    assert len(set(asked)) == len(asked) == len(found.candidates) <= task.most
    made = Counter(path for path, _ in asked)
    assert max(made.values()) - min(made[seed.twin.member.path] for seed in task.seeds) <= 1
    assert all(k < made[path] for path, k in asked), "a number was left out"
    assert len(found.candidates) == task.most or found.met >= task.count


def test_the_first_round_is_the_same_number_of_every_seed_and_the_rest_of_the_first_ones() -> None:
    assert share_out(10, dict.fromkeys(range(4), 0)) == {0: 3, 1: 3, 2: 2, 3: 2}
    assert share_out(3, {0: 3, 1: 3, 2: 2, 3: 2}) == {0: 1, 2: 1, 3: 1}
    assert share_out(3, {}) == {}


def test_guided_siblings_have_a_target_each_beyond_the_threshold(placement: Placement, tmp_path: Path) -> None:
    wanted = parse_wanted("RV>60", ANATOMY)
    seed = seed_heart_of(tmp_path / "heart.nii.gz", {RV: 70.0})
    reference = find_model("small").reference()
    conditions = Conditions(tmp_path, "", lambda *given: None)
    task = AugmentationTask(wanted, "guided", (seed, seed), count=2, most=4, hold=("LV",))
    work = Augmenter(task, conditions, ANATOMY, reference, placements={seed.name: placement})
    requests = work.requests(1, 3, 2)
    assert [(request.first, request.count, request.ratio) for request in requests] == [(3, 1, 0.35), (4, 1, 0.35)]
    values = [{t.domain: t.target for t in request.control.terms} for request in requests if request.control]
    assert values[0]["RV"].value != values[1]["RV"].value and min(float(v["RV"].value) for v in values) > 60
    assert values[0]["LV"].times == 1.0
    assert requests == work.requests(1, 3, 2), "a resumed run would ask for other targets"
