"""Plans: what is known before the first sibling is computed once, and shared; and locks of folders."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from quick_runs import HEART, quicken, run

from DiffusionSiblingsLib.core.errors import InputError, OutputError
from DiffusionSiblingsLib.editing import planned
from DiffusionSiblingsLib.editing.request import Request
from DiffusionSiblingsLib.runs import lock
from DiffusionSiblingsLib.runs.plan import Plan
from DiffusionSiblingsLib.runs.rejection import SamplingBudget
from DiffusionSiblingsLib.runs.settings import RunSettings


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """Calls of a function from now on."""
    calls: list[Any] = []
    function = getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return function(*given, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_a_run_places_and_measures_its_twin_once(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)
    placed, measured = counted(monkeypatch, planned, "open_twin"), counted(monkeypatch, planned.MeasuredMap, "of")
    scopes = counted(monkeypatch, planned, "edit_scope")
    requests = [Request("perturb", ratio=0.3, count=2), Request("perturb", ratio=0.6),
                Request("inpaint", tissues=("LV",), ratio=1.0), Request("inpaint", tissues=("LV",), ratio=0.5)]
    assert run(tmp_path / "run", requests, HEART).accepted == 5
    assert (len(placed), len(measured), len(scopes)) == (1, 1, 2)  # a scope for each region


def test_chosen_siblings_are_numbered_in_their_order() -> None:
    budget = SamplingBudget.of((3, 4, 9), 10)
    assert budget.count == 3 and budget.take(2) == (3, 4)
    budget.decide(4, True)
    assert budget.settled() == [(4, 11)] and not budget.done
    budget.decide(3, True)
    assert budget.take(5) == (9,)
    budget.decide(9, True)
    assert budget.settled() == [(3, 10), (9, 12)] and budget.done
    assert SamplingBudget.of((), 0).done


def test_a_folder_on_a_disk_without_locks_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(code: int) -> None:
        def acquire(self: object) -> None:
            raise OSError(code, "no")

        monkeypatch.setattr(lock.FileLock, "acquire", acquire)

    refuse(errno.ENOLCK)
    with lock.locked(tmp_path / "parts"):
        pass
    refuse(errno.EROFS)
    with pytest.raises(OutputError), lock.locked(tmp_path / "parts"):
        pass


def test_a_request_without_its_twin_is_refused_by_the_plan(models: Path) -> None:
    with pytest.raises(InputError, match="needs a twin"):
        Plan.of([Request("perturb")], None, RunSettings("small"))
    with pytest.raises(InputError, match="has no request"):
        Plan.of([], HEART, RunSettings("small"))
