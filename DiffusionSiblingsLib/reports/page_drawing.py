"""Drawing a sheet with matplotlib: one picture of all tiles, and text, lines and legend over it in pixels."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from DiffusionSiblingsLib.core.palette import CHANGED, INK, MUTED, REGION, tissue_colors
from DiffusionSiblingsLib.reports.page_layout import GAP, HEAD, LEFT, LINE, MARGIN, Pixels, Sheet, Tile
from DiffusionSiblingsLib.reports.shading import MOVED_VOXELS
from DiffusionSiblingsLib.reports.slices import stripes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
BARS_MM = (100, 50, 20, 10, 5, 2, 1)
SWATCH = 22
DASHES = (0, (4.0, 2.4))


def draw_sheet(sheet: Sheet, path: Path) -> None:
    """Draw the sheet and write it as a PNG: the user's matplotlib settings have no say, and no date is in it."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        note_lines = [line for note in sheet.notes for line in textwrap.wrap(note, max(40, int(sheet.width / 7.2)))]
        tall = sheet.bottom + 4 * LINE + LINE * len(note_lines) + MARGIN
        figure = Figure(figsize=(sheet.width / DPI, tall / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.set_xlim(0, sheet.width)
        axes.set_ylim(tall, 0)
        axes.set_autoscale_on(False)
        writer = Writer(axes, sheet.width)
        if sheet.title:
            writer.text(MARGIN, MARGIN + 6, sheet.title, 21, weight="bold")
        draw_columns(sheet, axes, writer)
        y = draw_legend(sheet, axes, writer, sheet.bottom + LINE)
        for number, line in enumerate(note_lines):
            writer.text(MARGIN, y + LINE * number, line, 13, color=MUTED)
        bottom = round(y + LINE * len(note_lines) + MARGIN / 2)
        axes.set_ylim(bottom, 0)
        figure.set_size_inches((sheet.width + 1e-6) / DPI, (bottom + 1e-6) / DPI)  # before 3.11 it cuts 76.99 to 76
        write_over(sheet.pasted(bottom), figure, path)


def write_over(canvas: Pixels, figure: Figure, path: Path) -> None:
    """Draw the figure over the canvas (rows, columns, 3), in place, and write a PNG.

    The canvas does not go through matplotlib: its image handling takes ten times the memory.
    """
    from PIL import Image

    figure.patch.set_alpha(0.0)
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]  # (rows, columns, 4), not premultiplied
    for start in range(0, len(canvas), 256):
        rows = slice(start, start + 256)
        alpha = drawn[rows, :, 3:].astype(np.uint16)
        canvas[rows] = (drawn[rows, :, :3] * alpha + canvas[rows] * (255 - alpha) + 127) // 255
    Image.fromarray(canvas).save(path, format="PNG")


class Writer:
    """Text on the sheet, in pixels from the upper left corner."""

    def __init__(self, axes: Axes, width: int) -> None:
        self.axes, self.width = axes, width
        self.renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]

    def text(self, x: float, y: float, text: str, size: float, room: float | None = None, **style: Any) -> float:
        """Write text with its middle at height y; returns its width. size: pixels. $ has no meaning here.

        room: pixels; longer text is cut with an ellipsis.
        """
        options: dict[str, Any] = {"color": INK, "va": "center", "ha": "left", "parse_math": False} | style
        drawn = self.axes.text(x, y, text, fontsize=size * 72 / DPI, **options)
        width = float(drawn.get_window_extent(self.renderer).width)
        while len(text) > 2 and room is not None and width > room:
            text = text[:-1]
            drawn.set_text(text.rstrip() + "…")
            width = float(drawn.get_window_extent(self.renderer).width)
        return width


def draw_columns(sheet: Sheet, axes: Axes, writer: Writer) -> None:
    """Headings, lines over tiles, names of the rows, and the scale bar."""
    names = [f"Through {', '.join(sheet.anatomy.chambers)}", "Across the long axis", "Surface"]
    for column, (heading, tiles) in enumerate(sheet.columns):
        left, top = sheet.corner(column, 0)
        middle = left + sheet.tile_width / 2
        writer.text(middle, top - HEAD + 16, heading.name, 17, sheet.tile_width, ha="center", weight="bold")
        writer.text(middle, top - HEAD + 37, heading.note, 13.5, sheet.tile_width, ha="center", color=MUTED)
        for row, tile in enumerate(tiles):
            draw_lines(axes, tile, *place(sheet, column, row))
            if column % sheet.across == 0:
                y = sheet.corner(column, row)[1] + tile.image.shape[0] / 2
                writer.text(sheet.left - LEFT + 4, y, names[row], 13.5, color=MUTED, rotation=90, ha="center")
    if sheet.columns:
        draw_bar(sheet, axes, writer)


def place(sheet: Sheet, column: int, row: int) -> tuple[float, float]:
    """Left and top pixel of a tile."""
    left, top = sheet.corner(column, row)
    return left + (sheet.tile_width - sheet.columns[column][1][row].image.shape[1]) // 2, top


def draw_lines(axes: Axes, tile: Tile, left: float, top: float) -> None:
    """The outlines and the dashed border of a tile."""
    rows, columns = tile.image.shape[:2]
    x, y = left + np.arange(columns) + 0.5, top + np.arange(rows) + 0.5
    for outline in tile.lines.outlines:
        if outline.min() < 0 < outline.max():
            axes.contour(x, y, outline, levels=[0.0], colors=[INK], linewidths=0.8)
    border = tile.lines.region
    if border is not None and border.min() < 0 < border.max():
        axes.contour(x, y, border, levels=[0.0], colors=[REGION], linewidths=1.3, linestyles=[DASHES])


def draw_bar(sheet: Sheet, axes: Axes, writer: Writer) -> None:
    """A scale bar below the first column: all tiles have one scale."""
    room = sheet.tile_width * 0.4 * sheet.mm_per_pixel
    length = next((bar for bar in BARS_MM if bar <= room), BARS_MM[-1])
    pixels = length / sheet.mm_per_pixel
    left, top = sheet.corner(0, 0)
    y = top + sheet.columns[0][1][0].image.shape[0] - 4
    axes.plot([left, left + pixels], [y, y], color=INK, linewidth=2.2, solid_capstyle="butt")
    writer.text(left, y - 12, f"{length} mm", 13)


def draw_legend(sheet: Sheet, axes: Axes, writer: Writer, y: float) -> float:
    """Tissues, then the marks, from left to right and over lines where needed; returns the height below."""
    from matplotlib.patches import Rectangle

    x: float = MARGIN
    colors = tissue_colors(sheet.anatomy)
    for tissue in sheet.anatomy.tissues:
        words = tissue.id if tissue.id == tissue.name else f"{tissue.name} ({tissue.id})"
        x, y = wrapped(sheet, x, y, words)
        color = colors[tissue.label]
        axes.add_patch(Rectangle((x, y - 7), SWATCH, 14, facecolor=color, edgecolor=INK, linewidth=0.5))
        x += SWATCH + 7
        x += writer.text(x, y, words, 14) + 24
    marks = list(mark_texts(sheet))
    if marks:
        x, y = MARGIN, y + LINE + 4
    for kind, words in marks:
        x, y = wrapped(sheet, x, y, words)
        draw_mark(axes, kind, x, y)
        x += SWATCH + 7
        x += writer.text(x, y, words, 14) + 24
    return y + LINE + GAP / 2


def wrapped(sheet: Sheet, x: float, y: float, words: str) -> tuple[float, float]:
    """Where the next entry of the legend starts: on the next line if it might not fit."""
    if x > MARGIN and x + SWATCH + 8.2 * len(words) > sheet.width - MARGIN:
        return MARGIN, y + LINE + 2
    return x, y


def mark_texts(sheet: Sheet) -> list[tuple[str, str]]:
    """Kind and meaning of each mark that the sheet has."""
    marks = []
    if sheet.marks:
        marks.append(("outline", "the twin's outlines"))
        moved = MOVED_VOXELS * sheet.anatomy.spacing_mm
        marks.append(("stripes", f"differs from the twin (on surfaces: moved by about {moved:.0f} mm or more)"))
    if sheet.region:
        marks.append(("region", "border of the region where the edit could act"))
    return marks


def draw_mark(axes: Axes, kind: str, x: float, y: float) -> None:
    """The sample of a mark beside its words."""
    if kind == "stripes":
        image = np.full((28, 2 * SWATCH, 3), 0.72)
        image[stripes(image.shape)] = CHANGED
        axes.imshow(image, extent=(x, x + SWATCH, y + 7, y - 7), interpolation="antialiased", aspect="auto", zorder=3)
    elif kind == "outline":
        axes.plot([x, x + SWATCH], [y, y], color=INK, linewidth=1.2)
    else:
        axes.plot([x, x + SWATCH], [y, y], color=REGION, linewidth=1.5, linestyle=DASHES)
