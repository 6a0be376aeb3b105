"""The study `mechanics`: what is asked for, what is kept, what the table says, without a model and without a solver."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_conditions import make_fake
from hearts import ANATOMY

from DiffusionSiblingsLib.control.placement import Placement
from DiffusionSiblingsLib.core.errors import InputError
from DiffusionSiblingsLib.core.labelmap import LabelMap
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.labelmaps.tissues import known_labels
from DiffusionSiblingsLib.models.registry import find_model
from DiffusionSiblingsLib.studies.mechanics import FIGURES, SHOWN
from DiffusionSiblingsLib.studies.run import run_studies
from DiffusionSiblingsLib.studies.settings import StudySettings

TWIN = Path(__file__).resolve().parents[3] / "Resources" / "SampleData" / "synthetic_twin.seg.nrrd"
BROKEN = "the wall is a sponge"


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Hearts are solved by their voxels alone; the one with the shift of a moved mesh is a little different."""
    asked: list[Any] = []

    def solve(labels: np.ndarray, affine: np.ndarray, anatomy: Any, setup: Any) -> Any:
        asked.append(setup)
        cavity = float((labels == anatomy.label_of("LV")).sum()) * 1.4**3 / 1000 + 0.1 * setup.edge_mm
        if setup.edge_mm == 4.5:
            raise InputError(BROKEN)
        numbers = dict.fromkeys((*SHOWN, *FIGURES), cavity)
        return SimpleNamespace(numbers=numbers, notes={"tetrahedra": 7, "processor seconds": {"mesh": 1.0}})

    def placed(opened: Any, anatomy: Any, reference: Any) -> Placement:  # no registration
        heart = opened.labelmap
        return Placement(known_labels(heart, ANATOMY), heart.affine, "world", np.eye(4), ANATOMY)

    def made(*given: Any) -> Any:
        def make(requests: list[Request], twin: LabelMap | None, out: Path) -> None:
            make_fake(requests, twin, out, sha256=find_model("small").sha256)
        return make

    folder = "DiffusionSiblingsLib.studies."
    monkeypatch.setattr(folder + "mechanics_solving.solve", solve)
    monkeypatch.setattr(folder + "mechanics_solving.write_fields", lambda solved, path: path.write_text("fields"))
    monkeypatch.setattr(folder + "mechanics_cases.Placement", SimpleNamespace(of=placed))
    monkeypatch.setattr(folder + "context.SiblingMaker", made)
    monkeypatch.setattr("DiffusionSiblingsLib.reports.chart_style.SHARP", 0.5)
    return asked


def test_every_condition_has_a_row_and_nothing_is_solved_twice(solved: list[Any], models: Path, tmp_path: Path) -> None:
    settings = StudySettings(tmp_path / "out", quick=True, jobs=1, model="small", twin=TWIN)
    folder, = run_studies(["mechanics"], settings)
    study = json.loads((folder / "study.json").read_text())
    rows = {row["hearts"]: row for row in study["rows"]}
    assert list(rows) == ["twin", "twin, edge 4.5 mm", "twin, meshed again", "perturbed, ratio 0.35",
                          "perturbed, ratio 0.65", "LV drawn anew", "wall +2 mm, LV held", "aortic annulus +10 %",
                          "ratio 0", "RA drawn anew"]
    assert rows["twin, edge 4.5 mm"]["not solved"] == 1 and BROKEN in (folder / "table.md").read_text()
    assert rows["LV drawn anew"]["members"] == 1
    assert not rows["LV drawn anew"]["peak strain 95 %"]  # of so few siblings it would be far too narrow
    spread = 0.1 * 5.0 * 0.03  # of three meshes whose edges are 3 % apart
    change = rows["ratio 0"]["peak strain"] - rows["twin"]["peak strain"]
    assert rows["ratio 0"]["peak strain change [mesh sd]"] == pytest.approx(change / spread)
    assert "reference" not in study and "No real hearts" not in (folder / "table.md").read_text()
    assert (folder / "solved" / "twin.vtu").exists() and (folder / "mechanics.png").stat().st_size > 1000
    before = len(solved)
    run_studies(["mechanics"], settings)
    assert len(solved) == before
    (folder / "solved" / "twin.json").unlink()
    run_studies(["mechanics"], settings)
    assert len(solved) == before + 1


def test_the_study_needs_a_heart_and_an_edge_that_resolves_the_wall(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--twin"):
        run_studies(["mechanics"], StudySettings(tmp_path, model="small"))
    with pytest.raises(InputError, match="from 2 to 5 mm"):
        StudySettings(tmp_path, edge_mm=12.0)
