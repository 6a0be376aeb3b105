"""Paired designs: cells, bases, requests, and differences that are those of siblings with the same noise."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hearts import ellipsoid_heart

from DiffusionSiblingsLib.apps.cli import designing
from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.record import Record
from DiffusionSiblingsLib.editing.design import WHOLE, Cell, Design, design_rows, effects, levels, parse_region
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.metrics.measurement import MeasurementKey, measurement_keys, tissue_key
from DiffusionSiblingsLib.metrics.measures.measure import Measured
from DiffusionSiblingsLib.runs.messages import RunSummary

HEART = load_anatomy("heart")
LV = tissue_key("LV")


@pytest.fixture(scope="module")
def ground() -> Placement:
    heart = ellipsoid_heart()
    return Placement(heart.labels, heart.affine, "world", np.eye(4), HEART)


def entry(k: int, lv: float) -> dict[str, object]:
    """A sibling's entry in a record, of which only the left ventricle matters."""
    return {"file": f"sibling_{k:04d}.nii.gz", "k": k, "features": {LV.title: lv}, "volumes_ml": {"LV": lv, "Ao": 40.0},
            "checks": {"half": {"violation_percent": 0.0}}}


def record_of(design: Design, volumes: dict[Cell, list[float]]) -> Record:
    runs = [{"request": {}, "siblings": [entry(k, lv) for k, lv in enumerate(volumes.get(cell, []))]}
            for cell in design.cells]
    return Record({}, {}, "", twin={"features": {LV.title: 100.0}, "volumes_ml": {"LV": 100.0, "Ao": 40.0}}, runs=runs)


def test_every_combination_is_a_cell_and_zero_is_added() -> None:
    design = Design((("LV",), ()), (0.35, 0.5), (0.2,))
    assert design.magnitudes == (0.0, 0.2) and len(design.cells) == 8
    assert [cell.name for cell in design.cells[:3]] == ["LV, ratio 0.35, 0 %", "LV, ratio 0.35, +20 %",
                                                        "LV, ratio 0.5, 0 %"]
    assert design.cells[-1].name == "whole, ratio 0.5, +20 %"


def test_a_base_differs_in_one_factor_alone() -> None:
    sized = Design((("LV",), ("RV",)), (0.35, 0.5), (-0.1, 0.1))
    assert sized.base_of(Cell(("RV",), 0.5, 0.1)) == Cell(("RV",), 0.5, 0.0)
    assert sized.base_of(Cell(("RV",), 0.5, 0.0)) is None
    ratios = Design((("LV",), ("RV",)), (0.35, 0.5))
    assert ratios.base_of(Cell(("RV",), 0.5)) == Cell(("RV",), 0.35)
    regions = Design((("LV",), ("RV",)), (0.5,))
    assert regions.base_of(Cell(("RV",), 0.5)) == Cell(("LV",), 0.5) and regions.base_of(Cell(("LV",), 0.5)) is None


def test_requests_share_their_noise_and_ask_for_what_the_cell_says(ground: Placement) -> None:
    base = Request("perturb", count=3, seed=7, steps=20)
    requests = Design(((), ("LV", "RV")), (0.5,), (0.2,), base).requests(ground)
    assert {(request.seed, request.first, request.count, request.steps) for request in requests} == {(7, 0, 3, 20)}
    assert [request.edit for request in requests] == ["perturb", "perturb", "inpaint", "inpaint"]
    terms = requests[3].control.terms
    assert [(term.domain, term.target.times) for term in terms] == [("LV", 1.2), ("RV", 1.2)]
    assert [term.target.times for term in requests[0].control.terms] == [1.0] * 4
    assert Request.from_json(requests[3].to_json()) == requests[3]
    assert all(request.control is None for request in Design(((),), (0.2, 0.5), (), base).requests(ground))


@pytest.mark.parametrize(("settings", "words"), [
    (((), (0.5,)), "no cells"), ((((),), ()), "no cells"), ((((),), (0.5,), (-1.0,)), "magnitude cannot be used"),
    (((("LV",),), tuple(n / 2000 for n in range(1001))), "too large"),
])
def test_designs_that_cannot_be_meant_are_refused(settings: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Design(*settings)


def test_a_ratio_or_tissue_that_cannot_be_is_said(ground: Placement) -> None:
    with pytest.raises(InputError, match="sampling ratio"):
        Design(((),), (1.5,)).requests(ground)
    with pytest.raises(InputError, match="no such tissue"):
        Design((("Liver",),), (0.5,)).requests(ground)


def test_regions_are_read() -> None:
    assert parse_region("lv, RV", HEART) == ("LV", "RV") and parse_region(WHOLE, HEART) == ()
    for text in ("liver", "", ","):
        with pytest.raises(InputError, match="region cannot be used"):
            parse_region(text, HEART)


def test_differences_are_between_siblings_with_the_same_noise() -> None:
    design = Design((("LV",),), (0.5,), (0.1,))
    low, high = design.cells
    luck = np.array([80.0, 100.0, 130.0, 90.0])
    rows = design_rows(design, record_of(design, {low: list(luck), high: list(np.add(luck, [10, 11, 9, 10]))}))
    assert [row["LV volume minus base [ml]"] for row in rows] == ["", "", "", "", 10, 11, 9, 10]
    assert [row["LV volume minus twin [ml]"] for row in rows[:2]] == [-20, 0]
    assert rows[4]["magnitude [%]"] == pytest.approx(10) and rows[4]["base"] == low.name
    found = effects(design, rows, [LV])
    assert len(found) == 1 and found[0]["pairs"] == 4 and found[0]["mean difference"] == pytest.approx(10.0)
    half = 3.182446 * np.std([10, 11, 9, 10], ddof=1) / 2  # Student's t, 3 degrees of freedom
    assert (found[0]["low"], found[0]["high"]) == (pytest.approx(10 - half), pytest.approx(10 + half))
    assert found[0]["unpaired"] > 20 * found[0]["standard deviation"]


def test_measures_by_name_are_read_anew_and_what_lacks_one_counts_for_nothing() -> None:
    ring = MeasurementKey("area", "aortic annulus", "mm^2")

    def with_ring(found: dict[str, object], area: float | None) -> dict[str, object]:
        return {**found, "measures": Measured({} if area is None else {ring: area}, {}).to_json()}

    design = Design((("LV",),), (0.5,), (0.1,))
    low, high = design.cells
    record = record_of(design, {low: [90.0] * 3, high: [100.0] * 3})
    for run, areas in zip(record.runs, ((400.0, 410.0, None), (440.0, 460.0, 500.0)), strict=True):
        run["siblings"] = [with_ring(one, area) for one, area in zip(run["siblings"], areas, strict=True)]
    rows = design_rows(design, record)
    assert [row.get("aortic annulus area minus base [mm^2]", "") for row in rows] == ["", "", "", 40, 50, ""]
    assert not any("aortic annulus area minus twin [mm^2]" in row for row in rows), "an old record's twin has none"
    (effect,) = effects(design, rows, [ring])
    assert (effect["pairs"], effect["mean difference"]) == (2, 45.0)
    assert effect["unpaired"] == pytest.approx(np.sqrt(np.var([400, 410], ddof=1) + np.var([440, 460, 500], ddof=1)))
    assert levels(design, rows, [ring]) == [
        {"cell": low.name, "measurement": ring.title, "siblings": 3, "found": 2, "median": 405.0, "least": 400.0,
         "greatest": 410.0},
        {"cell": high.name, "measurement": ring.title, "siblings": 3, "found": 3, "median": 460.0, "least": 440.0,
         "greatest": 500.0}]


def test_a_stopped_run_gives_the_pairs_that_are_there() -> None:
    design = Design((("LV",),), (0.2, 0.5))
    low, high = design.cells
    rows = design_rows(design, record_of(design, {low: [90.0], high: [100.0, 120.0]}))
    assert [row["LV volume minus base [ml]"] for row in rows] == ["", 10.0, ""]
    assert effects(design, rows, [LV])[0] == {"cell": high.name, "base": low.name, "measurement": LV.title, "pairs": 1,
                                              "mean difference": 10.0}
    with pytest.raises(InputError, match="another design"):
        design_rows(Design((("LV",),), (0.2,)), record_of(design, {}))


def test_a_stopped_design_says_what_is_there_and_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    designing._stopped(RunSummary(Path("out"), 8, 3, 3, 3, complete=True))
    assert not capsys.readouterr().err
    designing._stopped(RunSummary(Path("out"), 8, 3, 3, 3, complete=False))
    assert re.search(r"3 of 8 siblings are finished and recorded in out\..*--resume", capsys.readouterr().err)


def test_the_command_writes_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    from DiffusionSiblingsLib.labelmaps.write import write_labelmap

    twin = write_labelmap(ellipsoid_heart(), tmp_path / "twin.nii.gz")
    out, asked = tmp_path / "out", list[Request]()

    def made(arguments: object, requests: list[Request], labels: object) -> None:
        asked.extend(requests)
        design = Design(((),), (0.2, 0.5))
        full = {key.title: 1.0 for key in measurement_keys(HEART)}
        record = record_of(design, {cell: [100.0 + cell.ratio] * 2 for cell in design.cells})
        for run in record.runs:
            for sibling in run["siblings"]:
                sibling["features"] = {**full, LV.title: sibling["features"][LV.title]}
        record.write(out / "record.json")

    monkeypatch.setattr(designing, "_run", made)
    assert main(["design", str(twin), "--ratio", "0.2", "0.5", "--count", "2", "--model", "small", "--out",
                 str(out)]) == 0
    assert [request.ratio for request in asked] == [0.2, 0.5] and {request.edit for request in asked} == {"perturb"}
    told = capsys.readouterr().out
    assert "4 siblings in 2 cells" in told and "whole, ratio 0.5" in told
    rows = list(csv.DictReader((out / "design.csv").open(encoding="utf-8")))
    assert [row["LV volume minus base [ml]"] for row in rows] == ["", "", "0.3", "0.3"]
    assert all((out / name).is_file() for name in ("effects.csv", "levels.csv", "design.json"))


def test_magnitudes_may_change_a_measure_by_name() -> None:
    key = MeasurementKey("median thickness", "LV wall", "mm")
    design = Design(((),), (0.5,), (0.1,), of=key)
    assert [cell.name for cell in design.cells] == ["whole, ratio 0.5, LV wall median thickness 0 %",
                                                    "whole, ratio 0.5, LV wall median thickness +10 %"]
    assert design.to_json()["of"] == "LV wall median thickness [mm]"
