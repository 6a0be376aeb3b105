"""What the studies of edited seed hearts share: the row of a condition, its drift to the mean, its chart panel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..metrics.feature_space import constant
from ..metrics.measurement import MeasurementKey
from .charts import Panel, difference
from .conditions import Condition
from .context import StudyContext
from .seed_choice import LV, RV, StudySeed
from .tables import Row

Floats = npt.NDArray[np.float64]
LEAST_Z = 0.5  # a seed heart closer to the mean has no distance to drift
DRIFT = ("Drift: the share of the way from the seed heart to the mean of the reference cohort that the siblings' mean "
         "has moved (0: not at all, 1: to the mean, negative: away from it); empty for a seed heart within "
         f"{LEAST_Z} deviations of the mean.")


def cohort_row(context: StudyContext, seed: StudySeed, condition: Condition) -> Row:
    """Size, violations, ventricles, drift, likeness to the seed heart and variability of one condition."""
    row: Row = {"members": len(condition), "TV raw half [%]": condition.mean_violations(raw=True),
                "TV half [%]": condition.mean_violations(raw=False)}
    for key in (LV, RV):
        values, short = condition.column(key), key.tissue
        row |= {f"{short} [ml]": float(values.mean()), f"{short} sd [ml]": deviation(values),
                f"{short} drift": drift(context, seed, key, values)}
    dice = [np.mean(list(entry["dice_to_twin"].values())) for entry in condition.entries]
    row["mean Dice to seed"] = float(np.mean(dice))
    variability = [deviation(condition.column(key)) / context.real.column(key).std(ddof=1)
                   for key in context.real.feature_keys]
    row["spread [reference sd]"] = float(np.mean(variability))
    return row


def drift(context: StudyContext, seed: StudySeed, key: MeasurementKey, values: Floats) -> float:
    """Share of the way from the seed heart to the cohort's mean; nan for a seed heart at the mean."""
    column = context.real.column(key)
    mean, own = float(column.mean()), seed.features[key]
    if abs(own - mean) < LEAST_Z * float(column.std(ddof=1)):
        return float("nan")
    return round((float(values.mean()) - own) / (mean - own), 4) + 0.0  # the record rounds, and so -0 would show


def deviation(values: Floats) -> float:
    """Sample standard deviation of (n,) values: nan for one value, and exactly 0 for equal ones despite rounding."""
    if len(values) < 2:
        return float("nan")
    return 0.0 if constant(values) else float(values.std(ddof=1))


def panel(context: StudyContext, seed: StudySeed, label: str, condition: Condition, *, mapped: bool) -> Panel:
    """The condition in the chart. mapped: with the map of the differences to its seed heart, on the middle plane along
    the long axis (y = 0).
    """
    points = np.stack([condition.column(LV), condition.column(RV)])
    if not mapped:
        return Panel(seed.name, label, points)
    planes = (context.canonical(member)[:, context.anatomy.shape[1] // 2] for member in condition.members)
    own = context.real.labels(seed.index)[:, context.anatomy.shape[1] // 2]
    return Panel(seed.name, label, points, difference(own, planes))
