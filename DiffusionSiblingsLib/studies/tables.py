"""What a study leaves: one table (CSV and Markdown), figures, and study.json with how it was made."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..cohorts.comparison_result import Comparison
from ..core.files import atomic_path
from ..core.record import now
from ..core.tables import columns_of, csv_text, write_metrics_csv
from ..core.version import __version__
from ..reports.chart_style import Picture
from .context import StudyContext
from .papers import findings, paper_tables
from .settings import QUICK_WORDS

Row = dict[str, object]
RANGES = (" 5 to 95 %", " 95 %")


@dataclass(frozen=True)
class Result:
    """A study's result. rows: of its table, the papers' among them. notes: what a reader must know. pictures: the
    first one is the study's figure. more: further plain values for study.json.
    """

    study: str
    title: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def figure_columns(comparison: Comparison) -> Row:
    """A comparison's figures as columns: "precision", "1-NNA-CD", each with "... low" and "... high"."""
    row: Row = {}
    for figure in comparison.figures:
        row |= {figure.name: figure.value, f"{figure.name} 95 %": interval(figure.low, figure.high)}
    return row


def interval(low: float, high: float) -> str:
    """An interval in words, "" where there is none."""
    return f"{low:.3g} to {high:.3g}" if math.isfinite(low) and math.isfinite(high) else ""


def write_result(result: Result, studio: StudyContext, seconds: float) -> Path:
    """Writes DIR/<study>/ table.csv, table.md, study.json and the figures -> that folder."""
    out = studio.settings.out / result.study
    out.mkdir(parents=True, exist_ok=True)
    write_metrics_csv(out / "table.csv", result.rows)
    for picture in result.pictures:
        _write(out / picture.file_name, picture.data)
    _write(out / "table.md", _page(result, studio, seconds).encode())
    settings, plan = studio.settings, studio.plan
    values = {
        "study": result.study, "title": result.title, "written": now(), "program": __version__,
        "command": settings.command, "quick": settings.quick, "seconds": round(seconds, 1),
        "model": studio.card.identity,
        "sizes": {key: getattr(plan, key) for key in plan.__dataclass_fields__},
        "reference": {"name": studio.real.name, "members": len(studio.real), "real": settings.real is not None},
        "notes": list(result.notes), "rows": [_plain(row) for row in result.rows], **result.more}
    _write(out / "study.json", (json.dumps(values, indent=1, allow_nan=False, default=str) + "\n").encode())
    return out


def _page(result: Result, studio: StudyContext, seconds: float) -> str:
    """The table as a person reads it, with what it was made by and what the papers say."""
    tables = paper_tables(result.study)
    lines = [f"# {result.title}", "", f"`{studio.settings.command}`" if studio.settings.command else "",
             f"Model {studio.card.id} {studio.card.version}, {studio.plan.steps} sampler steps, {seconds / 60:.1f} "
             "minutes for what was not there already.", ""]
    if studio.settings.quick:
        lines += [f"**{QUICK_WORDS}**", ""]
    lines += [markdown(result.rows), ""]
    for picture in result.pictures:
        lines += [f"![{picture.alt}]({picture.file_name})", "", *([picture.caption, ""] if picture.caption else [])]
    lines += [f"- {note}" for note in [*studio.reference_words, *result.notes]]
    if tables or findings(result.study):
        lines += ["", "The papers:", ""]
        lines += [f"- {table.name}: {table.title}; {table.sizes}. " + " ".join(table.notes) for table in tables]
        lines += [f"- {words}" for words in findings(result.study)]
    return "\n".join(lines) + "\n"


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table: numbers with three significant digits, each with its interval in the same cell ("0.85 (0.66 to
    0.96)"), nothing for what is not there.
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
    return csv_text(value).replace("|", "\\|")


def _with_intervals(row: Row) -> Row:
    """The row with every "X 95 %" (or "X 5 to 95 %") in the cell of X."""
    found = dict(row)
    for ending in RANGES:
        for name in [name for name in row if name.endswith(ending) and name.removesuffix(ending) in row]:
            own, between = name.removesuffix(ending), found.pop(name)
            if between:
                found[own] = f"{_cell(row[own])} ({between})"
    return found


def _plain(row: Row) -> Row:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else
            float(value) if hasattr(value, "dtype") else value for key, value in row.items()}


def _write(path: Path, data: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """So far."""
        return time.perf_counter() - self.began
