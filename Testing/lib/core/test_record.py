"""Records, model cards and the registry: what is written is read again, what is damaged is said."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart, small_model

from DiffusionSiblingsLib.cohorts.measured_map import MeasuredMap
from DiffusionSiblingsLib.cohorts.training_distance import TrainingDistance
from DiffusionSiblingsLib.control.achieved import Achieved
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.control.presets import preset
from DiffusionSiblingsLib.core import record as record_module
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError, ModelError
from DiffusionSiblingsLib.core.labelmap import LabelMap, Segment
from DiffusionSiblingsLib.core.record import Record, hash_labelmap, read_record, software
from DiffusionSiblingsLib.editing.record_entries import run_entry, sibling_entry, sibling_row
from DiffusionSiblingsLib.editing.repair.repair import Repair
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.editing.result import RecordedSibling, Sibling
from DiffusionSiblingsLib.editing.target_rows import looked_at, target_columns, twin_columns
from DiffusionSiblingsLib.labelmaps.read import read_labelmap
from DiffusionSiblingsLib.labelmaps.write import write_labelmap
from DiffusionSiblingsLib.metrics.measurement import tissue_key
from DiffusionSiblingsLib.metrics.topology import check_both
from DiffusionSiblingsLib.models.card import read_card
from DiffusionSiblingsLib.models.card_page import page, update_card
from DiffusionSiblingsLib.models.registry import find_model, installed_models
from DiffusionSiblingsLib.runs.plan import Plan
from DiffusionSiblingsLib.runs.run_folder import canonical_of, read_sibling


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    compute = {"device": "cpu", "software": software()}
    record = Record({"id": "m"}, compute, "2026-01-01T00:00:00+00:00", runs=[{"a": 1, "request": {}, "siblings": []}])
    record.write(tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == record


def test_a_guided_request_is_in_the_record_whole(tmp_path: Path) -> None:
    heart, anatomy = ellipsoid_heart((32, 28, 32), 4.2), load_anatomy("heart")
    control = preset("enlarge-rv", Placement.of_map(heart.labels, heart.affine, anatomy))
    request = Request("perturb", ratio=0.6, control=control)
    record = Record({"id": "m"}, {}, "2026-01-01T00:00:00+00:00", runs=[run_entry(request, ("beyond",))])
    record.write(tmp_path / "record.json")
    (entry,) = read_record(tmp_path / "record.json").runs
    assert Request.from_json(entry["request"]) == request
    assert entry["warnings"] == ["beyond"]


def test_columns_tell_asked_achieved_and_what_the_twin_had() -> None:
    reached = Achieved("RV", "mass", "ml", 100.0, 120.0, 120.4, 0.003, 0.01, True)
    missed = Achieved("LV", "position", "mm", (0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.5, 0.0, 0.0), 1.5, 0.5, False)
    absent = Achieved("LA+RA", "betti", "", (1, 0, 0), (2, None, 0), None, None, 0.0, False)
    row = target_columns((reached, missed, absent), ("a step was skipped",))
    assert row["RV volume asked [ml]"] == 120.0 and row["RV volume achieved [ml]"] == 120.4
    assert (row["targets reached"], row["guidance notes"]) == ("1 of 3", "a step was skipped")
    assert twin_columns((reached, missed)) == {"RV volume asked [ml]": "", "RV volume achieved [ml]": 100.0,
                                               "LV position asked [mm]": "", "LV position achieved [mm]": "0 0 0"}
    assert looked_at((reached, missed, absent), ()) == (
        "LV position 0.5 0 0 mm, asked 2 0 0 mm (1.5 mm off)", "LA+RA betti not there, asked 2 - 0")
    assert target_columns(()) == {}
    for item in (reached, missed, absent):
        assert Achieved.from_json(json.loads(json.dumps(item.to_json()))) == item


def test_the_row_of_a_recorded_sibling_is_that_of_the_sibling() -> None:
    heart, anatomy = ellipsoid_heart((32, 28, 32), 4.2), load_anatomy("heart")
    measured = MeasuredMap.of(heart, heart.labels, anatomy)
    raw = check_both(np.zeros_like(heart.labels), anatomy)
    reached = Achieved("RV", "mass", "ml", 100.0, 120.0, 120.4, 0.003, 0.01, True)
    missed = Achieved("LV", "position", "mm", (0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.5, 0.0, 0.0), 1.5, 0.5, False)
    turned = Achieved("LV", "orientation", "", None, ((1.0, 0.0), (0.0, 1.0)), None, None, 5.0, False)
    sibling = Sibling(
        Request("inpaint", 3, 7, tissues=("LV", "RV")), 2, heart, heart.labels, heart.labels, 80.0, measured.features,
        measured.features, measured.volumes, measured.checks, raw, Repair(heart.labels, changed_voxels=11),
        {"inside": 5, "outside": 1}, {"LA": 2, "RA": 3}, 4, {"LV": 0.9, "RV": 0.8}, 1, {}, (reached, missed, turned),
        ("a step was skipped",),
        TrainingDistance({tissue_key("LV"): 12.0}, (tissue_key("LV"),), 0.4, 30.0, False, {}, 0.5))
    entry = json.loads(json.dumps(sibling_entry("a.nii.gz", sibling)))
    request = json.loads(json.dumps(run_entry(sibling.request)["request"]))
    row, again = sibling_row("a", sibling), sibling_row("a", RecordedSibling.from_json(request, entry))
    assert list(again) == list(row) and again == pytest.approx(row, abs=1e-6)
    assert (row["violations raw [%]"], row["voxels repaired"], row["targets reached"]) == (
        pytest.approx(1000 / 12), 11, "1 of 3")
    assert again["LV orientation asked"] == row["LV orientation asked"] != ""
    plain = dataclasses.replace(sibling, repair=None, changes=None, conflicts={}, dice_to_twin={}, guidance=(),
                                guidance_notes=(), training_distance=None)
    entry = json.loads(json.dumps(sibling_entry("a.nii.gz", plain)))
    recorded = RecordedSibling.from_json({**request, "of a later version": 1}, entry)
    assert sibling_row("a", recorded) == pytest.approx(sibling_row("a", plain), abs=1e-6)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 99}', "\x00\xff"])
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_record(path)


def test_the_hash_of_a_map_is_that_of_its_voxels_and_place(tmp_path: Path) -> None:
    heart, anatomy = ellipsoid_heart(), load_anatomy("heart")
    hashes = {hash_labelmap(heart), hash_labelmap(heart.with_labels(heart.labels.astype(np.int16)))}
    for suffix in ("nii.gz", "nrrd", "seg.nrrd", "mha"):
        hashes.add(hash_labelmap(read_labelmap(write_labelmap(heart, tmp_path / f"h.{suffix}", suffix), anatomy)))
    assert len(hashes) == 1
    moved = heart.affine.copy()
    moved[0, 3] += 0.01
    changed = heart.labels.copy()
    changed[0, 0, 0] = 1
    assert hash_labelmap(heart.with_labels(changed)) not in hashes
    assert hash_labelmap(dataclasses.replace(heart, affine=moved)) not in hashes


def test_a_map_hashed_in_short_steps_has_the_hash_of_all_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    heart = ellipsoid_heart()
    heart = heart.with_labels(np.asfortranarray(heart.labels))
    whole = hashlib.sha256(np.asarray(heart.labels.shape, dtype="<i8").tobytes())
    whole.update((np.round(heart.affine, 3) + 0.0).astype("<f8").tobytes())
    whole.update(np.ascontiguousarray(heart.labels, dtype="<i4").tobytes())
    for voxels in (1, 5000, 1 << 21):
        monkeypatch.setattr(record_module, "HASHED_AT_ONCE", voxels)
        assert hash_labelmap(heart) == whole.hexdigest()


def test_own_models_come_before_shipped_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_model(tmp_path / "small")
    monkeypatch.setenv("SIBLINGS_MODELS", str(tmp_path))
    assert installed_models()[0].id == "small"
    assert find_model("small") == find_model(str(tmp_path / "small"))
    with pytest.raises(ModelError, match="small"):
        find_model("large")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"id": "x"}'])
def test_a_damaged_card_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match="model card"):
        read_card(tmp_path)


def test_figures_go_into_both_forms_of_the_card(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "small")
    card = json.loads((folder / "model.json").read_text())
    stage = {"steps": 9, "seconds": 60.0, "loss": 0.5}
    card["training"] = {"cases": 3, "hardware": "CPU", "figures": {"denoiser": stage}}
    (folder / "model.json").write_text(json.dumps(card))
    update_card(folder, {"generate": {"count": 4, "RV": {"mean_ml": 150.25, "difference_percent": -1.5}}})
    update_card(folder, {"limits": {"ratio 0 equals reconstruct": True}})
    assert set(read_card(folder).card["measured"]) == {"generate", "limits"}
    shown = (folder / "README.md").read_text()
    assert shown == page(read_card(folder).card)
    assert "| RV | 150.2 | -1.5 |" in shown
    assert "ratio 0 equals reconstruct: yes" in shown
    assert "9 steps, 1 min" in shown


def test_a_sibling_without_a_tissue_is_read_again_for_the_overview_and_for_a_replay(tmp_path: Path) -> None:
    heart, anatomy = ellipsoid_heart(), load_anatomy("heart")
    values = np.array([0, *(7 - tissue.label for tissue in anatomy.tissues)], np.uint8)
    renumbered = LabelMap(values[heart.labels], heart.affine, tuple(Segment(int(values[t.label]), "", t.id)
                                                                    for t in anatomy.tissues))
    plan = Plan.of([Request("reconstruct")], renumbered)
    lost = renumbered.with_labels(np.where(heart.labels == anatomy.label_of("RA"), 0, renumbered.labels))
    path = write_labelmap(lost, tmp_path / "sibling_0000.nii.gz")
    stored = read_sibling(path, plan.template_of(0), anatomy)
    seen = canonical_of(stored, plan, 0)
    assert set(np.unique(seen)) == {0, *(t.label for t in anatomy.tissues if t.id != "RA")}
    assert np.array_equal(stored.labels, lost.labels) and stored.tissues["LV"] == (7 - anatomy.label_of("LV"),)
