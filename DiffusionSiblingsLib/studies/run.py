"""Runs studies by name, one after the other, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.errors import InputError
from .augmentation_study import augmentation
from .context import StudyContext
from .local import local
from .perturb import perturb
from .sensitivity import sensitivity
from .settings import STUDIES, Settings
from .tables import Clock, Result, write_result
from .unconditional import unconditional

ALL = "all"
_STUDIES: dict[str, Callable[[StudyContext], Result]] = {
    "sensitivity": sensitivity, "unconditional": unconditional, "perturb": perturb, "local": local,
    "augment": augmentation,
}


def run_studies(names: Sequence[str], settings: Settings) -> list[Path]:
    """Runs studies ("all": every one) -> the folder of each. Arms and measurements that are there are not made again.

    Raises InputError for a name that is none.
    """
    wanted = list(STUDIES) if ALL in names else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in _STUDIES]
    if unknown or not wanted:
        raise InputError("There is no such study", value=", ".join(unknown) or "no name",
                         rule=f"one of {', '.join(STUDIES)}, or {ALL}")
    studio, done = StudyContext(settings), []
    for name in wanted:
        clock = Clock()
        studio.say(name)
        done.append(write_result(_STUDIES[name](studio), studio, clock.seconds))
        studio.say(f"{name} done in {clock.seconds:.0f} s: {done[-1] / 'table.md'}")
    return done
