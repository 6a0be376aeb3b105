"""`siblings spread`: how much the siblings of one request differ. Never loads torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...cohorts.measured_map import measurements_of, named_of
from ...cohorts.members import Member, find_members
from ...cohorts.training_statistics import TrainingStatistics, read_training_statistics
from ...cohorts.variability import LEAST, OF_TRAINING, VARIATION, Variability, replicates, variability_of
from ...core.anatomy import Anatomy, load_anatomy
from ...core.errors import ModelError
from ...core.files import json_values, make_folder
from ...core.record import Record, record_in
from ...core.tables import write_metrics_csv
from ...editing.postprocess import canonical_labelmap
from ...editing.request import Request
from ...labelmaps.formats.scalars import write_scalars
from ...labelmaps.label_options import parse_labels
from ...labelmaps.write import suffix_for, write_labelmap
from ...metrics.measurement import MeasurementKey, tissue_key
from ...metrics.measures.measure import headlines
from ...models.registry import find_model
from ...reports.report_files import write_pictures
from ...reports.variability_chart import variability_picture
from .measuring_options import Variability as VariabilityOptions
from .terminal import note, print_table

FILES = ("spread.nii.gz (share of siblings that differ from the majority)", "entropy.nii.gz (bits)",
         "majority.nii.gz", "spread.csv", "spread.png")


def spread(options: VariabilityOptions) -> int:
    """siblings spread DIR: a set of files for every request that has at least two siblings."""
    anatomy = load_anatomy(options.anatomy)
    source: Path = options.source
    record = record_in(source)
    labels = parse_labels(options.labels) if options.labels else None
    groups = replicates(find_members(source, anatomy=anatomy))
    several = [group for group in groups if len(group) >= LEAST] or groups[:1]  # whose error tells the rule
    out: Path = options.out or source / "spread"
    found = []
    for number, group in enumerate(several):
        folder = out if len(several) == 1 else out / f"request_{number}"
        name = Request.from_json(dict(group[0].request)).describe() if group[0].request else source.name
        result = variability_of(group, anatomy, labels=labels, twin=_twin(record),
                                statistics=_statistics(record, anatomy))
        for words in result.notes:
            note(f"{name}: {words}")
        _write(folder, result, group[0], name, anatomy)
        found.append((name, folder, result))
    if options.json:
        print(json.dumps(json_values([_plain(*one) for one in found]), indent=1))
    else:
        _show(found, headlines(anatomy))
    return 0


def _write(folder: Path, result: Variability, first: Member, name: str, anatomy: Anatomy) -> None:
    make_folder(folder)
    write_scalars(result.differing, result.affine, folder / "spread.nii.gz", shown=(0.0, 0.5),
                  description=f"share of {result.maps} siblings that differ")
    write_scalars(result.entropy, result.affine, folder / "entropy.nii.gz", shown=(0.0, 1.0),
                  description=f"entropy of {result.maps} siblings in bits")
    majority = replace(canonical_labelmap(result.consensus, anatomy), affine=result.affine)
    write_labelmap(majority, folder / f"majority.{suffix_for(majority, 'nii.gz')}")
    surfaces = [{"measurement": f"{tissue} surface, spread [mm]", "siblings": result.maps, "standard deviation": value}
                for tissue, value in result.surfaces.items()]
    write_metrics_csv(folder / "spread.csv", [*result.rows, *surfaces])
    write_pictures(folder, [variability_picture(result, anatomy, place=first.canonical_to_ras, name=name)])


def _show(found: list[tuple[str, Path, Variability]], first: Sequence[MeasurementKey]) -> None:
    """Prints the tables of each request, and where its files are. first: the measures that are shown."""
    for number, (name, folder, result) in enumerate(found):
        print(f"{chr(10) * bool(number)}{name}: {result.maps} siblings")
        print_table([{"tissue": tissue, "surface, sd [mm]": value, **_volume(result, tissue)}
                     for tissue, value in result.surfaces.items()])
        if measures := [_measure(result, key) for key in first if key in result.measurements]:
            print("\nMeasures, each at the place that it has in each heart; spread.csv has more of them:\n")
            print_table(measures)
        print(f"\n{', '.join(FILES)} are in {folder}")


def _measure(result: Variability, key: MeasurementKey) -> dict[str, object]:
    row = result.measurements[key]
    shown = {"siblings": "siblings with it", "twin": "twin", "50 %": "median", VARIATION: "cv [%]", "least": "least",
             "5 %": "5 %", "95 %": "95 %", "greatest": "greatest"}
    return {"place": key.tissue, "measure": f"{key.name} [{key.unit}]",
            **{title: row[name] for name, title in shown.items() if name in row}}


def _volume(result: Variability, tissue: str) -> dict[str, object]:
    row = result.measurements.get(tissue_key(tissue), {})
    shown = {"mean": "mean [ml]", "twin": "twin [ml]", "standard deviation": "sd [ml]", OF_TRAINING: OF_TRAINING}
    return {title: row[key] for key, title in shown.items() if key in row}


def _plain(name: str, folder: Path, result: Variability) -> dict[str, Any]:
    return {"request": result.request, "name": name, "siblings": result.maps, "folder": str(folder),
            "surfaces_mm": result.surfaces, "measurements": list(result.rows), "notes": list(result.notes)}


def _twin(record: Record | None) -> dict[MeasurementKey, float] | None:
    if record is None or record.twin is None:
        return None
    return {**measurements_of(record.twin), **named_of(record.twin)}


def _statistics(record: Record | None, anatomy: Anatomy) -> TrainingStatistics | None:
    """The training statistics of the model that made them, if that model is installed."""
    if record is None:
        return None
    try:
        found = read_training_statistics(find_model(record.model["id"]).folder)
    except ModelError:
        return None
    return found if found is not None and found.anatomy == anatomy.id else None
