"""Warnings about requested measures by name that few of the training hearts have, by themselves or together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..metrics.measurement import MeasurementKey, tissue_key
from .training_statistics import UNUSUAL, Tissues, TrainingStatistics
from .volume_combination import VolumeCombination

NO_CLINICAL = "which is no clinical range"
LEAST_HEARTS = 20  # that have a measure: fewer do not tell its range


def measures_beyond(asked: Mapping[MeasurementKey, float], volumes: Mapping[Tissues, float],
                    statistics: TrainingStatistics) -> tuple[str, ...]:
    """A warning for each measure beyond nearly all training hearts; where there is none, one for their combination.

    asked: the values of targets by name. volumes: tissues -> ml requested for these tissues together.
    """
    known = {key: value for key, value in asked.items()
             if np.isfinite(statistics.measures.get(key, np.empty(0))).sum() >= LEAST_HEARTS}
    found = []
    for key, value in known.items():
        seen = statistics.measures[key]
        low, high = np.nanpercentile(seen, [(100 - UNUSUAL) / 2, (100 + UNUSUAL) / 2])
        if not low <= value <= high:
            unit = "" if key.unit == "1" else f" {key.unit}"
            found.append(f"{key.label} {value:.1f}{unit} is beyond what {UNUSUAL:.0f} % of the model's training hearts "
                         f"have ({low:.1f} to {high:.1f}{unit}), {NO_CLINICAL}: check whether the siblings reach it, "
                         "and look at their shapes")
    return tuple(found) or _unusual_together(known, volumes, statistics)


def _unusual_together(asked: Mapping[MeasurementKey, float], volumes: Mapping[Tissues, float],
                      statistics: TrainingStatistics) -> tuple[str, ...]:
    """A warning where the measures and the volumes of single tissues combine as in hardly any training heart."""
    single = {tissues[0]: ml for tissues, ml in volumes.items()
              if len(tissues) == 1 and tissue_key(tissues[0]) in statistics.keys}
    columns = [*(statistics.column(tissue_key(tissue)) for tissue in single),
               *(statistics.measures[key] for key in asked)]
    if not asked or len(columns) < 2:
        return ()
    rows = np.stack(columns, axis=1)
    combination = VolumeCombination.of(rows[np.isfinite(rows).all(axis=1)])
    if combination is None:
        return ()
    share = combination.more_usual(np.array([*single.values(), *asked.values()], dtype=np.float64))
    if share <= UNUSUAL:
        return ()
    names = [*(f"{tissue} volume" for tissue in single), *(key.label for key in asked)]
    return (f"The targets combine {', '.join(names[:-1])} and {names[-1]} less usually than {share:.1f} % of the "
            f"model's training hearts do, {NO_CLINICAL}: look at the shapes of the siblings",)
