"""`siblings augment` from the order to its folder: the stop rule, what is kept, and what is said."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_conditions import SWAPPED, heart, make_fake, renumbered_run
from hearts import ANATOMY, ellipsoid_heart

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.cohorts.members import Member
from DiffusionSiblingsLib.cohorts.training_statistics import TrainingStatistics
from DiffusionSiblingsLib.cohorts.wanted import parse_wanted
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.editing.metrics_layout import metrics_columns
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsLib.metrics.measures.measure import measure
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsLib.studies import augment_command as augment_command
from DiffusionSiblingsLib.studies.augment_command import AugmentationOrder, augment_cohort
from DiffusionSiblingsLib.studies.augmentation import Augmenter, Candidate
from DiffusionSiblingsLib.studies.augmentation_folder import ACCEPTED, REPORT, TABLE, name_of
from DiffusionSiblingsLib.studies.conditions import matching
from DiffusionSiblingsLib.studies.sibling_maker import SiblingMaker
from DiffusionSiblingsLib.studies.twins import TwinSource

RV = tissue_key("RV")


@pytest.fixture
def fake_batches(monkeypatch: pytest.MonkeyPatch, models: Path) -> list[Path]:
    """The folders that a batch was asked to make; no model is at work."""
    sha256, folders = find_model("small").sha256, []

    def make(requests: list[Request], twin: LabelMap | None, out: Path) -> None:
        folders.append(out)
        make_fake(requests, twin, out, sha256=sha256)

    monkeypatch.setattr(augment_command, "SiblingMaker", lambda *settings: make)
    return folders


def test_the_tool_stops_by_its_rule_keeps_what_it_accepts_and_goes_on(fake_batches: list[Path], tmp_path: Path) -> None:
    seeds, out = tmp_path / "seeds", tmp_path / "out"
    for index, scale in enumerate((0.97, 1.03)):
        heart(seeds / f"heart{index}.nii.gz", scale)
    said: list[str] = []
    order = AugmentationOrder("RV>=0", out, "perturb", seeds, count=3, most=8, steps=2, jobs=1, model="small")
    found = augment_cohort(order, said.append)
    assert len(found.accepted) == 3 == len(list((out / ACCEPTED).iterdir()))
    assert found.yielded[0] == 1.0 and len(found.candidates) == 5  # 3 / 0.7 expected, made in one go
    assert found.core_seconds == pytest.approx(1.5 * 2)
    assert [candidate.seed for candidate in found.accepted] == ["heart0", "heart1", "heart0"], "not one seed alone"
    assert {c.member.request["ratio"] for c in found.candidates if c.member.request} == {0.5, 0.35}
    with (out / TABLE).open() as file:
        rows = list(csv.DictReader(file))
    columns = list(metrics_columns(ANATOMY))
    assert list(rows[0])[:len(columns)] == columns and {row["seed heart"] for row in rows} == {"heart0", "heart1"}
    assert all(float(row["LV volume [ml]"]) > 0 and row["seed"].isdigit() for row in rows)
    assert [row["accepted"] for row in rows] == ["true"] * 5 and rows[0]["map"].startswith("heart_0000_heart0_k")
    report = json.loads((out / REPORT).read_text())
    assert (report["accepted"], report["made"], report["kept"]) == (5, 5, 3)
    made = len(fake_batches)
    again = augment_cohort(order, said.append)
    assert [c.member.path for c in again.candidates] == [c.member.path for c in found.candidates]
    assert len(fake_batches) == made, "a second call made something again"


def test_siblings_are_sorted_by_a_measure_that_is_found_anew_in_each(fake_batches: list[Path], tmp_path: Path) -> None:
    heart(tmp_path / "seeds" / "heart.nii.gz", 1.0)
    order = AugmentationOrder("wall thickness>p50 and RV>0", tmp_path / "out", "perturb", tmp_path / "seeds", count=2,
                              most=12, steps=2, jobs=1, model="small")
    found = augment_cohort(order, lambda said: None)
    wall = found.task.wanted.measures[0].key
    assert wall.title == "LV wall median thickness [mm]"
    made = read_labelmap(found.candidates[0].member.path, ANATOMY)
    assert found.candidates[0].values[wall] == measure(made.labels, made.affine, ANATOMY).values[wall]
    limit = found.task.wanted.clauses[0].value  # of the one seed heart
    assert {c.accepted for c in found.candidates} == {True, False}
    assert all(c.accepted == (c.values[wall] > limit) for c in found.candidates)


def test_siblings_without_a_measure_do_not_meet_a_target_that_names_it_and_are_told(fake_batches: list[Path],
                                                                                  tmp_path: Path) -> None:
    heart(tmp_path / "seeds" / "heart.nii.gz", 1.0)  # of ellipsoids whose chambers do not touch
    order = AugmentationOrder("aortic annulus diameter<40", tmp_path / "out", "perturb", tmp_path / "seeds", count=1,
                              most=2, steps=2, jobs=1, model="small")
    found = augment_cohort(order, lambda said: None)
    assert not found.met and "2 of 2 siblings lack a measure" in found.notes[-1]
    assert found.candidates[0].missed == ("aortic annulus area diameter not found, wanted < 40 mm",)


def test_guided_siblings_are_asked_for_values_of_a_measure_beyond_the_threshold(fake_batches: list[Path],
                                                                              tmp_path: Path) -> None:
    heart(tmp_path / "seeds" / "heart.nii.gz", 1.0)
    order = AugmentationOrder("wall thickness>9 and RV/LV<0.9", tmp_path / "out", "guided", tmp_path / "seeds", count=2,
                              most=2, steps=2, jobs=1, model="small")
    found = augment_cohort(order, lambda said: None)
    controls = [Request.from_json(c.member.request).control for c in found.candidates if c.member.request]
    assert len(controls) == 2
    for control in controls:
        assert control is not None
        (term,) = control.measures
        volumes = {one.domain: one.target.value for one in control.terms if one.quantity == "mass"}
        assert term.key == found.task.wanted.measures[0].key and 9 < float(term.target.value) < 14
        assert volumes["RV"] is not None and set(volumes) == {"RV", "LV"}
    assert "led to" not in " ".join(found.notes), "all of the target was asked for"


def test_a_heart_without_the_measure_is_left_out_where_it_is_to_be_led_to(fake_batches: list[Path],
                                                                         tmp_path: Path) -> None:
    heart(tmp_path / "seeds" / "heart.nii.gz", 1.0)
    order = AugmentationOrder("aortic annulus diameter>26", tmp_path / "out", "guided", tmp_path / "seeds",
                              model="small", jobs=1)
    with pytest.raises(InputError, match="lacks what is to be changed: aortic annulus area diameter"):
        augment_cohort(order, lambda said: None)
    assert not fake_batches


def test_guidance_that_cannot_lead_to_a_measure_is_refused_before_anything_is_made(fake_batches: list[Path],
                                                                                   tmp_path: Path) -> None:
    heart(tmp_path / "seeds" / "heart.nii.gz", 1.0)
    order = AugmentationOrder("aortic annulus eccentricity>0.2", tmp_path / "out", "guided", tmp_path / "seeds",
                              model="small", jobs=1)
    with pytest.raises(InputError, match="--strategy perturb"):
        augment_cohort(order, lambda said: None)
    assert not fake_batches


def test_a_seed_that_the_target_cannot_be_asked_of_is_left_out_and_the_rest_goes_on(
        fake_batches: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, scale in enumerate((0.97, 1.0, 1.03)):
        heart(tmp_path / "seeds" / f"heart{index}.nii.gz", scale)
    bad, real = {0}, Augmenter.requests

    def requests(self: Augmenter, index: int, first: int, count: int) -> list[Request]:
        if index in bad:
            raise InputError("The control domain lies elsewhere")
        return real(self, index, first, count)

    monkeypatch.setattr(Augmenter, "requests", requests)
    order = AugmentationOrder("RV>1", tmp_path / "out", "perturb", tmp_path / "seeds", 4, 8, steps=2, jobs=1,
                              model="small")
    found = augment_cohort(order, lambda words: None)
    assert len(found.accepted) == 4 and {candidate.seed for candidate in found.candidates} == {"heart1", "heart2"}
    assert any("heart0 is left out" in note for note in json.loads((order.out / REPORT).read_text())["notes"])
    bad.update({1, 2})
    with pytest.raises(InputError, match="cannot be set for any seed heart"):
        augment_cohort(replace(order, out=tmp_path / "other"), lambda words: None)


def test_what_never_meets_the_target_ends_at_the_most(fake_batches: list[Path], tmp_path: Path) -> None:
    order = AugmentationOrder("RV>100000", tmp_path, "generate", count=2, most=3, steps=2, jobs=1, model="small")
    found = augment_cohort(order, lambda words: None)
    assert (len(found.candidates), len(found.accepted)) == (3, 0)
    assert "only 0 of 2" in found.notes[0] and found.candidates[0].missed[0].startswith("RV volume")


def test_a_run_as_seeds_is_edited_as_it_is_measured(models: Path, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    twins: list[LabelMap] = []

    def make(requests: list[Request], twin: LabelMap, out: Path) -> None:
        twins.append(twin)
        make_fake(requests, twin, out, sha256=find_model("small").sha256)

    monkeypatch.setattr(augment_command, "SiblingMaker", lambda *settings: make)
    seeds = renumbered_run(tmp_path)
    order = AugmentationOrder("RV>1", tmp_path / "out", "perturb", seeds, count=2, most=2, steps=2, jobs=1,
                              model="small")
    found = augment_cohort(order, lambda words: None)
    assert len(twins) == 2
    assert f"2 hearts in {ACCEPTED} use the label numbers of their twins" in found.notes[-1]
    assert "LV=4" in found.notes[-1]
    assert all({tissue: values[0] for tissue, values in twin.tissues.items()} == SWAPPED for twin in twins)


def test_a_batch_takes_a_twin_as_it_was_read_and_its_warnings_are_said(models: Path, tmp_path: Path) -> None:
    said: list[str] = []
    small = ellipsoid_heart()
    nameless = replace(small, segments=tuple(Segment(segment.value) for segment in small.segments))
    path = write_labelmap(nameless, tmp_path / "heart.nii.gz")
    twin = TwinSource(Member("heart", path), ANATOMY)
    request = Request("perturb", ratio=0.5, steps=2)
    SiblingMaker("small", "cpu", 1, said.append)([request], twin.read(), tmp_path / "run")
    assert matching(tmp_path / "run", request, twin, find_model("small").sha256)
    assert "names no tissues" in said[0] and said[0].startswith("note: run: ")


def order_of(folder: Path, **given: Any) -> AugmentationOrder:
    """An order of two hearts, of seeds in a folder that is made where it is not there."""
    if not (seeds := folder / "seeds").is_dir():
        for index, scale in enumerate((0.97, 1.03)):
            heart(seeds / f"heart{index}.nii.gz", scale)
    values = {"count": 2, "most": 6, "steps": 2, "jobs": 1, "model": "small", "strategy": "perturb", "seeds": seeds}
    return AugmentationOrder("RV>1", folder / "out", **{**values, **given})


@pytest.mark.parametrize(("change", "words"), [
    ({"target": "RV>2"}, "other settings: target RV volume > 1 ml"), ({"strategy": "local"}, "strategy perturb"),
    ({"seed": 1}, "other settings: seed 0"), ({"steps": 3}, "steps 2"), ({"hold": ("LV",)}, "held"),
    ({"labels": SWAPPED}, "seeds with other voxels or labels"), ({"count": 1}, "more hearts"),
    ({"most": 2}, "more hearts"),
])
def test_another_order_does_not_go_into_the_folder_of_this_one(fake_batches: list[Path], tmp_path: Path,
                                                               change: dict[str, Any], words: str) -> None:
    augment_cohort(order_of(tmp_path), lambda said: None)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=words):
        augment_cohort(replace(order_of(tmp_path), **change), lambda said: None)
    after = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before


def test_another_heart_under_the_same_name_is_another_order(fake_batches: list[Path], tmp_path: Path) -> None:
    augment_cohort(order_of(tmp_path), lambda said: None)
    heart(tmp_path / "seeds" / "heart1.nii.gz", 1.05)
    with pytest.raises(InputError, match="seeds with other voxels or labels"):
        augment_cohort(order_of(tmp_path), lambda said: None)


def test_more_hearts_can_be_wanted_later_and_what_is_accepted_is_what_was_made(fake_batches: list[Path],
                                                                               tmp_path: Path) -> None:
    order = order_of(tmp_path)
    augment_cohort(order, lambda said: None)
    accepted = order.out / ACCEPTED
    next(accepted.iterdir()).write_bytes(b"another heart")
    (accepted / "heart_0009_k3.masks").mkdir()
    (accepted / "heart_0009_k3.masks" / "LV.nii.gz").write_bytes(b"a mask")
    mine = [accepted / name for name in ("heart_of_mine.nii.gz", "heart_0001_k1.txt", "notes.txt")]
    for path in mine:
        path.write_bytes(b"mine")
    found = augment_cohort(replace(order, count=4), lambda said: None)
    assert all(path.read_bytes() == b"mine" for path in mine)
    copies = sorted(set(accepted.iterdir()) - set(mine))
    assert [path.read_bytes() for path in copies] == [c.member.path.read_bytes() for c in found.accepted]
    assert len(copies) == 4 and found.short == 0


def test_seed_hearts_among_the_hearts_that_are_replaced_are_refused(fake_batches: list[Path], tmp_path: Path) -> None:
    order = order_of(tmp_path)
    augment_cohort(order, lambda said: None)
    before = sorted((order.out / ACCEPTED).iterdir())
    with pytest.raises(InputError, match="seed hearts lie among"):
        augment_cohort(replace(order, seeds=order.out / ACCEPTED), lambda said: None)
    assert sorted((order.out / ACCEPTED).iterdir()) == before


@pytest.mark.parametrize(("seed", "file", "name"), [
    ("case", "sibling_0000.seg.nrrd", "heart_0003_case_k2.seg.nrrd"),
    ("", "sibling_0000.nii.gz", "heart_0003_k2.nii.gz"),
    ("dup/case (2)", "sibling_0000.masks", "heart_0003_dup-case-2_k2.masks"),
])
def test_an_accepted_heart_is_named_after_its_seed_in_its_own_format(seed: str, file: str, name: str) -> None:
    assert name_of(3, Candidate(Member("sibling", Path(file), {"k": 2}), seed, {}, (), 0.0)) == name


def test_hearts_of_runs_in_other_formats_are_accepted_in_them(fake_batches: list[Path], tmp_path: Path) -> None:
    ratios, formats = (0.5, 0.35), ("folder", "seg.nrrd")
    for name, scale, ratio, format in zip(("case.nii.gz", "case.nrrd"), (1.03, 1.0), ratios, formats, strict=True):
        twin = TwinSource(Member(name, heart(tmp_path / "seeds" / name, scale)), ANATOMY)
        make_fake([Request("perturb", ratio=ratio, steps=2)], twin.read(), tmp_path / "arms" / format,
                  sha256=find_model("small").sha256, format=format)
    order = order_of(tmp_path, most=2, existing_runs=(tmp_path / "arms",))
    for _ in range(2):  # the second time copies over what is there
        augment_cohort(order, lambda words: None)
    names = sorted(path.name for path in (order.out / ACCEPTED).iterdir())
    assert names == ["heart_0000_seeds-case_k0.masks", "heart_0001_seeds-case-2_k0.seg.nrrd"] and not fake_batches
    assert [read_labelmap(order.out / ACCEPTED / name, ANATOMY).format for name in names] == list(formats)


@pytest.mark.parametrize(("target", "words"), [
    ("RV>0", ""), ("RV>=0", ""), ("RV>1", ""), ("RV<300 and LV>0", ""), ("100<RV<5000", ""), ("RV>150 and LV>150", ""),
    ("RV>400", "RV 400 ml is beyond"), ("RV<40", "RV 40 ml is beyond"), ("400<RV<5000", "RV 400 ml is beyond"),
    ("RV>190 and LV<110", "none of the 11 training hearts"), ("LV major axis>500", "none of the 11 training hearts"),
])
def test_only_a_target_that_no_training_heart_meets_is_warned_of(target: str, words: str) -> None:
    values = np.linspace(100, 200, 11)
    columns = (RV, tissue_key("LV"), tissue_key("LV", "major axis"))
    support = TrainingStatistics("heart", columns, np.stack([values, values, values / 2], axis=1))
    warnings = augment_command._warnings(parse_wanted(target, ANATOMY), support)
    assert len(warnings) == bool(words) and all(warning.startswith(words) for warning in warnings)


def test_seeds_that_cannot_be_measured_are_said(fake_batches: list[Path], tmp_path: Path) -> None:
    order = order_of(tmp_path)
    (tmp_path / "seeds" / "broken.nii.gz").write_bytes(b"no heart")
    said: list[str] = []
    found = augment_cohort(order, said.append)
    assert any("broken is not a seed heart" in words for words in said)
    assert any("broken is not a seed heart" in note for note in found.notes)
    assert any("broken is not a seed heart" in note for note in json.loads((order.out / REPORT).read_text())["notes"])


@pytest.mark.parametrize("most", [0, 1, -3])
def test_a_most_below_the_count_is_refused(fake_batches: list[Path], tmp_path: Path, most: int) -> None:
    with pytest.raises(InputError, match="stop rule"):
        augment_cohort(order_of(tmp_path, strategy="generate", most=most), lambda said: None)


def test_fewer_hearts_than_wanted_are_an_exit_code_of_their_own(fake_batches: list[Path], tmp_path: Path,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    order = ["augment", "--strategy", "generate", "--count", "2", "--most", "3", "--model", "small", "--jobs", "1"]
    assert main([*order, "--target", "RV>1", "--out", str(tmp_path / "enough")]) == 0
    assert main([*order, "--target", "RV>100000", "--out", str(tmp_path / "none")]) == 3
    assert "0 hearts with RV volume" in capsys.readouterr().out
    assert main([*order, "--target", "RV>100000", "--out", str(tmp_path / "none"), "--json"]) == 3
