"""Figures of cohorts for reports: two measurements against each other, distributions of all of them, failed checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..metrics.measurement import MeasurementKey
from .chart_style import (
    FAINT,
    INK,
    MARKERS,
    MUTED,
    REFERENCE,
    SERIES,
    Format,
    Picture,
    Values,
    drawn,
    kernel_density,
    key,
    small_png,
    smooth_density,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = 90  # places along each axis where a density is drawn
MANY = 200  # points
SHARES = (0.9, 0.5)  # of the reference cohort inside its contours


def legible(label: str) -> str:
    """A label that a legend shows: matplotlib takes one that begins with "_" for hidden."""
    return f"\u200b{label}" if label.startswith("_") else label


@dataclass(frozen=True)
class Group:
    """A cohort in a chart. features: (n, f) float64. keys: of the f columns."""

    name: str
    features: Values
    keys: tuple[MeasurementKey, ...]

    def __post_init__(self) -> None:
        if np.ndim(self.features) != 2 or np.shape(self.features)[1] != len(self.keys):
            found = f"shape {np.shape(self.features)}, {len(self.keys)} keys"
            raise InputError(f"{self.name} cannot be drawn", value=found,
                             rule="a table of members by features, with a key for each feature")

    def column(self, key: MeasurementKey) -> Values:
        """(n,) finite values of a feature, empty where the cohort does not have it."""
        if key not in self.keys:
            return np.zeros(0)
        values = np.asarray(self.features, dtype=np.float64)[:, self.keys.index(key)]
        return values[np.isfinite(values)]

    def pair(self, x: MeasurementKey, y: MeasurementKey) -> Values:
        """(2, n) of two features, members with both."""
        values = np.asarray(self.features, dtype=np.float64)[:, [self.keys.index(x), self.keys.index(y)]].T
        return np.asarray(values[:, np.isfinite(values).all(axis=0)], dtype=np.float64)

    @property
    def title(self) -> str:
        """Name and size, as a legend shows them."""
        return legible(f"{self.name} ({len(self.features)})")


@dataclass(frozen=True)
class Mark:
    """A point that a chart names, such as a twin or a seed. values: feature -> value."""

    name: str
    values: Mapping[MeasurementKey, float]


def scatter(reference: Group | None, groups: Sequence[Group], x: MeasurementKey, y: MeasurementKey, *,
            marks: Sequence[Mark] = (),
            limits: Mapping[MeasurementKey, float] | None = None, width: int = 660, height: int = 560,
            format: Format = "png") -> Picture:
    """Two measurements of every member. The reference is drawn as a density (regions of 50 % and 90 % of it) under its
    points, each group as points of its own colour and marker, with the distribution of each along the edges.

    marks: stars with names. limits: feature -> threshold, drawn as a dashed line.
    """
    everyone = ([reference] if reference is not None else []) + list(groups)
    if not any(group.pair(x, y).size for group in everyone):
        raise InputError("There is nothing to draw", value=f"{x.title} against {y.title}",
                         rule="at least one member with both")

    def paint(figure: Figure) -> None:
        grid = figure.add_gridspec(2, 2, width_ratios=(5, 1), height_ratios=(1, 5), wspace=0.02, hspace=0.02)
        axes = figure.add_subplot(grid[1, 0])
        top, side = figure.add_subplot(grid[0, 0], sharex=axes), figure.add_subplot(grid[1, 1], sharey=axes)
        _scatter_points(axes, reference, groups, x, y)
        for mark in marks:
            if x in mark.values and y in mark.values:
                place = mark.values[x], mark.values[y]
                axes.plot(*place, "*", color=INK, markersize=13, markeredgecolor="white", zorder=6)
                axes.annotate(mark.name, place, (7, 5), textcoords="offset points", zorder=7)
        for of, draw_line in ((x, axes.axvline), (y, axes.axhline)):
            if limits and of in limits:
                draw_line(limits[of], color=INK, linewidth=1.0, linestyle=(0, (4, 2.4)))
        axes.set_xlabel(x.title)
        axes.set_ylabel(y.title)
        axes.grid(True)
        for group, color in _colored(reference, groups):
            _edge(top, group.column(x), color, upright=False)
            _edge(side, group.column(y), color, upright=True)
        figure.legend(*_handles(axes), loc="outside upper left", ncols=3, frameon=False, handletextpad=0.3)
        for edge in (top, side):
            edge.set_axis_off()

    words = ", ".join(f"{group.title}: median {np.median(group.column(x)):.0f} and {np.median(group.column(y)):.0f}"
                      for group in everyone if group.column(x).size and group.column(y).size)
    data = _light(drawn(width, height, paint, format), format)
    stem = "scatter-" + "-".join(of.label.replace(" ", "-") for of in (x, y))
    return Picture(stem, data, width, height, f"Scatter plot of {x.title} against {y.title}. {words}.", format=format)


def _colored(reference: Group | None, groups: Sequence[Group]) -> list[tuple[Group, str]]:
    first = [(reference, REFERENCE)] if reference is not None else []
    return first + [(group, SERIES[place % len(SERIES)]) for place, group in enumerate(groups)]


def _scatter_points(axes: Axes, reference: Group | None, groups: Sequence[Group], x: MeasurementKey,
                    y: MeasurementKey) -> None:
    if reference is not None:
        points = reference.pair(x, y)
        _density(axes, points)
        many = points.shape[1] > MANY  # then the density speaks, and points only tell of those outside of it
        axes.scatter(points[0], points[1], s=5 if many else 11, facecolors="white", edgecolors=REFERENCE, zorder=3,
                     linewidths=0.5 if many else 0.8, label=reference.title, alpha=0.45 if many else 0.8)
    for place, group in enumerate(groups):
        points = group.pair(x, y)
        marker, color = MARKERS[place % len(MARKERS)], SERIES[place % len(SERIES)]
        axes.scatter(points[0], points[1], s=22 if points.shape[1] <= MANY else 13, marker=marker, facecolors=color,
                     edgecolors="white", linewidths=0.4, zorder=4, alpha=_opacity(points.shape[1]), label=group.title)


def _opacity(count: int) -> float:
    """Less for more points, so that heaps show."""
    return float(np.clip(1.15 - 0.12 * np.log2(max(count, 1) / 16 + 1), 0.4, 0.9))


def _density(axes: Axes, points: Values) -> None:
    """Filled regions with 90 % and 50 % of the points: the smallest ones that hold this share of the density."""
    own = kernel_density(points, points)
    if own is None:
        return
    margin = 2.5 * points.std(axis=1) * points.shape[1] ** (-1 / 6)  # Scott's width in two dimensions
    low, high = points.min(axis=1) - margin, points.max(axis=1) + margin
    x, y = np.linspace(low[0], high[0], STEPS), np.linspace(low[1], high[1], STEPS)
    places = np.stack([part.ravel() for part in np.meshgrid(x, y)])
    field = kernel_density(points, places)
    levels = [float(np.quantile(own, 1.0 - share)) for share in SHARES]
    if field is None or not levels[0] < levels[1] < field.max():
        return
    field = field.reshape(STEPS, STEPS)
    axes.contourf(x, y, field, levels=[*levels, field.max()], colors=[REFERENCE], alpha=0.13, zorder=1)
    axes.contourf(x, y, field, levels=[levels[1], field.max()], colors=[REFERENCE], alpha=0.13, zorder=1)
    axes.contour(x, y, field, levels=levels, colors=[REFERENCE], linewidths=0.8, alpha=0.7, zorder=2)


def _handles(axes: Axes) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    return list(handles), list(labels)


def _edge(axes: Axes, values: Values, color: str, *, upright: bool) -> None:
    """A distribution along the edge of a scatter plot."""
    if not values.size:
        return
    at = _places(values)
    height = smooth_density(values, at)
    if height is None:
        return
    if upright:
        axes.fill_betweenx(at, height, color=color, alpha=0.22, linewidth=0)
        axes.plot(height, at, color=color, linewidth=1.2)
        axes.set_xlim(0, max(axes.get_xlim()[1] if len(axes.lines) > 1 else 0.0, 1.05 * float(height.max())))
    else:
        axes.fill_between(at, height, color=color, alpha=0.22, linewidth=0)
        axes.plot(at, height, color=color, linewidth=1.2)
        axes.set_ylim(0, max(axes.get_ylim()[1] if len(axes.lines) > 1 else 0.0, 1.05 * float(height.max())))


def _places(values: Values) -> Values:
    """Where a distribution is drawn: as far as its kernels reach (2.5 of Scott's widths beyond the ends)."""
    margin = max(2.5 * float(values.std()) * len(values) ** -0.2, 1e-6)
    return np.linspace(values.min() - margin, values.max() + margin, 200)


def distributions(reference: Group | None, groups: Sequence[Group], *, marks: Sequence[Mark] = (), columns: int = 3,
                  format: Format = "png") -> Picture:
    """The distribution of every feature: the reference as an area, each group as a line, medians as ticks below."""
    everyone = _colored(reference, groups)
    measured = list(dict.fromkeys(of for group, _ in everyone for of in group.keys))
    rows = -(-len(measured) // columns)
    height = 60 + 128 * rows

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, of in zip(grid.flat, measured, strict=False):
            _distribution(axes, reference, everyone, of, marks)
        for axes in list(grid.flat)[len(measured):]:
            axes.set_axis_off()
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=min(4, len(labels)), fontsize=9, frameon=False)

    alt = f"Distributions of {len(measured)} measurements of {', '.join(group.title for group, _ in everyone)}."
    data = _light(drawn(900, height, paint, format), format)
    return Picture("distributions", data, 900, height, alt, format=format)


def _distribution(axes: Axes, reference: Group | None, everyone: Sequence[tuple[Group, str]], of: MeasurementKey,
                  marks: Sequence[Mark]) -> None:
    top = 0.0
    for group, color in everyone:
        values = group.column(of)
        if not values.size:
            continue
        at = _places(values)
        height = smooth_density(values, at)
        if height is None:
            axes.plot(values, np.zeros(len(values)), "|", color=color, label=group.title)
            continue
        top = max(top, float(height.max()))
        if group is reference:
            axes.fill_between(at, height, color=color, alpha=0.25, linewidth=0)
        axes.plot(at, height, color=color, linewidth=1.0 if group is reference else 1.6, label=group.title)
    top = top or 1.0
    for place, (group, color) in enumerate(everyone):
        values = group.column(of)
        if values.size:
            y = -top * (0.10 + 0.13 * place)
            low, middle, high = np.percentile(values, (5, 50, 95))
            axes.plot([low, high], [y, y], color=color, linewidth=1.6, solid_capstyle="butt")
            marker = "o" if group is reference else "^"
            axes.plot(middle, y, marker, color=color, markersize=4.5, markeredgecolor="white", markeredgewidth=0.5)
    for mark in marks:
        if of in mark.values:
            axes.axvline(mark.values[of], color=INK, linewidth=1.0, linestyle=(0, (4, 2.4)), label=legible(mark.name))
    axes.set_ylim(-top * (0.12 + 0.13 * len(everyone)), 1.08 * top)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title(of.title, loc="left")


def checks_chart(checks: Sequence[str], failed: Mapping[str, tuple[Sequence[int], int]], *, name: str = "checks",
                 format: Format = "png") -> Picture:
    """Share of maps that fail each check, one bar for each cohort. failed: cohort -> (failures of each check, maps)."""
    height = 66 + len(checks) * (8 + 15 * len(failed))
    colors = [REFERENCE, *SERIES] if len(failed) > 1 else [SERIES[0]]
    shares = {cohort: [100.0 * count / max(maps, 1) for count in counts] for cohort, (counts, maps) in failed.items()}
    most = max([share for values in shares.values() for share in values], default=0.0)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        thick = 0.8 / max(len(failed), 1)
        for place, (cohort, (counts, maps)) in enumerate(failed.items()):
            y = np.arange(len(checks)) + (place - (len(failed) - 1) / 2) * thick
            axes.barh(y, shares[cohort], height=thick * 0.88, color=colors[place], label=legible(f"{cohort} ({maps})"))
            for spot, count, share in zip(y, counts, shares[cohort], strict=True):
                words = f"{count} of {maps}" if count else "0"
                axes.text(share + 0.012 * max(most, 5.0), spot, words, va="center", fontsize=7.5,
                          color=INK if count else MUTED)
        axes.set_yticks(np.arange(len(checks)), checks)
        axes.invert_yaxis()
        axes.set_xlim(0, max(1.18 * most, 5.0))
        axes.set_xlabel("maps that fail the check [%]")
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        axes.spines["left"].set_color(FAINT)
        if len(failed) > 1:
            key(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)

    words = "; ".join(f"{cohort}: {sum(counts)} failures in {maps} maps" for cohort, (counts, maps) in failed.items())
    alt = f"Bars: share of maps that fail each of {len(checks)} topological checks. {words}."
    return Picture(name, _light(drawn(760, height, paint, format), format), 760, height, alt, format=format)


def _light(data: bytes, format: Format) -> bytes:
    return small_png(data) if format == "png" else data


def failures(checks: Sequence[str], failed: Sequence[Sequence[str]]) -> tuple[list[int], int]:
    """How many maps fail each check, and how many maps there are. failed: of every map, the names of failed checks."""
    return [sum(check in names for names in failed) for check in checks], len(failed)
