"""`siblings measure`: whole label maps, or what they have in the domains of a control. Never loads torch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..anatomy import load_anatomy
from ..control import read_control, write_control
from ..errors import InputError
from ..export.entries import Measured
from ..export.tables import short_table, write_metrics_csv
from ..export.targets import domain_rows
from ..ground import Ground
from ..labelmap_io import known_labels, parse_labels, read_labelmap
from ..registry import find_model
from ..twin import open_twin
from ..wishes import Wishes, control_of, names_of, own_values

Rows = list[dict[str, object]]


def measure(arguments: argparse.Namespace) -> int:
    """siblings measure FILE...: every file is measured; those that cannot be are said at the end (exit code 2)."""
    by_domain = bool(arguments.control or arguments.preset)
    if arguments.write and not arguments.preset:
        raise InputError("There is no control to write", rule="--write goes with --preset NAME")
    if arguments.write and len(arguments.files) > 1:
        raise InputError("A control is of one heart", value=f"{len(arguments.files)} files", rule="--write with one")
    if not arguments.files and not arguments.preset:
        raise InputError("There is nothing to measure", rule="one or more label maps",
                         hint="only --preset NAME can go without: it is then measured on the model's mean heart")
    rows, failed = _each(arguments.files, _domains_of(arguments) if by_domain else _whole(arguments))
    if arguments.out is not None and rows:
        write_metrics_csv(arguments.out / "metrics.csv", rows)
    if by_domain and len(arguments.files) < 2:  # one heart needs no name in every row
        rows = [{key: value for key, value in row.items() if key != "map"} for row in rows]
    print(json.dumps(rows, indent=1) if arguments.json else short_table(rows, width=120 if by_domain else 100))
    for message in failed:
        print(message, file=sys.stderr)
    return InputError.exit_code if failed else 0


def _each(files: list[Path], measured: Callable[[Path | None], Rows]) -> tuple[Rows, list[str]]:
    """Rows of all files, and a message for each that could not be measured; without files, of the mean heart."""
    rows: Rows = []
    failed = []
    for path in files or [None]:
        try:
            rows += measured(path)
        except InputError as error:
            failed.append(f"siblings: {path or 'mean heart'}: {error}")
    return rows, failed


def _whole(arguments: argparse.Namespace) -> Callable[[Path | None], Rows]:
    """Measures a whole label map, by the anatomy alone."""
    anatomy = load_anatomy(arguments.anatomy)
    labels = parse_labels(arguments.labels) if arguments.labels else None

    def measured(path: Path | None) -> Rows:
        labelmap = read_labelmap(Path(path or ""), anatomy, labels)
        row = Measured.of(labelmap, known_labels(labelmap, anatomy), anatomy).row(str(path))
        return [{key: value for key, value in row.items() if key not in ("edit", "ratio", "seed", "k")}]

    return measured


def _domains_of(arguments: argparse.Namespace) -> Callable[[Path | None], Rows]:
    """Measures the domains of a control file or of presets, and writes the control where that was asked for."""
    card = find_model(arguments.model)
    anatomy, reference = load_anatomy(card.anatomy), card.reference()
    labels = parse_labels(arguments.labels) if arguments.labels else None
    wishes = Wishes(names_of(arguments.preset))
    chosen = read_control(arguments.control, anatomy) if arguments.control else None

    def measured(path: Path | None) -> Rows:
        twin = open_twin(path, anatomy, reference, labels=labels) if path is not None else None
        ground = Ground.of(twin, anatomy, reference)
        control = control_of(chosen, ground, wishes)
        if control is None:
            raise InputError("There is nothing to measure", rule="--control FILE or --preset NAME")
        found = ground.measured(control)
        if arguments.write:
            write_control(arguments.write, own_values(control, found))
        return domain_rows(control, found, map=str(path or "mean heart"))

    return measured
