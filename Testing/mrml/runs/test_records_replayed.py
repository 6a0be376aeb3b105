"""From an edit in Slicer to `siblings replay`: the saved record, its region, and the twin as Slicer saves it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
from DiffusionSiblingsUI.logic import SiblingsLogic
from DiffusionSiblingsUI.runs.session import Session
from DiffusionSiblingsUI.runs.worker_client import WorkerClient
from DiffusionSiblingsUI.scene import records
from DiffusionSiblingsUI.scene.runs import find_runs

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.record import read_record
from DiffusionSiblingsLib.labelmaps.read import read_mask

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def logic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiblingsLogic]:
    """With a worker on a small model that knows nothing."""
    from hearts import small_model

    small_model(tmp_path / "models" / "small")
    monkeypatch.setenv("SIBLINGS_MODELS", str(tmp_path / "models"))
    session = Session(WorkerClient(Path(sys.executable), ROOT, tmp_path / "session"), tmp_path / "session")
    yield SiblingsLogic(session)
    session.close()


def roi_around(node: Any) -> Any:
    """A box about the middle of a segmentation, half as long as that."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
    roi.SetSize(*((bounds[2 * axis + 1] - bounds[2 * axis]) / 2 for axis in range(3)))
    return roi


def test_the_command_line_replays_an_edit_in_a_box(logic: SiblingsLogic, heart_node: Any, tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    logic.inpaint(heart_node, roi=roi_around(heart_node), steps=4, model="small", device="cpu")
    run, folder = find_runs()[-1], tmp_path / "saved"
    path = records.save_run(run, folder / "box.json")
    assert sorted(file.name for file in folder.iterdir()) == ["box.json", "box_region.nrrd"]
    request = read_record(path).runs[0]["request"]
    assert request["region"] == "box_region.nrrd" and run.record["runs"][0]["request"]["region"] != request["region"]
    assert 0 < read_mask(folder / "box_region.nrrd")[0].mean() < 0.5
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(tmp_path / "twin.seg.nrrd"))
    assert storage.WriteData(heart_node)
    moved = folder.rename(tmp_path / "moved")  # the two files stay together
    code = main(["replay", str(moved / "box.json"), "--twin", str(tmp_path / "twin.seg.nrrd"), "--device", "cpu",
                 "--json"])
    assert [row["verdict"] for row in json.loads(capsys.readouterr().out)] == ["identical"] and code == 0


def test_a_record_without_a_region_is_one_file(logic: SiblingsLogic, heart_node: Any, tmp_path: Path) -> None:
    logic.perturb(heart_node, steps=4, model="small", device="cpu")
    run = find_runs()[-1]
    records.save_run(run, tmp_path / "saved" / "record.json")
    assert [file.name for file in (tmp_path / "saved").iterdir()] == ["record.json"]
    assert json.loads((tmp_path / "saved" / "record.json").read_text(encoding="utf-8")) == run.record
