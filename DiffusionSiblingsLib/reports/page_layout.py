"""The sheet that the overview is drawn on: columns of tiles, headings, a scale bar, the legend and footnotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from DiffusionSiblingsLib.reports.slices import Image

if TYPE_CHECKING:
    from DiffusionSiblingsLib.core.anatomy import Anatomy

Pixels = npt.NDArray[np.uint8]
WIDTH = 1600
LEAST_WIDTH = 1000
COLUMNS = 6
TILE = 340  # pixels: the widest tile
MARGIN = 26
LEFT = 34  # room for the rows' names
GAP = 14
HEAD = 52
TITLE = 52
BAND_GAP = 26
LINE = 22


@dataclass(frozen=True)
class Heading:
    """What stands over a column."""

    name: str
    note: str = ""


@dataclass(frozen=True)
class Lines:
    """Lines over a tile, as images of its size whose zero line is drawn: thin outlines, and one dashed border."""

    outlines: tuple[Image, ...] = ()
    region: Image | None = None


@dataclass(frozen=True)
class Tile:
    """One picture of the sheet: (rows, columns, 3) uint8 RGB, and lines over it."""

    image: Pixels
    lines: Lines = field(default_factory=Lines)


@dataclass
class Sheet:
    """Collects columns, then draws them. marks: whether the legend explains outline and stripes; region: the dashes."""

    title: str
    notes: tuple[str, ...]
    anatomy: Anatomy
    marks: bool
    region: bool
    columns: list[tuple[Heading, list[Tile]]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    across: int = 1
    tile_width: int = TILE
    width: int = LEAST_WIDTH
    mm_per_pixel: float = 1.0

    def plan(self, sizes: Sequence[tuple[int, int]], count: int, spacing_mm: float) -> float:
        """Choose columns and scale for `count` maps; sizes: (height, width) of each row's tile in voxels.

        Returns pixels per voxel, the same for all tiles.
        """
        bands = -(-count // COLUMNS)
        self.across = -(-count // bands)
        room = WIDTH - 2 * MARGIN - LEFT - GAP * (self.across - 1)
        self.tile_width = min(TILE, room // self.across)
        self.width = max(LEAST_WIDTH, 2 * MARGIN + LEFT + self.across * (self.tile_width + GAP) - GAP)
        if self.across >= 4:
            self.width = WIDTH
        scale = self.tile_width / max(width for _, width in sizes)
        self.mm_per_pixel = spacing_mm / scale
        return scale

    def add(self, heading: Heading, tiles: list[Tile]) -> None:
        """Add a column of tiles; all columns have tiles of the same sizes."""
        self.columns.append((heading, tiles))

    def save(self, path: Path) -> None:
        """Draw everything and write the PNG."""
        from DiffusionSiblingsLib.reports.page_drawing import draw_sheet

        draw_sheet(self, path)

    @property
    def row_heights(self) -> list[int]:
        """Height of each row of tiles in pixels."""
        return [tile.image.shape[0] for tile in self.columns[0][1]] if self.columns else []

    @property
    def band_height(self) -> int:
        """Height of one band: headings and rows."""
        return HEAD + sum(self.row_heights) + GAP * max(0, len(self.row_heights) - 1)

    @property
    def bands(self) -> int:
        """Number of bands of columns."""
        return -(-len(self.columns) // self.across)

    def corner(self, column: int, row: int) -> tuple[int, int]:
        """Left and top pixel of the room for a tile."""
        band, place = divmod(column, self.across)
        left = self.left + place * (self.tile_width + GAP)
        top = self.top + band * (self.band_height + BAND_GAP) + HEAD + sum(self.row_heights[:row]) + GAP * row
        return left, top

    @property
    def left(self) -> int:
        """First pixel of the first column; few columns stand in the middle."""
        content = self.across * (self.tile_width + GAP) - GAP
        return max(MARGIN + LEFT, (self.width - content) // 2) if self.across < 3 else MARGIN + LEFT

    @property
    def top(self) -> int:
        """First pixel below the title."""
        return MARGIN // 2 + (TITLE if self.title else 0)

    @property
    def bottom(self) -> int:
        """First pixel below all tiles."""
        return self.top + self.bands * self.band_height + BAND_GAP * max(0, self.bands - 1) + GAP

    def pasted(self, height: int) -> Pixels:
        """(height, width, 3) uint8 RGB: white, with every tile in its place, centred in its column."""
        canvas = np.full((height, self.width, 3), 255, dtype=np.uint8)
        for column, (_, tiles) in enumerate(self.columns):
            for row, tile in enumerate(tiles):
                left, top = self.corner(column, row)
                rows, columns = tile.image.shape[:2]
                left += (self.tile_width - columns) // 2
                canvas[top : top + rows, left : left + columns] = tile.image
        return canvas
