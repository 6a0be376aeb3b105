"""Confidence intervals of a cohort's figures by resampling its members: ordinary for means, halves for everything else.

Two ways, because one does not do. The ordinary bootstrap draws members with replacement. That is right for a mean over
members, such as the share of failed checks. TRAP: it is wrong for anything that looks at neighbours or at what is
covered, because about a third of the draw are doubles: a shape's nearest other shape is then its own double, so that
1-NNA rises (two samples of one kind: 80 % instead of 50 %), the balls of precision and recall shrink, MMD rises as
there are fewer different members, and the Frechet distance gets its floor a second time. Such figures take random
halves without a double (delete-half jackknife; Shao and Wu 1989, subsampling of Politis and Romano 1994 with half the
members): the spread of a figure over halves of a cohort is that of the whole cohort over new cohorts, because halving
doubles the variance and knowing the other half takes one half of it away. The level at half the size is another one;
only the spread is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Interval = tuple[float, float]
Halves = tuple[IntArray, IntArray]  # chosen members of the first cohort and of the second
DRAWS = 1000
WITHIN = 10  # draws of equal size within a pair of halves
LEVEL = 0.95
Z = 1.96  # normal quantile of that level


def of_mean(values: npt.ArrayLike, rng: np.random.Generator, *, draws: int = DRAWS, level: float = LEVEL) -> Interval:
    """Percentile bootstrap of the mean of members' values. values: (n,). (nan, nan) for fewer than 2 members."""
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise InputError("The bootstrap needs one value for each member", value=f"shape {column.shape}", rule="(n,)")
    _check(draws, level)
    if len(column) < 2:
        return float("nan"), float("nan")
    means = np.array([column[rng.integers(len(column), size=len(column))].mean() for _ in range(draws)])
    return _interval(means, level)


def of_halves(statistic: Callable[[IntArray, IntArray], float], drawn: Sequence[Halves], value: float, *,
              level: float = LEVEL) -> Interval:
    """Interval about `value`, the figure of the whole cohorts, from random halves of both (`halves`).

    statistic: indices of chosen members of the first and of the second cohort, without doubles -> the figure.
    (nan, nan) where there are no halves.
    """
    return of_values([statistic(ours, theirs) for ours, theirs in drawn], value, level=level)


def of_values(found: Sequence[float], value: float, *, level: float = LEVEL) -> Interval:
    """As `of_halves`, from the figure of every pair of halves."""
    if not len(found):
        return float("nan"), float("nan")
    _check(len(found), level)
    spread = np.asarray(found, dtype=np.float64)
    low, high = _interval(spread - spread.mean(), level)
    return min(value + low, value), max(value + high, value)  # few members: halves may all lie on one side


def halves(sizes: tuple[int, int], rng: np.random.Generator, *, draws: int = DRAWS, fewest: int = 2) -> list[Halves]:
    """Random halves of two cohorts, indices without doubles. None where half a cohort has fewer than `fewest` members.

    sizes: members of either cohort. For an odd size the smaller half is taken, and the interval is a little too wide.
    """
    if min(sizes) // 2 < fewest:
        return []
    return [(_half(sizes[0], rng), _half(sizes[1], rng)) for _ in range(draws)]


def at_equal_size(drawn: Sequence[Halves], rng: np.random.Generator, *, within: int = WITHIN) -> list[list[Halves]]:
    """Pairs of halves drawn down to equal size, for a figure that is a mean over such draws, as balanced 1-NNA is.

    drawn: of `halves`. Returns for each pair its draws: of the larger half as many as the smaller one has, `within`
    times, and of as many fewer pairs; where halves are of equal size, every pair as it is.
    Trap: one draw for each pair has the scatter of that draw, which the figure does not have: 160 against 40 members
    came out with intervals twice too wide (8-dimensional Gaussians).
    """
    if not drawn or len(drawn[0][0]) == len(drawn[0][1]):
        return [[pair] for pair in drawn]
    level = min(len(part) for part in drawn[0])
    return [[(rng.permutation(ours)[:level], rng.permutation(theirs)[:level]) for _ in range(within)]
            for ours, theirs in drawn[: max(2, len(drawn) // within)]]


def _half(size: int, rng: np.random.Generator) -> IntArray:
    """(size // 2,) int64, different indices below `size`."""
    return np.asarray(rng.permutation(size)[: size // 2], dtype=np.int64)


def _interval(found: FloatArray, level: float) -> Interval:
    edge = 50.0 * (1.0 - level)
    low, high = np.percentile(found, [edge, 100.0 - edge])
    return float(low), float(high)


def _check(draws: int, level: float) -> None:
    if draws < 1 or not 0.0 < level < 1.0:
        raise InputError("The interval cannot be drawn", value=f"{draws} draws, level {level}",
                         rule="at least one draw and a level between 0 and 1")


def wilson(hits: int, of: int) -> Interval:
    """The Wilson score interval of a share, (0, 1) for nothing made. Right for few samples and shares near 0 or 1."""
    if of == 0:
        return 0.0, 1.0
    p, n = hits / of, of
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
