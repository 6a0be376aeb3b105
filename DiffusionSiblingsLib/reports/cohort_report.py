"""`siblings report`: one page on one cohort that an engineer can defend: how it was made, its checks and limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import write_json
from ..core.record import readable_record
from ..core.tables import write_metrics_csv
from ..editing.target_rows import target_rows
from ..metrics.occupancy import Occupancy
from ..models.registry import find_model, installed_models
from .chart_style import Picture
from .charts import Group, Mark, checks_chart, distributions, failures, scatter
from .cohort_facts import CohortFacts, distance_rows, flagged, ordinary_to_unusual
from .cohort_page import Shown, write_cohort_page
from .comparison import group_of, member_rows, volume_pairs
from .occupancy_slices import occupancy_slices
from .overview import Panel, overview
from .reference_heart import MeanHeart, OneHeart, Smoothed, twin_heart
from .report_files import (
    JSON_NAME,
    PAGE_NAME,
    command_line,
    made_by,
    report_folder,
    write_pictures,
)

if TYPE_CHECKING:
    from ..cohorts.measured import MeasuredCohort, Source
    from ..models.card import ModelCard

SHEET_NAME = "siblings.png"
SHEET = 12  # maps on the contact sheet, the twin among them
LISTED = 10_000


def model_of(source: Source) -> ModelCard:
    """The model that made a run folder, if it is installed in that version; else the shipped one."""
    record = readable_record(Path(source)) if isinstance(source, (str, Path)) else None
    made = [found for found in installed_models() if record is not None and found.sha256 == record.model.get("sha256")]
    return made[0] if made else find_model()


def cohort_report(out: Path, cohort: MeasuredCohort, card: ModelCard, *, question: str = "", use: str = "",
                  occupancy: bool = True) -> Path:
    """Writes the report of a measured cohort into a folder -> the page.

    members.csv; training_distance.csv where the model knows its training hearts; charts and a contact sheet as PNG;
    report.json; report.html last. card: of the model whose training hearts and limits count (`model_of`). question:
    what the cohort is to answer; use: the context of use. occupancy: as `write_comparison`. Raises OutputError,
    ModelError.
    """
    out = report_folder(Path(out))
    facts = CohortFacts.of(cohort, card)
    files = _tables(out, facts)
    twin = twin_heart(facts.twin, cohort.anatomy) if facts.twin is not None else None
    shown = _drawn(out, facts, twin, occupancy)
    files |= dict.fromkeys(write_pictures(out, shown.charts), "a figure")
    files[SHEET_NAME] = "the contact sheet"
    files[JSON_NAME] = "all numbers of this page, and where they come from"
    report = {**made_by(), "command": command_line(), "question": question, "context_of_use": use,
              **summary(facts), "files": files}
    write_json(out / JSON_NAME, report)
    return write_cohort_page(out / PAGE_NAME, facts, shown, report)


def summary(facts: CohortFacts) -> dict[str, Any]:
    """The cohort in plain values, for report.json."""
    cohort, card = facts.cohort, facts.card
    accepted, low, high = facts.acceptance()
    record = facts.record
    return {
        "cohort": {"name": cohort.name, "members": len(cohort), "kind": facts.kind, "skipped": dict(cohort.skipped),
                   "notes": cohort.noted(),
                   "folders": list(dict.fromkeys(str(path.resolve().parent) for path in cohort.paths))},
        "run": None if record is None else {"created": record.created, "complete": record.complete,
                                            "model": record.model, "compute": record.compute,
                                            "twin": record.twin and record.twin.get("file"), "edits": facts.edits},
        "model": {**card.identity, "licence": card.licence},
        "checks": {"names": list(cohort.checks), **{
            f"failed {at}": dict(zip(cohort.checks, failures(cohort.checks, failed)[0], strict=True))
            for at, failed in (("half", cohort.failed_half), ("full", cohort.failed_full))}},
        "targets": target_rows(facts.entries),
        "measures": facts.measures,
        "training_distance": distance_rows(facts),
        "flagged": [dict(row) for row in flagged(facts, LISTED)],
        "gate": {"used": facts.gated, "rejected": len(facts.rejected), "reasons": dict(facts.reasons()),
                 "acceptance": accepted, "acceptance_95": [low, high]},
    }


def _tables(out: Path, facts: CohortFacts) -> dict[str, str]:
    """Writes the CSV files -> name: what it holds."""
    from ..cohorts.training_distance import training_distance_columns

    rows = member_rows(facts.kind, facts.cohort)
    rows = [{**row, **training_distance_columns(found)}
            for row, found in zip(rows, facts.distances or [None] * len(rows), strict=True)]
    write_metrics_csv(out / "members.csv", rows)
    files = {"members.csv": "measurements, failed checks and training distance of every map"}
    if facts.measures:
        write_metrics_csv(out / "measures.csv", facts.measures)
        files["measures.csv"] = "how each measure is distributed"
    if table := distance_rows(facts):
        write_metrics_csv(out / "training_distance.csv", table)
        files["training_distance.csv"] = "where the cohort lies among the training hearts"
    return files


def _drawn(out: Path, facts: CohortFacts, twin: OneHeart | None, occupancy: bool) -> Shown:
    """All pictures; the contact sheet is written at once."""
    cohort = facts.cohort
    group = group_of(cohort)
    training = None
    if facts.statistics is not None and set(group.keys) <= set(facts.statistics.keys):
        rows = np.stack([facts.statistics.column(key) for key in group.keys], axis=1)
        training = Group("Training hearts", rows, group.keys)
    marks = [Mark("twin", facts.twin_measurements)] if facts.twin is not None else []
    scatters = [scatter(training, [group], x, y, marks=marks, width=480, height=440)
                for x, y in volume_pairs(group.keys)]
    chart = checks_chart(cohort.checks, {"half resolution": failures(cohort.checks, cohort.failed_half),
                                         "full resolution": failures(cohort.checks, cohort.failed_full)})
    where = _occupancy(facts, twin) if occupancy else None
    return Shown(scatters, distributions(training, [group], marks=marks), chart, _sheet(out, facts, twin), where,
                 against_twin=twin is not None)


def _occupancy(facts: CohortFacts, twin: OneHeart | None) -> Picture:
    """Where the cohort has tissue more often than its twin, or than the mean of the training hearts."""
    counted = Occupancy.of(facts.cohort.store, facts.cohort.anatomy)
    if twin is not None:
        return occupancy_slices(twin, counted, facts.cohort.anatomy)
    reference = facts.card.reference()
    mean = MeanHeart(reference, facts.cohort.anatomy)
    return occupancy_slices(mean, Smoothed(counted, reference.sigma / facts.cohort.anatomy.spacing_mm),
                            facts.cohort.anatomy)


def _sheet(out: Path, facts: CohortFacts, twin: OneHeart | None) -> Picture:
    """The contact sheet: from the most ordinary member to the most unusual, beside the twin."""
    from PIL import Image

    cohort = facts.cohort
    panels = [Panel(cohort.members[index].replace("_", " "), cohort.labels(index), facts.note(index))
              for index in ordinary_to_unusual(cohort, SHEET - (twin is not None))]
    path = overview(out / SHEET_NAME, None if twin is None else twin.labels, panels, cohort.anatomy)
    with Image.open(path) as image:
        width, height = image.size
    alt = f"Slices and surfaces of {len(panels)} of {len(cohort)} {facts.kind}" + (", after their twin" if twin else "")
    return Picture(SHEET_NAME.split(".")[0], path.read_bytes(), width, height, alt + ".")
