"""A column of numbers in a few: mean, standard deviation, extremes and percentiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PERCENTILES = (5, 50, 95)


@dataclass(frozen=True)
class Summary:
    """deviation: the standard deviation with n - 1, nan for one number. percentiles: at PERCENTILES."""

    count: int
    mean: float
    deviation: float
    least: float
    most: float
    percentiles: tuple[float, ...]

    @property
    def variation(self) -> float:
        """The coefficient of variation in percent: the standard deviation over the mean; nan for a mean of 0."""
        return 100 * self.deviation / abs(self.mean) if self.mean else float("nan")

    def percentile_cells(self, before: str = "") -> dict[str, float]:
        """The percentiles under their column titles: "5 %", "50 %", "95 %", each after the text `before`."""
        return {f"{before}{share} %": value for share, value in zip(PERCENTILES, self.percentiles, strict=True)}


def summary_of(values: npt.ArrayLike) -> Summary:
    """The summary of a column of at least one number. values: (n,) float64."""
    numbers = np.asarray(values, dtype=np.float64)
    deviation = float(numbers.std(ddof=1)) if len(numbers) > 1 else float("nan")
    return Summary(len(numbers), float(numbers.mean()), deviation, float(numbers.min()), float(numbers.max()),
                   tuple(float(value) for value in np.percentile(numbers, PERCENTILES)))
