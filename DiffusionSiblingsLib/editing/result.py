"""What an edit gives back: a sibling with its checks, measurements and history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cohorts.measured_map import Checks, checks_from_json, measurements_from_json, measurements_to_json
from ..cohorts.training_distance import TrainingDistance
from ..core.errors import InputError
from ..core.labelmap import LabelMap
from ..metrics.measurement import MeasurementKey, titled
from ..metrics.measures.measure import Measured
from .repair.repair import Repair
from .request import Request

if TYPE_CHECKING:
    from ..control.achieved import Achieved

CUT_OFF = "cut_off_at_the_edge_of_the_grid_ml"
WITHHELD = "withheld_by_unknown_tissue_ml"


@dataclass(frozen=True)
class Sibling:
    """One sibling, after repair.

    request, k: what it was made from: sibling k of a request. labelmap: on the twin's grid, in the twin's values.
    known: (D, H, W) uint8 in the anatomy's labels, same grid. canonical: (128, 128, 128) uint8, the same sibling in the
    canonical frame. sigma: noise level where sampling began.
    features: 12 morphological features after repair; raw_features: before. volumes: ml of every tissue.
    checks, raw_checks: 12 topological checks at full and half resolution. repair: what was repaired.
    changes: voxels that differ from the twin inside and outside the reach of the edit. conflicts: tissue -> voxels of
    unknown tissue that it met. timings: seconds.
    guidance: of a guided request, what was asked for and what was reached, measured on `labelmap`; guidance_notes: what
    a person should know of it (a term that was out of reach, a step that was skipped).
    cut_off_ml: tissue -> ml that the edge of the twin's grid cuts off. withheld_ml: unknown segment -> ml of it that
    the sibling wanted and did not get, where that is much.
    training_distance: how it lies among the hearts that the model was trained on; None for a model that ships no
    statistics of them. measures: by name, each at the place that it has in `labelmap`; None of a
    sibling that a run rejected, or that was made by the engine alone.
    """

    request: Request
    k: int
    labelmap: LabelMap
    known: npt.NDArray[np.uint8]
    canonical: npt.NDArray[np.uint8]
    sigma: float
    features: dict[MeasurementKey, float]
    raw_features: dict[MeasurementKey, float]
    volumes: dict[str, float]
    checks: Checks
    raw_checks: Checks
    repair: Repair | None
    changes: dict[str, int] | None = None
    conflicts: dict[str, int] = field(default_factory=dict)
    decoder_changes: int | None = None
    dice_to_twin: dict[str, float] = field(default_factory=dict)
    dilations: int | None = None
    timings: dict[str, float] = field(default_factory=dict)
    guidance: tuple[Achieved, ...] = ()
    guidance_notes: tuple[str, ...] = ()
    training_distance: TrainingDistance | None = None
    cut_off_ml: dict[str, float] = field(default_factory=dict)
    withheld_ml: dict[str, float] = field(default_factory=dict)
    measures: Measured | None = None

    @property
    def voxels_repaired(self) -> int:
        """Voxels that the repair changed."""
        return self.repair.changed_voxels if self.repair is not None else 0

    @property
    def violation_percent(self) -> float:
        """Failed topological checks after repair in percent, as the papers count them (half resolution)."""
        return self.checks["half"].violation_percent

    def to_json(self) -> dict[str, Any]:
        """The sibling's entry in the record. What metrics.csv shows stands there in full, so that it can be made of it.
        """
        entry: dict[str, Any] = {
            "k": self.k, "sigma": self.sigma, **measurements_to_json(self.features, self.volumes),
            "raw_features": {title: round(float(value), 6) for title, value in titled(self.raw_features).items()},
            "checks": {resolution: report.to_json() for resolution, report in self.checks.items()},
            "raw_checks": {resolution: report.to_json() for resolution, report in self.raw_checks.items()},
            "repair": self.repair.to_json() if self.repair is not None else None,
            "timings_s": {part: round(float(seconds), 6) for part, seconds in self.timings.items()},
        }
        if self.changes is not None:
            entry |= {"voxels_changed": self.changes, "conflicts": self.conflicts,
                      "dice_to_twin": {tissue: float(value) for tissue, value in self.dice_to_twin.items()},
                      "preserved_voxels_the_decoder_would_have_changed": self.decoder_changes,
                      "mask_dilations": self.dilations}
        if self.cut_off_ml:
            entry[CUT_OFF] = self.cut_off_ml
        if self.withheld_ml:
            entry[WITHHELD] = self.withheld_ml
        if self.guidance or self.guidance_notes:
            entry |= {"guidance": [achieved.to_json() for achieved in self.guidance],
                      "guidance_notes": list(self.guidance_notes)}
        if self.training_distance is not None:
            entry["bias"] = self.training_distance.to_json()
        if self.measures is not None:
            entry["measures"] = self.measures.to_json()
        return entry


@dataclass(frozen=True)
class RecordedSibling:
    """A sibling as the record of its run tells it: what a `Sibling` has, under the same names, without its voxels.

    voxels_repaired: how many voxels the repair changed. raw_checks: {} where the entry does not hold them.
    """

    request: Request
    k: int
    features: dict[MeasurementKey, float]
    volumes: dict[str, float]
    checks: Checks
    raw_checks: Checks
    voxels_repaired: int
    changes: dict[str, int] | None
    conflicts: dict[str, int]
    dice_to_twin: dict[str, float]
    guidance: tuple[Achieved, ...]
    guidance_notes: tuple[str, ...]
    training_distance: TrainingDistance | None
    measures: Measured | None

    @classmethod
    def from_json(cls, request: Request | Mapping[str, Any], entry: Mapping[str, Any]) -> RecordedSibling:
        """What `Request.to_json` and `Sibling.to_json` wrote, in this version or an earlier one.

        Settings of a request that this version does not know are left out. KeyError, TypeError, ValueError,
        AttributeError or InputError for anything else.
        """
        from ..control.achieved import Achieved

        return cls(request if isinstance(request, Request) else known_request(request), entry["k"],
                   *measurements_from_json(entry), checks_from_json(entry["checks"]),
                   checks_from_json(entry.get("raw_checks") or {}),
                   int((entry.get("repair") or {}).get("changed_voxels", 0)), entry.get("voxels_changed"),
                   dict(entry.get("conflicts") or {}), dict(entry.get("dice_to_twin") or {}),
                   tuple(Achieved.from_json(item) for item in entry.get("guidance", ())),
                   tuple(entry.get("guidance_notes", ())),
                   TrainingDistance.from_json(entry["bias"]) if entry.get("bias") else None,
                   Measured.from_json(entry["measures"]) if entry.get("measures") else None)


def known_request(values: Mapping[str, Any]) -> Request:
    """The request of a record, without the settings that this version does not know. Raises InputError."""
    if not isinstance(values, Mapping):
        raise InputError("The request cannot be read", value=str(values)[:60], rule="an object with its settings")
    return Request.from_json({name: value for name, value in values.items() if name in Request.__dataclass_fields__})
