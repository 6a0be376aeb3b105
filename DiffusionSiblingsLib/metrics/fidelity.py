"""Guidance fidelity: how far a cohort of guided siblings is from what was asked of it, as the papers tell it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError


def mean_l1(asked: Sequence[npt.ArrayLike], achieved: Sequence[npt.ArrayLike | None]) -> float:
    """Mean over siblings of the L1 error of one target: the mean absolute difference of its entries, in its own unit.

    asked, achieved: one value a sibling: a mass or size (number), a position (3, RAS mm), a shape (3) or normalised
    covariance (3, 3); None where a sibling has nothing there. nan if none has.
    Traps: a sibling without the structure has no error, so read it beside the number of siblings that reached their
    target; and a mean over entries is of a coordinate, not the distance in mm, which is up to three times as long.
    """
    if len(asked) != len(achieved):
        raise InputError("Targets and results cannot be paired", value=f"{len(asked)} and {len(achieved)}",
                         rule="one result for each sibling, None where it has no such tissue")
    gaps = [float(np.abs(np.asarray(got, np.float64) - np.asarray(want, np.float64)).mean())
            for want, got in zip(asked, achieved, strict=True) if got is not None]
    return float(np.mean(gaps)) if gaps else float("nan")


def betti_accuracy(asked: Sequence[Sequence[int | None]], achieved: Sequence[Sequence[int] | None]) -> float:
    """Share of siblings, 0..1, whose Betti numbers (components, loops, voids) are all those that were asked.

    asked: None for a number that was not asked. achieved: None counts as missed: what is not there has no topology.
    Trap: numbers are of the delivered map, after repair and rounding; the papers' are of theirs, before any.
    """
    if len(asked) != len(achieved) or not asked:
        raise InputError("Betti numbers cannot be paired", value=f"{len(asked)} and {len(achieved)}",
                         rule="one result for each sibling, at least one")
    hits = [got is not None and all(want is None or want == number for want, number in zip(wanted, got, strict=True))
            for wanted, got in zip(asked, achieved, strict=True)]
    return float(np.mean(hits))
