"""Where the user's own models are: on every system the folder that earlier versions used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from DiffusionSiblingsLib.models.registry import own_model_folder

HOMES = ("HOME", "USERPROFILE")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and none of the variables that say otherwise."""
    for name in ("SIBLINGS_MODELS", "LOCALAPPDATA", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in HOMES:
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("platform", "place"), [
    ("linux", ".local/share"), ("darwin", "Library/Application Support"), ("win32", "AppData/Local"),
])  # fmt: skip
def test_the_folder_is_the_one_that_earlier_versions_used(
    platform: str, place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert own_model_folder() == home / place / "DiffusionSiblings" / "Models"


def test_platformdirs_names_the_same_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform, theirs in (("linux", Unix), ("darwin", MacOS)):
        monkeypatch.setattr(sys, "platform", platform)
        assert own_model_folder() == Path(theirs("DiffusionSiblings", False).user_data_dir) / "Models"


def test_the_systems_own_variables_count(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(home / "local"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert own_model_folder() == home / "xdg" / "DiffusionSiblings" / "Models"
    assert Path(Unix("DiffusionSiblings", False).user_data_dir) / "Models" == own_model_folder()
    monkeypatch.setattr(sys, "platform", "win32")
    assert own_model_folder() == home / "local" / "DiffusionSiblings" / "Models"
    monkeypatch.setenv("SIBLINGS_MODELS", str(home / "chosen"))
    assert own_model_folder() == home / "chosen"
