"""The figures of a comparison as rows of a table, with their meanings and their traps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from slicer.i18n import tr as _

from DiffusionSiblingsLib.reports.metric_meanings import better, meaning_of, reading
from DiffusionSiblingsUI.panels.result_table import Cell

FIGURE_HEADS = (_("Figure"), _("Value"), _("95 % interval"), _("Floor"), _("Better"))


def figure_cells(comparison: Mapping[str, Any]) -> list[list[Cell]]:
    """A row for each figure of `Comparison.to_json`."""
    return [_cells(SimpleNamespace(**_numbers(figure))) for figure in comparison["figures"]]


def _cells(figure: Any) -> list[Cell]:
    meaning = meaning_of(figure.name)
    trap = _("Trap: {text}").format(text=meaning.trap) if meaning.trap else ""
    tip = "\n".join(part for part in (meaning.title, meaning.means, trap, reading(figure), figure.note) if part)
    unit = f" [{figure.unit}]" if figure.unit else ""
    interval = _("{low} to {high}").format(low=_text(figure.low, figure.unit), high=_text(figure.high, figure.unit))
    cells = (figure.name + unit, _text(figure.value, figure.unit), interval if math.isfinite(figure.low) else "",
             _text(figure.floor, figure.unit), better(figure))
    return [Cell(text, number=0 < column < 4, tip=tip) for column, text in enumerate(cells)]


def _numbers(figure: Mapping[str, Any]) -> dict[str, Any]:
    """A figure whose missing numbers are NaN again."""
    known = {key: figure[key] for key in ("value", "low", "high")}
    return {**figure, **{key: math.nan if value is None else value for key, value in known.items()}}


def _text(value: float | None, unit: str) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.1f}" if unit == "%" else f"{value:.2f}"
