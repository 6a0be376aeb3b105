"""The sheet of the overview on matplotlib's grid: columns of tiles, headings, a scale bar, legend and footnotes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core.palette import CHANGED, INK, MUTED, REGION, tissue_colors
from .shading import MOVED_VOXELS
from .slices import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from ..core.anatomy import Anatomy

Pixels = npt.NDArray[np.uint8]
DPI = 100
WIDTH, LEAST_WIDTH = 1600, 1000
COLUMNS = 6
HANDLE, LETTER = 48, 7.6  # pixels of a legend's entry: its handle with the gaps, and one letter
TILE = 340  # pixels: the widest tile
MARGIN, LEFT, GAP = 26, 34, 14  # LEFT: room for the names of the rows
TITLE, HEAD, BAND_GAP, LINE = 60, 52, 26, 22
BARS_MM = (100, 50, 20, 10, 5, 2, 1)
DASHES = (0, (4.0, 2.4))


@dataclass(frozen=True)
class Tile:
    """One picture of the sheet: (rows, columns, 3) uint8 RGB, and lines over it.

    outlines, border: images of the tile's size whose zero line is drawn, thin outlines and one dashed border.
    """

    image: Pixels
    outlines: tuple[Image, ...] = ()
    border: Image | None = None


@dataclass
class Sheet:
    """Collects columns, then draws them. marks: whether the legend explains outline and stripes; region: the dashes.

    columns: what stands over each, its name and a note, and its tiles; all columns have tiles of the same sizes.
    across: columns side by side; content: their width in pixels.
    """

    title: str
    notes: tuple[str, ...]
    anatomy: Anatomy
    marks: bool
    region: bool
    columns: list[tuple[str, str, list[Tile]]] = field(default_factory=list)
    across: int = 1
    tile_width: int = TILE
    content: int = TILE
    width: int = LEAST_WIDTH
    mm_per_pixel: float = 1.0

    def plan(self, sizes: Sequence[tuple[int, int]], count: int, spacing_mm: float) -> float:
        """Chooses columns and scale for `count` maps; sizes: (height, width) of each row's tile in voxels.

        Returns pixels per voxel, the same for all tiles.
        """
        bands = -(-count // COLUMNS)
        self.across = -(-count // bands)
        room = WIDTH - 2 * MARGIN - LEFT - GAP * (self.across - 1)
        self.tile_width = min(TILE, room // self.across)
        self.content = self.across * (self.tile_width + GAP) - GAP
        self.width = max(LEAST_WIDTH, 2 * MARGIN + LEFT + self.content) if self.across < 4 else WIDTH
        scale = self.tile_width / max(width for _, width in sizes)
        self.mm_per_pixel = spacing_mm / scale
        return scale

    def save(self, path: Path) -> None:
        """Draws everything and writes a PNG: the user's matplotlib settings have no say, and no date is in it."""
        import matplotlib
        from PIL import Image as Png

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams["text.parse_math"] = False  # $ has no meaning here
            figure = self._drawn()
            figure.canvas.draw()
            drawn = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
            Png.fromarray(drawn[..., :3]).save(path, format="PNG")

    def _drawn(self) -> Figure:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        notes = [line for note in self.notes for line in textwrap.wrap(note, max(40, int(self.width / 7.2)))]
        top = MARGIN // 2 + (TITLE if self.title else 0)
        heights = [tile.image.shape[0] for tile in self.columns[0][2]] if self.columns else []
        band = [HEAD, *chain.from_iterable((height, GAP) for height in heights)]  # headings; each tile, the gap below
        band[-1:] = [GAP + BAND_GAP] if heights else [HEAD]
        rows = band * -(-len(self.columns) // self.across)
        bottom = top + sum(rows)
        legend = [line for entries in self._legend() for line in _lines(entries, self.width - 2 * MARGIN)]
        tall = bottom + LINE * (len(legend) + len(notes)) + MARGIN
        figure = Figure(figsize=((self.width + 1e-6) / DPI, (tall + 1e-6) / DPI), dpi=DPI)  # 76.99 would be cut to 76
        FigureCanvasAgg(figure)
        pen = Pen(figure, self.width, tall)
        if self.title:
            pen.text(MARGIN, MARGIN + 6, self.title, 21, weight="bold")
        if self.columns:
            self._draw_columns(pen, rows, top)
        for place, entries in enumerate(legend):
            handles, words = zip(*entries, strict=True)
            figure.legend(handles, words, loc="center left", ncols=len(words), frameon=False, borderaxespad=0,
                          borderpad=0, handlelength=1.6, handletextpad=0.5, columnspacing=1.6, labelcolor=INK,
                          fontsize=14 * 72 / DPI,
                          bbox_to_anchor=(MARGIN / self.width, 1 - (bottom + LINE * (place + 0.5)) / tall))
        for place, line in enumerate(notes, len(legend)):
            pen.text(MARGIN, bottom + LINE * (place + 0.5) + 6, line, 13, color=MUTED)
        return figure

    def _draw_columns(self, pen: Pen, rows: list[int], top: int) -> None:
        """Headings and tiles in a grid with gaps between them; few columns stand in the middle."""
        left = max(MARGIN + LEFT, (self.width - self.content) // 2) if self.across < 3 else MARGIN + LEFT
        widths = [self.tile_width, GAP] * self.across
        grid = pen.figure.add_gridspec(
            len(rows), len(widths) - 1, width_ratios=widths[:-1], height_ratios=rows, wspace=0, hspace=0,
            left=left / self.width, right=(left + self.content) / self.width, top=1 - top / pen.tall,
            bottom=1 - (top + sum(rows)) / pen.tall)
        names = [f"Through {', '.join(self.anatomy.chambers)}", "Across the long axis", "Surface"]
        for column, (name, note, tiles) in enumerate(self.columns):
            band, place = divmod(column, self.across)
            first = band * (1 + 2 * len(tiles))
            box = grid[first, 2 * place].get_position(pen.figure)
            middle, head = (box.x0 + box.x1) / 2 * self.width, (1 - box.y1) * pen.tall
            pen.text(middle, head + 16, name, 17, self.tile_width, ha="center", weight="bold")
            pen.text(middle, head + 37, note, 13.5, self.tile_width, ha="center", color=MUTED)
            for row, tile in enumerate(tiles):
                axes = pen.figure.add_subplot(grid[first + 1 + 2 * row, 2 * place])
                draw_tile(axes, tile)
                if place == 0:
                    axes.text(-LEFT + 12, tile.image.shape[0] / 2, names[row], fontsize=13.5 * 72 / DPI, color=MUTED,
                              rotation=90, ha="center", va="center")
                if column == row == 0:
                    self._draw_bar(axes, tile)

    def _draw_bar(self, axes: Axes, tile: Tile) -> None:
        """A scale bar in the first tile: all tiles have one scale."""
        room = self.tile_width * 0.4 * self.mm_per_pixel
        length = next((bar for bar in BARS_MM if bar <= room), BARS_MM[-1])
        left, y = -(self.tile_width - tile.image.shape[1]) / 2, tile.image.shape[0] - 4
        axes.plot([left, left + length / self.mm_per_pixel], [y, y], color=INK, linewidth=2.2, clip_on=False,
                  solid_capstyle="butt")
        axes.text(left, y - 12, f"{length} mm", fontsize=13 * 72 / DPI, color=INK, va="center")

    def _legend(self) -> tuple[list[tuple[Any, str]], list[tuple[Any, str]]]:
        """A handle and the meaning of each tissue, and of each mark that the sheet has."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        colors = tissue_colors(self.anatomy)
        tissues = [(Patch(facecolor=colors[tissue.label], edgecolor=INK, linewidth=0.5),
                    tissue.id if tissue.id == tissue.name else f"{tissue.name} ({tissue.id})")
                   for tissue in self.anatomy.tissues]
        marks: list[tuple[Any, str]] = []
        if self.marks:
            moved = MOVED_VOXELS * self.anatomy.spacing_mm
            marks += [(Line2D([], [], color=INK, linewidth=1.2), "the twin's outlines"),
                      (Patch(facecolor="0.72", edgecolor=CHANGED, hatch="/////", linewidth=0),
                       f"differs from the twin (on surfaces: moved by about {moved:.0f} mm or more)")]
        if self.region:
            marks.append((Line2D([], [], color=REGION, linewidth=1.5, linestyle=DASHES),
                          "border of the region where the edit could act"))
        return tissues, marks


def draw_tile(axes: Axes, tile: Tile) -> None:
    """The picture of a tile with its outlines and its dashed border."""
    axes.set_axis_off()
    axes.imshow(tile.image, interpolation="none")
    axes.set_autoscale_on(False)
    for outline in tile.outlines:
        if outline.min() < 0 < outline.max():
            axes.contour(outline, levels=[0.0], colors=[INK], linewidths=0.8)
    border = tile.border
    if border is not None and border.min() < 0 < border.max():
        axes.contour(border, levels=[0.0], colors=[REGION], linewidths=1.3, linestyles=[DASHES])


@dataclass(frozen=True)
class Pen:
    """Text on a figure, placed in pixels from its upper left corner."""

    figure: Figure
    width: int
    tall: int

    def text(self, x: float, y: float, text: str, size: float, room: float | None = None, **style: Any) -> Text:
        """Writes text with its middle at height y. size: pixels. room: pixels; longer text ends in an ellipsis."""
        options: dict[str, Any] = {"color": INK, "va": "center", "ha": "left"} | style
        drawn = self.figure.text(x / self.width, 1 - y / self.tall, text, fontsize=size * 72 / DPI, **options)
        while room is not None and len(text) > 2 and drawn.get_window_extent().width > room:
            text = text[:-1]
            drawn.set_text(text.rstrip() + "…")
        return drawn


def _lines(entries: Sequence[tuple[Any, str]], width: int) -> list[list[tuple[Any, str]]]:
    """Entries of a legend in lines of at most so many pixels, judged by their numbers of letters."""
    lines, room = list[list[tuple[Any, str]]](), 0.0
    for entry in entries:
        needed = HANDLE + LETTER * len(entry[1])
        if not lines or needed > room:
            lines.append([])
            room = width
        lines[-1].append(entry)
        room -= needed
    return lines
