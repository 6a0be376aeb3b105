"""The folder of a run: siblings, record, metrics and overview, each written as soon as it is there."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..anatomy import Anatomy
from ..errors import OutputError
from ..files import output_error
from ..labelmap import LabelMap
from ..labelmap_io import suffix_for, write_labelmap
from ..metrics.morphology import features, tissue_volumes
from ..metrics.topology import TopologyReport, check_both
from ..record import Record, hash_file, hash_labelmap
from ..request import Request
from ..result import Sibling
from ..twin import Twin
from .picture import Panel, overview
from .tables import write_metrics_csv

RECORD_NAME = "record.json"
PICTURED = 15  # siblings in the overview at most; the twin is the sixteenth map


@dataclass
class RunFolder:
    """out: the folder. format: of the siblings ("same" or a suffix). rows: of metrics.csv, the twin first."""

    out: Path
    record: Record
    anatomy: Anatomy
    format: str = "same"
    twin: Twin | None = None
    rows: list[dict[str, object]] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)

    @property
    def record_path(self) -> Path:
        """Where the record lies."""
        return self.out / RECORD_NAME

    def begin(self, *, replace: bool = False) -> None:
        """Makes the folder, measures the twin, writes a first record. Raises OutputError over another run's files."""
        clear_folder(self.out, replace=replace)
        if self.twin is not None:
            measured = Measured.of(self.twin.labelmap, self.twin.known, self.anatomy)
            self.record.twin = describe_twin(self.twin, measured)
            self.rows.append({**measured.row("twin"), "edit": "twin"})
        self.record.write(self.record_path)

    def begin_request(self, request: Request) -> None:
        """Opens an entry for the siblings of one request."""
        self.record.runs.append({"request": request.to_json(), "siblings": []})

    def add(self, sibling: Sibling) -> Path:
        """Writes a sibling of the latest request, then the record -> the sibling's file."""
        number = sum(len(run["siblings"]) for run in self.record.runs)
        path = self.out / f"sibling_{number:04d}.{suffix_for(sibling.labelmap, self.format)}"
        write_labelmap(sibling.labelmap, path, self.format)
        entry = {"file": path.name, "labels_sha256": hash_labelmap(sibling.labelmap), **sibling.to_json()}
        self.record.runs[-1]["siblings"].append(entry)
        self.record.write(self.record_path)
        name = path.name.split(".")[0]
        self.rows.append(sibling_row(name, sibling))
        if len(self.panels) < PICTURED:
            note = f"{sibling.request.describe()}, k {sibling.k}"
            self.panels.append(Panel(name.replace("_", " "), sibling.canonical, note))
        return path

    def finish(self, *, complete: bool, region: npt.NDArray[np.bool_] | None = None, title: str = "",
               notes: tuple[str, ...] = ()) -> None:
        """Writes the metrics, the overview and the closing record; also after a run that was stopped early."""
        write_metrics_csv(self.out / "metrics.csv", self.rows)
        made = len(self.rows) - (self.twin is not None)
        if made > len(self.panels):
            notes = (*notes, f"The first {len(self.panels)} of {made} siblings")
        if self.panels:
            twin = self.twin.canonical.labels if self.twin is not None else None
            overview(self.out / "overview.png", twin, self.panels, self.anatomy, region=region, title=title,
                     notes=notes)
        self.record.complete = complete
        self.record.write(self.record_path)


def clear_folder(out: Path, *, replace: bool) -> None:
    """Makes `out` ready. A folder with another run is left alone, or with `replace` that run's own files go."""
    record = out / RECORD_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not record.exists():
            return
        if not replace:
            raise OutputError("The folder holds another run", value=out, rule="one folder for each run",
                              hint="choose another --out, or give --replace to lose the run that is there")
        try:
            runs = json.loads(record.read_text(encoding="utf-8")).get("runs", [])
            names = [Path(s["file"]).name for run in runs for s in run["siblings"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            names = []
        for name in [*names, "metrics.csv", "overview.png", RECORD_NAME]:
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(out, error) from error


@dataclass(frozen=True)
class Measured:
    """Features, volumes (ml by tissue) and checks of a map that is no sibling: a twin, or any file."""

    features: dict[str, float]
    volumes: dict[str, float]
    checks: dict[str, TopologyReport]

    @classmethod
    def of(cls, labelmap: LabelMap, known: npt.NDArray[np.uint8], anatomy: Anatomy) -> Measured:
        """Measures a map. known: (D, H, W) uint8, its voxels in the anatomy's labels."""
        affine = labelmap.affine
        return cls(features(known, affine, anatomy), tissue_volumes(known, affine, anatomy), check_both(known, anatomy))

    def row(self, name: str) -> dict[str, object]:
        """The map's row in metrics.csv."""
        return {"map": name, "edit": "", "ratio": "", "seed": "", "k": "",
                **_measurements(self.features, self.volumes), **_check_columns(self.checks, self.checks)}


def describe_twin(twin: Twin, measured: Measured) -> dict[str, Any]:
    """The twin's entry in the record: where it came from, its grid, its place, its own checks."""
    labelmap = twin.labelmap
    return {
        "file": str(labelmap.source.resolve()) if labelmap.source else None,
        "file_sha256": hash_file(labelmap.source) if labelmap.source else None,
        "labels_sha256": hash_labelmap(labelmap),
        "shape_kji": list(labelmap.labels.shape),
        "warnings": list(twin.warnings),
        "agreement_with_reference": round(twin.canonical.agreement, 4),
        "affine_ijk_to_ras_mm": labelmap.affine.tolist(),
        "canonical_to_ras_mm": twin.canonical.to_world.tolist(),
        "outside_field_of_view_ml": {key: round(value, 3) for key, value in twin.canonical.outside_ml.items()},
        "segments": [{"value": int(s.value), "name": s.name, "tissue": s.tissue} for s in labelmap.segments],
        "features": {k: round(v, 6) for k, v in measured.features.items()},
        "volumes_ml": {k: round(v, 6) for k, v in measured.volumes.items()},
        "checks": {key: report.to_json() for key, report in measured.checks.items()},
    }


def sibling_row(name: str, sibling: Sibling) -> dict[str, object]:
    """A sibling's row in metrics.csv."""
    request, changes = sibling.request, sibling.changes or {}
    row: dict[str, object] = {"map": name, "edit": request.describe(), "ratio": request.psi, "seed": request.seed,
                              "k": sibling.k, **_measurements(sibling.features, sibling.volumes),
                              **_check_columns(sibling.checks, sibling.raw_checks)}
    row["voxels repaired"] = sibling.repair.changed_voxels if sibling.repair else 0
    row["voxels changed inside region"] = changes.get("inside", "")
    row["voxels changed outside region"] = changes.get("outside", "")
    row["voxels in conflict with unknown tissue"] = sum(sibling.conflicts.values())
    dice = list(sibling.dice_to_twin.values())
    row["mean Dice to twin"] = float(np.mean(dice)) if dice else ""
    return row


def _measurements(measured: dict[str, float], volumes: dict[str, float]) -> dict[str, object]:
    extra = {f"{tissue} volume [ml]": value for tissue, value in volumes.items()}
    return {**measured, **{key: value for key, value in extra.items() if key not in measured}}


def _check_columns(checks: dict[str, TopologyReport], raw: dict[str, TopologyReport]) -> dict[str, object]:
    return {"violations [%]": checks["half"].violation_percent, "violations raw [%]": raw["half"].violation_percent,
            "violations full resolution [%]": checks["full"].violation_percent,
            "failed checks": "; ".join(checks["half"].failed)}


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
