"""The folder of a run: siblings, record, metrics and overview, each written as soon as it is there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..anatomy import Anatomy
from ..errors import OutputError
from ..files import output_error
from ..labelmap_io import suffix_for, write_labelmap
from ..record import Record
from ..request import Request
from ..result import Sibling
from ..twin import Twin
from .entries import Measured, describe_twin, run_entry, sibling_entry, sibling_row, twin_row
from .picture import Panel, overview
from .tables import write_metrics_csv
from .targets import twin_columns

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
            self.rows.append(twin_row(measured))
        self.record.write(self.record_path)

    def begin_request(self, request: Request, warnings: tuple[str, ...] = ()) -> None:
        """Opens an entry for the siblings of one request. warnings: what was said of its targets beforehand."""
        self.record.runs.append(run_entry(request, warnings))

    def add(self, sibling: Sibling) -> Path:
        """Writes a sibling of the latest request, then the record -> the sibling's file."""
        number = sum(len(run["siblings"]) for run in self.record.runs)
        path = self.out / f"sibling_{number:04d}.{suffix_for(sibling.labelmap, self.format)}"
        write_labelmap(sibling.labelmap, path, self.format)
        self.record.runs[-1]["siblings"].append(sibling_entry(path.name, sibling))
        self.record.write(self.record_path)
        name = path.name.split(".")[0]
        self.rows.append(sibling_row(name, sibling))
        if self.twin is not None:
            self.rows[0] = {**self.rows[0], **twin_columns(sibling.guidance)}
        if len(self.panels) < PICTURED:
            request = sibling.request  # a picture's column is narrow: the terms of a control stand in the footnotes
            guided = ", guided" if request.control is not None else ""
            note = f"{replace(request, control=None).describe()}{guided}, k {sibling.k}"
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
