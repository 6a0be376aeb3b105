"""Measures by name of whole cohorts, a row each: of one cohort beside its twin, or of two beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..metrics.measurement import MeasurementKey
from ..metrics.summary import summary_of
from .measured import MeasuredCohort

Row = dict[str, Any]


def cohort_measures(cohort: MeasuredCohort, twin: Mapping[MeasurementKey, float] | None = None) -> list[Row]:
    """How each measure is distributed over the members that have it. "found": how many have it. twin: its measures.

    Measures that no member has are left out, as are all of a cohort that was measured without them.
    """
    rows = []
    for key in cohort.named:
        values = _found(cohort, key)
        if not len(values):
            continue
        summary = summary_of(values)
        row: Row = {"measure": key.title, "found": summary.count, **({} if twin is None else {"twin": twin.get(key)})}
        rows.append({**row, "mean": summary.mean, "standard deviation": summary.deviation,
                     "coefficient of variation [%]": summary.variation, "least": summary.least,
                     **summary.percentile_cells(), "greatest": summary.most})
    return rows


def compared_measures(real: MeasuredCohort, synthetic: MeasuredCohort) -> list[Row]:
    """Each measure in both cohorts: how many have it, percentiles, and the difference of the medians, synthetic minus
    real. Numbers of a side on which no member has the measure are None.
    """
    return [_compared(key, _found(real, key), _found(synthetic, key)) for key in dict.fromkeys(
        [*real.named, *synthetic.named]) if len(_found(real, key)) or len(_found(synthetic, key))]


def shown_first(rows: Sequence[Row], first: Sequence[MeasurementKey]) -> list[Row]:
    """The rows of those measures that tables on a screen show."""
    titles = {key.title for key in first}
    return [row for row in rows if row["measure"] in titles]


def _compared(key: MeasurementKey, ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> Row:
    from scipy.stats import ks_2samp

    row: Row = {"measure": key.title}
    for side, values in (("real", ours), ("synthetic", theirs)):
        row[f"{side} found"] = len(values)
        row |= (summary_of(values).percentile_cells(f"{side} ") if len(values)
                else dict.fromkeys((f"{side} 5 %", f"{side} 50 %", f"{side} 95 %")))
    both = bool(len(ours) and len(theirs))
    row["difference of medians"] = float(np.median(theirs) - np.median(ours)) if both else None
    row["Kolmogorov-Smirnov"] = float(ks_2samp(ours, theirs).statistic) if both else None
    return row


def _found(cohort: MeasuredCohort, key: MeasurementKey) -> npt.NDArray[np.float64]:
    """(n,) the values of the members that have the measure."""
    values = cohort.named.get(key, np.zeros(0))
    return values[np.isfinite(values)]
