"""Where the cases are: drawn files as other programs write them, kept beside the repository, not in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip every test of this folder where the cases are not beside the repository."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not CASES.is_dir():
            item.add_marker(pytest.mark.skip(reason="../shared/cases is not there"))


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of all cases, each in a folder of the case's name."""
    folder = tmp_path_factory.mktemp("cases")
    for script in sorted(CASES.glob("*/make.py")):
        subprocess.run([sys.executable, script, folder / script.parent.name], check=True, capture_output=True)
    return folder
