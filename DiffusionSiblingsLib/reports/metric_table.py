"""The table of a comparison's metrics: value, interval, floor, a small drawing of them, meaning and trap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .metric_meanings import GROUPS, Shown, better, meaning_of, reading
from .page import number

WIDE, TALL, EDGE = 190, 20, 6  # of a drawing, CSS pixels
LEAST_PERCENT = 10.0  # end of the axis where little or nothing fails


@dataclass(frozen=True)
class Line:
    """A line of a drawing. kind: "axis", "range", "best" or "floor". The rest: its ends, CSS pixels, as text."""

    kind: str
    x1: str
    y1: str
    x2: str
    y2: str


@dataclass(frozen=True)
class Meter:
    """A drawing of one metric. value: where its dot stands, CSS pixels. words: what it shows, for screen readers."""

    lines: tuple[Line, ...]
    value: str
    words: str
    wide: int = WIDE
    tall: int = TALL
    middle: float = TALL / 2


@dataclass(frozen=True)
class MetricRow:
    """A metric as the page shows it: its numbers as text, and its words. meter: None where nothing can be drawn."""

    title: str
    value: str
    interval: str
    floor: str
    better: str
    means: str
    trap: str
    here: str
    meter: Meter | None


def metric_groups(figures: Sequence[Shown]) -> list[tuple[str, list[MetricRow]]]:
    """The metrics by the question that they answer."""
    found = ((group, [metric_row(figure) for figure in figures if meaning_of(figure.name).group == group])
             for group in GROUPS)
    return [(group, rows) for group, rows in found if rows]


def metric_row(figure: Shown) -> MetricRow:
    """One metric for the page."""
    meaning = meaning_of(figure.name)
    floor = number(None) if figure.floor is None else shown(figure.floor, figure.unit)
    here = "; ".join(part for part in (reading(figure), figure.note) if part)
    return MetricRow(meaning.title, shown(figure.value, figure.unit, with_unit=True), interval(figure), floor,
                     better(figure), meaning.means, meaning.trap, here, meter(figure))


def figure_row(figure: Shown) -> dict[str, str]:
    """A metric's row for a terminal."""
    return {"figure": figure.name, "value": shown(figure.value, figure.unit), "unit": figure.unit,
            "95 % interval": interval(figure), "better": better(figure),
            "floor": "-" if figure.floor is None else shown(figure.floor, figure.unit), "here": reading(figure)}


def interval(figure: Shown) -> str:
    """The 95 % interval in words."""
    if not math.isfinite(figure.low):
        return "too few members"
    return f"{shown(figure.low, figure.unit)} to {shown(figure.high, figure.unit)}"


def shown(value: float, unit: str, *, with_unit: bool = False) -> str:
    """A metric's number: percent with one decimal, everything else with two, or three where it is small."""
    text = number(value, 1 if unit == "%" else 3 if 0 < abs(value) < 0.1 else 2)
    return f"{text} %" if with_unit and unit == "%" else text


def meter(figure: Shown) -> Meter | None:
    """The drawing of a metric; None where it has no value."""
    end = _end(figure)
    if not end > 0 or not math.isfinite(figure.value):
        return None

    def x(value: float) -> str:
        return f"{EDGE + (WIDE - 2 * EDGE) * min(max(value / end, 0.0), 1.0):.1f}"

    middle = TALL / 2
    lines = [_line("axis", str(EDGE), middle, str(WIDE - EDGE), middle)]
    if math.isfinite(figure.low):
        lines.append(_line("range", x(figure.low), middle, x(figure.high), middle))
    if isinstance(figure.best, (int, float)):
        lines.append(_line("best", x(figure.best), 1, x(figure.best), TALL - 1))
    if figure.floor is not None:
        lines.append(_line("floor", x(figure.floor), 3, x(figure.floor), TALL - 3))
    words = f"{figure.name} {shown(figure.value, figure.unit)}, axis from 0 to {shown(end, figure.unit)}"
    return Meter(tuple(lines), x(figure.value), words)


def _end(figure: Shown) -> float:
    """Where the axis ends: shares at all of it, but violations (small when things are well) and distances nearby."""
    if figure.best == "high" or isinstance(figure.best, (int, float)):
        return 100.0 if figure.unit == "%" else 1.0
    known = [value for value in (figure.value, figure.high, figure.floor) if value is not None and math.isfinite(value)]
    return 1.12 * max([*known, LEAST_PERCENT / 1.12 if figure.unit == "%" else 0.0])


def _line(kind: str, x1: str, y1: float, x2: str, y2: float) -> Line:
    return Line(kind, x1, f"{y1:g}", x2, f"{y2:g}")
