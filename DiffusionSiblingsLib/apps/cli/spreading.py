"""`siblings spread`: how much the siblings of one request differ. Never loads torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...cohorts.members import Member, find_members
from ...cohorts.training_statistics import Support, read_cohort
from ...cohorts.variability import LEAST, OF_TRAINING, Spread, replicates, spread_of
from ...core.anatomy import Anatomy, load_anatomy
from ...core.errors import ModelError
from ...core.files import json_values
from ...core.record import RECORD_NAME, Record, has_record, read_record
from ...core.tables import write_metrics_csv
from ...editing.postprocess import canonical_labelmap
from ...editing.request import Request
from ...labelmaps.formats.scalars import write_scalars
from ...labelmaps.tissues import parse_labels
from ...labelmaps.write import write_labelmap
from ...metrics.morphology import by_column
from ...models.registry import find_model
from ...reports.report_files import open_report, write_pictures
from ...reports.variability_chart import spread_picture
from .measuring_options import Variability
from .terminal import print_table

FILES = ("spread.nii.gz (share of siblings that differ from the majority)", "entropy.nii.gz (bits)",
         "majority.nii.gz", "spread.csv", "spread.png")


def spread(options: Variability) -> int:
    """siblings spread DIR: a set of files for every request that has at least two siblings."""
    anatomy = load_anatomy(options.anatomy)
    source: Path = options.source
    record = read_record(source / RECORD_NAME) if has_record(source) else None
    labels = parse_labels(options.labels) if options.labels else None
    groups = replicates(find_members(source, anatomy=anatomy))
    several = [group for group in groups if len(group) >= LEAST] or groups[:1]  # one alone: spread_of explains
    out: Path = options.out or source / "spread"
    found = []
    for number, group in enumerate(several):
        folder = out if len(several) == 1 else out / f"request_{number}"
        name = Request.from_json(dict(group[0].request)).describe() if group[0].request else source.name
        result = spread_of(group, anatomy, labels=labels, twin=_twin(record), support=_support(record, anatomy))
        _write(folder, result, group[0], name, anatomy)
        found.append((name, folder, result))
    if options.json:
        print(json.dumps(json_values([_plain(*one) for one in found]), indent=1))
    else:
        _show(found)
    return 0


def _write(folder: Path, result: Spread, first: Member, name: str, anatomy: Anatomy) -> None:
    open_report(folder)
    write_scalars(result.differing, result.affine, folder / "spread.nii.gz", shown=(0.0, 0.5),
                  description=f"share of {result.maps} siblings that differ")
    write_scalars(result.entropy, result.affine, folder / "entropy.nii.gz", shown=(0.0, 1.0),
                  description=f"entropy of {result.maps} siblings in bits")
    majority = canonical_labelmap(result.consensus, anatomy)
    write_labelmap(type(majority)(majority.labels, result.affine, majority.segments), folder / "majority.nii.gz",
                   "nii.gz")
    surfaces = [{"measurement": f"{tissue} surface, spread [mm]", "siblings": result.maps, "standard deviation": value}
                for tissue, value in result.surfaces.items()]
    write_metrics_csv(folder / "spread.csv", [*result.rows, *surfaces])
    write_pictures(folder, [spread_picture(result, anatomy, place=first.canonical_to_ras, name=name)])


def _show(found: list[tuple[str, Path, Spread]]) -> None:
    """Prints a table for each request, and where its files are."""
    for number, (name, folder, result) in enumerate(found):
        print(f"{chr(10) * bool(number)}{name}: {result.maps} siblings")
        print_table([{"tissue": tissue, "surface, sd [mm]": value, **_volume(result, tissue)}
                     for tissue, value in result.surfaces.items()])
        print(f"\n{', '.join(FILES)} are in {folder}")


def _volume(result: Spread, tissue: str) -> dict[str, object]:
    row = next((row for row in result.rows if row["measurement"] == f"{tissue} volume [ml]"), {})
    shown = {"mean": "mean [ml]", "twin": "twin [ml]", "standard deviation": "sd [ml]", OF_TRAINING: OF_TRAINING}
    return {title: row[key] for key, title in shown.items() if key in row}


def _plain(name: str, folder: Path, result: Spread) -> dict[str, Any]:
    return {"request": result.request, "name": name, "siblings": result.maps, "folder": str(folder),
            "surfaces_mm": result.surfaces, "measurements": list(result.rows)}


def _twin(record: Record | None) -> dict[str, float] | None:
    if record is None or record.twin is None:
        return None
    return by_column(record.twin["features"], record.twin["volumes_ml"])


def _support(record: Record | None, anatomy: Anatomy) -> Support | None:
    """The training statistics of the model that made them, if that model is installed."""
    if record is None:
        return None
    try:
        found = read_cohort(find_model(record.model["id"]).folder)
    except ModelError:
        return None
    return found if found is not None and found.anatomy == anatomy.id else None
