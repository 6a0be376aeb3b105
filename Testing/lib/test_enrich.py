"""`siblings augment` from the order to its folder: the stop rule, what is kept, and what is said."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_arms import heart, make_fake
from hearts import ANATOMY

from DiffusionSiblingsLib.cohorts import Member
from DiffusionSiblingsLib.errors import InputError
from DiffusionSiblingsLib.labelmap import LabelMap
from DiffusionSiblingsLib.registry import find_model
from DiffusionSiblingsLib.request import Request
from DiffusionSiblingsLib.studies import enrich as enriching
from DiffusionSiblingsLib.studies.arms import matching
from DiffusionSiblingsLib.studies.augment import Augmenter
from DiffusionSiblingsLib.studies.enrich import ACCEPTED, REPORT, TABLE, Order, enrich
from DiffusionSiblingsLib.studies.making import Maker
from DiffusionSiblingsLib.studies.twins import TwinSource


@pytest.fixture
def fake_batches(monkeypatch: pytest.MonkeyPatch, models: Path) -> list[Path]:
    """The folders that a batch was asked to make; no model is at work."""
    sha256, folders = find_model("small").sha256, []

    def make(requests: list[Request], twin: LabelMap | None, out: Path) -> None:
        folders.append(out)
        make_fake(requests, twin, out, sha256=sha256)

    monkeypatch.setattr(enriching, "Maker", lambda *settings: make)
    return folders


def test_the_tool_stops_by_its_rule_keeps_what_it_accepts_and_goes_on(fake_batches: list[Path], tmp_path: Path) -> None:
    seeds, out = tmp_path / "seeds", tmp_path / "out"
    for index, scale in enumerate((0.97, 1.03)):
        heart(seeds / f"heart{index}.nii.gz", scale)
    said: list[str] = []
    order = Order("RV>=0", out, "perturb", seeds, count=3, most=8, steps=2, jobs=1, model="small")
    found = enrich(order, said.append)
    assert len(found.accepted) == 3 == len(list((out / ACCEPTED).iterdir()))
    assert found.yielded[0] == 1.0 and len(found.candidates) == 5  # 3 / 0.7 expected, made in one go
    assert found.core_seconds == pytest.approx(1.5 * 2)
    assert [candidate.seed for candidate in found.accepted] == ["heart0", "heart1", "heart0"], "not one seed alone"
    assert {c.member.request["ratio"] for c in found.candidates if c.member.request} == {0.5, 0.35}
    with (out / TABLE).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["accepted"] for row in rows] == ["true"] * 5 and rows[0]["map"].startswith("heart_0000_heart0_k")
    report = json.loads((out / REPORT).read_text())
    assert (report["accepted"], report["made"], report["kept"]) == (5, 5, 3)
    made = len(fake_batches)
    again = enrich(order, said.append)
    assert [c.member.path for c in again.candidates] == [c.member.path for c in found.candidates]
    assert len(fake_batches) == made, "a second call made something again"


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
    order = Order("RV>1", tmp_path / "out", "perturb", tmp_path / "seeds", 4, 8, steps=2, jobs=1, model="small")
    found = enrich(order, lambda words: None)
    assert len(found.accepted) == 4 and {candidate.seed for candidate in found.candidates} == {"heart1", "heart2"}
    assert any("heart0 is left out" in note for note in json.loads((order.out / REPORT).read_text())["notes"])
    bad.update({1, 2})
    with pytest.raises(InputError, match="cannot be asked of any seed"):
        enrich(replace(order, out=tmp_path / "other"), lambda words: None)


def test_what_never_meets_the_target_ends_at_the_most(fake_batches: list[Path], tmp_path: Path) -> None:
    order = Order("RV>100000", tmp_path, "generate", count=2, most=3, steps=2, jobs=1, model="small")
    found = enrich(order, lambda words: None)
    assert (len(found.candidates), len(found.accepted)) == (3, 0)
    assert "only 0 of 2" in found.notes[0] and found.candidates[0].missed[0].startswith("RV volume")


def renumbered_run(folder: Path, value_of: dict[str, int]) -> Path:
    """A run of two siblings of a heart that is numbered in its own way, as its record alone tells."""
    twin = TwinSource(Member("heart", heart(folder / "twin.nii.gz", 1.0, value_of)), ANATOMY, value_of).read()
    make_fake([Request("perturb", ratio=0.2, count=2)], twin, folder / "run", sha256="other")
    for number, path in enumerate(sorted((folder / "run").glob("sibling_*"))):
        heart(path, 0.97 + 0.06 * number, value_of)
    return folder / "run"


def test_a_run_as_seeds_is_edited_as_it_is_measured(models: Path, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    twins: list[LabelMap] = []

    def make(requests: list[Request], twin: LabelMap, out: Path) -> None:
        twins.append(twin)
        make_fake(requests, twin, out, sha256=find_model("small").sha256)

    monkeypatch.setattr(enriching, "Maker", lambda *settings: make)
    swapped = {"Ao": 1, "Myo": 2, "LV": 4, "RV": 3, "LA": 6, "RA": 5}
    seeds = renumbered_run(tmp_path, swapped)
    order = Order("RV>1", tmp_path / "out", "perturb", seeds, count=2, most=2, steps=2, jobs=1, model="small")
    enrich(order, lambda words: None)
    assert len(twins) == 2
    assert all({tissue: values[0] for tissue, values in twin.tissues.items()} == swapped for twin in twins)


def test_a_batch_takes_a_twin_as_it_was_read_and_its_warnings_are_said(models: Path, tmp_path: Path) -> None:
    said: list[str] = []
    twin = TwinSource(Member("heart", heart(tmp_path / "heart.nii.gz", 1.0)), ANATOMY)
    Maker("small", "cpu", 1, said.append)([Request("perturb", ratio=0.5, steps=2)], twin.read(), tmp_path / "run")
    assert matching(tmp_path / "run", Request("perturb", ratio=0.5, steps=2), twin, find_model("small").sha256)
    assert "names no tissues" in said[0] and said[0].startswith("note: run: ")
