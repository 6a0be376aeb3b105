"""Where a value lies among those of a reference cohort, in percent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError

FloatArray = npt.NDArray[np.float64]


def percentile_of(values: npt.ArrayLike, reference: npt.ArrayLike) -> FloatArray:
    """Percentile of each value in a reference column, 0 to 100: the share of the reference below it, ties by half.

    values: any shape; reference: (n,), n > 0. The result has the shape of `values`.
    The mid-rank for ties (share below plus half of the share equal) makes the middle of a symmetric column 50, and a
    value on a heap of rounded ones no better or worse than its neighbours; the result does not depend on the order.
    Trap: 0 and 100 mean outside the reference, not how far: a value just below the lowest and one half as large are
    both 0. The smallest step is 100 / n. Undefined values give nan; an undefined reference is an InputError.
    """
    column = np.sort(np.asarray(reference, dtype=np.float64).ravel())
    if not column.size or not np.isfinite(column).all():
        raise InputError("A reference column cannot be used", value=f"{column.size} values",
                         rule="at least one value, all of them finite")
    asked = np.asarray(values, dtype=np.float64)
    below = np.searchsorted(column, asked, side="left")
    equal = np.searchsorted(column, asked, side="right") - below
    found = 100.0 * (below + 0.5 * equal) / column.size
    return np.where(np.isnan(asked), np.nan, found)
