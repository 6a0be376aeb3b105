"""`siblings compare`: two cohorts as tables, figures, volumes for Slicer, and one page that stands by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import write_json
from ..core.record import readable_record
from ..core.tables import write_metrics_csv
from ..metrics.measurement import MeasurementKey
from ..metrics.occupancy import Occupancy, chance_of
from .chart_style import Picture
from .charts import Group, checks_chart, distributions, failures, scatter
from .comparison_page import QUESTION, READ_DISTRIBUTIONS, READ_OCCUPANCY, Drawn, write_comparison_page
from .occupancy_files import write_differences
from .occupancy_slices import occupancy_slices
from .report_files import (
    JSON_NAME,
    PAGE_NAME,
    command_line,
    made_by,
    report_folder,
    run_words,
    write_pictures,
)

if TYPE_CHECKING:
    from ..cohorts.comparison_result import Comparison
    from ..cohorts.measured import MeasuredCohort

FOLDERS = 20  # of a cohort's, in report.json
Counted = tuple[Occupancy, Occupancy]  # of the real and of the synthetic cohort


def write_comparison(out: Path, comparison: Comparison, real: MeasuredCohort, synthetic: MeasuredCohort, *,
                     question: str = "", occupancy: bool = True, counted: Counted | None = None) -> Path:
    """Writes the report of a comparison into a folder -> the page.

    figures.csv, features.csv, checks.csv, members.csv; the figures as PNG; occupancy-difference*.nii.gz for Slicer;
    report.json; report.html last. question: what the comparison is to answer. occupancy: count all maps for the
    differences of occupancy (some 20 ms a map). counted: the two occupancies where that was done already. Raises
    OutputError.
    """
    out = report_folder(Path(out))
    files = write_tables(out, comparison, real, synthetic)
    drawn = draw(real, synthetic)
    if occupancy:
        drawn.occupancy, volumes = draw_occupancy(out, counted or count_occupancy(real, synthetic))
        files |= volumes
    files |= dict.fromkeys(write_pictures(out, drawn.all), "a figure")
    files[JSON_NAME] = "all numbers of this page, and where they come from"
    made = {**made_by(), "command": command_line(), "question": question or QUESTION}
    report = {**made, "real": described(real), "synthetic": described(synthetic), "comparison": comparison.to_json(),
              "files": files}
    write_json(out / JSON_NAME, report)
    return write_comparison_page(out / PAGE_NAME, comparison, real, synthetic, drawn, report)


def described(cohort: MeasuredCohort) -> dict[str, Any]:
    """A cohort for report.json: where it lies, how many, how it was made, which maps were left out."""
    folders = list(dict.fromkeys(str(path.resolve().parent) for path in cohort.paths))
    records = [record for folder in folders[:FOLDERS] if (record := readable_record(Path(folder))) is not None]
    return {"name": cohort.name, "members": len(cohort), "folders": folders[:FOLDERS],
            "made": [run_words(record) for record in records], "skipped": dict(cohort.skipped),
            "notes": cohort.noted()}


def write_tables(out: Path, comparison: Comparison, real: MeasuredCohort, synthetic: MeasuredCohort) -> dict[str, str]:
    """Writes the CSV files -> name: what it holds."""
    write_metrics_csv(out / "figures.csv", comparison.figure_rows())
    write_metrics_csv(out / "features.csv", comparison.per_feature)
    write_metrics_csv(out / "checks.csv", comparison.checks)
    rows = [row for side, cohort in (("real", real), ("synthetic", synthetic)) for row in member_rows(side, cohort)]
    write_metrics_csv(out / "members.csv", rows)
    files = {"figures.csv": "the figures, with intervals and floors",
             "features.csv": "both distributions of each measurement", "checks.csv": "how many maps fail each check",
             "members.csv": "the measurements and failed checks of every map"}
    if comparison.per_measure:
        write_metrics_csv(out / "measures.csv", comparison.per_measure)
        files["measures.csv"] = "both distributions of each measure"
    return files


def member_rows(side: str, cohort: MeasuredCohort) -> list[dict[str, object]]:
    """One row for each map: its measurements, its measures by name and the checks that it fails."""
    columns = {key.title: values for key, values in cohort.columns().items()}
    named = {key.title: values for key, values in cohort.named.items()}
    return [{"cohort": side, "map": member, **{title: float(values[n]) for title, values in columns.items()},
             **{title: float(values[n]) for title, values in named.items()},
             "failed checks": "; ".join(cohort.failed_half[n]),
             "failed checks full resolution": "; ".join(cohort.failed_full[n])}
            for n, member in enumerate(cohort.members)]


def draw(real: MeasuredCohort, synthetic: MeasuredCohort) -> Drawn:
    """The figures that need measurements alone."""
    reference, group = (group_of(side) for side in named_apart(real, synthetic))
    scatters = [scatter(reference, [group], x, y, width=480, height=440)
                for x, y in volume_pairs(reference.keys)]
    failed = {part.name: failures(real.checks, side.failed_half)
              for part, side in ((reference, real), (group, synthetic))}
    return Drawn(scatters, replace(distributions(reference, [group]), caption=READ_DISTRIBUTIONS),
                 checks_chart(real.checks, failed))


def group_of(cohort: MeasuredCohort) -> Group:
    """The cohort in a chart: its features, and the volumes of the tissues that have none."""
    columns = cohort.columns()
    return Group(cohort.name, np.stack(list(columns.values()), axis=1), tuple(columns))


def count_occupancy(real: MeasuredCohort, synthetic: MeasuredCohort) -> Counted:
    """The occupancy of either cohort."""
    return Occupancy.of(real.store, real.anatomy), Occupancy.of(synthetic.store, synthetic.anatomy)


def draw_occupancy(out: Path, counted: Counted) -> tuple[Picture, dict[str, str]]:
    """The slices, and the differences as volumes in `out` (name: what it holds)."""
    real, synthetic = counted
    slices = occupancy_slices(real, synthetic, real.anatomy)
    shown = replace(slices, caption=READ_OCCUPANCY.format(chance=chance_of(real.maps, synthetic.maps)))
    return shown, write_differences(out, real, synthetic, real.anatomy)


def named_apart(*cohorts: MeasuredCohort) -> list[MeasuredCohort]:
    """The cohorts under names that differ: two folders may have one name, a figure has one entry for each."""
    if len({cohort.name for cohort in cohorts}) == len(cohorts):
        return list(cohorts)
    return [cohort.subset(range(len(cohort)), f"{cohort.name} ({place})") for place, cohort in enumerate(cohorts, 1)]


def volume_pairs(keys: Sequence[MeasurementKey]) -> list[tuple[MeasurementKey, MeasurementKey]]:
    """Which measurements are drawn against each other: volumes two by two, in the anatomy's order."""
    volumes = [key for key in keys if key.is_volume] or list(keys)
    return list(zip(volumes[::2], volumes[1::2], strict=False))
