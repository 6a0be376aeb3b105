"""A guided sibling's finished maps: which one is kept, and when no more are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from DiffusionSiblingsLib.control.achieved import Achieved
from DiffusionSiblingsLib.engine import guided_finish as guiding


@dataclass(frozen=True)
class Map:
    """What finishing needs of a sibling."""

    number: int
    known: int = 0
    labelmap: Any = field(default_factory=lambda: SimpleNamespace(affine=None))
    timings: dict[str, float] = field(default_factory=lambda: {"sample": 3.0, "decode": 0.5})
    guidance: tuple[Achieved, ...] = ()
    guidance_notes: tuple[str, ...] = ()


class Errors:
    """A goal whose maps miss their one target, of 1 %, by these errors (percent) in turn."""

    def __init__(self, errors: list[float]) -> None:
        self.errors = errors

    def shares(self, known: int, affine: object) -> int:
        return known

    def places_in(self, known: int, affine: object) -> None:
        return None

    def achieved(self, made: int, places: None) -> tuple[Achieved, ...]:
        error = self.errors[made] / 100
        return (Achieved("RV", "mass", "ml", 100.0, 100.0, 100.0 * (1 + error), error, 0.01, error <= 0.01),)


@pytest.mark.parametrize(("errors", "kept"), [
    ([0.3], 0),  # near enough at once
    ([5.0, 0.4], 1),
    ([5.0, 4.0, 3.0, 0.1], 3),  # it gets better: on
    ([5.0, 3.0, 2.0, 2.5, 3.0], 2),  # two that are no better: no more
    ([0.9, 0.899, 0.898], 2),  # hardly better is no better, but the best one is kept
    ([2.0, 1.9, 0.95, 0.94, 0.945], 3),
])
def test_no_more_maps_than_get_better_and_the_best_is_kept(
        errors: list[float], kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Map] = []

    def finish(z: torch.Tensor) -> Any:
        made.append(Map(len(made), len(made)))
        return made[-1]

    guide = SimpleNamespace(bracket=lambda: None, refine=lambda z, *rest: z, steers=True,
                            log=SimpleNamespace(skipped=0, guided=1))
    monkeypatch.setattr(guiding, "weights_for", lambda *of: [])
    goal: Any = Errors([*errors, 0.0])  # one more would be perfect
    found: Any = guiding.finish_guided(goal, guide, torch.zeros(1), finish)  # type: ignore[arg-type]
    assert len(made) == len(errors)
    assert found.number == kept
    assert found.timings == {"sample": 3.0, "decode": pytest.approx(0.5 * len(errors))}  # sampled once
