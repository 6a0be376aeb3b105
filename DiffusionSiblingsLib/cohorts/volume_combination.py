"""How usual the volumes and lengths of a heart are together, among those of a cohort, whatever each is by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
LEAST_ML = 0.05  # half of what cohorts are rounded to: a tissue that is missing counts as that much
LEAST_HEARTS = 5  # for each volume: fewer do not tell how volumes combine
MOST_CONDITION = 1e8  # of their covariance: beyond, some volume follows from the others


@dataclass(frozen=True)
class VolumeCombination:
    """The Mahalanobis distance of the logarithms of volumes. A ratio is a difference of logarithms, so every ratio of
    two volumes counts, and of several.

    middle: (v,), inverse: (v, v), mean and inverse covariance of the logarithms over a cohort. usual: (N,) the
    distances of its members.
    """

    middle: FloatArray
    inverse: FloatArray
    usual: FloatArray

    @classmethod
    def of(cls, volumes: FloatArray) -> VolumeCombination | None:
        """The combination that a cohort knows; None for a single volume, and for hearts too few or too alike to tell.

        volumes: (N, v) ml.
        """
        logs = _logs(volumes)
        if logs.shape[1] < 2 or len(logs) <= LEAST_HEARTS * logs.shape[1]:
            return None
        covariance, away = np.cov(logs, rowvar=False), logs - logs.mean(axis=0)
        if not np.linalg.cond(covariance) < MOST_CONDITION:
            return None
        inverse = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
        return cls(logs.mean(axis=0), inverse, np.sqrt(np.einsum("nf,fg,ng->n", away, inverse, away)))

    def more_usual(self, volumes: FloatArray) -> float:
        """Per cent of the cohort whose volumes combine in a more usual way. volumes: (v,) ml of one heart."""
        away = _logs(volumes) - self.middle
        return 100.0 * float(np.mean(self.usual < np.sqrt(away @ self.inverse @ away)))


def _logs(volumes: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(volumes, LEAST_ML)), dtype=np.float64)
