"""What the record and metrics.csv say of a twin and of a sibling; the same whoever runs the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy import Anatomy
from ..bias import Bias, BiasMeter, bias_columns
from ..labelmap import LabelMap, Segment
from ..metrics.morphology import by_column, features, tissue_volumes
from ..metrics.topology import TopologyReport, check_both
from ..record import hash_file, hash_labelmap
from ..record import now as now  # for whoever dates what it writes
from ..request import Request
from ..result import RecordedSibling, Sibling
from ..twin import Twin
from .targets import target_columns

GATE_ROUNDED = 4


@dataclass(frozen=True)
class Measured:
    """Features, volumes (ml by tissue) and checks of a map that is no sibling: a twin, or any file.

    bias: how it lies among the training hearts of a model, where it was measured with that model's meter.
    """

    features: dict[str, float]
    volumes: dict[str, float]
    checks: dict[str, TopologyReport]
    bias: Bias | None = None

    @classmethod
    def of(cls, labelmap: LabelMap, known: npt.NDArray[np.uint8], anatomy: Anatomy,
           meter: BiasMeter | None = None) -> Measured:
        """Measures a map. known: (D, H, W) uint8, its voxels in the anatomy's labels. meter: of the model at hand."""
        found, volumes = features(known, labelmap.affine, anatomy), tissue_volumes(known, labelmap.affine, anatomy)
        bias = meter.bias(found, volumes) if meter is not None else None
        return cls(found, volumes, check_both(known, anatomy), bias)

    def row(self, name: str) -> dict[str, object]:
        """The map's row in metrics.csv."""
        return {"map": name, "edit": "", "ratio": "", "seed": "", "k": "",
                **by_column(self.features, self.volumes), **_check_columns(self.checks, self.checks),
                **bias_columns(self.bias)}


def twin_row(measured: Measured) -> dict[str, object]:
    """The twin's row in metrics.csv."""
    return {**measured.row("twin"), "edit": "twin"}


def describe_twin(twin: Twin, measured: Measured) -> dict[str, Any]:
    """The twin's entry in the record: where it came from, its grid, its place, its own checks."""
    labelmap, agreement = twin.labelmap, twin.canonical.agreement
    return {
        "file": str(labelmap.source.resolve()) if labelmap.source else None,
        "file_sha256": hash_file(labelmap.source) if labelmap.source else None,
        "labels_sha256": hash_labelmap(labelmap),
        "shape_kji": list(labelmap.labels.shape),
        "warnings": list(twin.warnings),
        "agreement_with_reference": None if np.isnan(agreement) else round(agreement, 4),  # none of a mapless reference
        "affine_ijk_to_ras_mm": labelmap.affine.tolist(),
        "canonical_to_ras_mm": twin.canonical.to_world.tolist(),
        "outside_field_of_view_ml": {key: round(value, 3) for key, value in twin.canonical.outside_ml.items()},
        "segments": segment_rows(labelmap.segments),
        "features": {k: round(v, 6) for k, v in measured.features.items()},
        "volumes_ml": {k: round(v, 6) for k, v in measured.volumes.items()},
        "checks": {key: report.to_json() for key, report in measured.checks.items()},
        **({"bias": measured.bias.to_json()} if measured.bias is not None else {}),
    }


def segment_rows(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Segments in the record's entry of a twin."""
    return [{"value": int(s.value), "name": s.name, "tissue": s.tissue} for s in segments]


def run_entry(request: Request, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    """A request's entry in the record, without siblings yet. warnings: what was said of its targets beforehand."""
    entry: dict[str, Any] = {"request": request.to_json(), "siblings": []}
    return {**entry, "warnings": list(warnings)} if warnings else entry


def gate_entry(gate: dict[str, Any], accepted: int, rejected: int) -> dict[str, Any]:
    """What a gate let through so far, in the record's entry of a request. gate: its checks and limit."""
    drawn = accepted + rejected
    return {**gate, "drawn": drawn, "accepted": accepted,
            "acceptance": round(accepted / drawn, GATE_ROUNDED) if drawn else None}


def sibling_entry(file: str, sibling: Sibling) -> dict[str, Any]:
    """A sibling's entry in the record. file: its name beside the record."""
    return {"file": file, "labels_sha256": hash_labelmap(sibling.labelmap), **sibling.to_json()}


def sibling_row(name: str, sibling: Sibling | RecordedSibling) -> dict[str, object]:
    """A sibling's row in metrics.csv."""
    request, changes = sibling.request, sibling.changes or {}
    row: dict[str, object] = {"map": name, "edit": request.describe(), "ratio": request.psi, "seed": request.seed,
                              "k": sibling.k, **by_column(sibling.features, sibling.volumes),
                              **_check_columns(sibling.checks, sibling.raw_checks), **bias_columns(sibling.bias)}
    row["voxels repaired"] = sibling.voxels_repaired
    row["voxels changed inside region"] = changes.get("inside", "")
    row["voxels changed outside region"] = changes.get("outside", "")
    row["voxels in conflict with unknown tissue"] = sum(sibling.conflicts.values())
    dice = list(sibling.dice_to_twin.values())
    row["mean Dice to twin"] = float(np.mean(dice)) if dice else ""
    return {**row, **target_columns(sibling.guidance, sibling.guidance_notes)}


def _check_columns(checks: dict[str, TopologyReport], raw: dict[str, TopologyReport]) -> dict[str, object]:
    return {"violations [%]": checks["half"].violation_percent,
            "violations raw [%]": raw["half"].violation_percent if raw else "",
            "violations full resolution [%]": checks["full"].violation_percent,
            "failed checks": "; ".join(checks["half"].failed)}
