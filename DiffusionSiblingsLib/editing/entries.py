"""What the record and metrics.csv say of a twin and of a sibling; the same whoever runs the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cohorts.measured_map import Measured, check_columns
from ..cohorts.training_distance import bias_columns
from ..core.labelmap import Segment
from ..core.record import hash_file, hash_labelmap
from ..labelmaps.twin import Twin
from ..metrics.morphology import by_column
from .request import Request
from .result import RecordedSibling, Sibling
from .target_rows import target_columns

GATE_ROUNDED = 4


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
                              **check_columns(sibling.checks, sibling.raw_checks), **bias_columns(sibling.bias)}
    row["voxels repaired"] = sibling.voxels_repaired
    row["voxels changed inside region"] = changes.get("inside", "")
    row["voxels changed outside region"] = changes.get("outside", "")
    row["voxels in conflict with unknown tissue"] = sum(sibling.conflicts.values())
    dice = list(sibling.dice_to_twin.values())
    row["mean Dice to twin"] = float(np.mean(dice)) if dice else ""
    return {**row, **target_columns(sibling.guidance, sibling.guidance_notes)}
