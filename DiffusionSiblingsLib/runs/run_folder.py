"""The folder of a run: siblings, record, metrics and overview, each written as soon as it is there."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ..cohorts.measured_map import Measured
from ..cohorts.training_distance import Doubtful, TrainingDistanceMeter
from ..core.anatomy import Anatomy
from ..core.errors import OutputError
from ..core.files import output_error
from ..core.record import RECORD_NAME, Record
from ..core.tables import write_metrics_csv
from ..editing.entries import describe_twin, gate_entry, run_entry, twin_row
from ..editing.postprocess import canonical_labelmap
from ..editing.request import Request
from ..editing.result import Sibling
from ..labelmaps.geometry.frame import CanonicalFrame
from ..labelmaps.geometry.resample import resample_to_canonical
from ..labelmaps.read import read_labelmap
from ..labelmaps.tissues import known_labels
from ..labelmaps.twin import Twin
from ..reports.overview import Panel, overview
from .partial_results import PartialResult, PartialResults
from .streamed_json import write_json

TABLES = METRICS_NAME, OVERVIEW_NAME = "metrics.csv", "overview.png"
PICTURED = 15  # siblings in the overview at most; the twin is the sixteenth map
TOLD = 40  # rows that are kept to be shown when the folder is finished
SHARE = 0.02  # of the time that goes into writing record and metrics anew while the run is under way
_OWN = re.compile(r"sibling_\d+\..+")


@dataclass(frozen=True)
class Placed:
    """A sibling that has its place: sibling k of request `run` is sibling_<number> of the folder."""

    number: int
    run: int
    k: int
    file: str

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self.file.split(".")[0]


@dataclass
class RunFolder:
    """out: the folder. format: of the siblings ("same" or a suffix). meter: the model's, for the bias of the twin.

    Of each sibling no more than its place is kept in memory; what the record and the table say of it lies in its part.
    """

    out: Path
    record: Record
    anatomy: Anatomy
    format: str = "same"
    twin: Twin | None = None
    meter: TrainingDistanceMeter | None = None
    placed: dict[int, Placed] = field(default_factory=dict)  # number -> where
    rejected: dict[int, list[int]] = field(default_factory=dict)  # run -> k of siblings that a gate set aside
    told: list[str] = field(default_factory=list)  # "sibling_0003: RV mass ...", what a person should look at
    doubtful: Doubtful = field(default_factory=Doubtful)

    def __post_init__(self) -> None:
        self.parts = PartialResults(self.out)
        self._twin_row: dict[str, object] | None = None
        self._kept: Sequence[dict[str, object]] | None = None
        self._canonical: dict[int, npt.NDArray[np.uint8]] = {}  # of the first siblings, as far as they came this way
        self._written, self._cost = 0.0, 0.0

    @property
    def record_path(self) -> Path:
        """Where the record lies."""
        return self.out / RECORD_NAME

    @property
    def rows(self) -> Sequence[dict[str, object]]:
        """Rows of metrics.csv, the twin first, read as they are walked; after `finish` the first TOLD of them."""
        return self._kept if self._kept is not None else _Rows(self)

    def begin(self, *, replace: bool = False) -> None:
        """Makes the folder, measures the twin, writes a first record. Raises OutputError over another run's files."""
        clear_folder(self.out, replace=replace)
        self.go_on()

    def go_on(self) -> None:
        """The same over a folder whose parts are to be kept."""
        self.parts.folder.mkdir(parents=True, exist_ok=True)
        if self.twin is not None:
            measured = Measured.of(self.twin.labelmap, self.twin.known, self.anatomy, self.meter)
            self.record.twin = describe_twin(self.twin, measured)
            self._twin_row = twin_row(measured)
        self.checkpoint(always=True)

    def begin_request(self, request: Request, warnings: tuple[str, ...] = ()) -> int:
        """Opens an entry for the siblings of one request -> its number. warnings: what was said of its targets."""
        self.record.runs.append(run_entry(request, warnings))
        return len(self.record.runs) - 1

    def add(self, sibling: Sibling) -> Path:
        """Writes the next sibling of the latest request, then the record -> the sibling's file."""
        part = PartialResult.of(len(self.record.runs) - 1, sibling, self.format)
        self.parts.write(part, sibling, self.format)
        number = len(self.placed)
        self.place(number, part)
        self.picture(number, sibling)
        self.checkpoint()
        return self.out / self.placed[number].file

    def place(self, number: int, part: PartialResult) -> bool:
        """Gives a part its place as sibling `number` -> False where its label map is gone, and with it the part."""
        file = f"sibling_{number:04d}.{part.suffix}"
        if not self.parts.place(part, self.out / file):
            self.parts.forget(part.run, part.k)
            return False
        self.placed[number] = Placed(number, part.run, part.k, file)
        if self._twin_row is not None:
            self._twin_row |= part.twin
        self.told += [f"{self.placed[number].name}: {words}" for words in part.told]
        self.doubtful.add(part.entry)
        return True

    def has(self, run: int, k: int, number: int, suffix: str) -> bool:
        """Whether the label map of a part is there, in its place or on the way."""
        return self.parts.map_of(run, k, suffix).exists() or (self.out / f"sibling_{number:04d}.{suffix}").exists()

    def set_aside(self, part: PartialResult) -> None:
        """Notes a part that a gate rejected."""
        self.rejected.setdefault(part.run, []).append(part.k)

    def picture(self, number: int, sibling: Sibling) -> None:
        """Keeps a sibling that is at hand for the overview, which else reads it from its file."""
        if number < PICTURED:
            self._canonical[number] = sibling.canonical

    def checkpoint(self, *, always: bool = False) -> None:
        """Writes the record and the metrics as they stand, unless that takes too much of the time (always: anyhow)."""
        began = time.monotonic()
        if not always and began - self._written < self._cost / SHARE:
            return
        self._write_record()
        if self.placed:
            write_metrics_csv(self.out / METRICS_NAME, self.rows)
        self._written = time.monotonic()
        self._cost = self._written - began

    def finish(self, *, complete: bool, region: npt.NDArray[np.bool_] | None = None, title: str = "",
               notes: tuple[str, ...] = ()) -> None:
        """Writes the metrics, the overview and the closing record; also after a run that was stopped early.

        The parts go, unless siblings of a run that can be gone on with wait among them for their number.
        """
        write_metrics_csv(self.out / METRICS_NAME, self.rows)
        if len(self.placed) > PICTURED:
            notes = (*notes, f"The first {PICTURED} of {len(self.placed)} siblings")
        if panels := [self._panel(self.placed[number]) for number in sorted(self.placed)[:PICTURED]]:
            twin = self.twin.canonical.labels if self.twin is not None else None
            overview(self.out / OVERVIEW_NAME, twin, panels, self.anatomy, region=region, title=title, notes=notes)
        self.record.complete = complete
        self._write_record()
        self._kept = list(islice(self.rows, TOLD + 1))
        if complete or not self.unplaced():
            self.parts.remove()

    def unplaced(self) -> int:
        """Siblings that are finished and have no number yet; the record has none of them."""
        taken = {(at.run, at.k) for at in self.placed.values()}
        taken |= {(run, k) for run, ks in self.rejected.items() for k in ks}
        return sum(at not in taken for at in self.parts.all())

    def _write_record(self) -> None:
        """The record with the entries of its siblings, which are read from their parts one by one."""
        values, lists = self.record.to_json(), dict[str, Iterator[dict[str, Any]]]()
        values["runs"] = [dict(run) for run in values["runs"]]
        accepted = Counter(at.run for at in self.placed.values())
        for number, run in enumerate(values["runs"]):
            if "gate" in run:
                run["gate"] = gate_entry(run["gate"], accepted[number], len(self.rejected.get(number, ())))
            run["siblings"] = f"\0 siblings of {number}"  # NUL: no text of a user's can hold it
            lists[run["siblings"]] = self._entries(number)
            if number in self.rejected:
                run["rejected"] = f"\0 rejected of {number}"
                lists[run["rejected"]] = self._set_aside(number)
        write_json(self.record_path, values, lists)

    def _entries(self, run: int) -> Iterator[dict[str, Any]]:
        for number in sorted(self.placed):
            at = self.placed[number]
            if at.run == run:
                yield {**self.parts.read(at.run, at.k).entry, "file": at.file}

    def _set_aside(self, run: int) -> Iterator[dict[str, Any]]:
        for k in sorted(self.rejected[run]):
            part = self.parts.read(run, k)
            yield {**part.entry, "file": None, "rejected": list(part.rejected or ())}

    def _panel(self, at: Placed) -> Panel:
        """A sibling's column in the overview; it is narrow: the terms of a control stand in the footnotes."""
        request = Request.from_json(self.record.runs[at.run]["request"])
        guided = ", guided" if request.control is not None else ""
        canonical = self._canonical.get(at.number)
        if canonical is None:
            canonical = self._read_canonical(self.out / at.file)
        return Panel(at.name.replace("_", " "), canonical, f"{replace(request, control=None).describe()}{guided}, "
                     f"k {at.k}")

    def _read_canonical(self, path: Path) -> npt.NDArray[np.uint8]:
        """(128, 128, 128) uint8 of a sibling's file, whose values mean what they mean in the twin."""
        empty = np.zeros(CanonicalFrame.of(self.anatomy).shape, dtype=np.uint8)
        template = self.twin.labelmap if self.twin is not None else canonical_labelmap(empty, self.anatomy)
        recorded = {segment.value: segment.tissue for segment in template.segments if segment.tissue}
        voxels = read_labelmap(path, self.anatomy, whole=False, recorded=recorded).labels
        known = known_labels(template.with_labels(voxels), self.anatomy)
        if self.twin is None:
            return known
        return resample_to_canonical(known, template.affine, self.twin.canonical.to_world, self.twin.frame)


class _Rows(Sequence[dict[str, object]]):
    """The rows of a folder, each read from its part when it is asked for."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._first = [folder._twin_row] if folder._twin_row is not None else []
        self._numbers = sorted(folder.placed)

    def __len__(self) -> int:
        return len(self._first) + len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> dict[str, object]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, object]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, object] | list[dict[str, object]]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        if index < len(self._first):
            return dict(self._first[index])
        at = self._folder.placed[self._numbers[index - len(self._first)]]
        return {**self._folder.parts.read(at.run, at.k).row, "map": at.name}


def check_folder(out: Path, *, replace: bool) -> None:
    """Raises OutputError where a folder holds another run, or files of one, and these are not to be replaced."""
    if replace:
        return
    try:
        run, files = (out / RECORD_NAME).exists(), _files_of_a_run(out)
    except OSError as error:
        raise output_error(out, error) from error
    if run:
        raise OutputError("The folder holds another run", value=out, rule="one folder for each run",
                          hint="choose another --out, give --replace to lose the run that is there, or go on with it "
                               "by --resume")
    if files:
        named = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        raise OutputError("The folder holds files that a run would write over", value=f"{out}: {named}",
                          rule="one folder for each run", hint="choose another --out, or give --replace to lose them")


def clear_folder(out: Path, *, replace: bool) -> None:
    """Makes `out` ready. A folder with another run is left alone, or with `replace` that run's own files go."""
    record = out / RECORD_NAME
    check_folder(out, replace=replace)
    try:
        out.mkdir(parents=True, exist_ok=True)
        parts = PartialResults(out)
        unrecorded = bool(parts.all())  # of a run that was killed: siblings may be there that its record has not yet
        try:
            runs = json.loads(record.read_text(encoding="utf-8")).get("runs", []) if record.exists() else []
            names = [Path(s["file"]).name for run in runs for s in run["siblings"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            names = []
        if unrecorded or not record.exists():
            names += [name for name in _files_of_a_run(out) if name != parts.folder.name]
        parts.clear()
        for name in [*dict.fromkeys(names), METRICS_NAME, OVERVIEW_NAME, RECORD_NAME]:
            if (out / name).is_dir():  # of masks
                shutil.rmtree(out / name)
            else:
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(out, error) from error


def _files_of_a_run(out: Path) -> list[str]:
    """Names of what only a run writes, siblings, table, overview and parts, whether its record is there or not."""
    if not out.is_dir():
        return []
    parts = PartialResults(out)
    return sorted(path.name for path in out.iterdir() if _OWN.fullmatch(path.name) or path.name in TABLES
                  or (path == parts.folder and parts.all()))
