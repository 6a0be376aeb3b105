"""Entries of the record, and the rows of metrics.csv that are made from them; the same whoever runs the engine.

The record is the truth: `row_of` is the one way from an entry to its row, for files, terminals, reports and Slicer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..cohorts.measured_map import MeasuredMap, check_columns
from ..cohorts.training_distance import TrainingDistanceMeter, training_distance_columns
from ..control.achieved import Achieved
from ..core.errors import InputError, reason_of
from ..core.json_files import MALFORMED
from ..core.labelmap import Segment
from ..core.record import hash_file, hash_labelmap
from ..labelmaps.geometry.room import NONE, Extension
from ..labelmaps.twin import Twin
from ..metrics.measurement import titled
from ..metrics.morphology import all_measurements
from .metrics_layout import CONFLICTS, DICE, INSIDE, OUTSIDE, REPAIRED
from .request import Request
from .result import RecordedSibling, Sibling, known_request
from .target_rows import target_columns, twin_columns

GATE_ROUNDED = 4
EXTENDED = "grid_extended_by_voxels_ijk"
MOST_EXTENDED = 1000


def describe_twin(twin: Twin, measured: MeasuredMap) -> dict[str, Any]:
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
        **({EXTENDED: [list(voxels) for voxels in twin.extension]} if twin.extension != NONE else {}),
        **measured.to_json(),
    }


def extension_in(described: Mapping[str, Any]) -> Extension:
    """By how many voxels the grid of a recorded twin is larger than the one of its file. Raises InputError."""
    try:
        (i, j, k) = ((int(before), int(after)) for before, after in described.get(EXTENDED, NONE))
        if min(*i, *j, *k) < 0 or max(*i, *j, *k) > MOST_EXTENDED:
            raise ValueError(f"from 0 to {MOST_EXTENDED} voxels")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError("The record does not tell the grid of its twin", value=f"{EXTENDED}: {reason_of(error)}",
                         rule="three pairs of whole numbers") from error
    return i, j, k


def segment_rows(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Segments in the record's entry of a twin."""
    return [{"value": int(s.value), "name": s.name, "tissue": s.tissue} for s in segments]


def run_entry(request: Request, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    """A request's entry in the record, without siblings yet. warnings: about its targets, from before the run."""
    entry: dict[str, Any] = {"request": request.to_json(), "siblings": []}
    return {**entry, "warnings": list(warnings)} if warnings else entry


def gate_entry(gate: dict[str, Any], accepted: int, rejected: int) -> dict[str, Any]:
    """How many siblings were accepted so far, in the record's entry of a request. gate: its checks and limit."""
    drawn = accepted + rejected
    return {**gate, "drawn": drawn, "accepted": accepted,
            "acceptance": round(accepted / drawn, GATE_ROUNDED) if drawn else None}


def sibling_entry(file: str, sibling: Sibling) -> dict[str, Any]:
    """A sibling's entry in the record. file: its name beside the record."""
    return {"file": file, "labels_sha256": hash_labelmap(sibling.labelmap), **sibling.to_json()}


def row_of(name: str, entry: Mapping[str, Any], request: Request | Mapping[str, Any] | None = None,
           meter: TrainingDistanceMeter | None = None) -> dict[str, object]:
    """The row of metrics.csv of a record's entry: a sibling's with its request, the twin's without one.

    meter: measures the training distance of a sibling whose entry does not hold it. Raises InputError for an entry that
    this version cannot read.
    """
    try:
        if request is None:
            return MeasuredMap.from_json(entry).row(name, "twin")
        sibling = RecordedSibling.from_json(request, entry)
        if sibling.training_distance is None and meter is not None:
            distance = meter.distance_of(sibling.features, sibling.volumes)
            sibling = replace(sibling, training_distance=distance)
        return sibling_row(name, sibling)
    except MALFORMED as error:
        raise InputError("An entry of the record cannot be read", value=f"{name}: {reason_of(error)}",
                         rule="each entry has features, volumes and checks",
                         hint="make the run again, or replay its record") from error


def rows_of(twin: Mapping[str, Any] | None, runs: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, object]]:
    """The rows of metrics.csv of a whole record, the twin first. twin, runs: as the record has them.

    The siblings are named by their files, "sibling_0003.nii.gz" -> "sibling_0003".
    """
    runs = list(runs)
    if twin is not None:
        row = row_of("twin", twin)
        for run in runs:
            for entry in run["siblings"]:
                row |= twin_columns(guidance_of(entry))
        yield row
    for run in runs:
        request = known_request(run["request"])
        for entry in run["siblings"]:
            yield row_of(str(entry["file"]).split(".")[0], entry, request)


def guidance_of(entry: Mapping[str, Any]) -> tuple[Achieved, ...]:
    """What became of the targets of a sibling, from its entry in the record; () if it was not guided."""
    return tuple(Achieved.from_json(values) for values in entry.get("guidance", ()))


def sibling_row(name: str, sibling: Sibling | RecordedSibling) -> dict[str, object]:
    """A sibling's row in metrics.csv."""
    request, changes = sibling.request, sibling.changes or {}
    row: dict[str, object] = {"map": name, "edit": request.describe(), "ratio": request.psi, "seed": request.seed,
                              "k": sibling.k, **titled(all_measurements(sibling.features, sibling.volumes)),
                              **check_columns(sibling.checks, sibling.raw_checks),
                              **training_distance_columns(sibling.training_distance)}
    row |= sibling.measures.columns if sibling.measures is not None else {}
    row[REPAIRED] = sibling.voxels_repaired
    row[INSIDE] = changes.get("inside", "")
    row[OUTSIDE] = changes.get("outside", "")
    row[CONFLICTS] = sum(sibling.conflicts.values())
    dice = list(sibling.dice_to_twin.values())
    row[DICE] = float(np.mean(dice)) if dice else ""
    return {**row, **target_columns(sibling.guidance, sibling.guidance_notes)}
