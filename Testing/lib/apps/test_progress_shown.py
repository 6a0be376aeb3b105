"""Long commands show how far they are: making siblings, and making them again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from DiffusionSiblingsLib.apps.cli import replaying
from DiffusionSiblingsLib.core.progress import ProgressBar


class SeenBar(ProgressBar):
    """A bar that keeps what it was shown."""

    seen: list[tuple[float, float]]
    begun: tuple[str, float | None]

    def __init__(self, words: str, *, total: float | None = None, unit: str = "", **more: Any) -> None:
        SeenBar.begun, SeenBar.seen = (words, total), []
        super().__init__(words, total=total, unit=unit, shown=False)

    def show(self, done: float, total: float, words: str = "") -> None:
        SeenBar.seen.append((done, total))


def test_a_replay_shows_how_many_siblings_are_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                         capsys: pytest.CaptureFixture[str]) -> None:
    class Again:
        def __init__(self, *_: Any) -> None:
            """Nothing of the record is needed."""

        def plan(self, device: str, *, overview: bool) -> None:
            """Nothing is planned."""

        def run(self, plan: None, out: Path | None, hooks: Any) -> list[dict[str, object]]:
            hooks.say("look at this")
            for done in (0.5, 1, 2):
                hooks.progress(done, 2, "")
            return [{"sibling": "a", "verdict": "identical"}]

    record = SimpleNamespace(runs=[{"request": {"edit": "generate"}, "siblings": [{}, {}]}], twin=None)
    monkeypatch.setattr(replaying, "read_record", lambda path: record)
    monkeypatch.setattr(replaying, "installed", lambda *_: SimpleNamespace(anatomy=None))
    monkeypatch.setattr(replaying, "Replay", Again)
    monkeypatch.setattr(replaying, "ProgressBar", SeenBar)
    assert replaying.replay_record(tmp_path / "record.json", twin=None, out=None, device="cpu", as_json=False) == 0
    assert SeenBar.begun == ("Making siblings again", 2) and SeenBar.seen == [(0.5, 2), (1, 2), (2, 2)]
    shown = capsys.readouterr()
    assert "identical" in shown.out and "look at this" in shown.err
