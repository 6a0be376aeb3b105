"""Work that Slicer does in short steps, done at once for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from DiffusionSiblingsUI.scene import bridge, regions, runs, tables

from DiffusionSiblingsLib.core.steps import exhaust


def written(labels: np.ndarray, bridged: bridge.Bridged, **options: Any) -> Any:
    """`bridge.writing` -> the segmentation node of a sibling."""
    return exhaust(bridge.writing(labels, bridged, **options))


def region_mask(bridged: bridge.Bridged, **options: Any) -> np.ndarray:
    """`regions.masking` -> (D, H, W) bool."""
    return exhaust(regions.masking(bridged, **options))


def added_run(results: Sequence[Any], **settings: Any) -> runs.Run:
    """`runs.building` -> the run in the scene."""
    return exhaust(runs.building(results, **settings))


def metrics_table(rows: Sequence[tables.Row], record: Mapping[str, Any] | None = None, name: str = "Metrics") -> Any:
    """`tables.tabling` -> the table node."""
    return exhaust(tables.tabling(rows, record, name))
