"""One label map measured: features, volumes and checks, of a twin or of any file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.labelmap import LabelMap
from ..metrics.morphology import by_column, features, tissue_volumes
from ..metrics.topology import TopologyReport, check_both
from .training_distance import TrainingDistance, TrainingDistanceMeter, bias_columns


@dataclass(frozen=True)
class Measured:
    """Features, volumes (ml by tissue) and checks of a map that is no sibling: a twin, or any file.

    bias: how it lies among the training hearts of a model, where it was measured with that model's meter.
    """

    features: dict[str, float]
    volumes: dict[str, float]
    checks: dict[str, TopologyReport]
    bias: TrainingDistance | None = None

    @classmethod
    def of(cls, labelmap: LabelMap, known: npt.NDArray[np.uint8], anatomy: Anatomy,
           meter: TrainingDistanceMeter | None = None) -> Measured:
        """Measures a map. known: (D, H, W) uint8, its voxels in the anatomy's labels. meter: of the model at hand."""
        found, volumes = features(known, labelmap.affine, anatomy), tissue_volumes(known, labelmap.affine, anatomy)
        bias = meter.bias(found, volumes) if meter is not None else None
        return cls(found, volumes, check_both(known, anatomy), bias)

    def row(self, name: str) -> dict[str, object]:
        """The map's row in metrics.csv."""
        return {"map": name, "edit": "", "ratio": "", "seed": "", "k": "",
                **by_column(self.features, self.volumes), **check_columns(self.checks, self.checks),
                **bias_columns(self.bias)}


def check_columns(checks: dict[str, TopologyReport], raw: dict[str, TopologyReport]) -> dict[str, object]:
    """The columns of metrics.csv on a map's checks. raw: those before repair, empty where there are none."""
    return {"violations [%]": checks["half"].violation_percent,
            "violations raw [%]": raw["half"].violation_percent if raw else "",
            "violations full resolution [%]": checks["full"].violation_percent,
            "failed checks": "; ".join(checks["half"].failed)}
