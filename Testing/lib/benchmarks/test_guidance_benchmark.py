"""The guidance benchmark counts right and goes on where it was stopped: its figures are quoted in the documentation."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hearts import small_model

from DiffusionSiblingsLib.control.control import Control
from DiffusionSiblingsLib.control.domain import ControlDomain
from DiffusionSiblingsLib.control.measure import Measurement, measure
from DiffusionSiblingsLib.control.terms import Target, Term
from DiffusionSiblingsLib.core.anatomy import load_anatomy
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.engine.engine import Engine

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from guidance import paper, report
from guided_figures import errors, mutual_dice, summary, volume_changes
from guided_store import Bench
from guided_tables import Table
from guided_twins import preserved_changed

HEART = load_anatomy("heart")
EYE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
BOX = ControlDomain("box", ("RV",), (0.0, 0.0, 0.0), EYE, (40.0, 40.0, 40.0), (20, 20, 20))


def block(shift: int = 0, size: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A cube of right ventricle with edges of `size` voxels of 2 mm, `shift` voxels along x off the middle."""
    labels = np.zeros((20, 20, 20), np.uint8)
    low = 10 - size // 2
    labels[low : low + size, low : low + size, low + shift : low + shift + size] = 4
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -19.0
    return labels, affine


def asked_of(found: Measurement) -> Control:
    """A control that asks for what was measured."""
    values = (("mass", found.mass), ("position", found.centroid), ("covariance", found.covariance))
    return Control((BOX,), tuple(Term("box", q, Target(value=v)) for q, v in values), "canonical")


def test_errors_are_those_that_one_can_work_out() -> None:
    want = measure(*block(), BOX, HEART)
    control = asked_of(want)
    assert errors(control, {"box": want}) == [
        {"mass": 0.0, "relative": 0.0, "centroid": 0.0, "distance": 0.0, "covariance": 0.0}]
    (moved,) = errors(control, {"box": measure(*block(shift=3), BOX, HEART)})
    assert moved["distance"] == pytest.approx(6.0)
    assert moved["centroid"] == pytest.approx(2.0)  # 6 mm along one of three axes
    assert (moved["mass"], moved["covariance"]) == pytest.approx((0, 0), abs=1e-9)
    (larger,) = errors(control, {"box": measure(*block(size=8), BOX, HEART)})
    assert larger["mass"] == pytest.approx((16**3 - 8**3) / 1000)
    assert larger["relative"] == pytest.approx(7.0)


def test_a_substructure_that_is_not_there_misses_its_mass_and_is_counted() -> None:
    want = measure(*block(), BOX, HEART)
    nothing = measure(np.zeros((20, 20, 20), np.uint8), block()[1], BOX, HEART)
    entries = [*errors(asked_of(want), {"box": nothing}), *errors(asked_of(want), {"box": want})]
    assert entries[0] == {"mass": want.mass, "relative": 1.0}
    found = summary(entries)
    assert found["empty"] == 1
    assert found["mass"] == pytest.approx(want.mass / 2)
    assert (found["relative_median"], found["distance_median"]) == pytest.approx((0.5, 0.0))


def test_volumes_preserved_voxels_and_likeness_are_counted() -> None:
    changes = volume_changes([{"LV": 110.0}, {"LV": 80.0}], {"LV": 100.0})
    assert changes["LV"] == pytest.approx((-5.0, 20.0))
    twin = np.array([[[3, 4, 0, 2]]])
    assert preserved_changed(np.array([[[3, 0, 4, 2]]]), twin, (4,)) == 0
    assert preserved_changed(np.array([[[0, 3, 0, 2]]]), twin, (4,)) == 2  # one lost, one of a kept tissue is new
    one, other = block()[0], block(shift=2)[0]
    assert mutual_dice([one, one, one], HEART) == 1.0
    assert mutual_dice([one, other], HEART) == pytest.approx((5 + 0.5) / 6)  # five tissues are in neither


def test_a_run_goes_on_where_it_was_and_makes_anew_what_was_asked_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(Engine.open(str(small_model(tmp_path / "model"))), tmp_path / "out")
    requests = [Request("generate", seed=1, first=k, steps=2, repair=False) for k in range(2)]
    (first,) = bench.samples("set", requests[:1])
    made = []
    run = bench.engine.run

    def counted(request: Request, twin: object = None):
        made.append(request.first)
        return run(request, twin)

    monkeypatch.setattr(bench.engine, "run", counted)
    both = list(bench.samples("set", requests))
    assert made == [1]
    assert np.array_equal(both[0].canonical, first.canonical)
    assert both[0].facts == first.facts
    list(bench.samples("set", [replace(requests[0], seed=2)]))
    assert made == [1, 0]
    list(Bench(bench.engine, bench.out, again=True).samples("set", [replace(requests[0], seed=2)]))
    assert made == [1, 0, 0]
    assert first.facts["k"] == 0
    json.dumps(first.facts)


def test_the_report_joins_tables_and_says_a_missed_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("Title", ["a", "b"], [[1, 2]], ["fine (bar at most 1: met)"])
    (tmp_path / "hold.md").write_text(table.markdown(), encoding="utf-8")
    assert report(tmp_path, ["hold"]) == 0
    (tmp_path / "speed.md").write_text(replace_note(table, "slow (bar at most 1: MISSED)"), encoding="utf-8")
    assert report(tmp_path, ["hold"]) == 0
    assert report(tmp_path, ["hold", "speed"]) == 1
    page = (tmp_path / "guidance.md").read_text(encoding="utf-8")
    assert page.count("### Title") == 2
    assert "| 1 | 2 |" in capsys.readouterr().out


def replace_note(table: Table, note: str) -> str:
    return Table(table.title, table.columns, table.rows, [note]).markdown()


def test_figures_of_the_paper_fill_their_columns() -> None:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "anatomica.json"
    figures = json.loads(path.read_text(encoding="utf-8"))
    for part in ({"columns": figures["columns"], **figures["tasks"]}, figures["topology"], figures["speed"]):
        table = paper("t", part, [key for key in part if key != "columns"])
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
