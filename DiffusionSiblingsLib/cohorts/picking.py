"""Members of a cohort that stand for it: those nearest to quantiles of one measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..core.anatomy import Anatomy
from ..core.errors import InputError
from ..core.labelmap import LabelValues
from ..core.names import names_of
from ..labelmaps.tissues import known_labels
from ..metrics.morphology import all_measurements, features, tissue_volumes
from .members import Member, read_member
from .named_measures import named_measures
from .pool import each, or_reason
from .wanted import Measure

Progress = Callable[[int, int, str], None]  # members done, members in all, the one that is ready now


@dataclass(frozen=True)
class Measurements:
    """One measurement of a cohort's members. values: of those that have it, in the cohort's order. without: name -> why
    a member has none.
    """

    measure: Measure
    values: tuple[tuple[Member, float], ...]
    without: Mapping[str, str]


@dataclass(frozen=True)
class Pick:
    """A member that stands for a quantile. quantile: in percent. wanted: the quantile's value; value: the member's."""

    quantile: float
    wanted: float
    member: Member
    value: float


def parse_quantiles(text: str) -> tuple[float, ...]:
    """"5, 25,50" -> percent, ascending, each once. Raises InputError."""
    try:
        found = sorted({float(part.removesuffix("%")) for part in names_of(text)})
    except ValueError:
        found = []
    if not found or not all(0 <= share <= 100 for share in found):
        raise InputError("The quantiles cannot be read", value=text, rule="numbers from 0 to 100 with commas between",
                         hint="for example 5,25,50,75,95")
    return tuple(found)


def measure_members(members: Sequence[Member], measure: Measure, anatomy: Anatomy, *, labels: LabelValues | None = None,
                    jobs: int = 0, progress: Progress | None = None) -> Measurements:
    """Measures every member, in several processes. measure: of the whole map, not in a control domain.

    labels: tissue id -> value in the files, where neither names nor a record tell. jobs: processes, 0 for one a core.
    """
    work = partial(or_reason, partial(_value, measure=measure, anatomy=anatomy, labels=labels))
    found: dict[int, float | str] = {}
    for done, (index, value) in enumerate(each(work, members, jobs), 1):
        found[index] = value
        if progress is not None:
            progress(done, len(members), members[index].name)
    return Measurements(
        measure, tuple((members[n], value) for n, value in sorted(found.items()) if not isinstance(value, str)),
        {members[n].name: value for n, value in sorted(found.items()) if isinstance(value, str)})


def pick_members(found: Measurements, quantiles: Sequence[float]) -> tuple[Pick, ...]:
    """A member for each quantile (percent), each member once, so that all values together are as near as they can be.

    Raises InputError where fewer members than quantiles have the measurement.
    """
    from scipy.optimize import linear_sum_assignment

    if len(found.values) < len(quantiles):
        raise InputError(f"Too few members have the {found.measure.label}",
                         value=f"{len(found.values)} for {len(quantiles)} quantiles", rule="a member for each quantile",
                         hint="give fewer --quantiles, or make more siblings with --count")
    values = np.array([value for _, value in found.values])
    wanted = np.percentile(values, quantiles)
    _, chosen = linear_sum_assignment(np.abs(wanted[:, None] - values[None, :]))
    return tuple(Pick(share, float(at), *found.values[index])
                 for share, at, index in zip(quantiles, wanted, chosen, strict=True))


def _value(member: Member, measure: Measure, anatomy: Anatomy, labels: LabelValues | None) -> float | str:
    """One member's value, or why it has none. Raises InputError for a map that cannot be read."""
    labelmap = read_member(member, anatomy, labels, whole=False)
    known = known_labels(labelmap, anatomy)
    if measure.by_name:
        found = named_measures(member, labelmap, known, anatomy)
        return found.values.get(measure.key, found.missing.get(measure.key.tissue, "too little of it is in the map"))
    volumes = tissue_volumes(known, labelmap.affine, anatomy)
    if not volumes[measure.key.tissue]:
        return f"the map has no {measure.key.tissue}"
    if measure.is_volume:
        return float(volumes[measure.key.tissue])
    return all_measurements(features(known, labelmap.affine, anatomy), volumes)[measure.key]
