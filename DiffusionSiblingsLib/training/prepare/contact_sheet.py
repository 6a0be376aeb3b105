"""Contact sheets: two slices of every case of a data set, many on a page, to check all of them at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.anatomy import Anatomy
from ...core.files import atomic_path
from ...core.palette import color_table

COLUMNS = 12
ROWS = 14
TILE = 64  # pixels of one slice
CAPTION = 12  # pixels below a tile
DPI = 100

Pixels = npt.NDArray[np.float64]


def write_contact_sheets(
    path: Path, cases: Iterator[tuple[str, npt.NDArray[np.uint8]]], count: int, anatomy: Anatomy
) -> list[Path]:
    """Writes `path`, and `path` with _2, _3 ... for further pages. cases: names and (D, H, W) uint8 canonical labels.

    Left: the plane of the long axis and +x (+z up). Right: the plane across it (+y up). Both contain the centroid of
    the first chamber.
    """
    per_page = COLUMNS * ROWS
    pages = []
    for page in range(-(-count // per_page)):
        here = min(per_page, count - page * per_page)
        rows, columns = -(-here // COLUMNS), min(COLUMNS, here)
        canvas = np.ones((rows * (TILE + CAPTION), columns * (2 * TILE + 4), 3))
        names = []
        for index in range(here):
            name, labels = next(cases)
            top, left = index // COLUMNS * (TILE + CAPTION), index % COLUMNS * (2 * TILE + 4)
            canvas[top : top + TILE, left : left + 2 * TILE] = tile(labels, anatomy)
            names.append((left, top + TILE + CAPTION - 3, name))
        target = sheet_of(path, page + 1)
        _draw(canvas, names, target)
        pages.append(target)
    return pages


def sheet_of(path: Path, page: int) -> Path:
    """The file of a page, from 1 on."""
    return path if page == 1 else path.with_name(f"{path.stem}_{page}{path.suffix}")


def tile(labels: npt.NDArray[np.uint8], anatomy: Anatomy) -> Pixels:
    """(TILE, 2 TILE, 3) in 0..1: two slices of one map, thinned to TILE pixels, up is up."""
    chamber = labels == anatomy.label_of(anatomy.chambers[0] if anatomy.chambers else anatomy.ids[0])
    where = np.argwhere(chamber)
    k, j, _ = where.mean(axis=0).round().astype(int) if len(where) else np.array(labels.shape) // 2
    table = np.asarray(color_table(anatomy), dtype=np.float64)
    both = [table[_thinned(plane)[::-1]] for plane in (labels[:, j, :], labels[k])]
    return np.concatenate(both, axis=1)


def _thinned(plane: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """(TILE, TILE): evenly spaced pixels of a plane."""
    rows, columns = (np.arange(TILE) * n // TILE for n in plane.shape)
    return plane[np.ix_(rows, columns)]


def _draw(canvas: Pixels, names: Sequence[tuple[int, int, str]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = canvas.shape[:2]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.figimage(canvas, 0, 0)
    for left, bottom, name in names:
        short = name if len(name) <= 24 else name[:11] + ".." + name[-11:]
        figure.text((left + 2) / width, 1 - bottom / height, short, fontsize=5.5, va="bottom", parse_math=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png")
