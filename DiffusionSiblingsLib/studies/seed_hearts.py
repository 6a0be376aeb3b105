"""Seeds of an augmentation: hearts with their measurements, those that meet the target first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..cohorts.measured import MeasuredCohort
from ..cohorts.wanted import Wanted
from ..core.errors import InputError
from .target_values import Values
from .twins import TwinSource


@dataclass(frozen=True)
class SeedHeart:
    """A seed of an augmentation. name: in its cohort. twin: the heart itself. values: its measurements."""

    name: str
    twin: TwinSource
    values: Values


@dataclass(frozen=True)
class Starts:
    """What is edited. meet: whether the seeds meet the target. left_out: what to say of hearts that are not among them,
    though they would be.
    """

    seeds: tuple[SeedHeart, ...]
    meet: bool
    left_out: tuple[str, ...] = ()


def starts_of(cohort: MeasuredCohort, twins: Sequence[TwinSource]) -> list[SeedHeart]:
    """The hearts of a measured cohort. twins: the same hearts in the same order."""
    columns = cohort.columns()
    return [SeedHeart(name, twin, {key: float(values[i]) for key, values in columns.items()})
            for i, (name, twin) in enumerate(zip(cohort.members, twins, strict=True))]


def starts(everyone: Sequence[SeedHeart], wanted: Wanted, most: int | None = None) -> Starts:
    """The seeds of an augmentation: those that meet the target, all where none does (or it is of control domains).

    most: the first so many of them. A heart that is there twice is taken once, and one that no edit can start from not
    at all. Raises InputError where none is left.
    """
    chosen = [start for start in everyone if not wanted.domains and wanted.met_by(start.values)]
    found: dict[str, SeedHeart] = {}
    left_out = []
    for start in chosen or everyone:
        if len(found) == most:
            break
        try:
            sha256 = start.twin.sha256
        except InputError as problem:
            left_out.append(f"{start.name} is no seed: {problem}")
            continue
        if sha256 in found:
            left_out.append(f"{start.name} is no seed: it is the same heart as {found[sha256].name}")
        else:
            found[sha256] = start
    if not found:
        raise InputError("No heart can be edited", value=left_out[0].rstrip("."), rule="at least one seed")
    return Starts(tuple(found.values()), bool(chosen), tuple(left_out))
