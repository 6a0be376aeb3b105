"""`siblings measure`: whole label maps, or the domains of a control in them. Never loads torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...cohorts.measured_map import MeasuredMap
from ...cohorts.members import Member, find_members, is_cohort, named_by_record, read_member
from ...cohorts.pool import in_order, jobs_of, or_reason
from ...control.control import read_control, write_control
from ...control.placement import Placement
from ...core.anatomy import load_anatomy
from ...core.errors import InputError
from ...core.names import names_of
from ...core.progress import ProgressBar
from ...editing.metrics_layout import RUN_COLUMNS, metrics_columns
from ...editing.presets_and_holds import PresetsAndHolds, control_of, own_values
from ...editing.target_rows import domain_rows, measure_rows
from ...labelmaps.label_options import parse_labels
from ...labelmaps.tissues import known_labels
from ...labelmaps.twin import open_twin
from ...metrics.measures.measure import headlines
from ...models.registry import find_model
from ...runs.streamed_csv import StreamedTable
from .measured_rows import MeasuredRows
from .measuring_options import Measure
from .terminal import FileNotes

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Found:
    """What one map gave: rows of metrics.csv, the same rows as a terminal shows them, and notes on its file."""

    rows: Rows
    shown: Rows
    notes: tuple[str, ...] = ()


Measuring = Callable[[Member | None], Found]


def measure(options: Measure) -> int:
    """siblings measure FILE...: measures every map; names those that cannot be measured at the end (exit code 2)."""
    by_domain = bool(options.control or options.preset)
    _check(options)
    maps, failed = _maps(options)
    notes = FileNotes()
    table = StreamedTable(options.out / "metrics.csv" if options.out is not None else None,
                          () if by_domain else metrics_columns(load_anatomy(options.anatomy)))
    with MeasuredRows(options.json) as rows:
        with table:
            for path, found in _each(maps, options):
                if isinstance(found, str):
                    named = path is not None and found.startswith(str(path))  # most messages begin with their file
                    failed.append(f"siblings: {found}" if named else f"siblings: {path or 'mean heart'}: {found}")
                    continue
                notes.add(path, found.notes)
                table.add(found.rows)
                one = by_domain and len(maps) < 2  # it needs no name in every row
                rows.add(_nameless(found.rows) if one else found.rows, _nameless(found.shown) if one else found.shown)
        rows.show(table.path)
    notes.close()
    for message in failed:
        print(message, file=sys.stderr)
    return InputError.exit_code if failed else 0


def _nameless(rows: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "map"} for row in rows]


def _check(options: Measure) -> None:
    if options.write and not options.preset:
        raise InputError("There is no control to write", rule="--write needs --preset NAME")
    cohort = any(is_cohort(path, load_anatomy(options.anatomy)) for path in options.files)
    if options.write and (len(options.files) > 1 or cohort):
        raise InputError("A control belongs to one heart", value=", ".join(map(str, options.files)),
                         rule="give one label map with --write")
    if not options.files and not options.preset:
        raise InputError("There is nothing to measure", rule="give one or more label maps, or folders of them",
                         hint="with --preset NAME and no map, the model's mean heart is measured")


def _maps(options: Measure) -> tuple[list[Member | None], list[str]]:
    """The maps to measure, those of a folder one by one, and messages for folders without maps. None: mean heart."""
    if not options.files:
        return [None], []
    anatomy = load_anatomy(options.anatomy)
    maps: list[Member | None] = []
    failed = []
    runs: dict[Path, dict[str, Member]] = {}  # most often, the files of one run are given together
    for path in options.files:
        try:
            if is_cohort(path, anatomy):
                maps += find_members(path, anatomy=anatomy)
                continue
            if path.parent not in runs:
                runs[path.parent] = named_by_record(path.parent, anatomy)
            maps.append(runs[path.parent].get(path.name) or Member(path.name, path))
        except InputError as error:
            failed.append(f"siblings: {path}: {error}")
    return maps, failed


def _each(maps: list[Member | None], options: Measure) -> Iterator[tuple[Path | None, Found | str]]:
    """The path and the rows of every map in order, or why it has no rows."""
    jobs = 1 if options.write else jobs_of(options.jobs)  # --write takes one map, and this process writes its control
    with ProgressBar("Measuring", total=len(maps), unit="maps", shown=len(maps) > 1, kept=False) as bar:
        for index, found in in_order(_work, maps, jobs, start=_begin, given=(options,)):
            bar.show(index + 1, len(maps))
            member = maps[index]
            yield None if member is None else member.path, found


_measure: list[Measuring] = []  # of this process


def _begin(options: Measure) -> None:
    by_domain = bool(options.control or options.preset)
    _measure[:] = [_domains_of(options) if by_domain else _whole(options)]


def _work(member: Member | None) -> Found | str:
    return or_reason(_measure[0], member)


def _whole(options: Measure) -> Measuring:
    """Measures a whole label map, by the anatomy alone."""
    anatomy = load_anatomy(options.anatomy)
    labels = parse_labels(options.labels) if options.labels else None

    def measured(member: Member | None) -> Found:
        assert member is not None  # only a control can be measured without a map
        labelmap = read_member(member, anatomy, labels, whole=False)
        whole = MeasuredMap.of(labelmap, known_labels(labelmap, anatomy), anatomy, by_name=True)
        row = {key: value for key, value in whole.row(str(member.path)).items()
               if key not in RUN_COLUMNS[1:]}
        assert whole.measures is not None
        first = {key.title for key in headlines(anatomy)}
        short = {key: value for key, value in row.items() if key in first or key not in whole.measures.columns}
        return Found([row], [short], (*labelmap.notes, *whole.measures.notes))

    return measured


def _domains_of(options: Measure) -> Measuring:
    """Measures the domains of a control file or of presets, and writes the control if asked to."""
    card = find_model(options.model)
    anatomy, reference = load_anatomy(card.anatomy), card.reference()
    labels = parse_labels(options.labels) if options.labels else None
    shorthand = PresetsAndHolds(names_of(options.preset))
    chosen = read_control(options.control, anatomy) if options.control else None

    def measured(member: Member | None) -> Found:
        labelmap = None if member is None else read_member(member, anatomy, labels, whole=True)
        twin = open_twin(labelmap, anatomy, reference) if labelmap is not None else None
        heart = Placement.of(twin, anatomy, reference)
        control = control_of(chosen, heart, shorthand)
        if control is None:
            raise InputError("There is nothing to measure", rule="give --control FILE or --preset NAME")
        found = heart.measured(control)
        by_name = heart.measures({term.key.tissue for term in control.measures})
        if options.write:
            write_control(options.write, own_values(control, found, by_name.values))
        shown = {"map": str(member.path if member is not None else "mean heart")}
        rows = [*domain_rows(control, found, **shown), *measure_rows(control, by_name.values, **shown)]
        return Found(rows, rows, (*(twin.warnings if twin is not None else ()), *by_name.notes))

    return measured
