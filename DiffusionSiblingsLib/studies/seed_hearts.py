"""The seed hearts of an augmentation, with their measurements: preferably those that meet the target."""

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
    """A seed heart of an augmentation. name: in its cohort. twin: the heart. values: its measurements by column."""

    name: str
    twin: TwinSource
    values: Values


@dataclass(frozen=True)
class SeedHearts:
    """The chosen seed hearts. meet: whether they meet the target. left_out: notes about hearts that cannot be used."""

    seeds: tuple[SeedHeart, ...]
    meet: bool
    left_out: tuple[str, ...] = ()


def seed_hearts_of(cohort: MeasuredCohort, twins: Sequence[TwinSource]) -> list[SeedHeart]:
    """The hearts of a measured cohort as seed hearts. twins: the same hearts in the same order."""
    columns = {**cohort.columns(), **cohort.named}
    return [SeedHeart(name, twin, {key: float(values[i]) for key, values in columns.items()})
            for i, (name, twin) in enumerate(zip(cohort.members, twins, strict=True))]


def choose_seed_hearts(everyone: Sequence[SeedHeart], wanted: Wanted, most: int | None = None) -> SeedHearts:
    """The hearts that meet the target; all hearts if none does, or if the target names control domains.

    most: take only the first so many. A heart that occurs twice is used once; a heart that cannot be edited is left
    out. Raises InputError if no heart remains.
    """
    chosen = [heart for heart in everyone if not wanted.domains and wanted.met_by(heart.values)]
    found: dict[str, SeedHeart] = {}
    left_out = []
    for heart in chosen or everyone:
        if len(found) == most:
            break
        try:
            sha256 = heart.twin.sha256
        except InputError as problem:
            left_out.append(f"{heart.name} is not a seed heart: {problem}")
            continue
        if sha256 in found:
            left_out.append(f"{heart.name} is not a seed heart: it is the same heart as {found[sha256].name}")
        else:
            found[sha256] = heart
    if not found:
        raise InputError("No heart can be edited", value=left_out[0].rstrip("."), rule="at least one seed heart")
    return SeedHearts(tuple(found.values()), bool(chosen), tuple(left_out))
