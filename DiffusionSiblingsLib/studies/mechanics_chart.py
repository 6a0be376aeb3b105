"""The chart of the study `mechanics`: every heart as a dot, one line for each condition, one panel for each figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..reports.chart_style import FAINT, INK, REFERENCE, SERIES, Picture, drawn, small_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINE, _TOP, _PANEL = 34, 96, 270  # CSS pixels


@dataclass(frozen=True)
class Line:
    """The hearts of a condition. values: by figure. control: whether no change was asked for."""

    name: str
    values: Mapping[str, Sequence[float]]
    control: bool


def chart(lines: Sequence[Line], twin: Mapping[str, float], spread: Mapping[str, float], name: str) -> Picture:
    """twin: the figures of the twin, a vertical line. spread: the deviation of the twin's own figures over meshes, a
    band of two of them to both sides.
    """
    figures = list(twin)
    width, height = 190 + _PANEL * len(figures), _TOP + _LINE * len(lines)

    def paint(figure: Figure) -> None:
        for axes, what in zip(figure.subplots(1, len(figures), sharey=True, squeeze=False)[0], figures, strict=True):
            half = 2 * spread.get(what, 0.0)
            axes.axvspan(twin[what] - half, twin[what] + half, color=REFERENCE, alpha=0.18, linewidth=0)
            axes.axvline(twin[what], color=REFERENCE, linewidth=1.2)
            for place, line in enumerate(lines):
                values = np.asarray(line.values.get(what, ()), dtype=np.float64)
                color = INK if line.control else SERIES[0]
                axes.scatter(values, np.full(len(values), place), s=24, color=color, alpha=0.65, linewidths=0, zorder=3)
                if len(values) > 1:
                    axes.plot([values.mean()], [place], "|", color=color, markersize=16, markeredgewidth=2, zorder=4)
            axes.set_yticks(range(len(lines)), [line.name for line in lines])
            axes.set_ylim(len(lines) - 0.4, -0.6)
            axes.set_xlabel(what)
            axes.grid(True, axis="x", color=FAINT)

    alt = (f"One dot for each solved heart: {', '.join(figures)} for {', '.join(line.name for line in lines)}; a "
           "vertical line at the twin.")
    caption = ("Dots: hearts, black where no change of the left ventricle was asked for. Short strokes: means. "
               "Vertical line: the twin; band: two deviations of the twin's own value over meshes of nearly one size.")
    return Picture(name, small_png(drawn(width, height, paint)), width, height, alt, caption)
