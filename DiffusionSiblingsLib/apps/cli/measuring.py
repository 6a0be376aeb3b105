"""`siblings measure`: whole label maps, or what they have in the domains of a control. Never loads torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ...cohorts.measured_map import MeasuredMap
from ...cohorts.members import Member, find_members, is_cohort, named_by_record, read_member
from ...cohorts.pool import in_order, jobs_of, or_reason
from ...control.control import read_control, write_control
from ...control.placement import Placement
from ...core.anatomy import load_anatomy
from ...core.errors import InputError
from ...editing.presets_and_holds import PresetsAndHolds, control_of, names_of, own_values
from ...editing.target_rows import domain_rows
from ...labelmaps.tissues import known_labels, parse_labels
from ...labelmaps.twin import open_twin
from ...models.registry import find_model
from ...runs.streamed_csv import StreamedTable
from .measured_rows import MeasuredRows

Rows = list[dict[str, object]]
Measure = Callable[[Member | None], Rows]


def measure(arguments: argparse.Namespace) -> int:
    """siblings measure FILE...: every map is measured; those that cannot be are said at the end (exit code 2)."""
    by_domain = bool(arguments.control or arguments.preset)
    _check(arguments)
    maps, failed = _maps(arguments)
    table = StreamedTable(arguments.out / "metrics.csv" if arguments.out is not None else None)
    with MeasuredRows(arguments.json) as rows:
        with table:
            for path, found in _each(maps, arguments):
                if isinstance(found, str):
                    failed.append(f"siblings: {path or 'mean heart'}: {found}")
                    continue
                table.add(found)
                # One heart needs no name in every row.
                rows.add([{key: value for key, value in row.items() if key != "map"} for row in found]
                         if by_domain and len(maps) < 2 else found)
        rows.show(120 if by_domain else 100, table.path)
    for message in failed:
        print(message, file=sys.stderr)
    return InputError.exit_code if failed else 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.write and not arguments.preset:
        raise InputError("There is no control to write", rule="--write goes with --preset NAME")
    cohort = any(is_cohort(path, load_anatomy(arguments.anatomy)) for path in arguments.files)
    if arguments.write and (len(arguments.files) > 1 or cohort):
        raise InputError("A control is of one heart", value=f"{', '.join(map(str, arguments.files))}",
                         rule="--write with one label map")
    if not arguments.files and not arguments.preset:
        raise InputError("There is nothing to measure", rule="one or more label maps or folders of them",
                         hint="only --preset NAME can go without: it is then measured on the model's mean heart")


def _maps(arguments: argparse.Namespace) -> tuple[list[Member | None], list[str]]:
    """The maps to measure, those of a folder one by one, and messages for folders without any; None: mean heart."""
    if not arguments.files:
        return [None], []
    anatomy = load_anatomy(arguments.anatomy)
    maps: list[Member | None] = []
    failed = []
    runs: dict[Path, dict[str, Member]] = {}  # files of a run are most often given together
    for path in arguments.files:
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


def _each(maps: list[Member | None], arguments: argparse.Namespace) -> Iterator[tuple[Path | None, Rows | str]]:
    """Of every map in order its rows, or why there are none."""
    from tqdm import tqdm

    # --write is of one map, whose control this very process is to write.
    jobs = 1 if arguments.write else jobs_of(arguments.jobs)
    with tqdm(total=len(maps), unit="map", disable=None if len(maps) > 1 else True, leave=False) as bar:
        for index, found in in_order(_work, maps, jobs, start=_begin, given=(arguments,)):
            bar.update()
            member = maps[index]
            yield None if member is None else member.path, found


_measure: list[Measure] = []  # of this process


def _begin(arguments: argparse.Namespace) -> None:
    by_domain = bool(arguments.control or arguments.preset)
    _measure[:] = [_domains_of(arguments) if by_domain else _whole(arguments)]


def _work(member: Member | None) -> Rows | str:
    return or_reason(_measure[0], member)


def _whole(arguments: argparse.Namespace) -> Measure:
    """Measures a whole label map, by the anatomy alone."""
    anatomy = load_anatomy(arguments.anatomy)
    labels = parse_labels(arguments.labels) if arguments.labels else None

    def measured(member: Member | None) -> Rows:
        assert member is not None  # only a control can be measured without a map
        labelmap = read_member(member, anatomy, labels)
        row = MeasuredMap.of(labelmap, known_labels(labelmap, anatomy), anatomy).row(str(member.path))
        return [{key: value for key, value in row.items() if key not in ("edit", "ratio", "seed", "k")}]

    return measured


def _domains_of(arguments: argparse.Namespace) -> Measure:
    """Measures the domains of a control file or of presets, and writes the control where that was asked for."""
    card = find_model(arguments.model)
    anatomy, reference = load_anatomy(card.anatomy), card.reference()
    labels = parse_labels(arguments.labels) if arguments.labels else None
    wishes = PresetsAndHolds(names_of(arguments.preset))
    chosen = read_control(arguments.control, anatomy) if arguments.control else None

    def measured(member: Member | None) -> Rows:
        labelmap = None if member is None else read_member(member, anatomy, labels, whole=True)
        twin = open_twin(labelmap, anatomy, reference) if labelmap is not None else None
        ground = Placement.of(twin, anatomy, reference)
        control = control_of(chosen, ground, wishes)
        if control is None:
            raise InputError("There is nothing to measure", rule="--control FILE or --preset NAME")
        found = ground.measured(control)
        if arguments.write:
            write_control(arguments.write, own_values(control, found))
        return domain_rows(control, found, map=str(member.path if member is not None else "mean heart"))

    return measured
