"""The overview picture: twin and siblings side by side, as slices and as surfaces, with what changed marked."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..core.files import atomic_path
from ..core.palette import color_table
from .overview_layout import Sheet, Tile
from .slices import FINE, Image, Slice, cut, painted, smooth_mask
from .surfaces import reduced, render
from .tissue_fields import solid_of
from .viewpoint import best_view
from .views import Labels, View, fitted, four_chamber, short_axis

if TYPE_CHECKING:
    from ..core.anatomy import Anatomy

MOST = 16
MOST_THREADS = 2  # that draw surfaces, each with some 50 MB


@dataclass(frozen=True)
class Panel:
    """One map of the picture. labels: (D, H, W) canonical labels. note: a short line below the name ("ratio 0.5")."""

    name: str
    labels: Labels
    note: str = ""


def overview(
    path: Path,
    twin: Panel | Labels | None,
    siblings: Sequence[Panel],
    anatomy: Anatomy,
    *,
    region: npt.NDArray[np.bool_] | None = None,
    title: str = "",
    notes: Sequence[str] = (),
) -> Path:
    """Write one PNG (1600 pixels wide, fewer for fewer than four maps) that shows the twin, then the siblings.

    Every map is shown on the same plane through the chambers, on the same plane across the long axis, and as a surface
    from the same side, all at one scale. With a twin, its outlines lie over the siblings and what differs is striped.
    twin, siblings: canonical labels of one shape. region: bool of that shape, where the edit could act. Of more than 16
    maps the first 16 are shown, and a note says so. The same input gives the same bytes. Atomic.
    Raises InputError for maps of different shapes and OutputError where nothing can be written.
    """
    first = twin if isinstance(twin, Panel) or twin is None else Panel("Twin", twin)
    panels = [_checked(panel) for panel in ([first] if first else []) + list(siblings)]
    shapes = {panel.labels.shape for panel in panels} | ({region.shape} if region is not None else set())
    if len(shapes) > 1:
        raise InputError("The maps of a picture lie in different grids", value=shapes, rule="one shape for all maps")
    if len(panels) > MOST:
        notes = [*notes, f"Shown: the first {MOST} of {len(panels)} maps."]
    panels = panels[:MOST]
    sheet = Sheet(title, tuple(notes), anatomy, marks=first is not None and len(panels) > 1, region=region is not None)
    if panels:
        _fill(sheet, panels, first is not None, anatomy, region)
    with atomic_path(path) as temporary:
        sheet.save(temporary)
    return Path(path)


def _checked(panel: Panel) -> Panel:
    """The panel with uint8 labels; InputError where they are not a 3D map of values up to 255."""
    labels = np.asarray(panel.labels)
    if labels.ndim != 3 or labels.size == 0 or (labels.dtype != np.uint8 and (labels.min() < 0 or labels.max() > 255)):
        raise InputError(
            f"{panel.name} cannot be drawn",
            value=f"shape {labels.shape}, {labels.dtype}",
            rule="a 3D map of labels 0 to 255",
        )
    return Panel(panel.name, labels.astype(np.uint8, copy=False), panel.note)


def _fill(
    sheet: Sheet, panels: Sequence[Panel], has_twin: bool, anatomy: Anatomy, region: npt.NDArray[np.bool_] | None
) -> None:
    """Add a column for every panel to the sheet."""
    maps = [panel.labels for panel in panels]
    views = _views(maps, anatomy)
    scale = sheet.plan([(view.pixels(1.0)) for view in views], len(panels), anatomy.spacing_mm)
    colors = color_table(anatomy)
    borders = [None if region is None else smooth_mask(region, view.grid(scale), scale) - np.float32(0.5)
               for view in views[:2]]
    twin: list[Slice] = []
    outlines: list[tuple[Image, ...]] = []
    with ThreadPoolExecutor(MOST_THREADS) as pool:  # most of the time goes into scipy, which lets other threads work
        surfaces = [
            pool.submit(lambda labels, twin: render(solid_of(labels, twin), views[2], scale, colors),
                        labels, maps[0] if has_twin and column > 0 else None)
            for column, labels in enumerate(maps)
        ]
        import matplotlib.figure  # noqa: F401 (takes a while, which the surfaces need as well)

        for column, panel in enumerate(panels):
            slices = [cut(panel.labels, view, scale) for view in views[:2]]
            compared = has_twin and column > 0
            if not compared:
                twin, outlines = slices, [one.outlines() for one in slices]
            tiles = [
                Tile(reduced(painted(one, colors, twin[row] if compared else None), FINE), outlines[row], borders[row])
                for row, one in enumerate(slices)
            ]
            sheet.columns.append((panel.name, panel.note, [*tiles, Tile(surfaces[column].result())]))


def _views(maps: Sequence[Labels], anatomy: Anatomy) -> list[View]:
    """The three views of a picture, chosen on the first map that has tissue and large enough for all of them."""
    model = next((labels for labels in maps if labels.any()), maps[0])
    chambers = four_chamber(model, anatomy)
    across = short_axis(model, anatomy, chambers)
    around = best_view(model, chambers)
    return [fitted(chambers, maps, slab=1.0), fitted(across, maps, slab=1.0), fitted(around, maps, slab=None)]
