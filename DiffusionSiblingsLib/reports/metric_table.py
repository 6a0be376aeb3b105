"""The table of a comparison's figures: value, interval, floor, a small drawing of them, meaning and trap."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .html import Html, escaped, joined, number, paragraph, tag
from .metric_meanings import GROUPS, Shown, better, meaning_of, reading

WIDE, TALL, EDGE = 190, 20, 6  # of a drawing, CSS pixels
LEAST_PERCENT = 10.0  # end of the axis where little or nothing fails
COLUMNS = ("Figure", "Value", "95 % interval", "Floor", "Better", "")
NUMBERS = COLUMNS[1:4]
HOW_TO_READ = ("Dot: the value. Band: its 95 % interval, from resampling both cohorts. Blue tick: the floor, which is "
               "what comes out between hearts of one kind (each figure's note says how), or what the real cohort has "
               "itself; better than the floor is no better. Green dashes: the best value. Shares run from 0 to all, "
               "distances from 0.")


def figure_table(figures: Sequence[Shown]) -> Html:
    """All figures by the question that they answer, each with its meaning and its trap."""
    head = tag("tr", *(tag("th", name, scope="col", class_="number" if name in NUMBERS else None) for name in COLUMNS))
    rows = []
    for group in GROUPS:
        own = [figure for figure in figures if meaning_of(figure.name).group == group]
        if own:
            rows.append(tag("tr", tag("th", group, scope="colgroup", colspan=len(COLUMNS)), class_="group"))
        rows += [row for figure in own for row in _rows(figure)]
    whole = tag("table", tag("thead", head), tag("tbody", *rows), class_="wide figures")
    return joined(tag("div", whole, class_="scroll"), paragraph(HOW_TO_READ, kind="small"))


def _rows(figure: Shown) -> tuple[Html, Html]:
    """The row of numbers, and the row of words below it."""
    meaning = meaning_of(figure.name)
    cells = (tag("th", meaning.title, scope="row"),
             tag("td", tag("strong", shown(figure.value, figure.unit, with_unit=True)), class_="number"),
             tag("td", interval(figure), class_="number"),
             tag("td", number(None) if figure.floor is None else shown(figure.floor, figure.unit), class_="number"),
             tag("td", better(figure)), tag("td", meter(figure)))
    words = [meaning.means] if meaning.means else []
    if meaning.trap:
        words.append(joined(tag("b", "Trap:"), " ", meaning.trap))
    if here := "; ".join(part for part in (reading(figure), figure.note) if part):
        words.append(joined(tag("b", "Here:"), " ", here, "."))
    below = tag("td", joined(*words, between=" "), colspan=len(COLUMNS))
    return tag("tr", *cells, class_="value"), tag("tr", below, class_="words")


def figure_row(figure: Shown) -> dict[str, str]:
    """A figure's row for a terminal."""
    return {"figure": figure.name, "value": shown(figure.value, figure.unit), "unit": figure.unit,
            "95 % interval": interval(figure), "better": better(figure),
            "floor": "-" if figure.floor is None else shown(figure.floor, figure.unit), "here": reading(figure)}


def interval(figure: Shown) -> str:
    """The 95 % interval in words."""
    if not math.isfinite(figure.low):
        return "too few members"
    return f"{shown(figure.low, figure.unit)} to {shown(figure.high, figure.unit)}"


def shown(value: float, unit: str, *, with_unit: bool = False) -> str:
    """A figure's number: percent with one decimal, everything else with two, or three where it is small."""
    text = number(value, 1 if unit == "%" else 3 if 0 < abs(value) < 0.1 else 2)
    return f"{text} %" if with_unit and unit == "%" else text


def meter(figure: Shown) -> Html:
    """A small drawing, part of the page: axis, interval, value, floor and best value."""
    end = _end(figure)
    if not end > 0 or not math.isfinite(figure.value):
        return Html()

    def x(value: float) -> str:
        return f"{EDGE + (WIDE - 2 * EDGE) * min(max(value / end, 0.0), 1.0):.1f}"

    middle = TALL / 2
    parts = [_line("axis", str(EDGE), middle, str(WIDE - EDGE), middle)]
    if math.isfinite(figure.low):
        parts.append(_line("range", x(figure.low), middle, x(figure.high), middle))
    if isinstance(figure.best, (int, float)):
        parts.append(_line("best", x(figure.best), 1, x(figure.best), TALL - 1))
    if figure.floor is not None:
        parts.append(_line("floor", x(figure.floor), 3, x(figure.floor), TALL - 3))
    parts.append(f'<circle class="value" cx="{x(figure.value)}" cy="{middle}" r="4.5"/>')
    words = f"{figure.name} {shown(figure.value, figure.unit)}, axis from 0 to {shown(end, figure.unit)}"
    return Html(f'<svg class="meter" viewBox="0 0 {WIDE} {TALL}" role="img" aria-label="{escaped(words)}">'
                f'{"".join(parts)}</svg>')


def _end(figure: Shown) -> float:
    """Where the axis ends: shares at all of it, but violations (small when things are well) and distances nearby."""
    if figure.best == "high" or isinstance(figure.best, (int, float)):
        return 100.0 if figure.unit == "%" else 1.0
    known = [value for value in (figure.value, figure.high, figure.floor) if value is not None and math.isfinite(value)]
    return 1.12 * max([*known, LEAST_PERCENT / 1.12 if figure.unit == "%" else 0.0])


def _line(kind: str, x1: str, y1: float, x2: str, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1:g}" x2="{x2}" y2="{y2:g}"/>'
