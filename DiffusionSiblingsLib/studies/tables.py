"""The output of a study: one table (CSV and Markdown), charts, and study.json with the settings."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..cohorts.comparison_result import Comparison
from ..core.files import atomic_path, make_folder
from ..core.record import now
from ..core.tables import columns_of, plain_text, write_metrics_csv
from ..core.version import __version__
from ..reports.chart_style import Picture
from .context import StudyContext
from .papers import findings, paper_tables
from .settings import QUICK_WORDS

Row = dict[str, object]
RANGES = (" 5 to 95 %", " 95 %")


@dataclass(frozen=True)
class StudyResult:
    """The result of a study. rows: its table, including the papers' rows. notes: what a reader must know. pictures: its
    charts, the main one first. more: further plain values for study.json. against_reference: whether the reference
    cohort was used.
    """

    study: str
    title: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    against_reference: bool = True


def figure_columns(comparison: Comparison) -> Row:
    """The figures of a comparison as columns: "precision", "1-NNA-CD", each with its "... 95 %" interval."""
    row: Row = {}
    for figure in comparison.figures:
        row |= {figure.name: figure.value, f"{figure.name} 95 %": interval(figure.low, figure.high)}
    return row


def interval(low: float, high: float) -> str:
    """An interval in words, "" if it is not finite."""
    return f"{low:.3g} to {high:.3g}" if math.isfinite(low) and math.isfinite(high) else ""


def write_result(result: StudyResult, context: StudyContext, seconds: float) -> Path:
    """Writes table.csv, table.md, study.json and the charts to DIR/<study> -> that folder."""
    out = context.settings.out / result.study
    make_folder(out)
    write_metrics_csv(out / "table.csv", result.rows)
    for picture in result.pictures:
        _write(out / picture.file_name, picture.data)
    _write(out / "table.md", _page(result, context, seconds).encode())
    settings, plan = context.settings, context.plan
    values = {
        "study": result.study, "title": result.title, "written": now(), "program": __version__,
        "command": settings.command, "quick": settings.quick, "seconds": round(seconds, 1),
        "model": context.card.identity,
        "sizes": {key: getattr(plan, key) for key in plan.__dataclass_fields__},
        **({"reference": {"name": context.real.name, "members": len(context.real), "real": settings.real is not None}}
           if result.against_reference else {}),
        "notes": list(result.notes), "rows": [_plain(row) for row in result.rows], **result.more}
    _write(out / "study.json", (json.dumps(values, indent=1, allow_nan=False, default=str) + "\n").encode())
    return out


def _page(result: StudyResult, context: StudyContext, seconds: float) -> str:
    """The table as a Markdown page, with the command, the model and the papers' findings."""
    tables = paper_tables(result.study)
    lines = [f"# {result.title}", "", f"`{context.settings.command}`" if context.settings.command else "",
             f"Model {context.card.id} {context.card.version}, {context.plan.steps} sampler steps, {seconds / 60:.1f} "
             "minutes for what did not exist yet.", ""]
    if context.settings.quick:
        lines += [f"**{QUICK_WORDS}**", ""]
    lines += [markdown(result.rows), ""]
    for picture in result.pictures:
        lines += [f"![{picture.alt}]({picture.file_name})", "", *([picture.caption, ""] if picture.caption else [])]
    notes = [*(context.reference_words if result.against_reference else ()), *result.notes]
    lines += [f"- {note}" for note in notes]
    if tables or findings(result.study):
        lines += ["", "The papers:", ""]
        lines += [f"- {table.name}: {table.title}; {table.sizes}. " + " ".join(table.notes) for table in tables]
        lines += [f"- {words}" for words in findings(result.study)]
    return "\n".join(lines) + "\n"


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table: numbers with three significant digits, each with its interval in the same cell ("0.85 (0.66 to
    0.96)"); cells without a value are empty.
    """
    rows = [_with_intervals(row) for row in rows]
    columns = columns_of(rows)
    numeric = [not any(isinstance(row.get(column), str) and row[column] for row in rows) for column in columns]
    head = "| " + " | ".join(columns) + " |"
    rule = "|" + "|".join("---:" if number else "---" for number in numeric) + "|"
    body = ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join([head, rule, *body])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if not math.isfinite(value) else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return plain_text(value).replace("|", "\\|")


def _with_intervals(row: Row) -> Row:
    """The row with every "X 95 %" (or "X 5 to 95 %") moved into the cell of X."""
    found = dict(row)
    for ending in RANGES:
        for name in [name for name in row if name.endswith(ending) and name.removesuffix(ending) in row]:
            own, between = name.removesuffix(ending), found.pop(name)
            if between:
                found[own] = f"{_cell(row[own])} ({between})"
    return found


def _plain(row: Row) -> Row:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else
            float(np.asarray(value).item()) if hasattr(value, "dtype") else value for key, value in row.items()}


def _write(path: Path, data: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


class Clock:
    """Measures the seconds since it was created."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self.began
