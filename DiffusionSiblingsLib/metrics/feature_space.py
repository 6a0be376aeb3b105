"""Two cohorts compared by what their members measure: precision, recall, Frechet morphological distance.

All three work on feature vectors z-scored by the REAL cohort's mean and standard deviation, so that a millilitre and a
millimetre weigh alike and the ruler does not change with the cohort under test (npj 2024, "Morphological evaluation").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError

FloatArray = npt.NDArray[np.float64]
NEIGHBOURS = 3  # Kynkaanniemi et al. 2019
ROUNDING = 1e-9  # of a feature's size
ROWS = 512  # of a distance matrix held at once


@dataclass(frozen=True)
class CohortFigures:
    """How a generated cohort lies to a real one. precision, recall: 0..1. frechet: no unit, 0 = same mean and
    covariance. real, generated: members. neighbours: k of precision and recall.
    """

    precision: float
    recall: float
    frechet: float
    real: int
    generated: int
    neighbours: int = NEIGHBOURS

    def to_json(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


def compare(real: npt.ArrayLike, generated: npt.ArrayLike, *, neighbours: int = NEIGHBOURS,
            names: Sequence[str] = ()) -> CohortFigures:
    """Precision, recall and Frechet morphological distance of a generated cohort, after z-scoring by the real one.

    real: (m, f), generated: (n, f), the same features in the same order, for example those of `morphology.features`;
    names: of these, for the error.
    InputError for cohorts too small for `neighbours`, undefined numbers, or a feature that is constant in `real`.
    """
    scored_real, scored = standardise(real, generated, names)
    precision, recall = precision_recall(scored_real, scored, neighbours=neighbours)
    return CohortFigures(precision, recall, frechet_distance(scored_real, scored), len(scored_real), len(scored),
                         neighbours)


def constant(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """(n, ...) -> (...) bool: values that do not vary along the first axis but for rounding.

    Trap: the deviation of equal numbers is most often not 0 but 1e-14 of them, as their mean is rounded.
    """
    numbers = np.asarray(values, dtype=np.float64)
    return np.asarray(np.ptp(numbers, axis=0) <= ROUNDING * np.abs(numbers).max(axis=0))


def standardise(real: npt.ArrayLike, generated: npt.ArrayLike,
                names: Sequence[str] = ()) -> tuple[FloatArray, FloatArray]:
    """Both cohorts, minus the real cohort's mean, over its standard deviation (n - 1), feature by feature.

    names: of the features, for the error of one that does not vary in the real cohort.

    Trap: scoring each cohort by its own mean and deviation, or by those of both together, hides exactly the shift and
    the loss of spread that the comparison is to find.
    """
    ours, theirs = _cohort(real, "real"), _cohort(generated, "generated")
    if ours.shape[1] != theirs.shape[1]:
        raise InputError("Two cohorts do not have the same features", value=f"{ours.shape[1]} and {theirs.shape[1]}",
                         rule="the same features in the same order")
    if (still := constant(ours)).any():
        same = [names[n] if n < len(names) else f"column {n}" for n in map(int, np.flatnonzero(still))]
        raise InputError("The real cohort cannot serve as the scale, as some of its measurements do not vary",
                         value=f"the same in all members: {', '.join(same)}", rule="every feature varies",
                         hint="compare with a cohort in which they vary, such as the hearts of other patients")
    mean, spread = ours.mean(axis=0), ours.std(axis=0, ddof=1)
    return (ours - mean) / spread, (theirs - mean) / spread


def precision_recall(real: npt.ArrayLike, generated: npt.ArrayLike, *,
                     neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019; npj 2024 Eqs 11 to 13), both 0..1, higher is better.

    A cohort's manifold is the union of balls about its members, each as wide as the distance to the member's k-th
    nearest other member. Precision: share of generated members inside the real manifold. Recall: share of real members
    inside the generated one. real: (m, f), generated: (n, f), z-scored (`standardise`).
    Traps: a member is not its own neighbour (one that counts itself gives radius k - 1); the boundary belongs to the
    ball (<=), so that a cohort against itself gives 1 and 1; one far outlier in the real cohort has a wide ball and
    lifts precision; two samples of one kind do not reach 1 but about 0.89 (`sampling_floor`), and where sizes differ
    each figure moves the other way, so compare only cohorts of equal size.
    """
    ours, theirs = _cohort(real, "real"), _cohort(generated, "generated")
    radii = [_radii(ours, neighbours, "real"), _radii(theirs, neighbours, "generated")]
    return _inside(theirs, ours, radii[0]), _inside(ours, theirs, radii[1])


def frechet_distance(real: npt.ArrayLike, generated: npt.ArrayLike) -> float:
    """Frechet (Wasserstein-2) distance, squared, of two Gaussians with the cohorts' means and covariances; npj Eq. 14.

    |mean - mean'|^2 + tr(C + C' - 2 (C C')^1/2), on z-scored features (`standardise`): no unit, lower is better.
    Traps: the paper's text says standard deviations, but its equation needs covariances: without the mixed terms, a
    cohort whose chambers no longer grow together scores 0. The value of two samples of one distribution is above 0 and
    falls with their size (12 features: about 1.0 at 64 members, 0.6 at 100), so compare at equal size and print
    that floor (`sampling_floor`). The trace is taken from a symmetric product, whose eigenvalues are real; the
    square root of C C' itself comes out complex by rounding.
    """
    ours, theirs = _cohort(real, "real"), _cohort(generated, "generated")
    covariance, other = (np.atleast_2d(np.cov(part, rowvar=False)) for part in (ours, theirs))
    root = _root(covariance)
    cross = np.linalg.eigvalsh(root @ other @ root).clip(min=0.0)
    shift = float(np.square(ours.mean(axis=0) - theirs.mean(axis=0)).sum())
    return max(shift + float(np.trace(covariance) + np.trace(other) - 2.0 * np.sqrt(cross).sum()), 0.0)


def sampling_floor(real: npt.ArrayLike, sizes: tuple[int, int], rng: np.random.Generator, *, draws: int = 50,
                   neighbours: int = NEIGHBOURS) -> tuple[float, float, float]:
    """Precision, recall and Frechet distance that two cohorts of one kind have at these sizes: means over draws.

    Both cohorts are drawn from a Gaussian with the mean and covariance of `real`, so that sizes need not be below its
    own. real: (m, f), z-scored (`standardise`). sizes: members of the real and of the other cohort.
    Traps: to draw members of `real` with replacement is no second sample, doubles bring the two together (40 against
    40: 1.45 instead of 1.64, seen in halves of 203 hearts; the Gaussian gives 1.59). A kind of hearts far from a
    Gaussian has another floor.
    """
    ours = _cohort(real, "real")
    if min(sizes) <= neighbours or draws < 1:
        raise InputError("The floor of a comparison cannot be drawn", value=f"{sizes[0]} and {sizes[1]}, {draws} draws",
                         rule=f"more than {neighbours} members on either side, at least one draw")
    root = _root(np.atleast_2d(np.cov(ours, rowvar=False)))
    found = np.empty((draws, 3))
    for row in found:
        one, other = (rng.standard_normal((size, ours.shape[1])) @ root for size in sizes)
        row[:] = *precision_recall(one, other, neighbours=neighbours), frechet_distance(one, other)
    precision, recall, frechet = found.mean(axis=0)
    return float(precision), float(recall), float(frechet)


def _root(covariance: FloatArray) -> FloatArray:
    """Symmetric square root of a symmetric matrix without negative eigenvalues, (f, f)."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T, dtype=np.float64)


def _radii(members: FloatArray, neighbours: int, name: str) -> FloatArray:
    """(n,) distance of every member to its k-th nearest other member."""
    if not 1 <= neighbours < len(members):
        raise InputError(f"The {name} cohort is too small for this many neighbours",
                         value=f"{len(members)} members, k = {neighbours}", rule="more members than neighbours")
    # Entry 0 of a sorted row is the member's own 0 (or that of a double, which is a neighbour): entry k is wanted.
    parts = [np.partition(_distances(members[low : low + ROWS], members), neighbours, axis=1)[:, neighbours]
             for low in range(0, len(members), ROWS)]
    return np.concatenate(parts)


def _inside(points: FloatArray, members: FloatArray, radii: FloatArray) -> float:
    """Share of `points` (n, f) inside at least one ball of `members` (m, f) with `radii` (m,)."""
    hits = [(_distances(points[low : low + ROWS], members) <= radii).any(axis=1)
            for low in range(0, len(points), ROWS)]
    return float(np.concatenate(hits).mean())


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """(n, f), (m, f) -> (n, m) Euclidean distances, the same number for a pair in either order."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(a, b), dtype=np.float64)


def _cohort(values: npt.ArrayLike, name: str) -> FloatArray:
    """(n, f) float64; InputError unless it is a table of at least two members with finite numbers."""
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) < 2 or matrix.shape[1] < 1:
        raise InputError(f"The {name} cohort is not a table of features", value=f"shape {matrix.shape}",
                         rule="(members, features), at least 2 members")
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise InputError(f"The {name} cohort has undefined numbers", value=f"member {row}",
                         rule="all measurements are finite numbers", hint="leave this member out")
    return matrix
