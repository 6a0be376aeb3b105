"""The record of a run for people, and for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import run_cases
from DiffusionSiblingsUI.scene import records

from DiffusionSiblingsLib.core.errors import OutputError
from DiffusionSiblingsLib.core.record import read_record


@pytest.fixture(scope="module")
def record() -> Any:
    from hearts import ellipsoid_heart

    return run_cases.job(ellipsoid_heart((32, 24, 28), 5.6))[1]


def test_the_command_line_reads_what_is_saved(record: Any, tmp_path: Path) -> None:
    path = records.save_record(record, tmp_path / "été" / "record.json")
    again = read_record(path)
    assert again.runs == record["runs"] and again.twin == record["twin"] and again.complete


def test_a_folder_that_cannot_be_written_is_an_error_with_advice(record: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        records.save_record(record, tmp_path / "file" / "record.json")


def test_the_summary_says_what_one_needs_to_make_it_again(record: Any) -> None:
    text = records.as_html(record)
    for part in ("small 1", "0" * 64, "ratio 0.5", "edit LV", "seed</td><td>7<", str(2**62), "cpu", "LV",
                 record["twin"]["labels_sha256"]):
        assert part in text


def test_names_from_files_do_not_become_markup(record: Any) -> None:
    twin = {**record["twin"], "segments": [{"value": 1, "name": "<b>LV</b> & more", "tissue": "LV"}]}
    page = records.as_html({**record, "twin": twin})
    assert "&lt;b&gt;LV&lt;/b&gt; &amp; more" in page and "<b>LV" not in page


def test_generated_hearts_have_a_summary_without_a_twin(record: Any) -> None:
    assert "Twin" not in [heading for heading, _ in records.summary({**record, "twin": None})]


def test_verdicts_are_told_in_a_sentence() -> None:
    rows = [{"sibling": "sibling_0000.nii.gz", "verdict": "identical"},
            {"sibling": "sibling_0001", "verdict": "different"}]
    assert records.verdict_words(rows) == "Replayed 2 siblings: 1 identical in every voxel, 1 different."
    assert records.verdict_of(rows, "sibling_0000") == "identical" and records.verdict_of(rows, "sibling_0007") == ""
    assert records.verdict_words([]) == "There was nothing to replay."
