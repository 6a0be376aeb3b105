"""The folder of a report: an earlier report may be written over, and nobody else's page."""

from __future__ import annotations

from pathlib import Path

import pytest

from DiffusionSiblingsLib.apps.cli.main import main
from DiffusionSiblingsLib.core.errors import OutputError
from DiffusionSiblingsLib.core.files import write_json
from DiffusionSiblingsLib.reports.report_files import made_by, report_folder


@pytest.mark.parametrize(("name", "text"), [("report.html", "<html>mine</html>"), ("report.json", "{}"),
                                            ("report.json", "[1]"), ("report.json", "mine")])
def test_a_page_that_no_report_has_written_is_not_written_over(tmp_path: Path, name: str, text: str,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(OutputError, match=f"{name}.*--out"):
        report_folder(tmp_path)
    assert main(["report", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "no report has written" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == text


def test_an_earlier_report_may_be_written_over(tmp_path: Path) -> None:
    write_json(report_folder(tmp_path / "new") / "report.json", made_by())
    (tmp_path / "new" / "report.html").write_text("ours")
    assert report_folder(tmp_path / "new") == tmp_path / "new"
    assert report_folder(tmp_path) == tmp_path
