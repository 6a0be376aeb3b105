"""Which run and which sibling the panels show: the parameter node's choice, else the latest run's first sibling."""

from __future__ import annotations

from typing import Any

from DiffusionSiblingsUI.scene import runs


def chosen(context: Any) -> tuple[runs.Run | None, int]:
    """The run that is shown, None if the scene has none, and the number of its sibling, from 0."""
    found = runs.find_runs()
    if context.parameters is None or not found:
        return None, 0
    run = next((run for run in found if run.id == context.parameters.run), None)
    if run is None:
        return found[-1], 0
    return run, max(0, min(int(context.parameters.sibling), len(run.siblings) - 1))


def choose(context: Any, run: runs.Run | None, number: int = 0) -> None:
    """Shows another run or sibling in all panels."""
    if context.parameters is None:
        return
    context.parameters.run, context.parameters.sibling = run.id if run is not None else "", number
    context.changed()
