"""Fixtures for all tests, and how Hypothesis runs: no deadlines, and the same examples on every run in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("siblings", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("siblings")


@pytest.fixture(scope="session", autouse=True)
def own_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder in the place of the developer's own models."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("own-models")
        patch.setenv("SIBLINGS_MODELS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real and drawn hearts; it lies beside the checkout and never in it, so it may be missing."""
    folder = Path(os.environ.get("SIBLINGS_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "hearts").is_dir():
        pytest.skip(f"no hearts in {folder}: set SIBLINGS_SHARED_DATA to the folder that holds hearts/")
    return folder
