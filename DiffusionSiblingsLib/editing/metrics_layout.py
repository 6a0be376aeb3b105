"""The layout of metrics.csv: the columns that every run has, whatever its command, and their order.

They depend on the anatomy alone. A column stays empty where a run has nothing to say in it, so that tables of different
runs can be put below each other; what a run has besides, such as the targets of a guided one, stands behind them.
"""

from __future__ import annotations

from ..cohorts.measured_map import CHECK_COLUMNS
from ..cohorts.training_distance import training_distance_titles
from ..core.anatomy import Anatomy
from ..metrics.measurement import measurement_keys
from ..metrics.measures.names import keys_of

RUN_COLUMNS = ("map", "edit", "ratio", "seed", "k")
REPAIRED, INSIDE, OUTSIDE = "voxels repaired", "voxels changed inside region", "voxels changed outside region"
CONFLICTS, DICE = "voxels in conflict with unknown tissue", "mean Dice to twin"


def metrics_columns(anatomy: Anatomy) -> tuple[str, ...]:
    """The columns that lead every metrics.csv of hearts of this anatomy."""
    keys = measurement_keys(anatomy)
    return (*RUN_COLUMNS, *(key.title for key in keys), *CHECK_COLUMNS, *training_distance_titles(keys),
            *(key.title for key in keys_of(anatomy)), REPAIRED, INSIDE, OUTSIDE, CONFLICTS, DICE)
