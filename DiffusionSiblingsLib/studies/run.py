"""Runs studies by name, one after another, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.errors import InputError
from .augmentation_study import augmentation
from .context import StudyContext
from .local import local
from .mechanics import mechanics
from .perturb import perturb
from .sensitivity import sensitivity
from .settings import MECHANICS, STUDIES, StudySettings
from .tables import Clock, StudyResult, write_result
from .unconditional import unconditional

ALL = "all"
_STUDIES: dict[str, Callable[[StudyContext], StudyResult]] = {
    "sensitivity": sensitivity, "unconditional": unconditional, "perturb": perturb, "local": local,
    "augment": augmentation, MECHANICS: mechanics,
}


def run_studies(names: Sequence[str], settings: StudySettings) -> list[Path]:
    """Runs studies ("all" for every one of the papers') -> the folder of each. Existing conditions and measurements are
    used again.

    Raises InputError for an unknown name.
    """
    wanted = list(STUDIES) if ALL in names else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in _STUDIES]
    if unknown or not wanted:
        raise InputError("There is no such study", value=", ".join(unknown) or "no name was given",
                         rule=f"one of {', '.join(_STUDIES)}, or {ALL}")
    context, done = StudyContext(settings), []
    for name in wanted:
        clock = Clock()
        context.say(name)
        done.append(write_result(_STUDIES[name](context), context, clock.seconds))
        context.say(f"{name} done in {clock.seconds:.0f} s: {done[-1] / 'table.md'}")
    return done
