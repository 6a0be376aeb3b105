"""Charts of the studies: lines over a setting, and seed hearts with their siblings above maps of the differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..cohorts.measured import MeasuredCohort
from ..reports.chart_style import FAINT, INK, MARKERS, REFERENCE, SERIES, Picture, drawn, kernel_density, small_png
from ..reports.charts import SHARES
from .seed_choice import LV, RV, StudySeed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Image = npt.NDArray[np.float32]
Limits = tuple[tuple[float, float], tuple[float, float]]  # of x and of y
PLACES = 60
DIFFERENCE = 0.5  # of occupancy, at the ends of the colour scale


@dataclass(frozen=True)
class Panel:
    """The siblings of a seed heart in a chart. label: "ratio 0.35". points: (2, n) LV and RV volume, ml. difference:
    (D, W) share of siblings with tissue minus the seed heart's own, None if it is not drawn.
    """

    seed: str
    label: str
    points: npt.NDArray[np.float64]
    difference: Image | None = None


def lines(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], figures: Sequence[str], name: str) -> Picture:
    """Each figure over each kind of setting. rows: {"varied", "value", figure..., "<figure> band": (low, high),
    "<figure> floor"}; band and floor are optional. kinds: what was varied -> its axis title.
    """
    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(kinds), len(figures), squeeze=False)
        for row, (kind, title) in enumerate(kinds.items()):
            chosen = [entry for entry in rows if entry["varied"] == kind]
            for axes, what in zip(grid[row], figures, strict=True):
                x = [entry["value"] for entry in chosen]
                axes.plot(x, [entry[what] for entry in chosen], "o-", color=SERIES[0], markersize=4, linewidth=1.4)
                bands = [entry.get(f"{what} band") for entry in chosen]
                if chosen and all(band is not None for band in bands):
                    low, high = zip(*bands, strict=True)
                    axes.fill_between(x, low, high, color=SERIES[0], alpha=0.18, linewidth=0)
                if all(f"{what} floor" in entry for entry in chosen):
                    axes.plot(x, [entry[f"{what} floor"] for entry in chosen], "--", color=REFERENCE, linewidth=1.2)
                axes.set_xscale("log")
                axes.set_xticks(x, [str(value) for value in x])
                axes.minorticks_off()
                axes.set_xlabel(title)
                axes.set_title(what, loc="left")
                axes.grid(True)

    width, height = 230 * len(figures), 210 * len(kinds)
    alt = (f"Lines: {', '.join(figures)} over {' and over '.join(kinds.values())}. Dashed: equally many samples with "
           "the distribution of the reference.")
    return Picture(name, small_png(drawn(width, height, paint)), width, height, alt)


def seed_grid(real: MeasuredCohort, seeds: Sequence[StudySeed], panels: Sequence[Panel], name: str,
              about: str) -> Picture:
    """One column for each seed heart: its siblings over the density of the reference in LV and RV volume, and below it
    maps of the difference in occupancy, one row for each label that has maps.
    """
    shown = list(dict.fromkeys(panel.label for panel in panels if panel.difference is not None))
    labels = list(dict.fromkeys(panel.label for panel in panels))
    width, height = 240 * len(seeds), 290 + 190 * len(shown)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(1 + len(shown), len(seeds), squeeze=False,
                               gridspec_kw={"height_ratios": [1.25, *[1.0] * len(shown)]})
        limits = _limits(real, panels)
        for column, seed in enumerate(seeds):
            _points(grid[0, column], real, seed, [panel for panel in panels if panel.seed == seed.name], labels, limits)
            for row, label in enumerate(shown, 1):
                found = [p for p in panels if (p.seed, p.label) == (seed.name, label) and p.difference is not None]
                image = _difference(grid[row, column], found[0].difference if found else None)
                if column == 0:
                    grid[row, 0].set_ylabel(label)
                if row == len(shown) and column == len(seeds) - 1 and image is not None:
                    figure.colorbar(image, ax=grid[1:, :], location="bottom", fraction=0.05, aspect=60,
                                    label="share of siblings with tissue, minus the seed heart")
        handles, words = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, words, loc="outside upper left", ncols=min(8, len(words)), fontsize=8.5, frameon=False)

    alt = f"{about} for the seed hearts {', '.join(seed.name for seed in seeds)}: LV against RV volume" + (
        f", and maps of the difference to the seed heart for {', '.join(shown)}." if shown else ".")
    return Picture(name, small_png(drawn(width, height, paint)), width, height, alt)


def _limits(real: MeasuredCohort, panels: Sequence[Panel]) -> Limits:
    """The limits of both axes, with a margin around the reference and all siblings."""
    own = np.stack([real.column(LV), real.column(RV)])
    everything = np.concatenate([own, *[panel.points for panel in panels]], axis=1)
    low, high = everything.min(axis=1), everything.max(axis=1)
    margin = 0.06 * (high - low)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return (left, right), (bottom, top)


def _points(axes: Axes, real: MeasuredCohort, seed: StudySeed, panels: Sequence[Panel], labels: Sequence[str],
            limits: Limits) -> None:
    density(axes, np.stack([real.column(LV), real.column(RV)]))
    for panel in panels:
        place = labels.index(panel.label)
        axes.scatter(panel.points[0], panel.points[1], s=13, marker=MARKERS[place % len(MARKERS)], alpha=0.75,
                     color=SERIES[place % len(SERIES)], linewidths=0, label=panel.label, zorder=3)
    axes.plot(seed.features[LV], seed.features[RV], "*", color=INK, markersize=13, markeredgecolor="white", zorder=5)
    axes.set_title(f"{seed.name}: {seed.title}", loc="left")
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    axes.set_xlabel(LV.title)
    axes.set_ylabel(RV.title)


def density(axes: Axes, points: npt.NDArray[np.float64]) -> None:
    """Contours with 90 % and 50 % of the reference, or its points if they are too few for contours. points: (2, n)."""
    own = kernel_density(points, points)
    if own is None:
        axes.scatter(points[0], points[1], s=8, color=REFERENCE, alpha=0.5)
        return
    margin = 0.2 * np.ptp(points, axis=1)
    x, y = (np.linspace(low, high, PLACES) for low, high in
            zip(points.min(axis=1) - margin, points.max(axis=1) + margin, strict=True))
    places = np.stack([part.ravel() for part in np.meshgrid(x, y)])
    field = kernel_density(points, places)
    levels = [float(np.quantile(own, 1.0 - share)) for share in SHARES]
    if field is not None and levels[0] < levels[1] < field.max():
        field = field.reshape(PLACES, PLACES)
        axes.contourf(x, y, field, levels=[*levels, field.max()], colors=[REFERENCE], alpha=0.13)
        axes.contour(x, y, field, levels=levels, colors=[REFERENCE], linewidths=0.8)


def _difference(axes: Axes, image: Image | None) -> AxesImage | None:
    """Draws a map of the difference to the seed heart -> the image for the colour bar, None if there is no map."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color(FAINT)
    if image is None:
        return None
    return axes.imshow(np.ma.masked_equal(image, 0.0), cmap="RdBu_r", vmin=-DIFFERENCE, vmax=DIFFERENCE,
                       origin="lower", interpolation="nearest")


def difference(seed: npt.NDArray[np.uint8], siblings: Iterable[npt.NDArray[np.uint8]]) -> Image:
    """(D, W) float32: the share of siblings with any tissue at a place, minus 1 where the seed heart has tissue (npj
    Figs 7 and 9). seed, siblings: (D, W) uint8, one plane of canonical labels.
    """
    share, count = np.zeros(seed.shape, dtype=np.float32), 0
    for plane in siblings:
        share += plane > 0
        count += 1
    return np.asarray(share / max(count, 1) - (seed > 0), dtype=np.float32)


def renamed(picture: Picture, name: str, caption: str = "") -> Picture:
    """The picture under another file name."""
    return replace(picture, name=name, caption=caption)
