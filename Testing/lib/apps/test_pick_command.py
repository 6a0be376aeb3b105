"""`siblings pick` from the line to its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_conditions import heart, renumbered_run

from DiffusionSiblingsLib.apps.cli.main import main


def test_a_folder_of_hearts_gives_one_for_each_quantile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n, scale in enumerate((0.94, 1.0, 1.06)):
        heart(tmp_path / "hearts" / f"heart{n}.nii.gz", scale)
    line = ["pick", str(tmp_path / "hearts"), "--by", "LV", "--quantiles", "0,100", "--jobs", "1"]
    assert main([*line, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("LV volume of 3 maps: ") and "heart0" in shown and "heart2" in shown
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pick.csv", "q00_heart0.nii.gz",
                                                                    "q100_heart2.nii.gz"}
    assert main([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["map"] for one in told["picks"]] == ["heart0", "heart2"] and told["maps"] == 3


def test_hearts_without_the_measure_are_named_and_too_few_are_refused(tmp_path: Path,
                                                                    capsys: pytest.CaptureFixture[str]) -> None:
    heart(tmp_path / "hearts" / "heart0.nii.gz", 1.0)
    line = ["pick", str(tmp_path / "hearts"), "--by", "aortic annulus area", "--jobs", "1"]
    assert main([*line, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "heart0 is left out, as it has no aortic annulus area: LV and Ao do not touch" in told
    assert "0 for 5 quantiles" in told and not (tmp_path / "out").exists()


def test_copies_of_a_run_tell_the_numbers_that_their_record_alone_knows(tmp_path: Path,
                                                                       capsys: pytest.CaptureFixture[str]) -> None:
    run = renumbered_run(tmp_path)
    assert main(["pick", str(run), "--by", "RV", "--quantiles", "50", "--jobs", "1", "--out",
                 str(tmp_path / "out")]) == 0
    assert "RV=3" in capsys.readouterr().err
