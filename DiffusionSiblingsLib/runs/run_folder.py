"""The folder of a run: siblings, record, metrics and overview, each written as soon as it is there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.anatomy import Anatomy
from ..core.errors import OutputError
from ..core.files import Streamed, make_folder, output_error, write_json
from ..core.labelmap import LabelMap
from ..core.record import RECORD_NAME, Record
from ..core.tables import write_metrics_csv
from ..editing.metrics_layout import metrics_columns
from ..editing.record_entries import gate_entry, row_of
from ..editing.result import Sibling
from ..labelmaps.geometry.resample import resample_to_canonical
from ..labelmaps.read import read_labelmap
from ..labelmaps.tissues import known_labels
from ..reports.overview import Panel, overview
from .own_files import (
    METRICS_NAME,
    OVERVIEW_NAME,
    PARTS,
    clear_parts,
    files_of_a_run,
    remove_litter,
    remove_parts,
    remove_run,
)
from .partial_results import PartialResult, PartialResults
from .plan import Plan
from .views import Entry, Row, Tally

PICTURED = 15  # siblings in the overview at most; the twin is the sixteenth map
SHOWN = 40  # rows that are kept to be shown when the folder is finished
SHARE = 0.02  # of the time that goes into writing record and metrics anew while the run is under way


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


class RunFolder:
    """The siblings of a plan in the folder `out`, and the record of them.

    Of each sibling no more than its place is kept in memory; what the record and the table say of it lies in its part.
    placed: number -> sibling. rejected: request -> numbers k of siblings that the acceptance checks set aside. tally:
    what is said of all siblings together.
    """

    def __init__(self, out: Path, plan: Plan, record: Record) -> None:
        self.out, self.plan, self.record = out, plan, record
        self.parts = PartialResults(out)
        self.placed: dict[int, Placed] = {}
        self.rejected: dict[int, list[int]] = {}
        self.tally = Tally()
        self._kept: list[Row] | None = None
        self._canonical: dict[int, npt.NDArray[np.uint8]] = {}  # of the first siblings, if they were in memory
        self._written, self._cost = 0.0, 0.0

    def begin(self) -> None:
        """Writes the first record. Parts that are there are kept."""
        make_folder(self.parts.folder)
        self.checkpoint(always=True)

    @property
    def drawn(self) -> int:
        """Siblings that are decided, rejected ones included."""
        return len(self.placed) + sum(map(len, self.rejected.values()))

    @property
    def rows(self) -> list[Row]:
        """Rows of metrics.csv, the twin first, read as they are walked; after `finish` the first SHOWN of them."""
        return self._kept if self._kept is not None else Streamed(self._rows)

    def _rows(self) -> Iterator[Row]:
        if self.plan.twin is not None:
            yield self.tally.twin_row(self.plan.twin)
        for number in sorted(self.placed):
            yield self.row(self.placed[number])

    def row(self, at: Placed) -> Row:
        """A sibling's row of metrics.csv."""
        return row_of(at.name, self.entry(at), self.record.runs[at.run]["request"])

    def entry(self, at: Placed) -> dict[str, Any]:
        """A sibling's entry in the record."""
        return {**self.parts.read(at.run, at.k).entry, "file": at.file}

    def labelmap(self, at: Placed) -> LabelMap:
        """A sibling as it was when its file was written."""
        template = self.plan.template_of(at.run)
        found = read_sibling(self.out / at.file, template, self.plan.facts.anatomy)
        return template.with_labels(found.labels.astype(template.labels.dtype))

    def place(self, number: int, part: PartialResult) -> Placed | None:
        """Gives a part its place as sibling `number` -> None where its label map is gone, and with it the part."""
        at = Placed(number, part.run, part.k, f"sibling_{number:04d}.{part.suffix}")
        if not self.parts.place(part, self.out / at.file):
            self.parts.forget(part.run, part.k)
            return None
        self.placed[number] = at
        self.tally.add(at.name, part.entry)
        return at

    def has(self, run: int, k: int, number: int, suffix: str) -> bool:
        """Whether the label map of a part is there, in its place or on the way."""
        return self.parts.map_of(run, k, suffix).exists() or (self.out / f"sibling_{number:04d}.{suffix}").exists()

    def set_aside(self, run: int, k: int) -> None:
        """Notes a sibling that the acceptance checks rejected."""
        self.rejected.setdefault(run, []).append(k)

    def picture(self, number: int, sibling: Sibling) -> None:
        """Keeps a sibling that is in memory for the overview, which otherwise reads it from its file."""
        if number < PICTURED and self.plan.settings.overview:
            self._canonical[number] = sibling.canonical

    def checkpoint(self, *, always: bool = False) -> None:
        """Writes the record and the metrics as they stand, unless that takes too much of the time (always: anyhow)."""
        began = time.monotonic()
        if not always and began - self._written < self._cost / SHARE:
            return
        self._write_record()
        if self.placed:
            self._write_metrics()
        self._written = time.monotonic()
        self._cost = self._written - began

    def finish(self, *, complete: bool, picture: bool = True) -> None:
        """Writes the metrics, the overview and the closing record; also after a run that was stopped early.

        picture: whether the overview is drawn, if the settings ask for it. The parts go, unless siblings of a run that
        can be resumed wait among them for their number.
        """
        self._write_metrics()
        if picture and self.plan.settings.overview:
            self._draw(complete)
        self.record.complete = complete
        self._write_record()
        self._kept = list(islice(self.rows, SHOWN + 1))
        if complete or not self.unplaced():
            remove_parts(self.parts.folder)  # the record and the table hold what they hold

    def unplaced(self) -> int:
        """Siblings that are finished and have no number yet; the record has none of them."""
        taken = {(at.run, at.k) for at in self.placed.values()}
        taken |= {(run, k) for run, ks in self.rejected.items() for k in ks}
        return sum(at not in taken for at in self.parts.all())

    def _write_metrics(self) -> None:
        write_metrics_csv(self.out / METRICS_NAME, self.rows, metrics_columns(self.plan.facts.anatomy))

    def _write_record(self) -> None:
        """The record with the entries of its siblings, which are read from their parts one by one."""
        values = self.record.to_json()
        values["runs"] = [dict(run) for run in values["runs"]]
        accepted = Counter(at.run for at in self.placed.values())
        for number, run in enumerate(values["runs"]):
            if "gate" in run:
                run["gate"] = gate_entry(run["gate"], accepted[number], len(self.rejected.get(number, ())))
            run["siblings"] = Streamed(partial(self._entries, number))
            if number in self.rejected:
                run["rejected"] = Streamed(partial(self._set_aside, number))
        write_json(self.out / RECORD_NAME, values)

    def _entries(self, run: int) -> Iterator[Entry]:
        for number in sorted(self.placed):
            if self.placed[number].run == run:
                yield self.entry(self.placed[number])

    def _set_aside(self, run: int) -> Iterator[Entry]:
        for k in sorted(self.rejected[run]):
            part = self.parts.read(run, k)
            yield {**part.entry, "file": None, "rejected": list(part.rejected or ())}

    def _draw(self, complete: bool) -> None:
        """The overview of the first siblings. Columns are narrow: the terms of a control stand in the footnotes."""
        plan, panels = self.plan, []
        for number in sorted(self.placed)[:PICTURED]:
            at = self.placed[number]
            request = plan.requests[at.run].request
            guided = ", guided" if request.control is not None else ""
            canonical = self._canonical.get(number)
            if canonical is None:
                canonical = canonical_of(self.labelmap(at), plan, at.run)
            words = f"{replace(request, control=None).describe()}{guided}, k {at.k}"
            panels.append(Panel(at.name.replace("_", " "), canonical, words))
        if panels:
            twin = plan.twin.twin.canonical.labels if plan.twin is not None else None
            overview(self.out / OVERVIEW_NAME, twin, panels, plan.facts.anatomy, region=plan.region, title=plan.title,
                     notes=self._footnotes(complete))

    def _footnotes(self, complete: bool) -> tuple[str, ...]:
        plan, card = self.plan, self.plan.facts.card
        notes = [f"Model {card.id} {card.version}"]
        guided = dict.fromkeys(planned.request.describe_guidance() for planned in plan.requests)
        notes += [words[0].upper() + words[1:] for words in guided if words]
        if plan.twin is not None and (outside := plan.twin.twin.canonical.outside_ml):
            cut = ", ".join(f"{tissue} {ml:.1f} ml" for tissue, ml in outside.items())
            notes.append(f"Outside the field of view, copied from the twin: {cut}")
        if plan.settings.gate:
            notes.append(f"Acceptance checks {plan.settings.gate}: {len(self.placed)} of {self.drawn} accepted")
        if not complete:
            notes.append("The run was stopped before its end")
        if len(self.placed) > PICTURED:
            notes.append(f"The first {PICTURED} of {len(self.placed)} siblings")
        return tuple(notes)


def read_sibling(path: Path, template: LabelMap, anatomy: Anatomy) -> LabelMap:
    """A sibling's file, whose values mean what they mean in the template: its twin, or the anatomy's own numbering."""
    recorded = {segment.value: segment.tissue for segment in template.segments if segment.tissue}
    return read_labelmap(path, anatomy, whole=False, recorded=recorded)


def canonical_of(sibling: LabelMap, plan: Plan, run: int) -> npt.NDArray[np.uint8]:
    """(128, 128, 128) uint8, KJI order: a sibling of a request in the canonical frame."""
    template = plan.template_of(run)
    known = known_labels(template.with_labels(sibling.labels), plan.facts.anatomy)
    if plan.twin is None or not plan.requests[run].request.needs_twin:
        return known
    twin = plan.twin.twin
    return resample_to_canonical(known, template.affine, twin.canonical.to_world, twin.frame)


def check_folder(out: Path, *, replace: bool) -> None:
    """Raises OutputError where a folder holds another run, or files of one, and these are not to be replaced."""
    if replace:
        return
    try:
        run, files = (out / RECORD_NAME).exists(), _names_of_a_run(out)
    except OSError as error:
        raise output_error(out, error) from error
    if run:
        raise OutputError("The folder holds another run", value=out, rule="one folder for each run",
                          hint="choose another --out, give --replace to remove the run that is there, or --resume to "
                               "continue it")
    if files:
        named = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        raise OutputError("The folder holds files that a run would write over", value=f"{out}: {named}",
                          rule="one folder for each run", hint="choose another --out, or give --replace to remove them")


def clear_folder(out: Path, *, replace: bool) -> None:
    """Makes `out` ready. A folder with another run is left alone, or with `replace` that run's own files go."""
    check_folder(out, replace=replace)
    try:
        out.mkdir(parents=True, exist_ok=True)
        clear_parts(out / PARTS)
        remove_run(out)
    except OSError as error:
        raise output_error(out, error) from error
    remove_litter(out)


def _names_of_a_run(out: Path) -> list[str]:
    """What only a run writes, siblings, tables, overview and parts, whether its record is there or not."""
    parts = PartialResults(out)
    return sorted(path.name for path in [*files_of_a_run(out), *([parts.folder] if parts.all() else [])])
