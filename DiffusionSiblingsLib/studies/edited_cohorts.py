"""What studies of edited seeds have in common: a cohort's row, its drift towards the mean, its panel in the figure."""

from __future__ import annotations

import numpy as np

from ..metrics.feature_space import constant
from ..metrics.measurement import MeasurementKey
from .charts import Panel, difference
from .conditions import Condition
from .context import StudyContext
from .seed_choice import LV, RV, Seed
from .tables import Row

LEAST_Z = 0.5  # a seed nearer to the mean has no way to drift
DRIFT = ("Drift: the share of the way from the seed to the reference cohort's mean that the siblings' mean has gone "
         f"(0 none, 1 at the mean, negative away); empty for a seed within {LEAST_Z} deviations of the mean.")


def cohort_row(studio: StudyContext, seed: Seed, arm: Condition) -> Row:
    """Sizes, violations, ventricles, drift, likeness to the seed and spread of one arm."""
    row: Row = {"members": len(arm), "TV raw half [%]": arm.mean_violations(raw=True),
                "TV half [%]": arm.mean_violations(raw=False)}
    for key in (LV, RV):
        values, short = arm.column(key), key.tissue
        row |= {f"{short} [ml]": float(values.mean()), f"{short} sd [ml]": deviation(values),
                f"{short} drift": drift(studio, seed, key, values)}
    row["mean Dice to seed"] = float(np.mean([np.mean(list(entry["dice_to_twin"].values())) for entry in arm.entries]))
    spread = [deviation(arm.column(key)) / studio.real.column(key).std(ddof=1) for key in studio.real.feature_keys]
    row["spread [reference sd]"] = float(np.mean(spread))
    return row


def drift(studio: StudyContext, seed: Seed, key: MeasurementKey, values: np.ndarray) -> float:
    """Share of the way from the seed to the cohort's mean; nan where the seed lies at the mean."""
    column = studio.real.column(key)
    mean, own = float(column.mean()), seed.features[key]
    if abs(own - mean) < LEAST_Z * float(column.std(ddof=1)):
        return float("nan")
    return round((float(values.mean()) - own) / (mean - own), 4) + 0.0  # the record rounds, and so -0 would show


def deviation(values: np.ndarray) -> float:
    """Standard deviation, nan for one value; 0 for equal ones, whose mean is rounded."""
    if len(values) < 2:
        return float("nan")
    return 0.0 if constant(values) else float(values.std(ddof=1))


def panel(studio: StudyContext, seed: Seed, label: str, arm: Condition, *, mapped: bool) -> Panel:
    """The arm in the figure. mapped: with the map of where it differs from its seed, on the middle plane along the long
    axis (y = 0).
    """
    points = np.stack([arm.column(LV), arm.column(RV)])
    if not mapped:
        return Panel(seed.name, label, points)
    planes = (studio.canonical(member)[:, studio.anatomy.shape[1] // 2] for member in arm.members)
    return Panel(seed.name, label, points, difference(studio.real.labels(seed.index)[:, studio.anatomy.shape[1] // 2],
                                                      planes))
