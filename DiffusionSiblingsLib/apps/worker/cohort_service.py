"""What the worker does for cohorts: list and measure one, read a member of it, compare two, write a report.

Each job imports its parts when it is asked for: the worker starts without them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...cohorts.measured_map import MeasuredMap
from ...cohorts.training_distance import TrainingDistanceMeter
from ...cohorts.training_statistics import read_training_statistics
from ...core.anatomy import Anatomy, load_anatomy
from ...core.defaults import DEFAULT_MODEL
from ...core.errors import InputError, SiblingsError
from ...editing.record_entries import row_of
from ...labelmaps.geometry.frame import CanonicalFrame
from ...labelmaps.ipc_labelmap import write_exchange
from ...labelmaps.read import read_labelmap
from ...labelmaps.tissues import known_labels
from ...metrics.measures.measure import Measured
from ...metrics.topology import TopologyReport
from ...models.registry import find_model
from .payloads import cohort_source, described
from .progress import JobProgress

if TYPE_CHECKING:
    from ...cohorts.measured import MeasuredCohort
    from ...cohorts.members import Member
    from ...metrics.occupancy import Occupancy
    from ...models.card import ModelCard

BATCH_S = 0.25  # s between two events with members: each is a step of the listener's event loop
BATCH = 100  # members of one event at most
SIDES = ("real", "synthetic")
ANY = "any"  # in place of a tissue: all tissues together
PAGE = "report.html"
EMD_PAIRS = 10.0  # units of a pair with the exact earth mover's distance
EMD_MEMBERS = 120  # of either cohort that it is taken of, which takes minutes; time goes with the square
Row = dict[str, Any]


def open_cohort(command: Row, task: Any, progress: JobProgress) -> Row:
    """Rows of metrics.csv of all members of a cohort's `folder`, sent by events "members" in their order.

    Members with an entry in a record are not measured again. The others are measured as for a comparison, which then
    finds them in `cache`, a folder that keeps what was measured; one that cannot be compared, as it does not fit the
    canonical frame, is measured by itself to be looked at. Those that cannot be read are listed in `failed`.
    """
    from ...cohorts.members import find_members

    card = find_model(command.get("model", DEFAULT_MODEL))
    anatomy = load_anatomy(card.anatomy)
    members, batches = find_members(command["folder"], anatomy=anatomy), _Batches(task)
    meter, failed = TrainingDistanceMeter.of(read_training_statistics(card.folder), anatomy), []
    fresh = [member for member in members if member.entry is None]
    measured = _measured_rows(fresh, command, card, meter, task, progress)
    alone = {member.name for member in fresh} - set(measured)
    progress.plan("member", len(alone))
    for member in members:
        task.check()
        if member.name in alone:
            progress.start("member", f"Measuring {member.name}", 1)
        try:
            row = measured.get(member.name) or member_row(member, anatomy, meter)
            batches.add({**row, "file": str(member.path.resolve())})
        except SiblingsError as error:
            failed.append(f"{member.name}: {error}")
    batches.flush()
    progress.finish()
    if not batches.count:
        raise InputError("No member of the cohort can be read", value=failed[0] if failed else command["folder"],
                         rule="label maps of a heart", hint="check the folder")
    return {"count": batches.count, "failed": failed, "folder": str(Path(command["folder"]).resolve())}


def _measured_rows(members: list[Member], command: Row, card: ModelCard, meter: TrainingDistanceMeter | None, task: Any,
                   progress: JobProgress) -> dict[str, Row]:
    """Name -> row of those members that can be measured as for a comparison."""
    if not members:
        return {}
    progress.plan("cohort", len(members))
    try:
        cohort = _measured({"name": Path(command["folder"]).name}, members, command, card, task, progress)
    except InputError:  # none of them can
        return {}
    finally:
        progress.finish()
    return {name: _row_of(cohort, index, meter) for index, name in enumerate(cohort.members)}


def _row_of(cohort: MeasuredCohort, index: int, meter: TrainingDistanceMeter | None) -> Row:
    """The row of metrics.csv of a member of a measured cohort."""
    features, volumes = cohort.member(index)
    failed = {"half": cohort.failed_half[index], "full": cohort.failed_full[index]}
    checks = {at: TopologyReport({name: name not in names for name in cohort.checks}) for at, names in failed.items()}
    distance = meter.distance_of(features, volumes) if meter is not None else None
    named = {key: float(values[index]) for key, values in cohort.named.items() if np.isfinite(values[index])}
    return dict(MeasuredMap(features, volumes, checks, distance, Measured(named, {})).row(cohort.members[index]))


def member_row(member: Member, anatomy: Anatomy, meter: TrainingDistanceMeter | None = None) -> Row:
    """A member's row of metrics.csv, of its record's entry where it has one. Raises InputError.

    meter: of the training hearts, for members whose entry says nothing of them.
    """
    if member.entry is None:
        labelmap = read_labelmap(member.path, anatomy)
        known = known_labels(labelmap, anatomy)
        return dict(MeasuredMap.of(labelmap, known, anatomy, meter, by_name=True).row(member.name))
    return row_of(member.name, member.entry, member.request or {}, meter)


def read_member(command: Row, task: Any, progress: JobProgress) -> Row:
    """One label map `file` as an exchange under the stem `out`, with the anatomy's names, colours and codes."""
    from ...cohorts.members import find_member, read_member

    anatomy = load_anatomy(command.get("anatomy", "heart"))
    labelmap = described(read_member(find_member(Path(command["file"]), anatomy), anatomy), anatomy)
    return {"stem": str(write_exchange(labelmap, command["out"]))}


def compare(command: Row, task: Any, progress: JobProgress) -> Row:
    """Two cohorts compared: figures, the report in the folder `out`, occupancy differences in the folder `maps`.

    real, synthetic: as `payloads.cohort_source` takes them. question: that the report answers. cache: a folder that
    keeps what was measured. `affine` of the answer places the differences: over the twin where the synthetic
    cohort has one, else in the canonical frame.
    """
    from ...cohorts.compare_cohorts import compare_cohorts
    from ...cohorts.members import find_members
    from ...metrics.occupancy import Occupancy
    from ...reports.comparison import write_comparison

    began, card = time.monotonic(), find_model(command.get("model", DEFAULT_MODEL))
    anatomy, maps = load_anatomy(card.anatomy), Path(command["maps"])
    sources = {side: cohort_source(command[side], anatomy, maps / side) for side in SIDES}
    members = {side: find_members(sources[side], anatomy=anatomy) for side in SIDES}
    count = sum(len(found) for found in members.values())
    for kind, units in (("cohort", count), ("pairs", _pairs(count, command)), ("occupancy", count), ("report", 1)):
        progress.plan(kind, units)
    real, synthetic = (_measured(command[side], members[side], command, card, task, progress) for side in SIDES)
    progress.start("pairs", "Comparing the cohorts", _pairs(count, command))
    found = compare_cohorts(real, synthetic, emd=bool(command.get("emd")), emd_members=EMD_MEMBERS,
                            progress=_advancing(task, progress, _pairs(count, command)))
    progress.start("occupancy", "Where the cohorts differ", count)
    counted = (Occupancy.of(_watched(real, 0, task, progress), anatomy),
               Occupancy.of(_watched(synthetic, len(real), task, progress), anatomy))
    tissues = _differences(counted, maps)
    progress.start("report", "Writing the report", 1)
    write_comparison(Path(command["out"]), found, real, synthetic, question=command.get("question", ""),
                     counted=counted)
    progress.finish()
    return {"comparison": found.to_json(), "report": str(Path(command["out"]) / PAGE), "tissues": tissues,
            "affine": _place(members["synthetic"], anatomy).tolist(), "seconds": round(time.monotonic() - began, 3)}


def report(command: Row, task: Any, progress: JobProgress) -> Row:
    """The report of one cohort, `source` as `payloads.cohort_source` takes it, in the folder `out`.

    question: what the cohort is to answer. use: the context of use. Both may be left away.
    """
    from ...cohorts.members import find_members
    from ...reports.cohort_report import cohort_report

    card = find_model(command.get("model", DEFAULT_MODEL))
    anatomy = load_anatomy(card.anatomy)
    members = find_members(cohort_source(command["source"], anatomy, Path(command["maps"]) / "cohort"), anatomy=anatomy)
    progress.plan("cohort", len(members))
    progress.plan("report", 1)
    cohort = _measured(command["source"], members, command, card, task, progress)
    progress.start("report", "Writing the report", 1)
    cohort_report(Path(command["out"]), cohort, card, question=command.get("question", ""), use=command.get("use", ""))
    progress.finish()
    return {"report": str(Path(command["out"]) / PAGE)}


def _measured(source: Row, members: list[Member], command: Row, card: ModelCard, task: Any,
              progress: JobProgress) -> MeasuredCohort:
    """A cohort, measured in processes of its own."""
    from ...cohorts.measured import measure_cohort

    name, count = str(source.get("name") or "cohort"), float(len(members))
    progress.start("cohort", f"Measuring {name}", count)
    cache = Path(command["cache"]) if command.get("cache") else None
    return measure_cohort(members, load_anatomy(card.anatomy), card.reference(), cache=cache, name=name,
                          progress=_advancing(task, progress, count), by_name=True)


def _advancing(task: Any, progress: JobProgress, units: float) -> Callable[[int, int, str], None]:
    """Takes the progress of a part of the library as that of what has started there; ends it when cancelled."""
    def advance(done: int, total: int, what: str) -> None:
        task.check()
        progress.advance(units * done / max(total, 1))

    return advance


def _pairs(count: int, command: Row) -> float:
    """Units of comparing so many members with each other."""
    with_emd = min(count, 2 * EMD_MEMBERS) if command.get("emd") else 0
    return (count**2 + (EMD_PAIRS - 1.0) * with_emd**2) / 2


def _watched(cohort: MeasuredCohort, before: int, task: Any, progress: JobProgress) -> Iterator[npt.NDArray[np.uint8]]:
    """The maps of a cohort, one by one, which can be watched and cancelled. before: maps done by then."""
    for index, labels in enumerate(cohort.store, start=before + 1):
        task.check()
        yield labels
        progress.advance(index)


def _differences(counted: tuple[Occupancy, Occupancy], folder: Path) -> dict[str, str]:
    """Synthetic minus real occupancy of each tissue, and of any, as (D, H, W) float32 .npy -> tissue ID: file."""
    from ...metrics.occupancy import difference

    files = {}
    for tissue in (ANY, *counted[0].anatomy.ids):
        found = difference(*counted, None if tissue == ANY else tissue)
        np.save(folder / f"difference_{tissue}.npy", np.ascontiguousarray(found, dtype=np.float32))
        files[tissue] = str(folder / f"difference_{tissue}.npy")
    return files


def _place(members: list[Member], anatomy: Anatomy) -> npt.NDArray[np.float64]:
    """(4, 4) canonical voxel IJK -> RAS mm where all members have one twin; else -> canonical mm."""
    affine, places = CanonicalFrame.of(anatomy).affine, {member.canonical_to_ras for member in members}
    place = next(iter(places)) if len(places) == 1 else None
    return affine if place is None else np.array(place) @ affine


class _Batches:
    """Tells members a few at a time: an event for each would keep the listener busy, one for all would come late."""

    def __init__(self, task: Any) -> None:
        self._task, self._since, self.count = task, time.monotonic(), 0
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= BATCH or time.monotonic() - self._since > BATCH_S:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._task.emit("members", rows=self._rows)
        self._rows, self._since = [], time.monotonic()
