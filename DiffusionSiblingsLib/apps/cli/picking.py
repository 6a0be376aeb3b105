"""`siblings pick`: members of a cohort that stand for quantiles of a measurement. Never loads torch."""

from __future__ import annotations

import json

from ...cohorts.members import find_members, numbering_notes
from ...cohorts.picking import Measurements, measure_members, parse_quantiles, pick_members
from ...cohorts.wanted import find_measure
from ...core.anatomy import load_anatomy
from ...core.files import json_values
from ...core.progress import ProgressBar
from ...labelmaps.label_options import parse_labels
from ...runs.picked_files import TABLE, pick_rows, require_room, write_pick
from .picking_options import Pick
from .terminal import note, print_table


def pick(options: Pick) -> int:
    """siblings pick DIR --by TEXT: measures every map, and chooses one for each quantile."""
    anatomy = load_anatomy(options.anatomy)
    measure, quantiles = find_measure(options.by, anatomy), parse_quantiles(options.quantiles)
    if options.out is not None:
        require_room(options.out, options.cohort, replace=options.replace)
    members = find_members(options.cohort, anatomy=anatomy)
    with ProgressBar("Measuring", total=len(members), unit="maps", kept=False) as bar:
        found = measure_members(members, measure, anatomy, jobs=options.jobs, progress=bar.show,
                                labels=parse_labels(options.labels) if options.labels else None)
    for name, why in found.without.items():
        note(f"{name} is left out, as it has no {measure.label}: {why}")
    picks = pick_members(found, quantiles)
    if options.out is not None:
        write_pick(options.out, picks, measure.key)
        for words in numbering_notes([one.member for one in picks], str(options.out)):
            note(words)
    rows = pick_rows(picks, measure.key)
    if options.json:
        print(json.dumps(json_values({
            "by": measure.key.title, "maps": len(found.values), "without": found.without,
            "picks": [{**row, "file": str(one.member.path)} for row, one in zip(rows, picks, strict=True)]}), indent=1))
        return 0
    print(_heading(found))
    print_table(rows)
    if options.out is not None:
        print(f"\n{TABLE} and copies of these maps are in {options.out}")
    return 0


def _heading(found: Measurements) -> str:
    """"aortic annulus area of 20 maps: 428 to 587 mm^2"."""
    values = [value for _, value in found.values]
    return (f"{found.measure.label} of {len(values)} maps: {min(values):.4g} to {max(values):.4g} "
            f"{found.measure.unit}").rstrip()
