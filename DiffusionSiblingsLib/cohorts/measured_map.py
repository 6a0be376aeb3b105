"""One label map measured: features, volumes and checks, of a twin or of any file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy, load_anatomy
from ..core.labelmap import LabelMap, LabelValues
from ..labelmaps.read import read_labelmap
from ..labelmaps.tissues import known_labels
from ..metrics.measurement import MeasurementKey, keyed_numbers, titled
from ..metrics.measures.measure import Measured
from ..metrics.measures.measure import measure as measure_by_name
from ..metrics.morphology import all_measurements, features, tissue_volumes
from ..metrics.topology import TopologyReport, check_both
from .training_distance import TrainingDistance, TrainingDistanceMeter, training_distance_columns

Checks = dict[str, TopologyReport]  # "full", "half": the resolution
CHECK_COLUMNS = ("violations [%]", "violations raw [%]", "violations full resolution [%]", "failed checks")


@dataclass(frozen=True)
class MeasuredMap:
    """Features, volumes (ml by tissue) and checks of a map that is no sibling: a twin, or any file.

    training_distance: how it lies among the training hearts of a model, where that model's meter measured it. measures:
    by name, each at the place that it has in this map; None where they were not asked for.
    """

    features: dict[MeasurementKey, float]
    volumes: dict[str, float]
    checks: Checks
    training_distance: TrainingDistance | None = None
    measures: Measured | None = None

    @classmethod
    def of(cls, labelmap: LabelMap, known: npt.NDArray[np.uint8], anatomy: Anatomy,
           meter: TrainingDistanceMeter | None = None, *, by_name: bool = False) -> MeasuredMap:
        """Measures a map. known: (D, H, W) uint8, KJI order, its voxels in the anatomy's labels. meter: of the model in
        use. by_name: whether to find the measures by name as well (about a second).
        """
        found, volumes = features(known, labelmap.affine, anatomy), tissue_volumes(known, labelmap.affine, anatomy)
        distance = meter.distance_of(found, volumes) if meter is not None else None
        measures = measure_by_name(known, labelmap.affine, anatomy) if by_name else None
        return cls(found, volumes, check_both(known, anatomy), distance, measures)

    def to_json(self) -> dict[str, Any]:
        """The measurements in a record's entry, in full: metrics.csv is written from them."""
        return {**measurements_to_json(self.features, self.volumes),
                "checks": {resolution: report.to_json() for resolution, report in self.checks.items()},
                **({"bias": self.training_distance.to_json()} if self.training_distance is not None else {}),
                **({"measures": self.measures.to_json()} if self.measures is not None else {})}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> MeasuredMap:
        """The measurements in a record's entry of a twin; KeyError, TypeError or InputError where there are none."""
        return cls(*measurements_from_json(entry), checks_from_json(entry["checks"]),
                   TrainingDistance.from_json(entry["bias"]) if entry.get("bias") else None,
                   Measured.from_json(entry["measures"]) if entry.get("measures") else None)

    def row(self, name: str, edit: str = "") -> dict[str, object]:
        """The map's row in metrics.csv; empty cells for a missing tissue. edit: "twin" for the twin of a run."""
        there = {key: "" if self.volumes.get(key.tissue) == 0 else value
                 for key, value in all_measurements(self.features, self.volumes).items()}
        return {"map": name, "edit": edit, "ratio": "", "seed": "", "k": "",
                **titled(there), **check_columns(self.checks, self.checks),
                **training_distance_columns(self.training_distance),
                **(self.measures.columns if self.measures is not None else {})}


def measurements_to_json(features: Mapping[MeasurementKey, float], volumes: Mapping[str, float]) -> dict[str, Any]:
    """The two keys of a record's entry that hold measurements."""
    return {"features": {title: float(value) for title, value in titled(features).items()},
            "volumes_ml": {tissue: float(ml) for tissue, ml in volumes.items()}}


def measurements_from_json(entry: Mapping[str, Any]) -> tuple[dict[MeasurementKey, float], dict[str, float]]:
    """Features and volumes of a record's entry, as `measurements_to_json` writes them."""
    return keyed_numbers(entry["features"]), {str(tissue): float(ml) for tissue, ml in entry["volumes_ml"].items()}


def measurements_of(entry: Mapping[str, Any]) -> dict[MeasurementKey, float]:
    """All measurements of a record's entry, of a twin or of a sibling."""
    return all_measurements(*measurements_from_json(entry))


def named_of(entry: Mapping[str, Any]) -> dict[MeasurementKey, float]:
    """The measures by name in a record's entry, of a twin or of a sibling; {} in records of earlier versions."""
    return Measured.from_json(entry["measures"]).values if entry.get("measures") else {}


def checks_from_json(values: Mapping[str, Any]) -> Checks:
    """The checks that a record's entry holds."""
    return {resolution: TopologyReport.from_json(report) for resolution, report in values.items()}


def check_columns(checks: Checks, raw: Checks) -> dict[str, object]:
    """The columns of metrics.csv for a map's checks. raw: the checks before repair; {} where none are known."""
    values = (checks["half"].violation_percent, raw["half"].violation_percent if raw else "",
              checks["full"].violation_percent, "; ".join(checks["half"].failed))
    return dict(zip(CHECK_COLUMNS, values, strict=True))


def measure(source: Path | str | LabelMap, *, anatomy: str = "heart",
            labels: LabelValues | None = None) -> MeasuredMap:
    """Features (ml, mm), volumes (ml by tissue) and topological checks of a label map or of a file, for scripts.

    anatomy: its id. labels: tissue id -> value in the file, where its names and codes do not tell; of files only.
    Raises InputError for a file that cannot be used.
    """
    rules = load_anatomy(anatomy)
    labelmap = source if isinstance(source, LabelMap) else read_labelmap(source, rules, labels)
    return MeasuredMap.of(labelmap, known_labels(labelmap, rules), rules)
