"""The training distance of a cohort on its page: measurements among the training hearts, the twin, what to doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..cohorts.training_distance import training_distance_words
from .cohort_facts import CohortFacts, distance_rows, flagged
from .page import Cell, number

TWO_DIGITS = 10  # volumes and axes are shown in whole ml and mm, ratios with decimals
LISTED = 12  # rows of a table of members, whose rest is in a file


def distance_facts(known: CohortFacts) -> dict[str, Any]:
    """The section's values; {} where the model comes without measurements of its training hearts."""
    rows = distance_rows(known)
    if not rows:
        return {}
    with_twin = known.twin is not None
    shown = [_cells(row, with_twin=with_twin) for row in rows]
    nearest = np.array([found.nearest for found in known.distances])
    usual = known.meter.own_nearest if known.meter is not None else nearest
    return {"training": len(known.statistics or ()), "twin": known.twin_distance,
            "twin_warnings": training_distance_words("It", known.twin_distance),
            "rows": shown, "numbers": tuple(shown[0])[1:], "flagged": flagged(known, LISTED),
            "nearest": {"median": float(np.median(nearest)), "least": float(nearest.min()),
                        "greatest": float(nearest.max()), "usual": float(np.median(usual))}}


def _cells(row: Mapping[str, Any], *, with_twin: bool) -> dict[str, Cell]:
    decimals = 0 if row["training 95 %"] >= TWO_DIGITS else 2
    cells: dict[str, Cell] = {"Measurement": row["measurement"],
                              "Training": _range(row, "training ", decimals=decimals)}
    if with_twin:
        cells |= {"Twin": number(row["twin"], decimals), "Its percentile": number(row["twin percentile"], 0)}
    cells |= {"This cohort": _range(row, "", decimals=decimals),
              "Percentile": _range(row, "percentile ", "median percentile"),
              "Outside": row["outside"]}
    if with_twin:
        drift = row["median drift [%]"]
        cells["Drift to the mean"] = None if drift is None else f"{number(drift, 0)} %"
    return cells


def _range(row: Mapping[str, Any], side: str, median: str = "", *, decimals: int = 0) -> str:
    low, high = (number(row[f"{side}{end}"], decimals) for end in ("5 %", "95 %"))
    return f"{number(row[median or f'{side}median'], decimals)} ({low} to {high})"
